"""Who used which image when: told by events, by the engine's history, and remembered."""

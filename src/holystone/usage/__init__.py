"""Which images were used when: from events and the engine's history, and stored."""

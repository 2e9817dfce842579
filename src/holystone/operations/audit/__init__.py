"""Account for every byte of the engine's disk: see ``audit``."""

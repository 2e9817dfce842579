"""Where an engine is, a connection to it, and the protocols spoken over that."""

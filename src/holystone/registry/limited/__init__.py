"""Pulling at a limited rate, which no engine offers: through a registry of ours on loopback."""

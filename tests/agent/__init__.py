"""The agent: its parts, and a whole one on real engines."""

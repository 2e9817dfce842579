"""What the agent costs, and how quick it is, on real engines. ``make bench-agent`` runs it."""

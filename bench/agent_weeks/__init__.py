"""Weeks of pipelines against the agent. ``make bench-agent-weeks`` runs it."""

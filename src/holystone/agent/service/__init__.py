"""The agent as a service of systemd."""

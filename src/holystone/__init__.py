"""Keeps a Docker host's disk in order: what is temporary goes, what the next build needs stays."""

__version__ = "0.1.0"

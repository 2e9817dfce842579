"""Tests of what the repository says of itself: examples, links, paths, hygiene of its files."""

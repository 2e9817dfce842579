"""Benchmarks against named alternatives, on real engines. ``make bench`` runs them all."""

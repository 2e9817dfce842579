"""Simulate eviction policies and budgets on the recorded use of a host."""

"""Recorded use of a host, replayed under other budgets and other orders of giving images up."""

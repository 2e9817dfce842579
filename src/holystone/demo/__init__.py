"""A host in memory that keeps an engine's contract: for ``--host demo:`` and for tests."""

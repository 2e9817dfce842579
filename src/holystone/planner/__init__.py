"""The decision: pure functions over immutable records. Standard library only."""

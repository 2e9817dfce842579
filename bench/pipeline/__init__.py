"""What each way of cleaning does to a pipeline: its time, what it downloads, the disk."""

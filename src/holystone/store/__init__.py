"""What holystone remembers between runs, in one SQLite file."""

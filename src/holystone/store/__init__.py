"""The data that holystone keeps between runs, in one SQLite file."""

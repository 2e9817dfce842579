"""The command as a user runs it: a process with its arguments, environment, streams and code."""

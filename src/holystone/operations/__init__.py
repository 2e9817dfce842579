"""What holystone can do, as functions: plain arguments in, records out, typed errors."""

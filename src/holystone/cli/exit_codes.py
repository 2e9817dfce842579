"""How a command ends, as a number. An unknown code counts as failure."""

DONE = 0
ERROR = 1
CHANGES_PENDING = 2
"""Only with ``plan --detailed-exitcode``."""
STEPS_FAILED = 3
ENGINE_UNREACHABLE = 10
USAGE = 64
INTERRUPTED = 130

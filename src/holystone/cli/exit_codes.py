"""How a command ends, as a number. An unknown code counts as failure."""

DONE = 0
ERROR = 1
CHANGES_PENDING = 2
"""Only with ``plan --detailed-exitcode``."""
STEPS_FAILED = 3
TARGET_NOT_REACHED = 4
"""Less of the disk is free than ``--until-free``, ``--until-used`` or ``--watermarks`` asks."""
ENGINE_UNREACHABLE = 10
LOCKED = 11
"""Another run holds the lock of the host."""
LEASES_UNREAD = 12
"""Nothing was removed: there may be leases that cannot be read, and what they keep would go."""
USAGE = 64
INTERRUPTED = 130

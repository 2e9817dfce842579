"""``holystone agent``: the daemon that watches a host and keeps its disk level.

A face over the same operations as the command line. Three threads: one reads the engine's events
and does the work (``worker``), one looks at the disk and the clock (``ticker``), one serves HTTP
(``web``). What they share is in ``state``.
"""

"""As docuum does it."""

from __future__ import annotations

from holystone.replay.orders.lru import LeastRecentlyUsed


class Docuum(LeastRecentlyUsed):
    """Least recently used image first, one at a time, after each event, down to the threshold.

    So docuum (``src/run.rs``) comes to the same as ``lru``, as far as a trace goes. What it does
    besides has no part in one: it keeps the parents of images that were built on them by the
    classic builder, and where it first looks at a host, it takes the date of build for the last
    use.
    """

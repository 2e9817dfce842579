"""Keep the disk level: when a clean for space begins, how far it goes, and when it is tried again.

It removes one object after another, the least valuable first, to just below the high mark: each
image that is given up in advance may be the one that the next job wants.
"""

from __future__ import annotations

from holystone.planner.inventory import Disk
from holystone.planner.policy import HEADROOM, Grace, Mark, Policy

_ROOM = 0.005
"""The share of the disk that is freed beyond the high mark, 2 GB at most."""
_FIRST, _LONGEST = 30.0, 600.0
"""Seconds before another try where the target was missed; they double each time."""


def space_policy(policy: Policy, disk: Disk) -> Policy:
    """The owner's routine policy, with the mark at which a clean for space ends.

    Which object holds how many inodes no engine tells: where they run short, one object that holds
    any space goes at a time.
    """
    marks, total = policy.disk, disk.total_bytes or 0
    if marks.reached(disk) == "inodes":
        free = min((disk.free_bytes or 0) + 1, total)
        return policy._replace(target=Mark(free_bytes=free), only_when_high=False)
    beyond = total - (marks.high.least_free(total) or 0)
    room = max(0, min(HEADROOM, int(total * _ROOM), beyond // 2))
    end = marks.high._replace(more=room) if marks.low is None else marks.low
    return policy._replace(target=end, only_when_high=True)


def lacking(missing: int, policy: Policy, disk: Disk) -> int:
    """Bytes that a clean for space did not free and had to, of those ``missing`` to its end.

    The room beyond the high mark is the agent's own wish: below the mark nothing lacks.
    """
    return missing if policy.disk.low is not None or policy.disk.reached(disk) else 0


def most(policy: Policy, disk: Disk) -> Policy | None:
    """The policy for all that cleans for space can ever free; None where they free nothing.

    What is too recent now can go before the disk is full. No registry is asked.
    """
    total = disk.total_bytes
    if total is None or not policy.disk.high.least_free(total):
        return None
    return policy._replace(
        target=Mark(free_bytes=total),
        only_when_high=False,
        grace=Grace.uniform(0),
        check_registry=False,
    )


class Tries:
    """When a clean for space is worth another try. Moments are those of a monotonic clock."""

    def __init__(self) -> None:
        self._next = float("-inf")
        self._pause = _FIRST

    def is_due(self, at: float) -> bool:
        """Whether to begin one: at once, or after a pause where the last one missed its target."""
        return at >= self._next

    def missed(self, at: float) -> None:
        """It ended above the mark."""
        self._next = at + self._pause
        self._pause = min(2 * self._pause, _LONGEST)

    def reached(self) -> None:
        """The disk is below the mark."""
        self._next, self._pause = float("-inf"), _FIRST

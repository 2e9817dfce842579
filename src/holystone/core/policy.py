"""What the owner of a host wants. An empty policy is the protective default."""

from __future__ import annotations

from typing import NamedTuple

from holystone.core.units import parse_duration

LEVELS = ("routine",)


class Grace(NamedTuple):
    """How old (seconds) an object must be before it may go: a job may be about to use it."""

    once_tagged: float = 60.0
    """Untagged images that had a tag: nothing can name them any more."""
    never_tagged: float = 3600.0
    """Untagged images that never had one: a stage of a running classic build looks like this."""
    other: float = 600.0
    """Containers since they stopped, build cache since its last use."""

    @classmethod
    def uniform(cls, seconds: float) -> Grace:
        """The same age for every kind, as ``--min-age`` asks."""
        return cls(seconds, seconds, seconds)


class CacheLimits(NamedTuple):
    """How much build cache stays, so that the next build is warm and the disk is not full of it."""

    budget_bytes: int | None = None
    """An absolute limit; where None the share of the disk counts."""
    budget_share: float = 0.10
    fallback_bytes: int = 10_000_000_000
    """The limit where the size of the disk is not known (a remote engine)."""
    unused_for: float = parse_duration("7d")
    """Records not used for this long go even inside the budget."""

    def budget(self, disk_total: int | None) -> int:
        """The limit in bytes on a disk of this size."""
        if self.budget_bytes is not None:
            return self.budget_bytes
        return self.fallback_bytes if disk_total is None else int(disk_total * self.budget_share)


class Policy(NamedTuple):
    """Everything a plan needs to know of the owner's wishes."""

    level: str = "routine"
    grace: Grace = Grace()
    cache: CacheLimits = CacheLimits()

"""The policy of a host's owner. An empty policy is the protective default.

Sizes are bytes, durations seconds. ``config`` makes it from ``holystone.toml`` and the options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from holystone.planner.glob import of_text
from holystone.planner.inventory import Disk
from holystone.planner.units import Window

LEVELS = ("routine", "weekly", "deep")
_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86400.0


class Takes(NamedTuple):
    """What a level takes. No setting here lets an object go that is in use or protected."""

    containers: bool = True
    stopped_groups: bool = False
    """Compose projects and pods whose containers have all been stopped."""
    untagged: bool = True
    tagged: str = "none"
    """``none``; ``retention``: what the retention rules let go; ``all``: everything unused."""
    build_cache: str = "budget"
    """``none``, ``budget`` (down to its limits) or ``all``."""
    networks: bool = False
    volumes: bool = False
    """Those that ``VolumeRules`` lets go."""
    builders: bool = False
    """What builders outside the engine keep beyond the budgets of ``BuilderRules``."""
    everything: bool = False
    """Also objects made to be used again: containers that tools keep, containers with a restart
    policy, networks made by hand."""


TAKES: Mapping[str, Takes] = {
    "routine": Takes(),
    "weekly": Takes(
        stopped_groups=True, tagged="retention", networks=True, volumes=True, builders=True
    ),
    "deep": Takes(
        stopped_groups=True,
        tagged="all",
        build_cache="all",
        networks=True,
        builders=True,
        everything=True,
    ),
}
"""What each level takes unless the owner says otherwise."""


class Grace(NamedTuple):
    """How old an object must be before it may go: a job may be about to use it."""

    once_tagged: float = _MINUTE
    """Untagged images that had a tag: nothing can name them any more."""
    never_tagged: float = _HOUR
    """Untagged images that never had one: a stage of a running classic build looks like this."""
    other: float = 10 * _MINUTE
    """Containers since they stopped; build cache, volumes and networks since their last use."""
    tagged: float = _HOUR
    """Tagged images since they were pulled, tagged or used."""

    @classmethod
    def uniform(cls, seconds: float) -> Grace:
        """The same age for every kind, as ``--min-age`` asks."""
        return cls(seconds, seconds, seconds, seconds)


class CacheLimits(NamedTuple):
    """How much build cache stays, so that the next build is warm and the disk is not full of it."""

    budget_bytes: int | None = None
    """An absolute limit; where None the share of the disk counts."""
    budget_share: float = 0.10
    fallback_bytes: int = 10_000_000_000
    """The limit where the size of the disk is not known (a remote engine)."""
    unused_for: float = 7 * _DAY
    """Records not used for this long go even inside the budget."""
    keep_mounts: bool = False
    """Whether cache mounts (``RUN --mount=type=cache``) stay in any case."""
    least_bytes: int = 0
    """The limit is never below this, nor below ``least_share`` of the disk."""
    least_share: float = 0.0

    def budget(self, disk_total: int | None) -> int:
        """The limit in bytes on a disk of this size."""
        by_share, least = self.fallback_bytes, self.fallback_bytes if self.least_share else 0
        if disk_total is not None:
            by_share = int(disk_total * self.budget_share)
            least = int(disk_total * self.least_share)
        limit = by_share if self.budget_bytes is None else self.budget_bytes
        return max(limit, least, self.least_bytes)


class Protect(NamedTuple):
    """Objects that never go, at any level.

    ``images`` are patterns as ``planner.reference.parse_pattern`` reads them; one that begins with
    ``!`` takes back what patterns before it protect. ``labels`` are ``key`` or ``key=value`` with
    wildcards, and count for every kind of object that has labels.
    """

    images: tuple[str, ...] = ()
    other_images: tuple[tuple[str, ...], ...] = ()
    """Lists like ``images`` of other files: what one of the lists covers is protected."""
    labels: tuple[str, ...] = ()
    official: bool = False
    """The official images of Docker Hub."""
    larger_than: int | None = None
    local: bool = False
    """Images that no registry can give back, even if an option includes them."""
    newest: int = 0
    """So many tags of each repository, the newest."""
    used_within: float | None = None
    min_age: float | None = None
    """Images that came here less than so long ago."""


class Retention(NamedTuple):
    """One rule for tagged images at ``weekly``; the first whose patterns match a tag decides.

    A tag is let go once it was not used for ``unused_for``, or came here longer than ``max_age``
    ago; not while it is among the ``keep_last`` newest tags of its repository, and never where
    ``keep`` is set. An image goes when all its tags are let go.
    """

    name: str
    images: tuple[str, ...] = ()
    """Patterns as in ``Protect.images``; none means every image."""
    keep: bool = False
    unused_for: float | None = None
    max_age: float | None = None
    keep_last: int = 0


DEFAULT_RETENTION = Retention("default", unused_for=30 * _DAY, keep_last=1)
"""The rule for tags that no other rule matches."""


class ContainerRules(NamedTuple):
    """Which stopped containers stay longer, or for good."""

    stopped_for: float = 0.0
    """How long they must have been stopped, where that is more than the grace."""
    keep_labels: tuple[str, ...] = ()
    """As ``Protect.labels``, for containers alone."""
    exit_codes: tuple[int, ...] = ()
    """Only containers that ended with one of these go; empty: any."""
    keep_names: tuple[str, ...] = ()
    """Patterns of container names, with ``*`` and ``?``."""
    keep_images: tuple[str, ...] = ()
    """Patterns of the images they were made from, as ``Protect.images`` without ``!``."""
    created_for: float = _DAY
    """How long ago one that was never started must have been made."""
    group_stopped_for: float = 7 * _DAY
    """How long all containers of a compose project or pod must have been stopped."""
    restart_stopped_for: float = 30 * _DAY
    """How long one with the restart policy ``always`` or ``unless-stopped`` must have been stopped:
    the engine starts such a container again unless it was stopped by hand."""
    tools: tuple[str, ...] = ()
    """More containers that tools keep for themselves: ``label=KEY=VALUE``, ``name=PATTERN`` or
    ``image=PATTERN``."""
    tools_off: tuple[str, ...] = ()
    """Rows of ``planner.kept_containers`` that do not count."""


class Budget(NamedTuple):
    """So many bytes for what a name matches."""

    pattern: str
    """With ``*`` and ``?``."""
    size: int

    def covers(self, name: str) -> bool:
        """Whether the pattern matches this name."""
        return of_text(self.pattern).matches(name)


class VolumeRules(NamedTuple):
    """Which unused volumes go at a level that takes volumes: they can hold data."""

    remove: str = "anonymous"
    """``never``, ``anonymous``, or ``named``: anonymous ones and those that ``names`` match."""
    names: tuple[str, ...] = ()
    """Patterns with ``*`` and ``?``."""
    unused_for: float = 0.0
    budgets: tuple[Budget, ...] = ()
    """Bytes for the volumes of such a name together. The first that matches a name counts; beyond
    it the least recently used go, named or not, unless ``remove`` is ``never``."""


class BuilderRules(NamedTuple):
    """How much builders outside the engine may keep. One without a budget is left alone."""

    budget: int | None = None
    """Bytes for each builder that none of ``budgets`` matches; None: it is left alone."""
    budgets: tuple[Budget, ...] = ()
    """Bytes for each builder by its name; the first that matches counts."""

    @property
    def any(self) -> bool:
        """Whether any builder may have a budget."""
        return self.budget is not None or bool(self.budgets)

    def of(self, builder: str) -> int | None:
        """The budget of a builder in bytes; None where it has none."""
        matching = (each.size for each in self.budgets if each.covers(builder))
        return next(matching, self.budget)


class Mark(NamedTuple):
    """A watermark: a share of the disk in use (0 to 1), or bytes free. One of both is None."""

    used_share: float | None = None
    free_bytes: int | None = None
    more: int = 0
    """Bytes that must be free beyond that."""

    def least_free(self, total: int | None) -> int | None:
        """How many bytes are free at the mark on a disk of this size; None where it is unknown."""
        if self.free_bytes is not None:
            return self.free_bytes + self.more
        if total is None or self.used_share is None:
            return None
        return total - int(total * self.used_share) + self.more


HEADROOM = 2_000_000_000
"""Bytes that a clean for room frees beyond the high watermark: enough for the next job to begin,
and little, since each image given up in advance may be the one that it wants."""


class Watermarks(NamedTuple):
    """How full the disk may get. ``inodes`` is the share of inodes in use that counts as high."""

    high: Mark = Mark(used_share=0.85)
    low: Mark | None = None
    """Where a clean for room ends; None: a little beyond ``high``."""
    critical: Mark = Mark(used_share=0.95)
    inodes: float = 0.90

    @property
    def end(self) -> Mark:
        """Where a clean for room ends."""
        return self.high._replace(more=HEADROOM) if self.low is None else self.low

    def reached(self, disk: Disk) -> str:
        """How full a disk is: ``critical``, ``high``, ``inodes`` (too many in use), or empty."""
        total, free = disk.total_bytes, disk.free_bytes
        if total is not None and free is not None:
            for name, mark in (("critical", self.critical), ("high", self.high)):
                if free < (mark.least_free(total) or 0):
                    return name
        if disk.total_inodes and disk.free_inodes is not None:
            used = 1 - disk.free_inodes / disk.total_inodes
            return "inodes" if used > self.inodes else ""
        return ""


class Refreshing(NamedTuple):
    """When images are brought up to date: in a part of the day, or (None) at any time."""

    window: Window | None = None


class Term(NamedTuple):
    """One word of a selection. One of both is empty, but in a term that names one object."""

    kind: str = ""
    """All objects of this kind; with ``text`` the one of this kind with exactly that ID."""
    text: str = ""
    """What ``planner.lookup.find`` takes: a name, a pattern, the end of a name, an ID."""

    def __str__(self) -> str:
        return self.text or self.kind


class Policy(NamedTuple):
    """Everything a plan needs to know of the owner's wishes."""

    level: str = "routine"
    takes: Takes = Takes()
    """What ``level`` takes."""
    grace: Grace = Grace()
    cache: CacheLimits = CacheLimits()
    protect: Protect = Protect()
    retention: tuple[Retention, ...] = (DEFAULT_RETENTION,)
    """Asked in this order."""
    also_retained: tuple[Retention, ...] = ()
    """Rules that can only keep more: a tag goes where ``retention`` lets it go, and the first of
    these that matches it, if there is one, as well."""
    containers: ContainerRules = ContainerRules()
    volumes: VolumeRules = VolumeRules()
    builders: BuilderRules = BuilderRules()
    networks_unused_for: float = 0.0
    networks_by_hand: bool = False
    """Whether a level that takes networks also takes those that no tool made."""
    disk: Watermarks = Watermarks()
    refresh: Refreshing = Refreshing()
    prune_filters: tuple[str, ...] = ()
    """``pruneFilters`` of the docker command's configuration: ``label=KEY``, ``label!=KEY=VALUE``.

    Objects that ``docker … prune`` would not take because of them are protected.
    """
    include_local: bool = False
    """Whether images that no registry can give back may go too (``deep`` only)."""
    check_registry: bool = True
    """Whether registries are asked before a tagged image goes.

    Where not, a repository digest counts as proof on the classic image store. On the others every
    image has one, so there it must be known that the registry had the image once.
    """
    target: Mark | None = None
    """Where set, more goes than the level takes, the least recently used first, until so much of
    the disk is free: ``--until-free``, ``--until-used``."""
    only_when_high: bool = False
    """Whether the target counts only where the disk is above its high watermark."""
    only: tuple[Term, ...] | None = None
    """Where set, only what one of these terms means may go; everything else stays."""
    named: bool = False
    """Whether each object of ``only`` was named to be removed: then the level does not count."""

"""The parts of a plan: rules and reasons, verdicts, ordered steps, exact bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from holystone.planner.inventory import Disk, Engine, Note

KINDS = ("container", "image", "cache", "builder", "volume", "network")
"""Every kind of object, in the order in which a plan removes them. ``cache`` are the engine's own
build cache records, ``builder`` those of builders outside the engine."""

Fact = str | int | float | bool | None


class Rule(StrEnum):
    """Every rule that keeps an object or lets it go, by its name in JSON documents."""

    IN_USE = "in-use"
    BUILTIN = "builtin"
    ODD = "odd"
    CHANGED = "changed"
    USE_UNKNOWN = "use-unknown"
    AGREED = "agreed"
    NOT_IN_PLAN = "not-in-plan"
    PROTECTED = "protected"
    PRUNE_FILTER = "prune-filter"
    NOT_SELECTED = "not-selected"
    LEASED = "leased"
    LEVEL = "level"
    NAMED = "named"
    BY_HAND = "by-hand"
    RELEASED = "released"
    YOUNG = "young"
    UNUSED = "unused"
    TAGGED = "tagged"
    DIGEST = "digest"
    UNTAGGED = "untagged"
    STEP = "step"
    PARENT = "parent"
    RETAINED = "retained"
    EXPIRED = "expired"
    PRESSURE = "pressure"
    LOCAL = "local"
    UNCONFIRMED = "unconfirmed"
    NEEDED_BY = "needed-by"
    GROUP_ALIVE = "group-alive"
    STOPPED_GROUP = "stopped-group"
    TOOL = "tool"
    RESTART = "restart"
    EXIT_CODE = "exit-code"
    STOPPED = "stopped"
    NEVER_STARTED = "never-started"
    OVER_BUDGET = "over-budget"
    WITHIN_BUDGET = "within-budget"
    IDLE = "idle"
    NEEDED = "needed"
    SHARED = "shared"
    DAMAGED = "damaged"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why an object stays or goes: the rule that decided, and the facts it used."""

    rule: Rule
    facts: Mapping[str, Fact] = field(default_factory=dict)

    def told(self, **more: Fact) -> Reason:
        """The same reason with more facts."""
        return Reason(self.rule, {**self.facts, **more})


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision on one object. An object that is kept frees nothing."""

    kind: str
    id: str
    names: tuple[str, ...]
    remove: bool
    reasons: tuple[Reason, ...]
    freed_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One removal. ``targets`` are what the engine is asked to delete, one after the other.

    An image with references is taken by them: deleting its ID would also delete a tag that was
    put on it a moment ago, deleting a reference only ever takes that reference.
    """

    kind: str
    id: str
    targets: tuple[str, ...]
    freed_bytes: int
    after: tuple[str, ...] = ()
    """IDs of steps that must have succeeded first (a parent image after its children)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A verdict for every object of the inventory, and the steps that carry it out.

    ``freed_bytes`` are those of the whole set: a layer counts once, with its last holder. Where
    ``estimated`` is true the engine's interface cannot tell them exactly, and ``at_least`` and
    ``at_most`` bound what will come free. Elsewhere ``at_most`` is greater only by the engine's own
    files where many objects go.
    """

    level: str
    taken_at: float
    engine: Engine
    disk: Disk
    verdicts: tuple[Verdict, ...]
    steps: tuple[Step, ...]
    freed_bytes: int
    estimated: bool
    at_least: int
    at_most: int
    held_by_cache: int = 0
    """Bytes of the images that go which build cache keeps on the disk; ``freed_bytes`` leaves them
    out."""
    unconfirmed: tuple[str, ...] = ()
    """IDs of images that a registry should be asked about: they stay until it says that it has
    them, or go for good."""
    target_free: int | None = None
    """How many bytes of the disk must be free after the clean; None without a target."""
    notes: tuple[Note, ...] = ()
    """What the engine did not tell of the host, so that it is bounded or left alone."""
    partial: bool = False
    """Whether tagged images have no verdict, since none of them can go."""
    image_count: int | None = None
    """How many images the engine counts in all, where ``partial``; see ``Inventory``."""
    only: tuple[str, ...] | None = None
    """The words of the selection that the plan is confined to; None without one."""

    @property
    def short_bytes(self) -> int:
        """How far the plan stays below its target; 0 where it reaches it or has none."""
        if self.target_free is None:
            return 0
        return max(0, self.target_free - (self.disk.free_bytes or 0) - self.freed_bytes)

    @property
    def removed(self) -> list[Verdict]:
        """The verdicts that let an object go."""
        return [verdict for verdict in self.verdicts if verdict.remove]

    @property
    def kept(self) -> list[Verdict]:
        """The verdicts that keep an object."""
        return [verdict for verdict in self.verdicts if not verdict.remove]


class Left(NamedTuple):
    """What is left of an object whose removal got no answer."""

    there: bool
    lost: tuple[str, ...] = ()
    """The references that an image had and has no more."""

    @property
    def detail(self) -> str:
        """What is left, in words."""
        if not self.there:
            return "no answer came, and it is gone"
        without = f", without {', '.join(self.lost)}" if self.lost else ""
        return f"no answer came, and it is still there{without}"


def lost(had: Iterable[str], has: Collection[str]) -> tuple[str, ...]:
    """The references that an image had and has no more, each once, in their order."""
    return tuple(each for each in dict.fromkeys(had) if each not in has)

"""What a plan is made of: verdicts with their reasons, ordered steps, exact bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from holystone.planner.inventory import Disk, Engine, Note

KINDS = ("container", "image", "cache", "volume", "network")
"""Every kind of object, in the order in which a plan removes them."""

Fact = str | int | float | bool | None


class Reason(NamedTuple):
    """Why an object stays or goes: the rule that spoke, and the facts it used."""

    rule: str
    facts: Mapping[str, Fact] = {}


class Verdict(NamedTuple):
    """The decision on one object. An object that is kept frees nothing."""

    kind: str
    id: str
    names: tuple[str, ...]
    remove: bool
    reasons: tuple[Reason, ...]
    freed_bytes: int = 0


class Step(NamedTuple):
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


class Plan(NamedTuple):
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
    """How many bytes of the disk are to be free in the end; None where nobody asked for that."""
    notes: tuple[Note, ...] = ()
    """What the engine did not tell of the host, so that it is bounded or left alone."""
    partial: bool = False
    """Whether tagged images have no verdict, since none of them can go."""
    image_count: int | None = None
    """How many images the engine counts in all, where ``partial``; see ``Inventory``."""

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

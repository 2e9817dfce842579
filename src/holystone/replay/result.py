"""What a replay tells: of the trace, and of each order under each budget."""

from __future__ import annotations

from typing import NamedTuple

from holystone.planner.ranking import WAIT


class TraceFacts(NamedTuple):
    """A trace in a few figures. Sizes in bytes, times in UTC seconds."""

    name: str
    """The file it was read from, or ``standard input``."""
    uses: int
    references: int
    images: int
    """How many different images were used."""
    layers_bytes: int
    """All their layers, each counted once: what every order has to pull."""
    largest_image_bytes: int
    working_set_bytes: int
    """The most bytes that had been used and would be used again, at one time: with this much disk
    an order that knew the future would pull nothing twice."""
    first_use: float
    last_use: float


class Replayed(NamedTuple):
    """What one order came to under one budget."""

    order: str
    budget_bytes: int
    pulled_bytes: int
    stalls: int
    """Uses that had to wait for a pull."""
    uses: int
    peak_bytes: int
    """The most bytes that were held at one time: those of a pull count before room is made."""


class LastWeek(NamedTuple):
    """What one order came to in the last seven days of a trace, all before it replayed as well."""

    order: str
    pulled_bytes: int
    stalls: int


def waited_seconds(each: Replayed | LastWeek, bandwidth: int) -> float:
    """Seconds that jobs waited for pulls, at so many bytes a second."""
    return round(each.pulled_bytes / bandwidth + WAIT * each.stalls, 1)


class Advice(NamedTuple):
    """What recorded use recommends. Sizes in bytes."""

    facts: TraceFacts
    budget_bytes: int
    """For the images of the host, all layers counted once."""
    wanted_bytes: int
    """The budget from which more disk gains little; more than ``budget_bytes`` where the disk has
    no room for it."""
    week_uses: int
    week: tuple[LastWeek, ...]
    """Our own order under that budget first, then what it is compared with."""


class Watermarks(NamedTuple):
    """Where a clean for room begins, and ends so that images have their budget: bytes free."""

    high_free_bytes: int
    low_free_bytes: int
    images_bytes: int
    """What that budget takes of the disk."""
    other_bytes: int
    """What everything but images takes of the disk now."""

"""What a replay tells: of the trace, and of each order under each budget."""

from __future__ import annotations

from typing import NamedTuple


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

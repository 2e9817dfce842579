"""The results of a replay: about the trace, and about each policy with each budget."""

from __future__ import annotations

from itertools import accumulate
from typing import NamedTuple

from holystone.planner.ranking import WAIT
from holystone.replay.trace import Trace


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


def facts_of(trace: Trace) -> TraceFacts:
    """The figures of a trace."""
    uses = trace.use_images
    last = {image: at for at, image in enumerate(uses)}
    first = {uses[at]: at for at in range(len(uses) - 1, -1, -1)}
    layer_last: dict[int, int] = {}
    layer_first: dict[int, int] = {}
    for image, at in first.items():
        for layer in trace.layers[image]:
            layer_last[layer] = max(last[image], layer_last.get(layer, -1))
            layer_first[layer] = min(at, layer_first.get(layer, len(uses)))
    sizes = trace.image_bytes()
    change = [0] * (len(uses) + 1)
    for layer, at in layer_first.items():
        change[at] += trace.layer_bytes[layer]
        change[layer_last[layer] + 1] -= trace.layer_bytes[layer]
    return TraceFacts(
        name=trace.name,
        uses=len(uses),
        references=len(trace.references),
        images=len(first),
        layers_bytes=sum(trace.layer_bytes[layer] for layer in layer_first),
        largest_image_bytes=max(sizes[image] for image in first),
        working_set_bytes=max(accumulate(change)),
        first_use=trace.use_times[0],
        last_use=trace.use_times[-1],
    )

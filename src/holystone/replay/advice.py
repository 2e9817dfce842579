"""Recommend a budget from recorded use; what it would have cost and saved last week."""

from __future__ import annotations

from typing import NamedTuple

from holystone.planner.policy import HEADROOM
from holystone.replay.budgets import flattening
from holystone.replay.host import Host
from holystone.replay.orders import KEPT, ORDERS
from holystone.replay.result import Advice, LastWeek, Watermarks, facts_of
from holystone.replay.running import ReplayFailed, Replays
from holystone.replay.trace import Trace

OURS = "ours"
COMPARED = (OURS, "lru", "prune-daily", "prune-all")
"""The order of a clean, and what others do."""
WEEK = 7 * 86_400.0
_LEAST_FREE = 1_000_000_000
"""What stays free for everything else, however small the images are."""
LEAST_SPAN = 86_400.0
LEAST_USES = 20
"""A trace of less time, or fewer uses, says nothing of the next week."""


class Room(NamedTuple):
    """What a host's disk has room for. Bytes."""

    total: int
    other: int
    """What everything but images takes now."""
    largest: int
    """The largest image of the past: the next pull must fit beside all other images."""
    weight: float = 1.0
    """What a byte of a layer takes of the disk: more than one where a copy as it came lies beside
    it, compressed."""

    @property
    def most(self) -> int:
        """The most bytes of layers that its images may hold."""
        spare = HEADROOM + max(int(self.largest * self.weight), _LEAST_FREE)
        return max(0, int((self.total - self.other - spare) / self.weight))

    def watermarks(self, budget: int) -> Watermarks:
        """The marks at which a clean leaves images their budget, while all else stays as large.

        It begins where they hold more by the headroom.
        """
        images = int(budget * self.weight)
        low = max(0, self.total - self.other - images)
        return Watermarks(max(0, low - HEADROOM), low, images, self.other)


def advise(replays: Replays, most: int | None = None) -> Advice:
    """What to give the images of this host; at ``most`` so many bytes where its disk has no more.

    Raises ReplayFailed where the trace is too short to tell anything.
    """
    trace = replays.trace
    facts = facts_of(trace)
    if facts.uses < LEAST_USES or facts.last_use - facts.first_use < LEAST_SPAN:
        raise ReplayFailed(
            f"{facts.name} has {facts.uses} uses in "
            f"{(facts.last_use - facts.first_use) / 3600:.0f} hours; advice needs {LEAST_USES} "
            "uses and a day at least. Let the host work on, and ask again."
        )
    wanted = flattening(facts, [OURS], replays.run)[OURS] or facts.layers_bytes
    budget = wanted if most is None else max(1, min(wanted, most))
    return Advice(
        facts,
        budget,
        wanted,
        sum(time >= facts.last_use - WEEK for time in trace.use_times),
        tuple(last_week(trace, order, budget) for order in COMPARED),
    )


def last_week(trace: Trace, order: str, budget: int) -> LastWeek:
    """What an order pulls in the last seven days, on a host that lived through all before."""
    kind = ORDERS[order]
    host = Host(trace, kind.make(trace, budget), budget if kind.budget == KEPT else None)
    since = trace.use_times[-1] - WEEK
    pulled = stalls = 0
    uses = zip(trace.use_times, trace.use_references, trace.use_images, strict=True)
    for time, reference, image in uses:
        host.use(trace.references[reference], image, time)
        if time < since:
            pulled, stalls = host.pulled_bytes, host.stalls
    return LastWeek(order, host.pulled_bytes - pulled, host.stalls - stalls)

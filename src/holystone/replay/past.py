"""What jobs waited for pulls in a host's recorded past, against a prune after every job."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from holystone.replay.advice import LEAST_SPAN, LEAST_USES, OURS
from holystone.replay.result import waited_seconds
from holystone.replay.running import Job, run_job
from holystone.replay.trace import Trace
from holystone.store.use_log import PastUse

PRUNED = "prune-all"
"""What a host is compared with: ``docker system prune -a`` after each job."""


class Pulls(NamedTuple):
    """The pulls of a host's past that were recorded."""

    uses: int = 0
    pulled: int = 0
    """How many of the uses had to pull their image."""
    again: int = 0
    """How many of those pulled an image that was used here before."""


class Saved(NamedTuple):
    """The recorded past replayed twice. All of it is computed, none of it was measured."""

    uses: int
    first: float
    """When the past begins and ends, UTC seconds."""
    last: float
    budget_bytes: int
    """What the images may take in the replay of a clean."""
    pulled_bytes: int
    stalls: int
    """Uses that wait for a pull, with the order of a clean."""
    pruned_bytes: int
    pruned_stalls: int
    """The same with a prune after each job."""
    seconds: float
    """How much longer jobs would have waited with that prune."""


def pulls_of(uses: Iterable[PastUse]) -> Pulls:
    """Count the pulls among these uses, which are in order of time."""
    seen: set[int] = set()
    count = pulled = again = 0
    for use in uses:
        count += 1
        pulled += use.pulled
        again += use.pulled and use.image in seen
        seen.add(use.image)
    return Pulls(count, pulled, again)


def saved_by(trace: Trace, budget: int, bandwidth: int) -> Saved | None:
    """What cleans save against a prune after each job, at so many bytes a second.

    ``budget`` is how many bytes the images may take. None where the past is too short to tell:
    less than ``LEAST_USES`` uses or ``LEAST_SPAN`` seconds.
    """
    first, last = trace.use_times[0], trace.use_times[-1]
    if len(trace.use_times) < LEAST_USES or last - first < LEAST_SPAN:
        return None
    ours, pruned = (run_job(trace, None, Job(order, budget)) for order in (OURS, PRUNED))
    return Saved(
        len(trace.use_times),
        first,
        last,
        budget,
        ours.pulled_bytes,
        ours.stalls,
        pruned.pulled_bytes,
        pruned.stalls,
        max(0.0, waited_seconds(pruned, bandwidth) - waited_seconds(ours, bandwidth)),
    )

"""The orders that can be replayed, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from holystone.replay.order import Order
from holystone.replay.orders.docuum import Docuum
from holystone.replay.orders.drone_gc import DroneGc
from holystone.replay.orders.kubelet import Kubelet
from holystone.replay.orders.lru import LeastRecentlyUsed
from holystone.replay.orders.oracle import Oracle
from holystone.replay.orders.ours import Ours
from holystone.replay.orders.prunes import PruneAll, PruneDaily, UntilCreated
from holystone.replay.trace import Trace

KEPT, AIMED_AT, UNKNOWN = "kept", "aimed at", "unknown"
"""What a budget is to an order: never exceeded after a use; only aimed at; not known at all."""


class Kind(NamedTuple):
    """One order: how it is made for a trace and a budget in bytes, and what it does in words."""

    make: Callable[[Trace, int], Order]
    budget: str
    summary: str


ORDERS: Mapping[str, Kind] = {
    "lru": Kind(
        lambda _trace, _budget: LeastRecentlyUsed(), KEPT, "least recently used first, by image"
    ),
    "docuum": Kind(lambda _trace, _budget: Docuum(), KEPT, "as docuum: the same as lru"),
    "kubelet": Kind(
        lambda _trace, budget: Kubelet(budget),
        KEPT,
        "as the kubelet: from 85% of the budget down to 80%, least recently used first",
    ),
    "drone-gc": Kind(
        lambda _trace, budget: DroneGc(budget),
        AIMED_AT,
        "as drone-gc: untagged ones first, then by last use of the tag, every 5 minutes",
    ),
    "prune-all": Kind(
        lambda _trace, _budget: PruneAll(), UNKNOWN, "docker system prune -a after each job"
    ),
    "prune-daily": Kind(
        lambda _trace, _budget: PruneDaily(), UNKNOWN, "docker system prune -a every 24 hours"
    ),
    "until-created": Kind(
        lambda trace, _budget: UntilCreated(
            {image: at for image, at in enumerate(trace.created) if at is not None}
        ),
        UNKNOWN,
        "docker image prune -a --filter until=168h every 24 hours",
    ),
    "ours": Kind(
        lambda trace, _budget: Ours(trace),
        KEPT,
        "as a clean of holystone: least worth a byte first",
    ),
    "oracle": Kind(
        lambda trace, _budget: Oracle(trace.use_images),
        KEPT,
        "knows the future: the farthest next use first (Belady)",
    ),
}
DEFAULT = ("lru", "kubelet", "drone-gc", "prune-daily", "ours", "oracle")

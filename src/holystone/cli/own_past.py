"""The recorded past of the host at hand: its trace, the room for its images, how fast they come."""

from __future__ import annotations

from collections.abc import Mapping

from holystone.planner.demand import SPEED
from holystone.planner.holders import unpacked_bytes
from holystone.planner.inventory import Inventory
from holystone.present.figures import stored_bytes
from holystone.replay.advice import Room
from holystone.replay.export import write_trace
from holystone.replay.trace import Trace, parse
from holystone.store.store import Store


def own_trace(ledger: Store, key: str) -> Trace | None:
    """What is remembered of this host's uses; None where nothing is. Raises StoreError, TraceError.

    ``key`` is the engine's, by which the ledger keeps its data.
    """
    lines: list[str] = []
    ledger.read(lambda database: write_trace(database, key, lines.append), None)
    if not lines:
        return None
    return parse((line.encode() for line in lines), "this host's past")


def room_for_images(inventory: Inventory, largest: int) -> Room | None:
    """What the host's disk has room for; None where it is not in sight, or layers are unknown."""
    total, free = inventory.disk.total_bytes, inventory.disk.free_bytes
    stored = stored_bytes(inventory.images)
    if total is None or free is None or stored is None:
        return None
    unpacked = unpacked_bytes(inventory.images)
    weight = max(1.0, stored / unpacked) if unpacked else 1.0
    return Room(total, max(0, total - free - stored), largest, weight)


def measured_bandwidth(speeds: Mapping[str, float]) -> int:
    """Bytes a second: the middle one of those measured, else 100 Mbit/s."""
    measured = sorted(speeds.values())
    return int(measured[len(measured) // 2] if measured else SPEED)

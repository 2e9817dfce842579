"""The bar of the disk: its parts side by side, each as wide as its share of the bytes."""

from __future__ import annotations

from typing import NamedTuple

from holystone.planner.totals import Account, Beside
from holystone.present.beside import logs_named, orphans_named

WIDTH = 1000
"""The width of the whole bar."""


class Part(NamedTuple):
    """One part of the disk: its name, what it is, bytes, its place and width in the bar."""

    name: str
    text: str
    size: int
    x: float
    width: float
    style: str
    """The class that colours it."""


def parts_of(told: Account | None, beside: Beside, total: int) -> list[Part]:
    """The parts of the disk in the order of the bar, empty ones left out."""
    if told is None or not total:
        return []
    unread = "" if beside.read else ", container logs and the engine's files too"
    logs = f"of containers: {logs_named(beside)}"
    orphans = f"layer folders that nothing refers to: {orphans_named(beside)}"
    others = f"files of others, or not reported by the engine{unread}"
    listed = (
        ("Images", "each layer counted once", told.images, "images"),
        ("Build cache", "what no image holds as well", told.cache, "cache"),
        ("Volumes", "", told.volumes, "volumes"),
        ("Containers", "what they wrote", told.containers, "containers"),
        ("Logs", logs, told.logs, "logs"),
        ("Orphans", orphans, told.orphans, "orphans"),
        ("Engine", "its own files", told.own, "own"),
        ("Other", others, told.other, "other"),
        ("Free", "", total - told.used, "free"),
    )
    parts, x = [], 0.0
    scale = WIDTH / max(total, sum(max(0, size) for *_, size, _ in listed))
    for name, text, size, style in listed:
        if size > 0:
            parts.append(Part(name, text, size, x, size * scale, style))
            x += size * scale
    return parts

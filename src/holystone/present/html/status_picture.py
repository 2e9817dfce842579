"""The status of a host as an SVG picture, for a dashboard or a page."""

from __future__ import annotations

import time

from holystone.planner.inventory import Inventory
from holystone.planner.policy import Watermarks
from holystone.planner.totals import Beside
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan
from holystone.present import figures
from holystone.present.format import counts_of, engine_name, promised
from holystone.present.html.bar import WIDTH, Part, parts_of
from holystone.present.html.filled import filled
from holystone.present.html.named import fitted

_REACHED = {
    "critical": "above the critical watermark",
    "high": "above the high watermark",
    "inodes": "too many inodes in use",
}
_COLUMNS = 3
_ROW = 22
_TOP = 126
"""Where the first row of figures stands, below the labels of the watermarks."""


def status_picture(inventory: Inventory, plan: Plan, marks: Watermarks, beside: Beside) -> str:
    """The picture: the disk with its parts and watermarks, and what the plan would free."""
    disk = inventory.disk
    account = figures.account_of(inventory, beside)
    parts = parts_of(account, beside, disk.total_bytes or 0)
    used, ticks = "", []
    if disk.total_bytes and disk.free_bytes is not None:
        share = 1 - disk.free_bytes / disk.total_bytes
        used = f"{share:.0%} of {format_size(disk.total_bytes)} used"
        if reached := marks.reached(disk):
            used += f", {_REACHED[reached]}"
        for name, mark in (("high", marks.high), ("critical", marks.critical)):
            least = mark.least_free(disk.total_bytes)
            if least is not None and 0 <= least <= disk.total_bytes:
                ticks.append((name, WIDTH * (1 - least / disk.total_bytes)))
    counts = {tally.kind: tally.going for tally in figures.tallies(plan) if tally.going}
    promise = f"A {plan.level} clean would free {promised(plan)}"
    if counts:
        promise += f": {counts_of(counts)}"
    elif not plan.steps:
        promise = f"A {plan.level} clean would free nothing"
    unseen = ""
    if not parts:
        unseen = f"Disk: not in sight{f': {disk.unseen}' if disk.unseen else ''}"
        parts = _stored(inventory)
    rows = -(-len(parts) // _COLUMNS)
    return filled(
        "status.svg.jinja",
        name=fitted(inventory.engine.name, 44),
        engine=engine_name(inventory.engine),
        taken=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(inventory.taken_at)),
        unseen=unseen,
        used=used,
        ticks=ticks,
        promise=promise,
        placed=[
            (part, number % _COLUMNS, _TOP + number // _COLUMNS * _ROW)
            for number, part in enumerate(parts)
        ],
        parts=parts,
        below=_TOP + max(1, rows) * _ROW,
    )


def _stored(inventory: Inventory) -> list[Part]:
    """What the engine tells of its objects, as far as known: all there is without its disk."""
    images, volumes = figures.stored_bytes(inventory.images), figures.volume_bytes(inventory)
    listed = (
        ("Images", images or 0, "images"),
        ("Build cache", figures.cache_bytes(inventory).own, "cache"),
        ("Volumes", volumes.known, "volumes"),
        ("Containers", sum(each.writable_size for each in inventory.containers), "containers"),
    )
    return [Part(name, "", size, 0.0, 0.0, style) for name, size, style in listed if size > 0]

"""``holystone containers``: every container with what it wrote, its log and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.units import format_size
from holystone.present import apart
from holystone.present.apart import shortened
from holystone.present.format import safe, short_id, short_reference
from holystone.present.lists.containers import Row
from holystone.present.lists.containers import rows as all_rows
from holystone.present.lists.objects import Seen
from holystone.present.report.object_list import (
    UNKNOWN,
    listing,
    none_of,
    shown_of,
    since_made,
    since_used,
    verdict,
)
from holystone.present.table import Column
from holystone.present.terminal import Look

_COLUMNS = (
    Column("NAME", gives_way=True, least=16),
    Column("ID", drop=5, style="dim"),
    Column("IMAGE", gives_way=True, least=14, drop=4),
    Column("STATE", drop=3),
    Column("WRITTEN", right=True),
    Column("LOG", right=True, drop=1),
    Column("CREATED", right=True, drop=7),
    Column("USED", right=True, drop=6),
    Column("VERDICT", drop=2),
)


def render(seen: Seen, look: Look, listed: Sequence[Row] | None = None) -> str:
    """A row for each container, and what they wrote in all; ``listed``: of these alone."""
    inventory, rows = seen.inventory, all_rows(seen) if listed is None else listed
    count = len(inventory.containers)
    if not rows:
        return none_of("container", inventory, look, count=count)
    name = apart.names_of(row.verdict for row in rows)
    short = shortened(row.container.id for row in rows)
    cells = [
        (
            name(row.verdict),
            safe(row.container.id if row.whole else short(row.container.id)),
            _image(row),
            safe(row.container.state),
            UNKNOWN if row.writable is None else format_size(row.writable),
            UNKNOWN if row.log is None else format_size(row.log),
            since_made(row),
            since_used(row),
            verdict(row),
        )
        for row in rows
    ]
    running = sum(row.container.state == "running" for row in rows)
    total = f"{shown_of('container', len(rows), count)}, {running} running"
    total += f", {format_size(sum(row.writable or 0 for row in rows))} written"
    if unknown := sum(row.writable is None for row in rows):
        total += f" and {unknown} of unknown size"
    logs = [row.log for row in rows if row.log is not None]
    if logs:
        total += f", {format_size(sum(logs))} of logs"
    return listing(_COLUMNS, cells, inventory, look, total=total)


def _image(row: Row) -> str:
    """The image as it was named, its ID where it was named by that or has lost its name."""
    name = row.container.image
    if row.whole:
        return safe(name)
    return safe(short_id(name)) if name.startswith("sha256:") else short_reference(name)

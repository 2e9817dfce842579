"""``holystone volumes``: every volume with its size, the containers that mount it, its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.builders import builders_of
from holystone.planner.inventory import Inventory
from holystone.planner.runner_caches import by_project
from holystone.planner.units import format_size
from holystone.present import apart, table
from holystone.present.format import age, counted, safe
from holystone.present.lists.objects import Seen
from holystone.present.lists.volumes import Row
from holystone.present.lists.volumes import rows as all_rows
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
    Column("DRIVER", drop=6, style="dim"),
    Column("SIZE", right=True),
    Column("CREATED", right=True, drop=5),
    Column("USED", right=True, drop=4),
    Column("CONTAINERS", gives_way=True, least=12, drop=3),
    Column("VERDICT", drop=2),
)

_BUILDERS = (
    Column("BUILDER", gives_way=True, least=12),
    Column("SIZE", right=True),
    Column("STATE", prose=True, style="dim"),
)
_PROJECTS = (
    Column("PROJECT", gives_way=True, least=16),
    Column("VOLUMES", right=True),
    Column("SIZE", right=True),
    Column("USED", right=True),
)


def render(seen: Seen, look: Look, listed: Sequence[Row] | None = None) -> str:
    """A row for each volume, and their bytes in all; ``listed``: of these alone, in this order."""
    inventory, rows = seen.inventory, all_rows(seen) if listed is None else listed
    count = len(inventory.volumes)
    if not rows:
        return none_of("volume", inventory, look, count=count)
    name = apart.names_of(row.verdict for row in rows)
    cells = [
        (
            safe(row.volume.name) if row.whole else name(row.verdict),
            safe(row.volume.driver),
            UNKNOWN if row.volume.size is None else format_size(row.volume.size),
            since_made(row),
            since_used(row),
            safe(", ".join(row.containers)) or UNKNOWN,
            verdict(row),
        )
        for row in rows
    ]
    sizes = [row.volume.size for row in rows if row.volume.size is not None]
    total = f"{shown_of('volume', len(rows), count)}, {format_size(sum(sizes))}"
    if unknown := len(rows) - len(sizes):
        total += f" and {unknown} of unknown size"
    told = listing(_COLUMNS, cells, inventory, look, total=total)
    return "\n".join([told, *_by_project(rows, look), *_builders(inventory, rows, look)])


def _builders(inventory: Inventory, rows: Sequence[Row], look: Look) -> list[str]:
    """The builders outside the engine that have their cache in one of these volumes."""
    listed = {row.volume.name: row.volume for row in rows}
    cells = []
    for builder in builders_of(inventory):
        if builder.volume in listed:
            size = listed[builder.volume].size
            state = builder.problem or "its BuildKit runs: holystone audit tells what it keeps"
            told = UNKNOWN if size is None else format_size(size)
            cells.append((safe(builder.name), told, safe(state)))
    if not cells:
        return []
    title = look.paint("Caches of builders outside the engine", "bold")
    return ["", title, *table.render(_BUILDERS, cells, look)]


def _by_project(rows: Sequence[Row], look: Look) -> list[str]:
    """GitLab Runner's cache volumes among these, a row for each project."""
    by_name = {row.volume.name: row for row in rows}
    cells = []
    for caches in by_project(row.volume for row in rows):
        used = [by_name[volume.name] for volume in caches.volumes]
        latest = min((row.idle for row in used if row.idle is not None), default=None)
        unknown = any(volume.size is None for volume in caches.volumes)
        cells.append(
            (
                safe(caches.project) or "not known",
                counted(len(caches.volumes), "volume"),
                UNKNOWN if unknown and not caches.size else format_size(caches.size),
                UNKNOWN if latest is None else "now" if latest == 0 else age(latest),
            )
        )
    if not cells:
        return []
    title = look.paint("GitLab Runner's caches by project", "bold")
    return ["", title, *table.render(_PROJECTS, cells, look)]

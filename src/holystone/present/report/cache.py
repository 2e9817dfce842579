"""``holystone cache``: every build cache record with what comes free with it, and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.units import format_size
from holystone.present import figures
from holystone.present.apart import shortened
from holystone.present.format import count_of, safe
from holystone.present.lists.cache import Row
from holystone.present.lists.cache import rows as all_rows
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
from holystone.present.report.parts import first
from holystone.present.report.verdicts import FOLD_AFTER
from holystone.present.table import Column
from holystone.present.terminal import Look

_COLUMNS = (
    Column("ID", style="dim"),
    Column("STEP", gives_way=True, least=10),
    Column("TYPE", drop=6),
    Column("UNIQUE", right=True),
    Column("SHARED", right=True, drop=3),
    Column("CREATED", right=True, drop=7),
    Column("USED", right=True, drop=4),
    Column("PARENTS", gives_way=True, least=12, drop=5, style="dim"),
    Column("VERDICT", drop=2),
)


def render(seen: Seen, look: Look, listed: Sequence[Row] | None = None) -> str:
    """A row for each record, most of them folded into one line, and their bytes.

    ``listed`` are the rows to show in their place, in this order.
    """
    inventory, rows = seen.inventory, all_rows(seen) if listed is None else listed
    count = len(inventory.cache)
    if not rows:
        return none_of("cache", inventory, look, count=count)
    shown = first(rows, FOLD_AFTER) if listed is None else rows
    identifiers = {row.record.id for row in rows}
    short = shortened(identifiers.union(*(row.record.parents for row in rows)))
    cells = []
    for row in shown:
        record = row.record
        parents = [parent if row.whole else short(parent) for parent in record.parents]
        cells.append(
            (
                safe(record.id if row.whole else short(record.id)),
                safe(record.description) or UNKNOWN,
                safe(record.type),
                format_size(row.unique),
                format_size(row.shared),
                since_made(row),
                since_used(row),
                safe(", ".join(parents)) or UNKNOWN,
                verdict(row),
            )
        )
    rest = []
    if folded := rows[len(shown) :]:
        size = format_size(sum(row.unique for row in folded))
        rest.append(f"{count_of(len(folded), 'cache').replace(' ', ' more ', 1)}, {size}")
    held = figures.cache_bytes(inventory, identifiers)
    total = f"{shown_of('cache', len(rows), count)}, {format_size(held.own)}"
    if held.shared:
        total += f" and {format_size(held.shared)} that images hold as well"
    return listing(_COLUMNS, cells, inventory, look, total=total, rest=rest)

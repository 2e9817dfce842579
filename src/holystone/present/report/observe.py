"""``holystone observe``: which references were used since the last look, and how often ever."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from holystone.engine.host import Observed
from holystone.planner.inventory import Inventory
from holystone.planner.names import familiar
from holystone.planner.units import format_duration
from holystone.planner.usage import Usage, Use
from holystone.present.apart import shortened
from holystone.present.document import Document, fields, preamble
from holystone.present.format import (
    age,
    ago,
    counted,
    engine_name,
    listed,
    safe,
    short_reference,
    timestamp,
)
from holystone.present.lists.uses import Row
from holystone.present.table import Column, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.usage.sighting import Sighting

_COLUMNS = (
    Column("REFERENCE", gives_way=True, least=20),
    Column("USES", right=True),
    Column("EVER", right=True, drop=2),
    Column("LAST"),
    Column("ABOUT EVERY", right=True, drop=1),
    Column("IMAGE", drop=3),
)


def document(
    inventory: Inventory, observed: Observed, usage: Usage, chosen: Sequence[Row] | None = None
) -> Document:
    """The document of ``observe --json``; ``chosen`` are the rows that are wanted."""
    chosen = rows(inventory, observed, usage) if chosen is None else chosen
    ever = "uses_ever=ever.count first_used_at=ever.first last_used_at=ever.last"
    item = f"reference uses {ever} used_about_every_seconds=ever.gap image_id?=image"
    return {
        **preamble(inventory.engine, inventory.taken_at, inventory.disk, inventory.notes),
        "since_at": timestamp(observed.since) if observed.since else None,
        "remembered": observed.kept,
        "uses": len(observed.counted),
        "references": [fields(row, item) for row in chosen],
        "known_references": len(usage.references),
        "missed": list(observed.missed),
    }


def render(
    inventory: Inventory,
    observed: Observed,
    usage: Usage,
    look: Look,
    chosen: Sequence[Row] | None = None,
) -> str:
    """What was used, with how often, and what may have been missed.

    ``chosen`` are the rows that are wanted, in their order.
    """
    now = inventory.taken_at
    since = "first look"
    if observed.since:
        since = f"since {timestamp(observed.since)}, {ago(now - observed.since)}"
    title = f"Use of {safe(inventory.engine.name)} ({engine_name(inventory.engine)}): {since}"
    lines = paragraph(title, look, style="bold")
    every = rows(inventory, observed, usage)
    chosen = every if chosen is None else chosen
    if chosen:
        short = shortened(
            each for row in chosen for each in (row.image, row.reference.partition("@")[2]) if each
        )
        table = [
            (
                safe(row.reference) if row.whole else short_reference(row.reference, short),
                str(row.uses),
                str(row.ever.count),
                ago(now - row.ever.last),
                _about(row.ever.gap),
                (row.image if row.whole else short(row.image)) or "—",
            )
            for row in chosen
        ]
        lines += ["", *render_table(_COLUMNS, table, look)]
    told = f"{counted(len(observed.counted), 'use')} of {counted(len(every), 'reference')}"
    known = counted(len(usage.references), "reference")
    told += f" (listed: {len(chosen)})" if len(chosen) < len(every) else ""
    lines += ["", *paragraph(f"{told}; {known} known by now.", look)]
    if observed.missed:
        why = listed([safe(reason) for reason in observed.missed])
        said = f"There may have been more: {why}. Run holystone observe more often."
        lines += paragraph(said, look, style="yellow")
    return "\n".join(lines)


def _about(gap: float | None) -> str:
    """How far apart uses are: ``20 min``, ``3 h``."""
    if gap is None:
        return "—"
    return format_duration(gap) if gap < 60 else age(gap)


def rows(
    inventory: Inventory, observed: Observed, usage: Usage, *, whole: bool = False
) -> list[Row]:
    """The references used, the most often used first."""
    uses: defaultdict[str, list[Sighting]] = defaultdict(list)
    for sighting in observed.counted:
        uses[sighting.reference].append(sighting)
    made = []
    for reference, seen in sorted(uses.items(), key=lambda item: (-len(item[1]), item[0])):
        # Where nothing can be kept there is only what was seen now.
        ever = usage.references.get(reference) or Use(seen[0].at, seen[-1].at, len(seen))
        now, image = inventory.taken_at, seen[-1].image
        made.append(Row(familiar(reference), len(seen), ever, image, now, whole))
    return made

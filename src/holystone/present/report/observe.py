"""``holystone observe``: which references were used since the last look, and how often ever."""

from __future__ import annotations

from typing import NamedTuple

from holystone.core.inventory import Inventory
from holystone.core.names import familiar
from holystone.core.seen import Sighting
from holystone.core.units import format_duration
from holystone.core.usage import Usage, Use
from holystone.engine.host import Observed
from holystone.present.apart import shortened
from holystone.present.document import Document, preamble
from holystone.present.table import Column, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.present.wording import (
    age,
    ago,
    counted,
    engine_name,
    listed,
    safe,
    short_reference,
    timestamp,
)

_COLUMNS = (
    Column("REFERENCE", gives_way=True, least=20),
    Column("USES", right=True),
    Column("EVER", right=True, drop=2),
    Column("LAST"),
    Column("ABOUT EVERY", right=True, drop=1),
    Column("IMAGE", drop=3),
)


class _Row(NamedTuple):
    """A reference that was used since the last look."""

    reference: str
    uses: int
    ever: Use
    image: str
    """The ID of the image behind it at the latest of these; empty where it was not here."""


def document(inventory: Inventory, observed: Observed, usage: Usage) -> Document:
    """The document of ``observe --json``."""
    return preamble(inventory.engine, inventory.taken_at, inventory.disk, inventory.notes) | {
        "since_at": timestamp(observed.since) if observed.since else None,
        "remembered": observed.kept,
        "uses": len(observed.counted),
        "references": [
            {
                "reference": row.reference,
                "uses": row.uses,
                "uses_ever": row.ever.count,
                "first_used_at": timestamp(row.ever.first),
                "last_used_at": timestamp(row.ever.last),
                "used_about_every_seconds": row.ever.gap,
                "image_id": row.image or None,
            }
            for row in _rows(observed, usage)
        ],
        "known_references": len(usage.references),
        "missed": list(observed.missed),
    }


def render(inventory: Inventory, observed: Observed, usage: Usage, look: Look) -> str:
    """What was used, with how often, and what may have been missed."""
    now = inventory.taken_at
    since = "first look"
    if observed.since:
        since = f"since {timestamp(observed.since)}, {ago(now - observed.since)}"
    title = f"Use of {safe(inventory.engine.name)} ({engine_name(inventory.engine)}): {since}"
    lines = paragraph(title, look, style="bold")
    rows = _rows(observed, usage)
    short = shortened(
        each for row in rows for each in (row.image, row.reference.partition("@")[2]) if each
    )
    if rows:
        table = [
            (
                short_reference(row.reference, short),
                str(row.uses),
                str(row.ever.count),
                ago(now - row.ever.last),
                "—" if row.ever.gap is None else about(row.ever.gap),
                short(row.image) or "—",
            )
            for row in rows
        ]
        lines += ["", *render_table(_COLUMNS, table, look)]
    told = f"{counted(len(observed.counted), 'use')} of {counted(len(rows), 'reference')}"
    known = counted(len(usage.references), "reference")
    lines += ["", *paragraph(f"{told}; {known} known by now.", look)]
    if observed.missed:
        why = listed([safe(reason) for reason in observed.missed])
        said = f"There may have been more: {why}. Look more often to miss nothing."
        lines += paragraph(said, look, style="yellow")
    return "\n".join(lines)


def about(gap: float) -> str:
    """How far apart uses are: ``20 min``, ``3 h``."""
    return format_duration(gap) if gap < 60 else age(gap)


def _rows(observed: Observed, usage: Usage) -> list[_Row]:
    """The references used, the most often used first."""
    uses: dict[str, list[Sighting]] = {}
    for sighting in observed.counted:
        uses.setdefault(sighting.reference, []).append(sighting)
    rows = []
    for reference, seen in sorted(uses.items(), key=lambda item: (-len(item[1]), item[0])):
        # Where nothing can be kept there is only what was seen now.
        ever = usage.references.get(reference) or Use(seen[0].at, seen[-1].at, len(seen))
        rows.append(_Row(familiar(reference), len(seen), ever, seen[-1].image))
    return rows

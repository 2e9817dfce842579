"""``holystone lease``: the leases that were given, ended or are there."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.planner.names import familiar
from holystone.planner.usage import Lease
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import age, clock, safe
from holystone.present.table import Column, paragraph, render
from holystone.present.terminal import Look

_COLUMNS = (
    Column("IMAGE", gives_way=True, least=20),
    Column("UNTIL"),
    Column("LEFT", right=True, drop=1),
    Column("JOB", gives_way=True, least=8),
    Column("USER", gives_way=True, least=8),
)
"""The last one is shown where a lease is another user's."""


def document(leases: Sequence[Lease], *, released: bool) -> Document:
    """The document of ``lease --json``: of the leases there are, or of those that were ended."""
    told = [fields(lease, "reference until_at=until job? user?") for lease in leases]
    return {"schema": SCHEMA, "released" if released else "leases": told}


def given(leases: Sequence[Lease], now: float, look: Look) -> str:
    """A line for each lease that was given."""
    lines = []
    for lease in leases:
        image, until = safe(familiar(lease.reference)), clock(lease.until, now)
        lines += paragraph(f"{image} is kept until {until}{_for(lease)}.", look)
    return "\n".join(lines)


def released(leases: Sequence[Lease], look: Look) -> str:
    """A line for each lease that was ended."""
    if not leases:
        return "There was no such lease."
    lines = []
    for lease in leases:
        lines += paragraph(f"{safe(lease.reference)} is no longer kept{_for(lease)}.", look)
    return "\n".join(lines)


def table(leases: Sequence[Lease], now: float, look: Look) -> str:
    """Every lease, the first to end first."""
    if not leases:
        return "There are no leases."
    columns = _COLUMNS if any(lease.user for lease in leases) else _COLUMNS[:-1]
    rows = [
        (
            safe(lease.reference),
            clock(lease.until, now),
            age(lease.until - now),
            safe(lease.job) or "—",
            safe(lease.user) or "—",
        )[: len(columns)]
        for lease in leases
    ]
    return "\n".join(render(columns, rows, look))


def _for(lease: Lease) -> str:
    return f" for job {safe(lease.job)}" if lease.job else ""

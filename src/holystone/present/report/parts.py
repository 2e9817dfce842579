"""Columns, sections and names that several reports share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from holystone.planner.verdict import KINDS, Verdict
from holystone.present.apart import names_of
from holystone.present.format import safe
from holystone.present.table import Cell, Column, Row, paragraph, render
from holystone.present.terminal import Look

NAME = Column("name", gives_way=True, least=20)
SIZE = Column("size", right=True)
WHY = Column("why", prose=True)
DETAIL = Column("detail", prose=True, style="dim")
TROUBLES = (Column("kind"), Column("name", gives_way=True, least=12), WHY)
SHOWN = 10
"""Objects with a problem that are named. The JSON document has all of them."""

_Item = TypeVar("_Item")


def section(
    title: str,
    columns: Sequence[Column],
    rows: Sequence[Row],
    look: Look,
    *,
    style: str = "heading",
    beside: str = "",
) -> list[str]:
    """A heading with a table without titles below it; nothing where there are no rows."""
    if not rows:
        return []
    heading = look.paint(title, style) + (f"  {beside}" if beside else "")
    return [heading, *render(columns, rows, look, header=False)]


def by_kind(verdicts: Iterable[Verdict]) -> Iterator[tuple[str, list[Verdict]]]:
    """The verdicts of each kind there are any of."""
    verdicts = list(verdicts)
    for kind in KINDS:
        if group := [verdict for verdict in verdicts if verdict.kind == kind]:
            yield kind, group


def first(items: Sequence[_Item], count: int) -> Sequence[_Item]:
    """The first so many; all where a line that stands for the rest would save nothing."""
    return items if len(items) <= count + 2 else items[:count]


def objects(
    title: str,
    found: Sequence[tuple[Verdict, str]],
    look: Look,
    style: str,
    *,
    columns: Sequence[Column] = TROUBLES,
    most: int = SHOWN,
) -> list[str]:
    """Objects with what is to be said of each, ``most`` of them by name, and an empty line."""
    shown = first(found, most)
    name = names_of(verdict for verdict, _ in shown)
    rows = [(v.kind, name(v), Cell(safe(said), style))[-len(columns) :] for v, said in shown]
    lines = section(f"{title}: {len(found)}", columns, rows, look, style=style)
    if more := len(found) - len(shown):
        lines.append(look.paint(f"  {look.ellipsis} and {more} more (--json has them all)", "dim"))
    return [*lines, ""] if lines else []


def names(objects: Iterable[tuple[str, str, Iterable[str]]]) -> list[str]:
    """What to call these objects, given the kind, ID and names of each; see ``names_of``."""
    verdicts = [
        Verdict(kind, identifier, tuple(names), remove=False, reasons=())
        for kind, identifier, names in objects
    ]
    return list(map(names_of(verdicts), verdicts))


def ended_early(why: str, look: Look) -> list[str]:
    """The line that says why a command ended early; nothing where it did not."""
    return paragraph(f"Ended early: {why}.", look, style="red") if why else []

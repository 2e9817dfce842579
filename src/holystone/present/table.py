"""Tables that fit: columns give way, the last one goes below its row where it has no room.

On a terminal a cell that is too long is cut (references in the middle: their end, the tag, tells
them apart). Elsewhere nothing is cut: someone may search the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from holystone.present.terminal import Look

GAP = 2
INDENT = 2
_LEAST_PROSE = 24
"""With fewer columns than this a sentence is better read on a line of its own."""
_GOOD_PROSE = 40
"""Columns a sentence is given, where it needs them, before the others get all they could use."""
_WIDEST = 60
"""Where nothing is cut, a cell longer than this does not push the next column away in each row."""


_UNITS = frozenset(("B", "kB", "MB", "GB", "TB", "PB", "s", "min", "h", "days", "UTC"))


class Column(NamedTuple):
    """How one column is laid out."""

    title: str
    right: bool = False
    gives_way: bool = False
    """May be cut down to ``least`` columns where the table is too wide."""
    least: int = 12
    drop: int = 0
    """Left out of a terminal that is too narrow, the highest number first; 0: never."""
    prose: bool = False
    """The last column: takes the room there is, wraps, or goes below the row."""
    style: str = ""


class Cell(NamedTuple):
    """A cell with a style of its own."""

    text: str
    style: str = ""


Row = Sequence[str | Cell]


def render(
    columns: Sequence[Column], rows: Sequence[Row], look: Look, *, header: bool = True
) -> list[str]:
    """The lines of a table, indented by two, without line ends."""
    cells = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    widths = [display_width(column.title) if header else 0 for column in columns]
    for row in cells:
        widths = [max(w, display_width(c.text)) for w, c in zip(widths, row, strict=True)]
    shown = _chosen(columns, widths, look)
    columns = [columns[i] for i in shown]
    widths = _fitted(columns, [widths[i] for i in shown], look)
    lines = []
    if header:
        titles = [Cell(column.title, "dim") for column in columns]
        # What goes below its row needs no title.
        if widths[-1] == 0:
            titles[-1] = Cell("")
        lines += _row(columns, widths, titles, look)
    for row in cells:
        lines += _row(columns, widths, [row[i] for i in shown], look)
    return lines


def _chosen(columns: Sequence[Column], widths: Sequence[int], look: Look) -> list[int]:
    """The indices of the columns there is room for."""
    shown = list(range(len(columns)))

    least = [
        0 if c.prose else GAP + (min(width, c.least) if c.gives_way else width)
        for c, width in zip(columns, widths, strict=True)
    ]
    while look.elide and INDENT - GAP + sum(least[i] for i in shown) > look.width:
        droppable = [i for i in shown if columns[i].drop]
        if not droppable:
            break
        shown.remove(max(droppable, key=lambda i: columns[i].drop))
    return shown


def _fitted(columns: Sequence[Column], natural: Sequence[int], look: Look) -> list[int]:
    """The width of each column. 0 for a prose column that goes below its row."""
    room = look.width - INDENT
    if not look.elide:
        return [min(width, _WIDEST) for width in natural]
    if not columns[-1].prose:
        return _shrunk(columns, natural, room)
    others, prose = columns[:-1], natural[-1]
    widths = _shrunk(others, natural[:-1], room - GAP - min(prose, _GOOD_PROSE))
    left = room - sum(width + GAP for width in widths)
    if left >= min(prose, _LEAST_PROSE):
        return [*widths, min(prose, left)]
    return [*_shrunk(others, natural[:-1], room), 0]


def _shrunk(columns: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """The widths brought down to fit the room, the widest of those that give way first."""
    widths = list(natural)
    excess = sum(widths) + GAP * (len(widths) - 1) - room
    while excess > 0:
        able = [i for i, column in enumerate(columns) if column.gives_way]
        able = [i for i in able if widths[i] > columns[i].least]
        if not able:
            break
        widths[max(able, key=widths.__getitem__)] -= 1
        excess -= 1
    return widths


def _row(
    columns: Sequence[Column], widths: Sequence[int], row: Sequence[Cell], look: Look
) -> list[str]:
    """The lines of one row: more than one where its prose wraps or goes below."""
    parts = []
    column_start = INDENT
    for column, width, cell in zip(columns, widths, row, strict=True):
        style = cell.style or column.style
        if column.prose:
            break
        text = cut(cell.text, width, look) if look.elide else cell.text
        padding = " " * (width - display_width(text))
        painted = look.paint(text, style)
        parts.append(padding + painted if column.right else painted + padding)
        column_start += width + GAP
    line = " " * INDENT + (" " * GAP).join(parts)
    if not columns[-1].prose:
        return [line.rstrip()]
    prose, style = row[-1].text, row[-1].style or columns[-1].style
    if not look.elide:
        return [f"{line}{' ' * GAP}{look.paint(prose, style)}".rstrip()]
    if widths[-1]:
        first, *more = wrap(prose, widths[-1]) or [""]
        hanging = " " * column_start
        return [f"{line}{' ' * GAP}{look.paint(first, style)}".rstrip()] + [
            hanging + look.paint(text, style) for text in more
        ]
    below = " " * (INDENT * 2)
    return [line.rstrip()] + [
        below + look.paint(text, style) for text in wrap(prose, look.width - len(below))
    ]


def display_width(text: str) -> int:
    """Columns the text takes on a terminal: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    import unicodedata

    return sum(
        0
        if unicodedata.combining(c) or unicodedata.category(c) in ("Cf", "Mn", "Me")
        else 2
        if unicodedata.east_asian_width(c) in "WF"
        else 1
        for c in text
    )


def cut(text: str, width: int, look: Look) -> str:
    """The text cut in its middle to this many columns, two thirds of what is left at its start."""
    if display_width(text) <= width:
        return text
    mark = look.ellipsis
    room = width - display_width(mark)
    if room < 2:
        return _start(text, width)
    tail = _start(text[::-1], room // 3)[::-1]
    return _start(text, room - display_width(tail)) + mark + tail


def _start(text: str, width: int) -> str:
    if text.isascii():
        return text[:width]
    taken = ""
    for c in text:
        if display_width(taken + c) > width:
            break
        taken += c
    return taken


def wrap(text: str, width: int) -> list[str]:
    """The text in lines of at most this many columns, broken at spaces; a longer word is broken.

    A number stays with its unit.
    """
    lines: list[str] = []
    line = ""
    words: list[str] = []
    for each in text.split():
        if words and each.rstrip(".,;:)") in _UNITS and words[-1].lstrip("(")[:1].isdigit():
            words[-1] += f" {each}"
        else:
            words.append(each)
    for each in words:
        word = each
        if line and display_width(line) + 1 + display_width(word) <= width:
            line += f" {word}"
            continue
        if line:
            lines.append(line)
        while display_width(word) > width:
            start = _start(word, width) or word[0]
            lines.append(start)
            word = word[len(start) :]
        line = word
    return [*lines, line] if line else lines


def paragraph(text: str, look: Look, *, indent: int = 0, style: str = "") -> list[str]:
    """Prose as lines no wider than the width."""
    lead = " " * indent
    return [lead + look.paint(line, style) for line in wrap(text, look.width - indent)]


def facts(pairs: Iterable[tuple[str, str | Sequence[str]]], look: Look) -> list[str]:
    """Names and what is to be said of them, one under the other; empty ones are left out."""
    told = [(name, [said] if isinstance(said, str) else said) for name, said in pairs if said]
    width = max((len(name) for name, _ in told), default=0)
    lines = []
    hanging = INDENT + width + GAP
    for name, said in told:
        lead = f"{' ' * INDENT}{look.paint(name, 'dim')}{' ' * (width - len(name) + GAP)}"
        for part in said:
            for line in wrap(part, max(8, look.width - hanging)) if look.elide else [part]:
                lines.append(lead + line)
                lead = " " * hanging
    return lines

"""Tables that fit the width: columns shrink; the last one goes below its row if there is no room.

On a terminal a cell that is too long is cut in its middle, so that all cells of a column differ. If
no cut can do that, the cell is shown in full on several lines. Elsewhere nothing is cut or broken,
so that the text can be searched.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from rich.cells import cell_len, chop_cells

from holystone.present.terminal import Look

GAP = 2
INDENT = 2
_LEAST_PROSE = 24
"""With fewer columns than this a sentence is better read on a separate line."""
_GOOD_PROSE = 40
"""Columns a sentence is given, where it needs them, before the others get all they could use."""
_WIDEST = 60
"""Where nothing is cut, a cell longer than this does not push the next column away in each row."""
_SEPARATORS = "/:@-_. "
_WORD = 8
"""Characters that are worth the room they take from the beginning."""
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
    """A cell with its own style."""

    text: str
    style: str = ""


Row = Sequence[str | Cell]


def render(
    columns: Sequence[Column], rows: Sequence[Row], look: Look, *, header: bool = True
) -> list[str]:
    """The lines of a table, indented by two, without line ends."""
    cells = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    widths = _natural(columns, cells, header=header)
    shown = _chosen(columns, widths, look)
    columns = [columns[i] for i in shown]
    widths = _fitted(columns, [widths[i] for i in shown], look)
    chosen = [[row[i] for i in shown] for row in cells]
    cuts = [
        _cuts([row[place].text for row in chosen], width, look)
        if column.gives_way and look.elide
        else {}
        for place, (column, width) in enumerate(zip(columns, widths, strict=True))
    ]
    lines = []
    if header:
        titles = [Cell(column.title, "dim") for column in columns]
        # What goes below its row needs no title.
        if widths[-1] == 0:
            titles[-1] = Cell("")
        lines += _row(columns, widths, titles, look, None)
    for row in chosen:
        lines += _row(columns, widths, row, look, cuts)
    return lines


def shows(columns: Sequence[Column], rows: Sequence[Row], look: Look) -> list[str]:
    """The titles of the columns there is room for, with these rows and their header."""
    cells = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]
    widths = _natural(columns, cells, header=True)
    return [columns[i].title for i in _chosen(columns, widths, look)]


def _natural(
    columns: Sequence[Column], rows: Sequence[Sequence[Cell]], *, header: bool
) -> list[int]:
    """The width of each column where there is room enough."""
    widths = [cell_len(column.title) if header else 0 for column in columns]
    for row in rows:
        widths = [max(w, cell_len(cell.text)) for w, cell in zip(widths, row, strict=True)]
    return widths


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
    for _ in range(sum(widths) + GAP * (len(widths) - 1) - room):
        able = [i for i, c in enumerate(columns) if c.gives_way and widths[i] > c.least]
        if not able:
            break
        widths[max(able, key=widths.__getitem__)] -= 1
    return widths


def _row(
    columns: Sequence[Column],
    widths: Sequence[int],
    row: Sequence[Cell],
    look: Look,
    cuts: Sequence[Mapping[str, str]] | None,
) -> list[str]:
    """The lines of one row: more than one where its prose wraps or goes below, or a name does.

    ``cuts`` has for each column that gives way how its texts are cut; None for the header.
    """
    parts = []
    for place, (column, width, cell) in enumerate(zip(columns, widths, row, strict=True)):
        if column.prose:
            lines = [cell.text] if not look.elide else wrap(cell.text, width) if width else []
        elif not look.elide or cell_len(cell.text) <= width:
            lines = [cell.text]
        elif cuts is None or not column.gives_way:
            lines = [cut(cell.text, width, look)]
        elif cell.text in cuts[place]:
            lines = [cuts[place][cell.text]]
        else:
            lines = _pieces(cell.text, width)
        parts.append(lines)
    told = []
    for number in range(max(1, *map(len, parts))):
        line = " " * INDENT
        for column, width, cell, lines in zip(columns, widths, row, parts, strict=True):
            text = lines[number] if number < len(lines) else ""
            padding = " " * (width - cell_len(text))
            painted = look.paint(text, cell.style or column.style)
            line += (padding + painted if column.right else painted + padding) + " " * GAP
        told.append(line.rstrip())
    if columns[-1].prose and look.elide and not widths[-1]:
        style = row[-1].style or columns[-1].style
        told += paragraph(row[-1].text, look._replace(wrap=True), indent=INDENT * 2, style=style)
    return told


def _cuts(texts: Sequence[str], width: int, look: Look) -> dict[str, str]:
    """The texts of a column cut to its width, no two alike; without those to be told in full."""
    room = width - cell_len(look.ellipsis)
    usual = max(0, room // 3)
    # The ends of names tell them apart more often than their beginnings.
    tails = [*range(usual + 1, room + 1), *range(usual - 1, -1, -1)]
    return cut_apart(texts, lambda text, tail: cut(text, width, look, tail=tail), tails)


def cut(text: str, width: int, look: Look, *, tail: int | None = None) -> str:
    """The text cut in its middle to this many columns: ``tail`` of its end, by default a third."""
    if cell_len(text) <= width:
        return text
    mark = look.ellipsis
    room = width - cell_len(mark)
    if room < 2:
        return _start(text, width)
    end = _start(text[::-1], room // 3 if tail is None else min(tail, room))[::-1]
    # A combining mark would go to the character that stands for what is left out.
    while end and not cell_len(end[0]):
        end = end[1:]
    return _start(text, room - cell_len(end)) + mark + end


def cut_apart(
    texts: Iterable[str], cut: Callable[[str, int | None], str], tails: Sequence[int]
) -> dict[str, str]:
    """These texts cut so that no two of them look alike; without those that no cut keeps apart.

    ``cut`` cuts a text, with so many columns of its end or, for None, with the usual number;
    ``tails`` are the numbers that may be tried.
    """
    usual = {text: cut(text, None) for text in dict.fromkeys(texts)}
    count = Counter(usual.values())
    shown = {text: it for text, it in usual.items() if count[it] == 1 or it == text}
    taken = set(shown.values())
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for text, each in usual.items():
        if text not in shown:
            groups[each].append(text)

    def differ(tried: Mapping[str, str]) -> bool:
        return len(set(tried.values())) == len(tried) and taken.isdisjoint(tried.values())

    for group in groups.values():
        for tail in tails:
            tried = {text: cut(text, tail) for text in group}
            if differ(tried):
                whole = {text: cut(text, _to_word(text, tail, max(tails))) for text in group}
                tried = whole if differ(whole) else tried
                shown |= tried
                taken.update(tried.values())
                break
    return shown


def _to_word(text: str, tail: int, most: int) -> int:
    """So many columns of the end, or up to ``most`` where it then begins with a whole word."""
    before = text[: len(text) - tail]
    at = max(map(before.rfind, _SEPARATORS))
    missing = len(before) - 1 - at
    fits = at >= 0 and missing <= _WORD and tail + missing <= most
    return tail + missing if fits else tail


def _pieces(text: str, width: int) -> list[str]:
    """The text in pieces of at most this many columns, behind a separator where one is near."""
    found = []
    while text:
        piece = _start(text, width) or text[0]
        if len(piece) < len(text):
            least = len(piece) * 2 // 3
            at = max(piece.rfind(mark, least) for mark in _SEPARATORS)
            piece = piece[: at + 1] if at >= 0 else piece
        found.append(piece)
        text = text[len(piece) :]
    return found


def _start(text: str, width: int) -> str:
    """As much of the beginning of a text as fits."""
    return chop_cells(text, width)[0] if text and width > 0 else ""


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
        if line and cell_len(line) + 1 + cell_len(word) <= width:
            line += f" {word}"
            continue
        if line:
            lines.append(line)
        while cell_len(word) > width:
            start = _start(word, width) or word[0]
            lines.append(start)
            word = word[len(start) :]
        line = word
    return [*lines, line] if line else lines


def paragraph(text: str, look: Look, *, indent: int = 0, style: str = "") -> list[str]:
    """Prose as lines no wider than the width; where nothing is to be broken, as one line."""
    lead = " " * indent
    if not look.wrap:
        return [lead + look.paint(" ".join(text.split()), style)] if text.strip() else []
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

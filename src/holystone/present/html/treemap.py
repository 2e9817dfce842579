"""Lay out the map of the disk: kinds, in them repositories, in them pieces; an area is bytes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import squarify

from holystone.planner.pieces import Piece
from holystone.present.format import counted, plural
from holystone.present.html.named import SAYS, Named, fitted, fitted_end

WIDTH, HEIGHT = 1060, 620
MOST = 440
"""About so many pieces are drawn. Smaller ones are summed up: a page of any host is small."""
_FEW = 10
"""So many pieces of a kind are drawn in any case."""
_GROUPS = 100
"""So many repositories are told apart."""
_LEAST = 6.0
"""Square pixels below which a cell cannot be seen: such pieces are summed up."""
_HEAD, _SUBHEAD, _GAP = 22.0, 15.0, 2.0
_LETTER = 6.7
"""The width of a letter of the labels, in pixels, at most: they are 11 pixels high."""
_LAYER = 900.0
"""Square pixels from which a layer is told apart from the others of its piece."""


class Box(NamedTuple):
    """A rectangle, in pixels from the upper left."""

    x: float
    y: float
    w: float
    h: float

    def inside(self, head: float) -> Box:
        """What is left of it under a heading, with a gap on every side."""
        width, height = self.w - 2 * _GAP, self.h - head - _GAP
        return Box(self.x + _GAP, self.y + head, max(0.0, width), max(0.0, height))


class Cell(NamedTuple):
    """One piece of the disk, or several that are too small to be seen alone."""

    box: Box
    fate: str
    """How it is judged: a key of ``named.SAYS``."""
    title: str
    label: str
    """What fits into it of its name."""
    sized: bool
    """Whether its size fits under that."""
    size: int
    piece: Piece | None
    """None where it stands for several."""
    pieces: int
    """How many pieces of the disk it stands for."""
    kind: str
    lines: Sequence[Box]
    """The layers it consists of, where they can be told apart."""


class Heading(NamedTuple):
    """A kind or a repository: its frame, and what stands above its cells."""

    box: Box
    label: str
    size: int


class Map(NamedTuple):
    """The whole map."""

    kinds: Sequence[Heading]
    groups: Sequence[Heading]
    cells: Sequence[Cell]
    total: int


class _Leaf(NamedTuple):
    kind: str
    group: str
    fate: str
    size: int
    piece: Piece | None
    pieces: int


def mapped(pieces: Sequence[Piece], named: Named) -> Map:
    """The map of these pieces, which come the largest first."""
    total = sum(piece.size for piece in pieces)
    if not total:
        return Map((), (), (), 0)
    leaves = _leaves(pieces, named, total * _LEAST / (WIDTH * HEIGHT))
    kinds, groups, cells = [], [], []
    whole = Box(0, 0, WIDTH, HEIGHT)
    for kind, of_kind, box in _placed(_by(leaves, lambda leaf: leaf.kind), whole):
        kinds.append(Heading(box, plural(kind).capitalize(), sum(leaf.size for leaf in of_kind)))
        for group, of_group, frame in _placed(
            _by(of_kind, lambda leaf: leaf.group), box.inside(_HEAD)
        ):
            inner, heading = frame, ""
            if group and len(of_group) > 1 and frame.w > 60 and frame.h > 45:
                inner, heading = frame.inside(_SUBHEAD), group
                label = fitted_end(group, (frame.w - 6) / _LETTER)
                groups.append(Heading(frame, label, sum(leaf.size for leaf in of_group)))
            places = _boxes([leaf.size for leaf in of_group], inner)
            cells += [_cell(*each, named, heading) for each in zip(of_group, places, strict=True)]
    return Map(kinds, groups, cells, total)


def _leaves(pieces: Sequence[Piece], named: Named, least: float) -> list[_Leaf]:
    """The pieces that are drawn, and in place of the others one for each group and fate.

    Each kind gets its part of the cells by its bytes, so that one kind does not hide another.
    """
    kinds: Counter[str] = Counter()
    groups: Counter[tuple[str, str]] = Counter()
    for piece in pieces:
        kinds[piece.kind] += piece.size
        groups[piece.kind, named.group(piece)] += piece.size
    total = sum(kinds.values())
    room = {kind: _FEW + MOST * size // total for kind, size in kinds.items()}
    # A group of which nothing can be seen is not told apart from others either.
    apart = {group for group, size in groups.most_common(_GROUPS) if size >= _FEW * least}
    leaves = []
    summed: defaultdict[tuple[str, str, str], list[int]] = defaultdict(list)
    for piece in pieces:
        key = (piece.kind, named.group(piece))
        key = key if key in apart else (piece.kind, "")
        fate = named.fate(piece.holders)
        if piece.size >= least and room[piece.kind] > 0:
            room[piece.kind] -= 1
            leaves.append(_Leaf(*key, fate, piece.size, piece, 1))
        else:
            summed[*key, fate].append(piece.size)
    leaves += [_Leaf(*each, sum(sizes), None, len(sizes)) for each, sizes in summed.items()]
    return leaves


def _by(leaves: Iterable[_Leaf], key: Callable[[_Leaf], str]) -> list[tuple[str, list[_Leaf]]]:
    """The leaves by kind or group, the most bytes first; in each the largest first."""
    found: defaultdict[str, list[_Leaf]] = defaultdict(list)
    for leaf in leaves:
        found[key(leaf)].append(leaf)
    for each in found.values():
        each.sort(key=lambda leaf: (-leaf.size, leaf.fate))
    return sorted(found.items(), key=lambda item: (-sum(leaf.size for leaf in item[1]), item[0]))


def _placed(
    groups: Sequence[tuple[str, list[_Leaf]]], box: Box
) -> list[tuple[str, list[_Leaf], Box]]:
    sizes = [sum(leaf.size for leaf in leaves) for _, leaves in groups]
    places = _boxes(sizes, box)
    return [(*group, place) for group, place in zip(groups, places, strict=True)]


def _boxes(sizes: Sequence[int], box: Box) -> list[Box]:
    """A rectangle for each of these sizes, the largest first, that fill the box together."""
    if box.w <= 0 or box.h <= 0:
        return [Box(box.x, box.y, 0, 0)] * len(sizes)
    normal = squarify.normalize_sizes(sizes, box.w, box.h)
    placed = squarify.squarify(normal, box.x, box.y, box.w, box.h)
    return [Box(each["x"], each["y"], each["dx"], each["dy"]) for each in placed]


def _cell(leaf: _Leaf, box: Box, named: Named, group: str) -> Cell:
    """``group`` is the heading that the cell stands under; empty where there is none."""
    gap = min(1.0, box.w / 4, box.h / 4)
    box = Box(box.x + gap / 2, box.y + gap / 2, box.w - gap, box.h - gap)
    if leaf.piece is None:
        others = counted(leaf.pieces, "other")
        title = f"{leaf.group}: {others}" if leaf.group else others
        name = others if group else title
    else:
        name, title = named.label(leaf.piece), named.name(leaf.piece)
        if group and name.startswith(f"{group}:"):
            name = name.removeprefix(f"{group}:")
    fit = fitted_end if leaf.kind == "image" else fitted
    label = fit(name, (box.w - 8) / _LETTER) if box.h >= 17 and box.w >= 36 else ""
    return Cell(
        box,
        leaf.fate,
        f"{title}: {SAYS[leaf.fate]}",
        label,
        bool(label) and box.h >= 32 and box.w >= 56,
        leaf.size,
        leaf.piece,
        leaf.pieces,
        leaf.kind,
        _layer_lines(leaf.piece, box) if leaf.piece else (),
    )


def _layer_lines(piece: Piece, box: Box) -> Sequence[Box]:
    """The layers of a large piece, those that can be told apart."""
    if len(piece.layers) < 2:
        return ()
    scale = box.w * box.h / piece.size
    large = [size for _, size in piece.layers if size * scale >= _LAYER]
    rest = piece.size - sum(large)
    sizes = sorted([*large, rest] if rest > 0 else large, reverse=True)
    return _boxes(sizes, box) if len(sizes) > 1 else ()

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from holystone.present.table import (
    Cell,
    Column,
    Row,
    cut,
    cut_apart,
    facts,
    paragraph,
    render,
    wrap,
)
from holystone.present.terminal import Look

COLUMNS = (
    Column("NAME", gives_way=True, least=10),
    Column("SIZE", right=True),
    Column("EXTRA", drop=1),
    Column("WHY", prose=True),
)
LONG = "registry.example.com:5000/shop/checkout-backend:4712"
ROWS: list[Row] = [
    ("python:3.12-slim", "131 MB", "extra", "tagged"),
    (LONG, "561 MB", "extra", "in use by container job-4712-e2e and 12 more of them"),
    ("日本語のイメージ", "1 B", "é", Cell("x" * 120, "dim")),
]


@pytest.mark.parametrize("width", range(20, 160, 3))
@pytest.mark.parametrize("colour", [False, True])
def test_a_table_fits_its_terminal(width: int, colour: bool) -> None:
    import re

    for line in render(COLUMNS, ROWS, Look(width=width, elide=True, colour=colour)):
        assert cell_len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= width


@pytest.mark.parametrize("width", [20, 40, 60, 100])
def test_nothing_is_cut_where_it_may_be_searched(width: int) -> None:
    lines = render(COLUMNS, ROWS, Look(width=width))
    assert len(lines) == len(ROWS) + 1
    for row, line in zip(ROWS, lines[1:], strict=True):
        for cell in row:
            assert (cell.text if isinstance(cell, Cell) else cell) in line


def test_columns_are_aligned() -> None:
    assert render(COLUMNS[:2], [("a", "1 B"), ("bcd", "12 kB")], Look()) == [
        "  NAME   SIZE",
        "  a       1 B",
        "  bcd   12 kB",
    ]


def test_a_narrow_terminal_gets_fewer_columns_and_prose_below() -> None:
    assert render(COLUMNS, ROWS[:2], Look(width=40, elide=True)) == [
        "  NAME                       SIZE  EXTRA",
        "  python:3.12-slim         131 MB  extra",
        "    tagged",
        "  registry.exampl…nd:4712  561 MB  extra",
        "    in use by container job-4712-e2e and",
        "    12 more of them",
    ]
    assert render(COLUMNS, ROWS[:1], Look(width=22, elide=True))[:2] == [
        "  NAME            SIZE",
        "  python:3…lim  131 MB",
    ]


def test_an_empty_table_has_its_header() -> None:
    assert render(COLUMNS[:2], [], Look()) == ["  NAME  SIZE"]
    assert render(COLUMNS, [], Look(width=40, elide=True)) == ["  NAME  SIZE  EXTRA  WHY"]


def test_cut_keeps_both_ends() -> None:
    assert cut(LONG, 24, Look()) == "registry.example…nd:4712"
    assert cut(LONG, 24, Look(unicode=False)) == "registry.examp...nd:4712"
    assert cut("short", 24, Look()) == "short"
    assert cut("日本語のイメージ", 8, Look()) == "日本…ジ"
    assert len(cut(LONG, 2, Look())) == 2


def test_wrap_keeps_a_number_with_its_unit() -> None:
    assert wrap("would free 12 GB", 13) == ["would free", "12 GB"]
    assert wrap("a" * 25, 10) == ["a" * 10, "a" * 10, "a" * 5]
    assert wrap("", 10) == []
    assert wrap("日本語", 4) == ["日本", "語"]


def test_paragraph_and_facts() -> None:
    assert paragraph("one two three", Look(width=9), indent=2) == ["  one two", "  three"]
    assert facts([("size", "1 GB"), ("none", ""), ("used by", ["a", "b"])], Look()) == [
        "  size     1 GB",
        "  used by  a",
        "           b",
    ]


_TEXTS = st.lists(st.text("abcdé日-./:_ 0123", min_size=1, max_size=70), min_size=1, max_size=8)


@given(_TEXTS, st.integers(2, 40))
def test_a_cut_text_is_never_wider_than_its_room(texts: list[str], width: int) -> None:
    look = Look(width=width, elide=True)
    room = width - 1
    tails = [*range(room // 3 + 1, room + 1), *range(room // 3 - 1, -1, -1)]
    shown = cut_apart(texts, lambda text, tail: cut(text, width, look, tail=tail), tails)
    assert all(cell_len(each) <= width for each in shown.values())
    assert len(set(shown.values())) == len(shown)
    for text in texts:
        for tail in (None, *tails, width, width * 3):
            assert cell_len(cut(text, width, look, tail=tail)) <= width


@given(_TEXTS, st.integers(30, 120))
def test_no_line_of_a_table_is_wider_than_its_terminal(texts: list[str], width: int) -> None:
    rows: list[Row] = [(text, "1 MB", "x", "because of this") for text in texts]
    lines = render(COLUMNS, rows, Look(width=width, elide=True))
    assert max(map(cell_len, lines)) <= width


def test_names_that_differ_near_their_end_are_cut_to_their_room() -> None:
    names = [f"release-2026.11.{day}-build-4712-amd64" for day in range(10, 30)]
    lines = render(
        COLUMNS, [(name, "1 MB", "x", "tagged") for name in names], Look(width=40, elide=True)
    )
    assert max(map(cell_len, lines)) <= 40

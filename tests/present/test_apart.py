"""No two objects of a listing are shown under the same name, at any width."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from holystone.planner.verdict import Reason, Rule, Verdict
from holystone.present.apart import names_of, shortened
from holystone.present.lists.objects import Seen
from holystone.present.report import images
from holystone.present.report.verdicts import going
from holystone.present.table import Column, Row, render
from holystone.present.terminal import Look
from tests.present import host

WIDTHS = st.integers(40, 130)
NAMES = st.lists(
    st.one_of(
        st.text(st.sampled_from("ab/:-…"), min_size=1, max_size=120),
        st.text(st.sampled_from("日本語é\u0301🐳x"), min_size=1, max_size=60),
        st.builds(
            "registry.example.com/team/{}/service:{}".format,
            st.text("ab", max_size=40),
            st.text("12", max_size=40),
        ),
    ).map(str.strip).filter(bool),
    min_size=1,
    max_size=12,
    unique=True,
)  # fmt: skip
COLUMNS = (
    Column("name", gives_way=True, least=20),
    Column("frees", right=True),
    Column("why", prose=True),
)


def shown(lines: Sequence[str], names: int) -> list[str]:
    """What a table of such columns shows as the names of its rows; each row has ``frees`` once."""
    at = [place for place, line in enumerate(lines) if " 1 MB" in line]
    assert len(at) == names
    edge = lines[at[0]].index(" 1 MB")
    rows = [lines[begin:end] for begin, end in zip(at, [*at[1:], len(lines)], strict=True)]
    return ["".join(line[2:edge].strip() for line in row) for row in rows]


@given(NAMES, WIDTHS)
@example(["registry.example.com/team/a/service:1", "registry.example.com/team/b/service:1"], 40)
@example(["x" * 60 + middle + "x" * 60 for middle in "abc"], 40)
@example(["a" * 50, "a" * 51, "a" * 52], 40)
def test_names_of_a_table_differ(names: list[str], width: int) -> None:
    rows: list[Row] = [(name, "1 MB", "") for name in names]
    lines = render(COLUMNS, rows, Look(width=width, elide=True), header=False)
    assert max(map(cell_len, lines)) <= width
    if all(map(str.isascii, names)):
        told = shown(lines, len(names))
        assert len(set(told)) == len(names), told


@given(NAMES, WIDTHS)
def test_what_is_shown_of_each_differs(names: list[str], width: int) -> None:
    """Wide characters and combining ones too: row by row, by the lines of each."""
    look = Look(width=width, elide=True)
    column = (Column("name", gives_way=True, least=20), Column("no", right=True))
    rows: list[Row] = [(name, f"#{number}") for number, name in enumerate(names)]
    lines = render(column, rows, look, header=False)
    starts = [place for place, line in enumerate(lines) if line.rpartition(" ")[2][:1] == "#"]
    told = [
        tuple(
            line.rpartition(" #")[0] if line in lines[begin] else line for line in lines[begin:end]
        )
        for begin, end in zip(starts, [*starts[1:], len(lines)], strict=True)
    ]
    assert len(set(told)) == len(names)


def test_columns_stay_in_line_whatever_is_in_them() -> None:
    """Chinese, emoji and combining characters, cut or told on several lines."""
    names = ["日本語のイメージ" * 6 + end for end in ("甲", "乙")] + [
        "e\u0301" * 50,
        "🐳" * 30,
        "a",
    ]
    rows: list[Row] = [(name, "1 MB", "why") for name in names]
    lines = render(COLUMNS, rows, Look(width=60, elide=True), header=False)
    edges = {cell_len(line[: line.index(" 1 MB")]) for line in lines if " 1 MB" in line}
    assert len(edges) == 1
    assert all(cell_len(line) <= 60 for line in lines)


def test_a_cut_shows_where_names_differ() -> None:
    """By more of their end; whole on several lines only where that does not help."""
    look = Look(width=40, elide=True)
    jobs = [f"runner-t3pk2x8z-project-{n}-concurrent-0-build" for n in (98, 114, 121)]
    lines = render(COLUMNS, [(job, "1 MB", "") for job in jobs], look, header=False)
    assert [line.split()[0] for line in lines] == [
        "runner-t…98-concurrent-0-build",
        "runner-…114-concurrent-0-build",
        "runner-…121-concurrent-0-build",
    ]
    far = ["x" * 40 + middle + "x" * 40 for middle in "ab"]
    lines = render(COLUMNS, [(each, "1 MB", "") for each in far], look, header=False)
    assert shown(lines, 2) == far


IDS = st.lists(
    st.text("ab", min_size=64, max_size=64).map(lambda text: "0123456789ab"[:10] + text[10:]),
    min_size=2, max_size=8, unique=True,
)  # fmt: skip


@given(IDS)
def test_short_ids_differ(ids: list[str]) -> None:
    short = shortened(f"sha256:{each}" for each in ids)
    told = [short(each) for each in ids]
    assert len(set(told)) == len(ids)
    assert all(each.startswith(it) and len(it) >= 12 for each, it in zip(ids, told, strict=True))
    assert short("sha256:" + "f" * 64) == "f" * 12


def verdict(kind: str, object_id: str, *names: str) -> Verdict:
    return Verdict(kind, object_id, names, remove=True, reasons=(Reason(Rule.UNTAGGED),))


def test_objects_that_share_a_name_have_their_id_with_it() -> None:
    """Engines give the same name to two networks; sanitised names can become the same."""
    ids = ["0123456789ab" + end * 52 for end in "cd"]
    networks = [verdict("network", each, "ci") for each in ids]
    name = names_of(networks)
    assert [name(each) for each in networks] == ["ci (0123456789abc)", "ci (0123456789abd)"]
    volumes = [verdict("volume", each, each) for each in ("a\x1bb", "a\x1cb")]
    name = names_of(volumes)
    assert len({name(each) for each in volumes}) == 2
    digests = [verdict("image", f"sha256:{each}", f"app@sha256:{each}") for each in ids]
    name = names_of(digests)
    assert [name(each) for each in digests] == [
        "app@sha256:0123456789abc",
        "app@sha256:0123456789abd",
    ]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_a_plan_and_the_images_tell_all_apart(width: int) -> None:
    """Untagged images that begin alike, and tags that differ in their middle."""
    look = Look(width=width, elide=True)
    ids = [f"sha256:0123456789ab{end * 52}" for end in "cdef"]
    lines = going([verdict("image", each) for each in ids], look)
    assert [line.split()[0] for line in lines[1:5]] == [f"0123456789ab{e}" for e in "cdef"]
    inventory = host.inventory()
    twins = tuple(
        image._replace(id=each) for image, each in zip(inventory.images, ids, strict=False)
    )
    plan = host.plan()
    verdicts = tuple(verdict("image", each.id, *each.tags) for each in twins)
    seen = Seen(inventory._replace(images=twins, containers=()), replace(plan, verdicts=verdicts))
    text = images.render(seen, look)
    rows = [tuple(line.split()[:2]) for line in text.splitlines()[1 : 1 + len(twins)]]
    assert len(set(rows)) == len(rows)
    assert not any(row == ("<none>", "<none>") for row in rows) or " ID " in text

"""The table of containers that tools keep: documented, and each row whole."""

from __future__ import annotations

from holystone.planner.kept_containers import TABLE
from tests.docs.kept_table import DOCUMENT, HEADING, rewritten
from tests.docs.tracked import texts


def test_documentation_has_every_tool() -> None:
    text = texts()[DOCUMENT]
    assert f"{HEADING}\n" in text
    assert rewritten(text) == text, "`make examples` writes the table anew"


def test_each_row_says_how_its_containers_are_told_and_where_that_is_written() -> None:
    assert len({row.name for row in TABLE}) == len(TABLE)
    for row in TABLE:
        assert row.labels or row.names or row.images, row.name
        assert row.what, row.name
        assert row.source.startswith("https://"), row.name

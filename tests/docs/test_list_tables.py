"""Every field, filter and order of every list is documented."""

from __future__ import annotations

from tests.docs.list_tables import DOCUMENT, HEADING, LISTS, marked, rewritten, table_of
from tests.docs.tracked import texts


def test_documentation_has_every_list() -> None:
    text = texts()[DOCUMENT]
    assert f"{HEADING}\n" in text
    assert rewritten(text) == text, "`make examples` writes the tables anew"


def test_each_is_explained() -> None:
    for name in LISTS:
        table = table_of(name)
        assert all(field.told for field in table.fields)
        assert all(each.told for each in table.filters)


def test_an_apostrophe_is_no_quote() -> None:
    told = "the engine's ID, or the user's: 'id=a*'"
    assert marked(told) == "the engine's ID, or the user's: `'id=a*'`"

"""The pictures in the documentation can be taken anew, and are of today's size."""

from __future__ import annotations

import pytest

from tests.browser.chromium import Browser
from tests.browser.pictures import FOLDER, NAMES, taken
from tests.docs.tracked import texts

pytestmark = pytest.mark.xdist_group("chromium")
_SIZE = slice(16, 24)
"""Where a PNG has its width and height."""


def test_pictures_are_of_the_page_as_it_is(chromium: Browser) -> None:
    for name, picture in taken(chromium).items():
        kept = FOLDER.joinpath(name).read_bytes()
        assert kept[:8] == b"\x89PNG\r\n\x1a\n"
        assert kept[_SIZE] == picture[_SIZE], "`make pictures` takes it anew"
        # Other fonts and another day change a page a little. One that is empty is far smaller.
        assert len(kept) / 2 < len(picture) < len(kept) * 2, "`make pictures` takes it anew"


@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_shows_them(name: str) -> None:
    assert f"](pictures/{name})" in texts()["docs/report.md"]

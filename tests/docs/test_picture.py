"""The picture in README.md is current, and loads nothing from elsewhere."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from tests.docs.picture import (
    AUDIT,
    AUDIT_COMMAND,
    COMMAND,
    DISK,
    DISK_COMMAND,
    PICTURE,
    disk,
    drawn,
)
from tests.docs.tracked import texts


def test_shows_what_the_command_prints_today() -> None:
    assert texts()[PICTURE] == drawn(), "`make examples` draws the picture anew"


def test_shows_where_the_disk_went_today() -> None:
    assert texts()[AUDIT] == drawn(AUDIT_COMMAND), "`make examples` draws the picture anew"
    assert "](pictures/audit.svg)" in texts()["docs/audit.md"]


def test_shows_what_the_disk_is_today() -> None:
    assert texts()[DISK] == disk(), "`make examples` draws the picture anew"
    assert "](pictures/disk.svg)" in texts()["docs/report.md"]
    assert DISK_COMMAND.partition(" --host")[0] in texts()["docs/report.md"]


def test_readme_shows_it() -> None:
    assert f"]({PICTURE})" in texts()["README.md"]
    shown = "".join(ET.fromstring(texts()[PICTURE]).itertext()).replace("\xa0", " ")
    assert COMMAND in shown
    assert "Would free" in shown


@pytest.mark.parametrize("path", sorted(path for path in texts() if path.endswith(".svg")))
def test_pictures_load_nothing(path: str) -> None:
    assert re.findall(r"(?i)@import|@font-face|<script|<image|<foreignObject", texts()[path]) == []
    assert set(re.findall(r"[a-z]+://[^\"')\s]+", texts()[path])) == {"http://www.w3.org/2000/svg"}

"""One Chromium for all tests of this folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.browser import axe
from tests.browser.chromium import Browser, Page, browser
from tests.npm import unavailable


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A running browser."""
    if shutil.which("chromium") is None:
        unavailable("there is no chromium; scripts/install-engines installs it as root on Debian")
    with browser() as running:
        yield running


@pytest.fixture
def tab(chromium: Browser) -> Page:
    """A new page."""
    return chromium.page()


@pytest.fixture(scope="session")
def axe_script() -> str:
    """The text of axe-core."""
    return axe.script()

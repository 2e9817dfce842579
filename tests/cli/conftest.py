"""The command under test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command


@pytest.fixture
def holystone(tmp_path: Path) -> Command:
    """The command, in a home of its own."""
    return Command(tmp_path)


@pytest.fixture(scope="module")
def shared_holystone(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """The command in a home that the tests of a module share, for fixtures that run it once."""
    return Command(tmp_path_factory.mktemp("home"))

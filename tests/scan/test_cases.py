"""Repositories a person can read, and what is learned of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scan.cases import EXPECTED, FOLDER, learned, names


@pytest.mark.parametrize("name", names())
def test_case(name: str, tmp_path: Path) -> None:
    """``python -m tests.scan.cases`` writes what is learned now."""
    assert learned(name, tmp_path) == FOLDER.joinpath(name, EXPECTED).read_text(encoding="utf-8")

"""Repositories a person can read, and what is learned of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from holystone.scan.proposal import learn
from tests.scan.cases import EXPECTED, FOLDER, learned, names


@pytest.mark.parametrize("name", names())
def test_case(name: str, tmp_path: Path) -> None:
    """``python -m tests.scan.cases`` writes what is learned now."""
    assert learned(name, tmp_path) == FOLDER.joinpath(name, EXPECTED).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [name for name in names() if name.startswith("gitlab-")])
def test_gitlab_styles(name: str, tmp_path: Path) -> None:
    """Pipelines as people write them: exactly the images that their first lines name."""
    text = FOLDER.joinpath(name, ".gitlab-ci.yml").read_text(encoding="utf-8")
    expected = {
        image
        for line in re.findall(r"^# expects: (.+)", text, re.MULTILINE)
        for image in line.split()
    }
    shutil.copytree(FOLDER / name, tmp_path, dirs_exist_ok=True)
    tmp_path.joinpath(".git").mkdir()
    found = learn([str(tmp_path / ".gitlab-ci.yml")])
    assert {image.reference for image in found.images} == expected
    assert not found.troubles
    assert not found.unread

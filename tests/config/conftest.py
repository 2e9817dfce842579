"""A host whose configuration files a test writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.config import load as loading


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a home, a folder of the system, and one in which the work is done."""
    for name in ("home/.config/holystone", "work", "etc"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setattr(loading, "SYSTEM", str(tmp_path / "etc/holystone.toml"))
    return tmp_path

"""What the tests of integrations share: a ``holystone`` on PATH."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.cli.command import SOURCE
from tests.engines.places import CLEAN_PATH, DOCKER


@pytest.fixture
def on_path(tmp_path: Path) -> dict[str, str]:
    """The environment of a job on a host where ``holystone`` is on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    program = programs / "holystone"
    program.write_text(
        f'#!/bin/sh\nPYTHONPATH="{SOURCE}" exec "{sys.executable}" -m holystone "$@"\n'
    )
    program.chmod(0o755)
    (programs / "docker").symlink_to(DOCKER)
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return {
        "PATH": f"{programs}:{CLEAN_PATH}",
        "HOME": str(home),
        "HOLYSTONE_STATE": str(home / "state"),
        "DOCKER_HOST": "demo:",
        "LANG": "C.UTF-8",
        "CI": "true",
    }

"""Packages of npm that tests need, installed once into the cache; and skips that CI counts."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import pytest

from tests.engines.places import cache_folder


def unavailable(reason: str) -> NoReturn:
    """Skip the test, which in CI is a failure."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"{reason} (in CI a skipped test is a failure)", pytrace=False)
    pytest.skip(reason)


def npm_package(name: str, version: str, *, needs: Sequence[str] = ()) -> Path:
    """The folder that has this package in its ``node_modules``; ``needs`` are programs."""
    for needed in ("npm", "node", *needs):
        if shutil.which(needed) is None:
            unavailable(f"{name} needs {needed}")
    folder = cache_folder().parent / f"{name}-{version}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all, whoever else installs it in this moment.
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            whole = Path(draft, "whole")
            done = subprocess.run(
                ["npm", "install", "--prefix", whole, "--no-audit", "--no-fund",
                 "--loglevel=error", f"{name}@{version}"],
                capture_output=True, text=True, check=False, timeout=240,
            )  # fmt: skip
            if done.returncode:
                unavailable(f"npm cannot install {name}: {done.stderr.strip()[-500:]}")
            if not folder.exists():
                whole.rename(folder)
    return folder

"""The traces that tests replay: a small one that is here, and two long ones beside the project."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from holystone.replay.trace import Trace, read

SMALL = Path(__file__).parent / "traces" / "team.jsonl"
SHARED = Path(__file__).parents[3] / "shared" / "traces"
LONG = ("hub", "dotnet")


def recorded(name: str) -> Trace:
    """The trace of this name: ``small``, ``hub`` or ``dotnet``. Skips where a long one is absent.

    (In a worktree ``shared`` may lie beside the folder of all worktrees; a link makes up for it.)
    """
    path = SMALL if name == "small" else SHARED / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"SHARED TRACE ABSENT: {path}; nothing is compared on it")
    return _read(str(path))


_read = cache(read)

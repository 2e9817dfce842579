"""Finding files in folders that running engines change meanwhile."""

from __future__ import annotations

import os
from pathlib import Path


def found_below(top: Path, pattern: str) -> list[Path]:
    """What below a folder ends like a pattern of ``PurePath.match``; what vanishes is passed over.

    ``Path.glob`` fails where a folder is removed between its listing and its reading.
    """
    return [
        path
        for folder, folders, files in os.walk(top)
        for path in (Path(folder, name) for name in (*folders, *files))
        if path.match(pattern)
    ]

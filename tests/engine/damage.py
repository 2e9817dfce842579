"""Damaging the files of a private engine as a failing disk would."""

from __future__ import annotations

from pathlib import Path

from tests.engines import Engine
from tests.engines.files import found_below
from tests.engines.images import Layer


def payload(engine: Engine, part: Layer) -> Path:
    """The one file that holds a layer's payload: unpacked on overlay2, else the layer's blob."""
    if engine.store == "containerd":
        (found,) = found_below(engine.data, f"blobs/sha256/{part.diff_id[7:]}")
        return found
    # Of layers with the same payload there is only one.
    found_all = [
        path
        for path in (engine.data / "root/overlay2").glob("*/diff/payload/*")
        if path.stat().st_size and path.read_bytes() in part.tar
    ]
    (found,) = found_all
    return found


def flip(path: Path, at: int = 1000) -> None:
    """Change one bit of a file in place."""
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(at)
        (byte,) = file.read(1)
        file.seek(at)
        file.write(bytes([byte ^ 1]))

"""An image with this machine's own Python: no image can be pulled here."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Mapping
from pathlib import Path

from tests.engines import Engine
from tests.engines.images import BUSYBOX

_LEFT_OUT = re.compile(
    r"/(__pycache__|site-packages|dist-packages|test|tests|idlelib|ensurepip|config-[^/]*)(/|$)|\.a$"
)


def import_python(
    engine: Engine, reference: str, programs: Mapping[str, str] | None = None
) -> None:
    """Give an engine an image of Python and its libraries, busybox as ``sh`` and ``env``.

    ``programs`` are more of them, by path: the text of each.
    """
    engine.docker("import", "-", reference, stdin=_archive(programs or {}))


def _archive(programs: Mapping[str, str]) -> bytes:
    program = Path(sys.executable).resolve()
    library = Path(sysconfig.get_path("stdlib"))
    modules = [path for path in library.rglob("*") if not _LEFT_OUT.search(str(path))]
    linked = [program, *(path for path in modules if path.suffix == ".so")]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", dereference=True) as tar:
        for path in [program, *_needed(linked), *(path for path in modules if path.is_file())]:
            tar.add(path, str(path), recursive=False)
        tar.add(BUSYBOX, "/bin/busybox")
        _link(tar, "/bin/sh", "/bin/busybox")
        _link(tar, "/usr/bin/env", "/bin/busybox")
        _link(tar, "/usr/local/bin/python3", str(program))
        for name, text in programs.items():
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = 0o755, len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def _needed(programs: list[Path]) -> set[Path]:
    """The shared libraries of these, as the loader finds them."""
    # A module that is static has none, and ldd says so by its exit code.
    said = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=False).stdout
    return {Path(found) for found in re.findall(r"(/\S+\.so\S*) \(0x", said)}


def _link(tar: tarfile.TarFile, name: str, target: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)

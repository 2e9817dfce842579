"""Processes under a keeper: how engines and registries are started, watched and ended."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import signal
import subprocess
import sys
from pathlib import Path

from .places import REPOSITORY, file_system_of, new_data_folder
from .records import SPECIFICATION, Specification

SOCKET_PATH_LIMIT = 107
"""Bytes in the path of a unix socket."""


class EngineUnavailable(Exception):
    """A kind of engine cannot run on this machine; the message says why."""


class EngineFailed(Exception):
    """The engine did not start; the message has the end of its log."""


class Kept:
    """A process under a keeper, with its data folder."""

    def __init__(self, spec: Specification) -> None:
        """Start a keeper. Raises nothing: whether the process runs shows when it answers."""
        self.data = Path(spec.data)
        path = self.data / SPECIFICATION
        path.write_text(json.dumps(dataclasses.asdict(spec)))
        self._keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.keeper", str(path)],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE if spec.tied else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._tied = spec.tied
        if spec.tied:
            atexit.register(self.stop)

    @property
    def log(self) -> str:
        """What the process has written so far."""
        with contextlib.suppress(OSError):
            return (self.data / "log").read_text(errors="replace")
        return ""

    def ended(self) -> str | None:
        """The end of its log if the process (and its keeper) has ended on its own, else none."""
        if self._keeper.poll() is None:
            return None
        assert self._keeper.stderr is not None
        with contextlib.suppress(ValueError):
            return self._keeper.stderr.read().decode(errors="replace")
        return ""

    def stop(self) -> None:
        """End it, remove its data; returns when nothing is left. Harmless when done already."""
        if self._tied:
            atexit.unregister(self.stop)
        if self._keeper.poll() is None:
            with contextlib.suppress(OSError):
                if self._keeper.stdin is not None:
                    self._keeper.stdin.close()
                else:
                    self._keeper.send_signal(signal.SIGTERM)
            self._keeper.wait(timeout=60)
        if self._keeper.stderr is not None:
            self._keeper.stderr.close()


def claim_folder(kind: str, data: Path | None) -> Path:
    """A folder for the data of an engine: the one given, if it is new or empty, or a new one.

    Raises ``EngineUnavailable`` where no engine can keep its data.
    """
    if data is not None:
        data.mkdir(parents=True, exist_ok=True)
        if any(data.iterdir()):
            raise EngineUnavailable(f"{kind}: {data} is not empty")
    folder = (data or new_data_folder(kind)).resolve()
    folder.chmod(0o755)
    reason = ""
    if file_system_of(folder) == "overlay":
        reason = "is on an overlay, which cannot hold another"
    elif folder.is_relative_to("/run"):
        reason = "is in /run, which the engine has for itself"
    elif len(str(folder / "docker.sock")) > SOCKET_PATH_LIMIT:
        reason = "is too long a path for a socket in it"
    if reason:
        if data is None:
            folder.rmdir()
        raise EngineUnavailable(
            f"{kind}: {folder} {reason}: name another, or set HOLYSTONE_ENGINES_DATA"
        )
    return folder

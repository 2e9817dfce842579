"""The metrics in a file for node_exporter: its textfile collector reads ``*.prom`` in a folder.

The metrics of the process are left out: node_exporter has its own of the same names, and answers no
scrape at all while a series is there twice.
"""

from __future__ import annotations

import os
from contextlib import suppress

from holystone.agent.logs import log
from holystone.agent.metrics import render
from holystone.agent.state import State
from holystone.outside.text import safe
from holystone.outside.writing import refuse

_MODE = 0o644
"""node_exporter runs as another user. Nothing in it is secret."""


class Textfile:
    """The file that the metrics are in; at most one at a time."""

    def __init__(self) -> None:
        self.path = ""
        """Where it is; empty: there is none."""
        self.failing = ""
        """Why it could not be written the last time, and what to do; empty where it could."""

    def write(self, path: str, state: State) -> bool:
        """Write the metrics into this file, empty: into none; False where that failed.

        Whoever reads finds the old file or the new one. One at another path is removed. A reason
        why it cannot be written is logged once; each call tries again.
        """
        if path != self.path:
            self.remove()
            self.path = path
        if not path:
            return True
        try:
            _put(path, render(state, process=False)[0])
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            failing = f"cannot write {safe(path)}: {safe(why)}"
            if isinstance(error, FileNotFoundError):
                failing += f". Make the folder {safe(os.path.dirname(path))}"
            if self.failing != failing:
                self.failing = failing
                log.error("cannot write the metrics; trying again", why=failing)
            return False
        if self.failing:
            self.failing = ""
            log.info("the metrics can be written again", textfile=path)
        return True

    def remove(self) -> None:
        """Remove the file: what it tells is no longer so when the agent ends."""
        path, self.path, self.failing = self.path, "", ""
        if path:
            with suppress(OSError, ValueError):
                refuse(path)
                os.unlink(path)


def _put(path: str, content: bytes) -> None:
    refuse(path)
    folder, name = os.path.split(path)
    # Always the same name, so that a kill leaves one at most. The collector does not read it.
    draft = os.path.join(folder, f".{name}.new")
    with suppress(FileNotFoundError):
        os.unlink(draft)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        with open(os.open(draft, flags, 0o600), "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), _MODE)
        os.replace(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise

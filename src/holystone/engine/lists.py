"""The lists of all objects, asked for at once and read when the answers are wanted.

Whoever needs them starts asking first and does its own preparations while the engine works. This
module therefore imports next to nothing.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from holystone.engine.api import Client, abandon
from holystone.engine.errors import EngineError

if TYPE_CHECKING:
    from holystone.core.inventory import CacheRecord

DF_BY_TYPE = (1, 42)
"""The API version from which ``/system/df`` answers for one kind alone."""
_MANIFESTS = (1, 47)
"""The API version from which the list of images tells sizes of content."""


class Answers(NamedTuple):
    """What the engine answered, as JSON. ``usage`` is ``/system/df``, where it was asked."""

    info: Any
    images: Any
    networks: Any
    volumes: Any
    containers: Any
    usage: Any = None


class Lists:
    """The lists of one engine, under way."""

    def __init__(self, client: Client, *, sizes: bool) -> None:
        """Ask for them; does not wait. With ``sizes`` also for what takes a walk over files.

        Raises EngineError where the engine cannot be asked.
        """
        self.client = client
        self.sizes = sizes
        self.cache: list[CacheRecord] | None = None
        """The build cache where BuildKit itself was asked; else it is in ``Answers.usage``."""
        self._asking: threading.Thread | None = None
        version = client.negotiate()
        paths = ["/info", "/images/json?all=1", "/networks", "/volumes", "/containers/json?all=1"]
        if sizes:
            paths[-1] += "&size=1"
        if not version.podman:
            if version.api >= _MANIFESTS:
                paths[1] += "&manifests=1"
            if version.api >= DF_BY_TYPE:
                paths.append("/system/df?type=build-cache" + ("&type=volume" if sizes else ""))
            elif sizes:
                paths.append("/system/df")
            else:
                self._asking = threading.Thread(target=self._ask_buildkit, daemon=True)
        elif sizes:
            paths.append("/system/df")
        self._pending = client.begin(("GET", client.versioned(path)) for path in paths)
        if self._asking is not None:
            self._asking.start()

    def answers(self) -> Answers:
        """Wait for the engine and read what it says. Raises EngineError."""
        told = [answer.checked().json() for answer in self.client.finish(self._pending)]
        self.client.told_time(told[0])
        if self._asking is not None:
            self._asking.join()
            if self.cache is None:
                told.append(self.client.get("/system/df"))
        return Answers(*told)

    def close(self) -> None:
        """Give up on answers that nobody has read."""
        abandon(self._pending)

    def _ask_buildkit(self) -> None:
        """Set ``cache``, where that can be done."""
        self.cache = ask_buildkit(self.client)


def ask_buildkit(client: Client) -> list[CacheRecord] | None:
    """The build cache over ``POST /grpc``; None where that gives no answer.

    A proxy before the engine may not let it through. ``GET /system/df`` tells the same.
    """
    from holystone.engine.buildkit import disk_usage

    try:
        connection = client.open()
        try:
            return disk_usage(connection.sock)
        finally:
            connection.close()
    except (EngineError, OSError):
        return None

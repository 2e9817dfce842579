"""Pull images with progress; tag images pulled by digest, unless that would move a tag."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import chain
from typing import Any, Protocol, TypeVar
from urllib.parse import quote

from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused, ProtocolError, connection_broke
from holystone.engine.parse import full_id
from holystone.engine.remove import references
from holystone.engine.transport.http import Connection, read_json
from holystone.planner.reference import parse
from holystone.registry.credentials import Credentials
from holystone.registry.probe import AUTH_HEADER

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with the bytes that have come and, of the layers begun so far, those there will be."""

_NOT_FOUND = 404
_COMPLETE = ("Download complete", "Pull complete", "Verifying Checksum", "Extracting")


class PullFailed(EngineError):
    """The engine or the registry did not give an image; the message has their words."""


class PullCancelled(EngineError):
    """The pull was ended by ``Puller.cancel``."""


class Images(Protocol):
    """Pulls and names the images of an engine: ``Puller``, or a simulated one."""

    keeps_digests: bool
    """Whether an image that was pulled by a digest has it. Podman counts those of a manifest
    otherwise."""

    def pull(self, reference: str, progress: Progress, *, platform: str = "") -> str:
        """Pull a reference; answers the image's ID. See ``Puller.pull``."""

    def image_id(self, reference: str) -> str | None:
        """The ID of the image a reference means now; None where there is none."""

    def references(self, image_id: str) -> set[str] | None:
        """The tags and digests of an image; None where it is not there. Raises EngineError."""

    def tag(self, image_id: str, tag: str) -> str:
        """Give an image a tag, unless another image has it; answers that image's ID, else empty.

        Raises EngineError.
        """

    def cancel(self) -> None:
        """End all pulls under way, and let none begin: each raises PullCancelled."""


class Puller:
    """Pulls and names images of one engine. Safe to use from several threads."""

    def __init__(self, client: Client, credentials: Credentials) -> None:
        self.keeps_digests = not client.negotiate().podman
        self.client = client
        self.credentials = credentials
        self._lock = threading.Lock()
        self._under_way: list[Connection] = []
        self._cancelled = False

    def pull(self, reference: str, progress: Progress, *, platform: str = "") -> str:
        """Pull a reference with a digest or a tag, which moves; answers the image's ID.

        ``platform``: ``linux/arm64``; empty: the engine's own. Raises CredentialsError, PullFailed,
        PullCancelled, and EngineError where the engine does not answer.
        """
        wanted = parse(reference).complete
        if wanted.digest:
            wanted = wanted._replace(tag="")
        header = self.credentials.header(wanted.domain)
        client = self.client.sibling()
        connection = client.open()
        try:
            with self._lock:
                self._check()
                self._under_way.append(connection)
            path = client.versioned(f"/images/create?fromImage={wanted}")
            path += f"&platform={quote(platform)}" if platform else ""
            _follow(connection, path, {AUTH_HEADER: header} if header else {}, progress)
        except ProtocolError:
            self._check()
            raise
        except OSError as error:
            self._check()
            raise connection_broke(f"while pulling {reference}", error) from None
        finally:
            with self._lock:
                if connection in self._under_way:
                    self._under_way.remove(connection)
            connection.close()
        self._check()
        image_id = self.image_id(str(wanted))
        if image_id is None:
            raise PullFailed("the engine ended the pull without a word, and the image is not there")
        return image_id

    def _check(self) -> None:
        if self._cancelled:
            raise PullCancelled("interrupted") from None

    def image_id(self, reference: str) -> str | None:
        """The ID of the image a reference means now; None where there is none."""
        with closing(self.client.sibling()) as client:
            told = _unless_missing(lambda: client.get(f"/images/{reference}/json"))
        return full_id(told.get("Id")) if isinstance(told, dict) else None

    def references(self, image_id: str) -> set[str] | None:
        """The tags and digests of an image; None where it is not there. Raises EngineError."""
        with closing(self.client.sibling()) as client:
            return _unless_missing(lambda: references(client, image_id))

    def tag(self, image_id: str, tag: str) -> str:
        """Give an image a tag, unless another image has it; answers that image's ID, else empty.

        Raises EngineError.
        """
        holder = self.image_id(tag)
        if holder is not None:
            return "" if holder == image_id else holder
        name = parse(tag)
        with closing(self.client.sibling()) as client:
            path = f"/images/{image_id}/tag?repo={name.name}&tag={name.tag}"
            client.request("POST", client.versioned(path))
        return ""

    def cancel(self) -> None:
        """End all pulls under way, and let none begin: each raises PullCancelled."""
        with self._lock:
            self._cancelled = True
            for connection in self._under_way:
                with suppress(OSError):
                    # Wakes the thread that reads from it, which closing would not.
                    connection.sock.shutdown(socket.SHUT_RDWR)


def _unless_missing(ask: Callable[[], T]) -> T | None:
    """What the engine answers; None where it says that the image is not there."""
    try:
        return ask()
    except EngineRefused as refusal:
        if refusal.status != _NOT_FOUND:
            raise
        return None


def _follow(
    connection: Connection, path: str, headers: Mapping[str, str], progress: Progress
) -> None:
    """Send the request and read its stream to the end. Raises PullFailed, ProtocolError, OSError.

    A status of success does not say that nothing will go wrong: the stream tells that.
    """
    connection.send("POST", path, headers=headers)
    if connection.receive_head() >= 400:
        raise PullFailed(connection.receive_rest().words())
    layers: dict[str, tuple[int, int]] = {}
    for message in _messages(connection):
        detail = message.get("errorDetail")
        words = (detail.get("message") if isinstance(detail, dict) else None) or message.get(
            "error"
        )
        if fault := " ".join(str(words or "").split()):
            raise PullFailed(fault)
        if _count(message, layers):
            progress(
                sum(come for come, _ in layers.values()),
                sum(size for _, size in layers.values()),
            )


def _messages(connection: Connection) -> Iterator[dict[str, Any]]:
    """The JSON objects of a stream, a line each, until the engine ends it."""
    held = b""
    for piece in chain(connection.receive_pieces(), (b"\n",)):
        *lines, held = (held + piece).split(b"\n")
        for line in filter(bytes.strip, lines):
            try:
                message = read_json(line)
            except (ValueError, RecursionError):
                message = None
            if not isinstance(message, dict):
                raise ProtocolError(
                    f"the answer to a pull is garbled: {line[:60]!r}. Is there a proxy before the "
                    "engine?"
                )
            yield message


def _count(message: Mapping[str, Any], layers: dict[str, tuple[int, int]]) -> bool:
    """Note how far a layer is; whether that changed anything."""
    layer, status = str(message.get("id") or ""), str(message.get("status") or "")
    detail = message.get("progressDetail")
    if status == "Downloading" and isinstance(detail, dict):
        come, size = detail.get("current"), detail.get("total")
        if isinstance(come, int):
            layers[layer] = (come, size if isinstance(size, int) and size > come else come)
            return True
    elif status in _COMPLETE and layer in layers:
        size = layers[layer][1]
        layers[layer] = (size, size)
        return True
    return False

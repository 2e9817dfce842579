"""HTTP/1.1 as the Docker Engine API speaks it, over a connected socket, and how long it waits.

``http.client`` reads the answers. This module adds the patience with an engine that works
silently, and one error for each way in which an answer is broken.

Most calls are answered at once. An engine that says nothing for ``--timeout`` (10 s) to one of
these hangs, and the command ends. Some calls are silent because the engine works. These may be
silent ``AT_WORK`` times as long (5 minutes), as long as the engine still answers a ping, which is
asked each time ``--timeout`` has passed without a byte:

- ``DELETE`` of an image, container, volume or network: it answers once the files are gone, and
  for a large image on a slow disk that takes minutes.
- ``/system/df`` and lists with ``size=1``: it walks the files of volumes and containers first.
- ``POST /build/prune``, and BuildKit's ``Prune`` over ``POST /grpc``: it deletes its records first.
- ``GET /images/get`` and ``/images/{id}/get``: a classic engine and Podman write the whole export
  to their disk before the first byte.
- ``POST /images/create``: it tells its progress, but waits silently for a registry, and Podman
  while it unpacks a layer.

``GET /images/json`` stands between: the containerd store weighs each image (8 to 17 ms,
moby#53077), so each image that ``/info`` counts adds ``AN_IMAGE``.

Requests to a registry through the engine have a separate limit: ``registry.probe.PATIENCE``.
"""

from __future__ import annotations

import io
import json
import re
import select
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from holystone.engine.errors import (
    EngineRefused,
    EngineSilent,
    EngineUnreachable,
    ProtocolError,
    SenselessAnswer,
    connection_broke,
)
from holystone.engine.transport.endpoint import Endpoint

AT_WORK = 30
"""Times as long may be silent what works."""
AN_IMAGE = 0.05
"""Seconds for each image in a list: about three times what the slowest store takes."""
LET_WORK = 5.0
"""Seconds to wait for an answer that is no longer wanted."""
AT_WORK_MARK = ", at work"
"""How the request of an upgraded connection ends where a call of BuildKit takes its time."""
_WORKS = re.compile(
    r"DELETE |POST (/v[\d.]+)?/(images/create|build/prune)\b|GET (/v[\d.]+)?/system/df\b"
    r"|GET (/v[\d.]+)?/images/([^/]+/)?get\b|GET [^?]*\?(.*&)?size=(1|true)\b"
)
_MEASURES = re.compile(r"GET (/v[\d.]+)?/system/df\b")
_LIST = re.compile(r"GET (/v[\d.]+)?/images/json\b")
_CHUNK = 1 << 16
_HTTP = b"HTTP/1."
_NO_CHUNK = "there is no chunk size where one should be"
_HALF = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
_PLAIN = re.compile(r"[!-~]*")
_KEPT = "".join(map(chr, range(0x21, 0x7F)))


def read_json(data: bytes) -> Any:
    """What JSON says, with ``?`` for half of a surrogate pair: nothing can store or send one.

    Raises ValueError and RecursionError.
    """
    told = json.loads(data)
    if _HALF.search(data):
        told = json.loads(json.dumps(told, ensure_ascii=False).encode("utf-8", "replace"))
    return told


class Patience:
    """Decides for all connections to one engine how long a silence may last."""

    def __init__(self, endpoint: Endpoint, ping: Callable[[], bool]) -> None:
        """``ping`` returns whether the engine answers a ping on a separate connection."""
        self.endpoint = endpoint
        self.ping = ping
        self.images = 0
        """How many images the engine counts, if known."""

    def allowed(self, request: str, timeout: float) -> float:
        """Seconds for which the answer to a request (method and path) may pause."""
        if request.endswith(AT_WORK_MARK) or _WORKS.match(request):
            return timeout * AT_WORK
        return timeout + self.images * AN_IMAGE if _LIST.match(request) else timeout

    def wait_on(self, request: str, timeout: float, waited: float) -> None:
        """Return where the answer is to be waited for, after so many seconds without a byte.

        Raises EngineSilent where the engine hangs, and ProtocolError where it does other work, and
        only this call takes too long.
        """
        allowed = self.allowed(request, timeout)
        if allowed <= timeout or not self.ping():
            raise self.hung(request, waited)
        if waited >= allowed:
            raise ProtocolError(
                f"the engine did not answer {request} within {waited:g} s, and answers a ping all "
                "the while. It may be busy: try --timeout with a longer time."
            )

    def hung(self, request: str, waited: float) -> EngineSilent:
        """The error of an engine that takes a request and says nothing for so many seconds."""
        return EngineSilent(
            f"the engine at {self.endpoint.where} seems to hang: it did not answer {request} "
            f"within {waited:g} s. It may be busy: try --timeout with a longer time."
        )


class Response(NamedTuple):
    """A whole answer. Header names are in lower case."""

    request: str
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; None where it is empty. Raises SenselessAnswer."""
        if not self.body.strip():
            return None
        try:
            return read_json(self.body)
        except (ValueError, RecursionError) as error:
            start = self.body[:80].decode("utf-8", "replace")
            raise SenselessAnswer(
                f"the answer to {self.request} is no JSON ({error}); it starts with {start!r}. "
                "Is this a Docker Engine API?"
            ) from None

    def checked(self) -> Response:
        """The answer itself, where its status says success. Raises EngineRefused with the words."""
        if self.status >= 400:
            raise EngineRefused(self.status, self.words(), self.request)
        return self

    def words(self) -> str:
        """What the engine says in an error, as one line."""
        try:
            message = read_json(self.body)["message"]
        except (ValueError, TypeError, KeyError, RecursionError):
            message = self.body[:200].decode("utf-8", "replace")
        return " ".join(str(message).split()) or "(no message)"


class Connection:
    """One connection to an engine: requests out, answers in, in the same order."""

    def __init__(self, sock: socket.socket, patience: Patience) -> None:
        """``patience`` decides how long each answer may pause."""
        self.sock = sock
        self.patience = patience
        self.request = ""
        self.sent = 0.0
        """When the last request was sent, UTC seconds on this machine's clock."""
        self.ended = False
        """Whether the engine has sent its last byte."""
        self._answer: HTTPResponse

    @property
    def stale(self) -> bool:
        """True where an idle connection will serve no other request: closed, or with bytes left.

        To a peer that hung up over TCP a request can still be sent; only the answer never comes.
        """
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(0))

    @property
    def reusable(self) -> bool:
        """Whether another request may follow the answer that was read."""
        return not self._answer.will_close

    def send(
        self,
        method: str,
        path: str,
        *,
        version: str = "1.1",
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> None:
        """Send one request; only a POST has a body. Raises OSError if the connection is gone."""
        if not _PLAIN.fullmatch(path):
            # An ID, which is the engine's own, can end neither the path nor the line.
            path = quote(path, safe=_KEPT, errors="replace")
        self.request = f"{method} {path}"
        self.sent = time.time()
        lines = [f"{method} {path} HTTP/{version}", "Host: docker", "User-Agent: holystone"]
        if method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        lines += (f"{name}: {value}" for name, value in (headers or {}).items())
        self.sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii") + body)

    def receive(self) -> Response:
        """Read one whole answer. Raises ProtocolError where it is cut, garbled or too slow."""
        self.receive_head()
        return self.receive_rest()

    def receive_head(self) -> int:
        """Read an answer's status and headers; answers the status. Raises ProtocolError."""
        self._answer = answer = HTTPResponse(cast("socket.socket", _Incoming(self)))
        start = answer.fp.peek()[:60]
        # What is no HTTP may lack the end of a line, for which http.client would wait.
        if start and not _HTTP.startswith(start[: len(_HTTP)]):
            raise self._not_http(start)
        try:
            answer.begin()
        except HTTPException:
            if not self.ended:
                raise self._not_http(start) from None
        if self.ended:
            raise self._cut()
        length = answer.headers.get("content-length")
        if length is not None and answer.length is None and not answer.chunked:
            raise self._garbled(f"{length[:40]!r} is no Content-Length")
        return answer.status

    def receive_rest(self) -> Response:
        """Read the body after the head. Raises ProtocolError as ``receive``."""
        body = b"".join(self.receive_pieces())
        headers = {name.lower(): value.strip() for name, value in self._answer.headers.items()}
        return Response(self.request, self._answer.status, headers, body)

    def receive_pieces(self) -> Iterator[bytes]:
        """The body after the head, in pieces as they come, none of them large.

        Raises ProtocolError as ``receive``; without chunks or a length a cut body looks complete.
        """
        answer = self._answer
        left = answer.length
        while left is None or left > 0:
            try:
                piece = answer.read1(_CHUNK if left is None else min(left, _CHUNK))
            except HTTPException:
                raise (self._cut() if self.ended else self._garbled(_NO_CHUNK)) from None
            if answer.chunked and (answer.chunk_left or 0) < 0:
                raise self._garbled(_NO_CHUNK)
            if not piece:
                break
            if left is not None:
                left -= len(piece)
            yield piece
        if self.ended and (left or answer.chunked):
            raise self._cut()

    def arrived(self) -> tuple[bytes, str]:
        """The data of an endless answer so far, on a socket that never waits.

        And why nothing more will come; empty as long as something may.
        """
        parts = []
        try:
            while part := self._answer.fp.read1(_CHUNK):
                parts.append(part)
        except ProtocolError as error:
            return b"".join(parts), str(error)
        ended = f"the engine ended its answer to {self.request}. Is it being restarted?"
        return b"".join(parts), ended if self.ended else ""

    def receive_upgraded(self) -> bytes:
        """What comes after the head in another protocol; nothing at its end. Raises as above."""
        return self._answer.fp.read1(_CHUNK)

    def receive_some(self, size: int) -> bytes | None:
        """Up to so many bytes of what has come of the answer; nothing at its end.

        None where the socket does not wait and nothing has come. Raises EngineSilent where it takes
        too long, and ProtocolError.
        """
        waited = 0.0
        while True:
            try:
                data = self.sock.recv(size)
            except TimeoutError as silence:
                timeout = self.sock.gettimeout() or 0.0
                waited += timeout
                if not isinstance(silence, EngineUnreachable):
                    self.patience.wait_on(self.request, timeout, waited)
                elif self.patience.allowed(self.request, timeout) <= waited:
                    raise  # Over ssh it is the login that may not be done.
            except OSError as error:
                if isinstance(error, BlockingIOError | ssl.SSLWantReadError):
                    return None
                raise connection_broke(
                    f"in the middle of the answer to {self.request}", error
                ) from None
            else:
                self.ended = not data
                return data

    def _cut(self) -> ProtocolError:
        return ProtocolError(
            f"the engine closed the connection in the middle of its answer to {self.request}. "
            "Is it being restarted?"
        )

    def _not_http(self, start: bytes) -> ProtocolError:
        line = start.decode("latin-1").split("\r\n")[0]
        return ProtocolError(
            f"the answer to {self.request} is no HTTP; it starts with {line!r}. "
            "Is this the engine's address, and does it want TLS?"
        )

    def _garbled(self, how: str) -> ProtocolError:
        return ProtocolError(
            f"the answer to {self.request} is garbled: {how}. Is there a proxy before the engine?"
        )

    def let_work(self) -> None:
        """Before closing: wait a few seconds for an answer that the engine must be let finish.

        For ``/system/df`` BuildKit holds and measures its new records. Where the client goes away
        meanwhile, Docker 20.10 holds them until it is restarted, and nothing can delete them.
        """
        if _MEASURES.match(self.request):
            with suppress(OSError, EngineUnreachable):
                self.sock.settimeout(LET_WORK)
                self.sock.recv(1)

    def close(self) -> None:
        """Close the connection; the next use of it fails."""
        self.sock.close()


class _Incoming(io.RawIOBase):
    """What comes over a connection, in the form in which ``http.client`` reads it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self, _CHUNK)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        view = memoryview(buffer)
        data = self.connection.receive_some(len(view))
        if data is not None:
            view[: len(data)] = data
        return None if data is None else len(data)

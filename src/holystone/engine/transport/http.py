"""HTTP/1.1 as the Docker Engine API speaks it, over a connected socket.

The standard library's client takes longer to import than a whole routine clean takes to run, and
cannot send several requests before it reads the first answer. This one does just that, and tells
a cut-off answer from a complete one.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from holystone.engine.errors import (
    EngineRefused,
    EngineUnreachable,
    ProtocolError,
    SenselessAnswer,
)
from holystone.engine.transport.text import one_word, read_json

if TYPE_CHECKING:
    from holystone.engine.patience import Patience

_CHUNK = 1 << 16
_LONGEST_HEAD = 1 << 18


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

    def __init__(self, sock: socket.socket, patience: Patience | None = None) -> None:
        """``patience`` tells how long each answer may pause; without, the socket's timeout."""
        self.sock = sock
        self.patience = patience
        self.held = bytearray()
        self.request = ""
        self.sent = 0.0
        """When the last request was sent, UTC seconds on this machine's clock."""
        self.reusable = True

    @property
    def stale(self) -> bool:
        """True where an idle connection will serve no other request: closed, or with bytes left.

        To a peer that hung up over TCP a request can still be sent; only the answer never comes.
        """
        import select

        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(self.held or poll.poll(0))

    def send(
        self,
        method: str,
        path: str,
        *,
        version: str = "1.1",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Send one request without a body. Raises OSError where the connection is gone."""
        path = one_word(path)
        self.request = f"{method} {path}"
        self.sent = time.time()
        head = f"{method} {path} HTTP/{version}\r\nHost: docker\r\nUser-Agent: holystone\r\n"
        if method == "POST":
            head += "Content-Length: 0\r\n"
        for name, value in (headers or {}).items():
            head += f"{name}: {value}\r\n"
        self.sock.sendall(head.encode("ascii") + b"\r\n")

    def receive(self) -> Response:
        """Read one whole answer. Raises ProtocolError where it is cut, garbled or too slow."""
        return self.receive_body(*self.receive_head())

    def receive_body(self, status: int, headers: dict[str, str]) -> Response:
        """Read the rest of an answer that starts like this. Raises ProtocolError as above."""
        if status in (204, 304):
            body = b""
        elif "chunked" in headers.get("transfer-encoding", "").lower():
            body = b"".join(self._chunks())
        elif "content-length" in headers:
            length = headers["content-length"]
            if not _number(length):
                raise self._garbled(f"{length!r} is no Content-Length")
            body = self._take(int(length))
        else:
            self.reusable = False
            body = self._rest()
        if headers.get("connection", "").lower() == "close":
            self.reusable = False
        return Response(self.request, status, headers, body)

    def receive_pieces(self, headers: Mapping[str, str]) -> Iterator[bytes]:
        """The body of an answer that starts like this, in pieces as they come, none of them large.

        The connection serves no other request. Raises ProtocolError as above; without chunks or a
        length a cut body looks complete.
        """
        self.reusable = False
        if "chunked" in headers.get("transfer-encoding", "").lower():
            while size := self._chunk_size():
                yield from self._pieces(size)
                self._end_chunk()
            return
        length = headers.get("content-length")
        if length is not None:
            if not _number(length):
                raise self._garbled(f"{length!r} is no Content-Length")
            yield from self._pieces(int(length))
            return
        if self.held:
            yield self._take(len(self.held))
        while data := self.receive_some():
            yield data

    def _pieces(self, size: int) -> Iterator[bytes]:
        """So many bytes, as they come."""
        while size:
            if not self.held:
                self._more(size)
            piece = self._take(min(size, len(self.held)))
            size -= len(piece)
            yield piece

    def receive_head(self) -> tuple[int, dict[str, str]]:
        """Read an answer's status and headers; the body is left to be read."""
        while (end := self.held.find(b"\r\n\r\n")) < 0:
            if len(self.held) > _LONGEST_HEAD or not b"HTTP/1.".startswith(self.held[:7]):
                raise self._not_http()
            self._more()
        lines = bytes(self.held[:end]).decode("latin-1").split("\r\n")
        del self.held[: end + 4]
        version, _, rest = lines[0].partition(" ")
        if not version.startswith("HTTP/1.") or not _number(rest[:3]) or len(rest) < 3:
            raise self._not_http(lines[0])
        self.reusable = version == "HTTP/1.1"
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        return int(rest[:3]), headers

    def _chunks(self) -> Iterator[bytes]:
        while size := self._chunk_size():
            yield self._take(size)
            self._end_chunk()

    def _chunk_size(self) -> int:
        """How long the next chunk is; 0 where the body has ended."""
        size_line = self._line()
        try:
            size = int(size_line.split(b";")[0], 16)
        except ValueError:
            size = -1
        if size < 0:
            raise self._garbled(f"{size_line[:40]!r} is no chunk size")
        if size == 0:
            while self._line():
                pass
        return size

    def _end_chunk(self) -> None:
        if self._take(2) != b"\r\n":
            raise self._garbled("a chunk is longer than it says")

    def _line(self) -> bytes:
        while (end := self.held.find(b"\r\n")) < 0:
            if len(self.held) > _LONGEST_HEAD:
                raise self._garbled(f"{bytes(self.held[:40])!r} is no line")
            self._more()
        line = bytes(self.held[:end])
        del self.held[: end + 2]
        return line

    def _take(self, size: int) -> bytes:
        while len(self.held) < size:
            self._more(size)
        taken = bytes(self.held[:size])
        del self.held[:size]
        return taken

    def _rest(self) -> bytes:
        while data := self.receive_some():
            self.held += data
        rest = bytes(self.held)
        self.held.clear()
        return rest

    def _more(self, wanted: int = 0) -> None:
        data = self.receive_some()
        if not data:
            of = f" of {wanted}" if wanted else ""
            raise ProtocolError(
                f"the engine closed the connection in the middle of its answer to {self.request} "
                f"(after {len(self.held)}{of} bytes of this part). Is it being restarted?"
            )
        self.held += data

    def receive_some(self) -> bytes:
        """What has come of the answer, at least a byte; nothing at its end.

        Raises EngineSilent where that takes too long, and ProtocolError.
        """
        waited = 0.0
        while True:
            try:
                return self.sock.recv(_CHUNK)
            except TimeoutError as silence:
                timeout = self.sock.gettimeout() or 0.0
                waited += timeout
                self._wait_on(silence, timeout, waited)
            except OSError as error:
                raise ProtocolError(
                    f"the connection broke in the middle of the answer to {self.request}: "
                    f"{error.strerror or error}. Is the engine being restarted?"
                ) from None

    def _wait_on(self, silence: TimeoutError, timeout: float, waited: float) -> None:
        """Return where the silence may last longer; else raise what it means."""
        patience = self.patience
        if isinstance(silence, EngineUnreachable):
            # Over ssh it is the login that may not be done.
            if patience is None or patience.allowed(self.request, timeout) <= waited:
                raise silence
            return
        if patience is None:
            raise ProtocolError(
                f"the engine did not answer {self.request} within {timeout:g} s. It may be busy: "
                "try --timeout with a longer time."
            ) from None
        patience.wait_on(self.request, timeout, waited)

    def recv(self, size: int, /) -> bytes:  # noqa: ARG002 - what a stream is asked
        """What has come, for who speaks another protocol on the same connection."""
        return self.receive_some()

    def sendall(self, data: bytes, /) -> None:
        """Send bytes of another protocol. Raises OSError."""
        self.sock.sendall(data)

    def upgraded(self, request: str) -> Connection:
        """The connection as a stream, on which another protocol asks for ``request``."""
        self.request = request
        return self

    def _not_http(self, start: str = "") -> ProtocolError:
        start = start or bytes(self.held[:60]).decode("latin-1")
        return ProtocolError(
            f"the answer to {self.request} is no HTTP; it starts with {start!r}. "
            "Is this the engine's address, and does it want TLS?"
        )

    def _garbled(self, how: str) -> ProtocolError:
        return ProtocolError(
            f"the answer to {self.request} is garbled: {how}. Is there a proxy before the engine?"
        )

    def close(self) -> None:
        """Close the connection; the next use of it fails."""
        self.sock.close()


def _number(text: str) -> bool:
    """True for what fits a file size, in digits and nothing else."""
    return text.isdecimal() and len(text) < 19

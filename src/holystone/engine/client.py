"""Typed access to one engine: version negotiation, requests side by side, clear errors.

Several requests are sent over as many connections before the first answer is read, so the engine
works on them at the same time and no thread is needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from typing import Any, NamedTuple

from holystone.engine.clock import EngineClock, timestamp
from holystone.engine.errors import (
    EngineError,
    EngineSilent,
    EngineUnreachable,
    EngineUnsupported,
    ProtocolError,
    connection_broke,
)
from holystone.engine.transport.endpoint import Endpoint
from holystone.engine.transport.http import Connection, Patience, Response

OLDEST_API = (1, 40)
"""Engine 19.03. Older ones lack what the plan needs of the build cache."""
NEWEST_API = (1, 55)
"""The newest version holystone knows (Docker 29.7); a newer engine is asked in this one."""


class Pending(NamedTuple):
    """Requests under way, the oldest first, and those still to be sent."""

    under_way: deque[Connection]
    waiting: Iterator[tuple[str, str]]
    headers: Mapping[str, str] = {}
    """What each of them carries beyond the usual."""


class Version(NamedTuple):
    """The engine's version, and the API version to speak with it."""

    engine: str
    api: tuple[int, int]
    podman: bool


class Client:
    """Asks one engine. Not for several threads at once: each thread takes ``sibling()``."""

    def __init__(
        self, endpoint: Endpoint, timeout: float, dial: Callable[[Endpoint, float], Any]
    ) -> None:
        """``dial`` opens a connected socket to the endpoint; ``timeout`` is in seconds."""
        self.endpoint = endpoint
        self.timeout = timeout
        self.dial = dial
        self.version: Version | None = None
        self.time = ""
        """The engine's clock when last read: seconds since 1970, with a fraction."""
        self.info: dict[str, Any] | None = None
        """The answer to ``GET /info``, if it was stored or requested."""
        self.idle: list[Connection] = []
        self.clock = EngineClock()
        self.patience = Patience(endpoint, self._answers_ping)
        self.width = 2 if endpoint.scheme == "ssh" else 8
        """Requests under way at a time; over ssh each connection is a login."""

    def sibling(self) -> Client:
        """A client of the same engine with separate connections, for another thread."""
        other = Client(self.endpoint, self.timeout, self.dial)
        other.version = self.version
        other.patience = self.patience
        other.clock = self.clock
        return other

    def negotiate(self) -> Version:
        """Ask the engine's version once, and settle on the API version to speak.

        The newest both sides know is spoken. Raises EngineUnsupported where there is none.
        """
        if self.version is None:
            self.version = self._from_ping() or self._from_version()
        return self.version

    def _from_ping(self) -> Version | None:
        """The versions in the headers of ``GET /_ping``, if they are complete and an engine's.

        An engine answers it at once, and ``/version`` only after asking its runtimes for theirs.
        One that knows more than we do is asked for the oldest version it takes as well.
        """
        ping = self.send([("GET", "/_ping")])[0]
        api = ping.headers.get("api-version", "")
        server, _, version = ping.headers.get("server", "").partition("/")
        # A proxy may put its own name there.
        if server not in ("Docker", "Libpod"):
            return None
        try:
            newest = _api_version(api, "Api-Version")
        except ProtocolError:
            return None
        if not OLDEST_API <= newest <= NEWEST_API:
            return None
        return Version(version.partition(" ")[0], newest, server == "Libpod")

    def _from_version(self) -> Version:
        """The versions in ``GET /version``. Raises EngineUnsupported, ProtocolError."""
        answer = self.request("GET", "/version")
        if not isinstance(answer, dict):
            raise ProtocolError(
                f"GET /version answers {str(answer)[:60]!r}. Is this a Docker Engine API?"
            )
        newest = _api_version(answer.get("ApiVersion"), "ApiVersion")
        oldest = _api_version(answer.get("MinAPIVersion") or "1.12", "MinAPIVersion")
        said = f"the engine {answer.get('Version')} at {self.endpoint.url} speaks"
        if newest < OLDEST_API:
            raise EngineUnsupported(
                f"{said} API {_dotted(newest)} at most; holystone needs {_dotted(OLDEST_API)} "
                "or newer (Docker 19.03, Podman 3). Update the engine."
            )
        if oldest > NEWEST_API:
            raise EngineUnsupported(
                f"{said} API {_dotted(oldest)} at least; this holystone knows versions up to "
                f"{_dotted(NEWEST_API)}. Update holystone."
            )
        podman = "podman" in str(answer.get("Components")).lower()
        return Version(str(answer.get("Version", "")), min(newest, NEWEST_API), podman)

    def told_time(self, info: Any) -> None:
        """Note the engine's clock, and its number of images, from its answer to ``GET /info``."""
        info = info if isinstance(info, dict) else {}
        count = info.get("Images")
        self.patience.images = count if isinstance(count, int) and count > 0 else 0
        told = timestamp(info.get("SystemTime"))
        self.time = "" if told is None else f"{told:.6f}"

    def request(self, method: str, path: str) -> Any:
        """Ask one thing; its JSON. Raises EngineError."""
        return self.send([(method, path)])[0].checked().json()

    def get(self, path: str) -> Any:
        """``GET`` a path of the negotiated API version; its JSON. Raises EngineError."""
        return self.request("GET", self.versioned(path))

    def send(self, requests: Iterable[tuple[str, str]]) -> list[Response]:
        """The answers in order, with any status. Raises EngineError if one is broken."""
        return self.finish(self.begin(requests))

    def begin(
        self, requests: Iterable[tuple[str, str]], headers: Mapping[str, str] | None = None
    ) -> Pending:
        """Send the first ``width`` of these requests; ``answers`` reads what comes."""
        pending = Pending(deque(), iter(requests), headers or {})
        try:
            while len(pending.under_way) < self.width and self._ask_next(pending):
                pass
        except BaseException:
            abandon(pending)
            raise
        return pending

    def answers(self, pending: Pending) -> Iterator[Response]:
        """The answers to what was begun, in order, each followed by the next request."""
        try:
            while pending.under_way:
                connection = pending.under_way[0]
                answer = connection.receive()
                self.clock.heard(answer.headers.get("date", ""), connection.sent)
                pending.under_way.popleft()
                if connection.reusable:
                    self.idle.append(connection)
                else:
                    connection.close()
                self._ask_next(pending)
                yield answer
        except EngineUnreachable:
            abandon(pending, answers=False)
            raise
        finally:
            abandon(pending)

    def finish(self, pending: Pending) -> list[Response]:
        """All answers to what was begun."""
        return list(self.answers(pending))

    def versioned(self, path: str) -> str:
        """The path under the negotiated API version."""
        return f"/v{_dotted(self.negotiate().api)}{path}"

    def _ask_next(self, pending: Pending) -> bool:
        request = next(pending.waiting, None)
        if request is not None:
            pending.under_way.append(self._ask(*request, pending.headers))
        return request is not None

    def _ask(self, method: str, path: str, headers: Mapping[str, str]) -> Connection:
        """Send one request, on a fresh connection where the idle ones were closed meanwhile."""
        while self.idle:
            connection = self.idle.pop()
            if not connection.stale:
                break
            connection.close()
        else:
            connection = self.open()
        try:
            connection.send(method, path, headers=headers)
        except TimeoutError:
            connection.close()
            raise self.patience.hung(f"{method} {path}", self.timeout) from None
        except OSError as error:
            connection.close()
            raise connection_broke(f"while asking {method} {path}", error) from None
        except BaseException:
            connection.close()
            raise
        return connection

    def open(self) -> Connection:
        """A new connection, the caller's to close. Raises EngineUnreachable."""
        return Connection(self.dial(self.endpoint, self.timeout), self.patience)

    def _answers_ping(self) -> bool:
        """Whether the engine answers a ping on a new connection; True if that is unknown.

        Whatever it says is an answer. No connection at all is none.
        """
        try:
            connection = self.open()
        except EngineUnreachable:
            return False
        with closing(connection):
            try:
                connection.send("GET", "/_ping")
                connection.receive_head()
            except EngineSilent:
                return False
            except (EngineError, OSError):
                return True
        return True

    def close(self) -> None:
        """Close the connections that wait for another request."""
        while self.idle:
            self.idle.pop().close()


def abandon(pending: Pending, *, answers: bool = True) -> None:
    """Give up on answers that are still to come; see ``Connection.let_work``.

    ``answers``: whether the engine still answers at all.
    """
    while pending.under_way:
        connection = pending.under_way.pop()
        if answers:
            connection.let_work()
        connection.close()


def _api_version(text: object, key: str) -> tuple[int, int]:
    major, _, minor = str(text)[:20].partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        raise ProtocolError(
            f"GET /version answers no usable {key} ({str(text)[:20]!r}). "
            "Is this a Docker Engine API?"
        )
    return int(major), int(minor)


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"

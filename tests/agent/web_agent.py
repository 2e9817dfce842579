"""An agent for the tests of the API: the demo host, and a note of every order."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from holystone.agent import metrics
from holystone.agent.alert import Alert
from holystone.agent.snapshots import without_others
from holystone.agent.state import OK, UP, JobResult, Snapshot, State
from holystone.agent.web.access import Failures
from holystone.agent.web.app import make_app
from holystone.agent.web.events import Streams
from holystone.agent.web.server import Server
from holystone.agent.web.tokens import Tokens, make_token
from holystone.config.agent_settings import AgentSettings, Service
from holystone.config.load import Configuration, load
from holystone.operations.connect import Session, connect
from holystone.operations.restore import RestoreError
from holystone.operations.snapshot_text import encode
from holystone.operations.survey import Survey, survey
from holystone.operations.wishes import Wishes
from holystone.planner.policy import Policy
from holystone.store.audits import AuditSum
from holystone.store.samples import Sample

PATIENCE = 30.0


class DemoAgent:
    """What the API asks for, answered from the demo host."""

    def __init__(self, session: Session, config: Configuration | None = None) -> None:
        self.session = session
        self.store = session.ledger
        self.state = State("demo:")
        self.config = config or load(None, {}, here=False)
        self.asked: list[tuple[str, str]] = []
        self.restored: list[tuple[int | None, tuple[str, ...], str]] = []
        self.firing: list[Alert] = []

    def look(self) -> None:
        """What the agent does at its start."""
        found = survey(self.session, self.policy("routine"), sizes=True, layers=True)
        at = found.inventory.taken_at
        snapshot = Snapshot(found.inventory, found.usage, found.plan, at, at)
        self.state.set(
            engine=UP, engine_since=at, snapshot=snapshot, disk=found.inventory.disk, disk_at=at
        )

    def settings(self) -> AgentSettings:
        return self.config.agent()

    def configuration(self) -> Configuration:
        return self.config

    def policy(self, level: str) -> Policy:
        return self.config.policy(level)

    def plan(self, level: str, only: Sequence[str] | None = None) -> Survey:
        wishes = Wishes(level, only=None if only is None else tuple(only))
        return survey(self.session, wishes.policy(self.config))

    def inventory(self, *, every: bool) -> bytes | None:
        now = self.state.now
        if now.snapshot is None:
            return None
        told = now.snapshot if every else without_others(now.snapshot)
        return encode(now.endpoint, told.inventory, told.usage, told.looked_at)

    def ask(self, job: str, by: str, wishes: Wishes | None = None) -> None:
        assert wishes is None
        self.asked.append((job, by))

    def restore(self, run: int | None, references: Sequence[str], by: str) -> JobResult:
        if run is not None and self.store.runs.get(run) is None:
            raise RestoreError(f"there is no run {run}; `holystone history` lists them")
        self.restored.append((run, tuple(references), by))
        return JobResult("restore", 10.0, 20.0, OK, run=run, by=by)

    def samples(self, since: float, step: int) -> Sequence[Sample]:
        known = [float(step * number) for number in range(1, 6)]
        return [Sample(at, 100, 50, 7, None, 0) for at in known if at >= since]

    def last_audit(self) -> AuditSum | None:
        return None

    def alerts(self) -> Sequence[Alert]:
        return self.firing

    def metrics(self, accept: str) -> tuple[bytes, str]:
        return metrics.render(self.state, accept)


class Reply(NamedTuple):
    """An answer of the server."""

    status: int
    headers: Mapping[str, str]
    """By their names in lower case."""
    body: bytes

    @property
    def json(self) -> Any:
        """The document, which is one line of ASCII."""
        assert self.headers["content-type"] == "application/json"
        assert self.body.isascii()
        assert self.body.endswith(b"\n")
        assert self.body.count(b"\n") == 1
        return json.loads(self.body)

    def error(self, status: int, code: str) -> dict[str, Any]:
        """The error that it is to be."""
        assert self.status == status, self
        found: dict[str, Any] = self.json["error"]
        assert set(found) == {"code", "message", "mend"}
        assert found["code"] == code
        assert found["message"]
        return found


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self.path)


@dataclass
class Served:
    """A server that runs, with what is behind it."""

    agent: DemoAgent
    server: Server
    tokens: Tokens
    failures: Failures
    streams: Streams
    read: str
    """A token that may read; ``write`` one that may write."""
    write: str

    @property
    def port(self) -> int:
        """Its port on loopback."""
        return int(self.server.addresses[0].rpartition(":")[2])

    def unix(self) -> http.client.HTTPConnection:
        """A connection over the unix socket."""
        return UnixConnection(self.server.socket)

    def tcp(self) -> http.client.HTTPConnection:
        """A connection over loopback."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def get(self, path: str, **headers: str) -> Reply:
        """Get over loopback."""
        return ask(self.tcp(), "GET", path, headers=headers)

    def post(self, path: str, document: Any, token: str = "", method: str = "POST") -> Reply:
        """Send JSON over loopback, with the token that may write."""
        headers = bearer(token or self.write) | {"Content-Type": "application/json"}
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return ask(self.tcp(), method, path, body, headers)


def bearer(token: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {token}"}


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] = {},
) -> Reply:
    """One request."""
    try:
        connection.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, found, answer.read())
    finally:
        connection.close()


@contextmanager
def serving(folder: Path, *, looked: bool = True, **settings: Any) -> Iterator[Served]:
    """A server of the demo host on a unix socket and on loopback."""
    path = str(folder / "tokens")
    read, write = make_token(path, "reader", "read"), make_token(path, "writer", "write")
    with connect("demo:", past=True) as session:
        agent = DemoAgent(session)
        if looked:
            agent.look()
        tokens = Tokens(path)
        failures = Failures()
        app = make_app(agent, tokens, failures=failures)
        service = Service(**({"listen": "127.0.0.1:0", "token_file": path} | settings))
        server = Server(app, service, str(folder))
        server.start()
        try:
            yield Served(agent, server, tokens, failures, app.state.streams, read, write)
        finally:
            server.stop()


def until(condition: Any) -> None:
    """Wait for a condition, looking often."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.01)

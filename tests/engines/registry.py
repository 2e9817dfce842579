"""A private registry on a loopback port: Debian's docker-registry, storage in a data folder."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

from .api import ApiError
from .kept import EngineFailed, EngineUnavailable, Kept, claim_folder
from .kinds import REGISTRY_PORTS
from .places import CLEAN_PATH
from .records import Specification, sweep

PROGRAM = "/usr/bin/docker-registry"

USER, PASSWORD = "ci", "open sesame"
"""Who alone gets into a locked registry."""
_HTPASSWD = f"{USER}:$2b$05$abcdefghijklmnopqrstuupx2xBUC4954936wVIjyyPHmUBFu0wCW\n"
"""The same as bcrypt writes it."""

_PORTS_OF_A_PROCESS = 5


class Registry:
    """A private registry that runs. ``address`` (host:port) goes before an image's name."""

    def __init__(self, port: int, data: Path, kept: Kept) -> None:
        self.port = port
        self.address = f"127.0.0.1:{port}"
        self.data = data
        self._kept = kept

    def __repr__(self) -> str:
        return f"<registry at {self.address}>"

    @property
    def log(self) -> str:
        """The registry's log so far, with a line per request."""
        return self._kept.log

    def call(self, method: str, path: str, accept: str = "*/*") -> tuple[dict[str, str], Any]:
        """The headers (names in lower case) and JSON of an answer. Raises ``ApiError`` from 400."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            headers = {"Accept": accept, "Authorization": f"Basic {login}"}
            connection.request(method, path, headers=headers)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status >= 400:
            raise ApiError(f"{method} {path}", response.status, body.decode(errors="replace"))
        headers = {name.lower(): value for name, value in response.getheaders()}
        return headers, json.loads(body) if body else None

    def tags(self, repository: str) -> list[str]:
        """The tags of a repository; none for one that is unknown."""
        try:
            _, answer = self.call("GET", f"/v2/{repository}/tags/list")
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        return sorted(answer["tags"] or [])

    def stop(self) -> None:
        """Kill the registry and remove its data."""
        self._kept.stop()


def free_port() -> int:
    """A loopback port for a registry, one of those Podman is told of, not taken at the moment.

    Each process of pytest-xdist begins with ports of its own: where a test stops its registry,
    another test's must not come up at that address.
    """
    process = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = process * _PORTS_OF_A_PROCESS
    for place in range(len(REGISTRY_PORTS)):
        port = REGISTRY_PORTS[(first + place) % len(REGISTRY_PORTS)]
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise EngineFailed(f"no free port for a registry in {REGISTRY_PORTS}")


def start_registry(
    *,
    port: int | None = None,
    data: Path | None = None,
    tied: bool = True,
    locked: bool = False,
    timeout: float = 20.0,
) -> Registry:
    """Start a registry and wait until it answers; the arguments are those of ``start_engine``.

    ``locked``: it lets in only ``USER`` with ``PASSWORD``. Raises ``EngineUnavailable`` when
    docker-registry is not installed.
    """
    if not Path(PROGRAM).exists():
        raise EngineUnavailable("registry: docker-registry is not installed")
    sweep()
    data = claim_folder("registry", data)
    deadline = time.monotonic() + timeout
    while True:
        registry = _launch(port or free_port(), data, tied, locked)
        ended = _wait(registry, deadline)
        if ended is None:
            return registry
        # The keeper removed the folder. Another registry may have been quicker to the port.
        if port or "address already in use" not in ended:
            raise EngineFailed(f"the registry ended while starting:\n{ended}")
        data.mkdir(parents=True)


def _launch(port: int, data: Path, tied: bool, locked: bool) -> Registry:
    config: dict[str, Any] = {
        "version": 0.1,
        "log": {"level": "info", "accesslog": {"disabled": False}},
        "storage": {
            "filesystem": {"rootdirectory": str(data / "storage")},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if locked:
        (data / "htpasswd").write_text(_HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(data / "htpasswd")}}
    # JSON is YAML.
    (data / "config.yml").write_text(json.dumps(config))
    spec = Specification(
        kind="registry",
        data=str(data),
        command=[PROGRAM, "serve", str(data / "config.yml")],
        environment={"PATH": CLEAN_PATH, "HOME": str(data), "OTEL_TRACES_EXPORTER": "none"},
        url=f"http://127.0.0.1:{port}",
        tied=tied,
    )
    return Registry(port, data, Kept(spec))


def _wait(registry: Registry, deadline: float) -> str | None:
    """None once it answers, its log if it ended. Raises ``EngineFailed`` at the deadline."""
    while True:
        ended = registry._kept.ended()
        if ended is not None:
            return ended
        if os.path.exists(registry.data / "log") and "listening on" in registry.log:
            registry.call("GET", "/v2/")
            return None
        if time.monotonic() > deadline:
            log = registry.log
            registry.stop()
            raise EngineFailed(f"the registry gives no answer:\n{log[-4000:]}")
        time.sleep(0.03)

"""A real Prometheus and Alertmanager that watch a state of the agent, and hear of its alerts."""

from __future__ import annotations

import json
import queue
import re
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import yaml

from holystone.agent.metrics import render
from holystone.agent.state import State
from tests.agent.metrics_state import demo_state
from tests.docs.tracked import ROOT

FOLDER = ROOT / "integrations/prometheus"
PATIENCE = 120.0
"""Seconds to wait for what takes a few: machines are loaded."""
_QUICK = "1s"
Json = dict[str, Any]
Found = TypeVar("Found")


class Monitoring:
    """What is watched, and what is heard of it."""

    def __init__(self, folder: Path, state: State, program: Callable[[str], str]) -> None:
        self.folder = folder
        self.state = state
        self.program = program
        self.heard: queue.Queue[Json] = queue.Queue()
        """What Alertmanager sent, with the path it came to as ``path``."""
        self.agent = ""
        self.prometheus = ""

    def ask(self, query: str) -> list[Json]:
        """The result of a query to Prometheus. A query that is wrong raises HTTPError."""
        asked = urllib.parse.urlencode({"query": query})
        result: list[Json] = self.get(f"/api/v1/query?{asked}")["result"]
        return result

    def get(self, path: str) -> Json:
        """The data of an answer of Prometheus."""
        with urllib.request.urlopen(f"http://{self.prometheus}{path}", timeout=PATIENCE) as answer:
            data: Json = json.load(answer)["data"]
        return data

    def until(self, query: str) -> list[Json]:
        """The result of a query as soon as it has any."""
        return wait_for(lambda: self.ask(query), query)

    def hear(self, path: str, alert: str, status: str) -> Json:
        """The next message to this path about an alert of this name and status."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                told = self.heard.get(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"waited in vain for: {alert} {status} at {path}") from None
            for each in told["alerts"]:
                if (told["path"], each["labels"]["alertname"], each["status"]) == (
                    path, alert, status,
                ):  # fmt: skip
                    found: Json = each
                    return found


def wait_for(check: Callable[[], Found], what: str) -> Found:
    """The first result that is something. An error on the way counts as none."""
    end = time.monotonic() + PATIENCE
    pause = threading.Event()
    while True:
        error: Exception | None = None
        try:
            if found := check():
                return found
        except OSError as failed:
            error = failed
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain for: {what}") from error
        pause.wait(0.1)


@contextmanager
def monitoring(folder: Path, program: Callable[[str], str]) -> Iterator[Monitoring]:
    """All of it at work, with the files that holystone ships, made quick."""
    watched = Monitoring(folder, demo_state(time.time()), program)
    with (
        served(_agent(watched.state)) as agent,
        served(_receiver(watched.heard)) as receiver,
    ):
        watched.agent = agent
        with _alertmanager(watched, receiver) as alertmanager, _prometheus(watched, alertmanager):
            yield watched


@contextmanager
def _alertmanager(watched: Monitoring, receiver: str) -> Iterator[str]:
    configuration = yaml.safe_load((FOLDER / "alertmanager.yml").read_text())
    route = configuration["route"]
    route |= {"group_wait": "0s", "group_interval": _QUICK}
    for each in configuration["receivers"]:
        for hook in each["webhook_configs"]:
            hook["url"] = hook["url"].replace("127.0.0.1:9099", receiver)
    path = watched.folder / "alertmanager.yml"
    path.write_text(yaml.safe_dump(configuration))
    address = free_address()
    with _running(
        watched.folder / "alertmanager.log",
        watched.program("prometheus-alertmanager"),
        f"--config.file={path}",
        f"--storage.path={watched.folder / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ):
        _until_ready(address)
        yield address


@contextmanager
def _prometheus(watched: Monitoring, alertmanager: str) -> Iterator[None]:
    configuration = yaml.safe_load((FOLDER / "prometheus.yml").read_text())
    configuration["global"] = {"scrape_interval": _QUICK, "evaluation_interval": _QUICK}
    configuration["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    (job,) = configuration["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["127.0.0.1:9469"]}]
    job["static_configs"] = [{"targets": [watched.agent]}]
    path = watched.folder / "prometheus.yml"
    path.write_text(yaml.safe_dump(configuration))
    rules = (FOLDER / "holystone.rules.yml").read_text()
    quick = re.sub(r"(?m)^( +for:) \d+m$", r"\1 0s", rules)
    assert quick != rules
    (watched.folder / "holystone.rules.yml").write_text(quick)
    watched.prometheus = free_address()
    with _running(
        watched.folder / "prometheus.log",
        watched.program("prometheus"),
        f"--config.file={path}",
        f"--storage.tsdb.path={watched.folder / 'prometheus'}",
        f"--web.listen-address={watched.prometheus}",
    ):
        _until_ready(watched.prometheus)
        yield


def _until_ready(address: str) -> None:
    def ready() -> bool:
        with urllib.request.urlopen(f"http://{address}/-/ready", timeout=10) as answer:
            return bool(answer.status == 200)

    wait_for(ready, f"{address} to be ready")


@contextmanager
def _running(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream, cwd=log.parent)
    try:
        yield
    except AssertionError as error:
        error.add_note(log.read_text(errors="replace")[-3000:])
        raise
    finally:
        process.kill()
        process.wait()


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server that answers so."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def free_address() -> str:
    """An address on this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Quiet(BaseHTTPRequestHandler):
    """A handler that does not log."""

    def log_message(self, *arguments: object) -> None: ...

    def answer(self, body: bytes, content_type: str) -> None:
        """Send all of an answer."""
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _agent(state: State) -> type[BaseHTTPRequestHandler]:
    class Agent(Quiet):
        def do_GET(self) -> None:
            if self.path != "/metrics":
                self.send_error(404)
                return
            self.answer(*render(state, self.headers.get("Accept", "")))

    return Agent


def _receiver(heard: queue.Queue[Json]) -> type[BaseHTTPRequestHandler]:
    class Receiver(Quiet):
        def do_POST(self) -> None:
            told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.put({**told, "path": self.path})
            self.answer(b"", "text/plain")

    return Receiver

"""The example for nginx: /metrics of an agent that has its unix socket alone, and nothing else."""

from __future__ import annotations

import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.agent.monitoring import FOLDER, PATIENCE, free_address, wait_for
from tests.agent.web_agent import serving


@pytest.fixture
def address(program: Callable[[str], str]) -> Iterator[str]:
    """Where nginx serves, as the example has it but for the port and the path of the socket."""
    nginx = program("nginx")
    # The path of a socket is short.
    with TemporaryDirectory(prefix="hs-", dir="/tmp") as made:
        folder = Path(made)
        with serving(folder, listen="") as served:
            address = free_address()
            example = (FOLDER / "nginx.conf").read_text()
            for there, here in (
                ("127.0.0.1:9469", address),
                ("/run/holystone/agent.sock", served.server.socket),
            ):
                assert example.count(there) == 1
                example = example.replace(there, here)
            (folder / "nginx.conf").write_text(_around(folder, example))
            log = folder / "error.log"
            process = subprocess.Popen([nginx, "-e", log, "-c", folder / "nginx.conf"])
            try:
                wait_for(lambda: _listens(address), "nginx")
                yield address
            finally:
                process.terminate()
                process.wait()


def _around(folder: Path, example: str) -> str:
    """A configuration with this in its http block, for one process in the foreground."""
    parts = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    own = "".join(f"{part}_temp_path {folder / part};\n" for part in parts)
    return (
        f"daemon off;\nmaster_process off;\npid {folder / 'nginx.pid'};\nevents {{}}\n"
        f"http {{\naccess_log off;\n{own}{example}}}\n"
    )


def _listens(address: str) -> bool:
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE):
        return True


def status_of(url: str, method: str = "GET") -> tuple[int, bytes]:
    try:
        asked = urllib.request.Request(url, method=method)
        with urllib.request.urlopen(asked, timeout=PATIENCE) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_metrics_pass_and_nothing_else(address: str) -> None:
    code, body = status_of(f"http://{address}/metrics")
    assert code == 200
    assert b"holystone_" in body
    for path in ("/", "/healthz", "/api/v1/status", "/metrics/", "/metrics/../api/v1/status"):
        code, body = status_of(f"http://{address}{path}")
        assert (code, b"nginx" in body) == (404, True), path
    assert status_of(f"http://{address}/metrics", "POST")[0] == 403

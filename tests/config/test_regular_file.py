"""Files are read within a limit, and nothing but a regular one is waited for."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from holystone.config.load import load
from holystone.engine.errors import EndpointError, EngineUnreachable
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import resolve
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.registry.credentials import Credentials, CredentialsError
from holystone.replay.trace import TraceError, read
from holystone.scan.files import read_text
from holystone.scan.findings import Unreadable


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


ODD: dict[str, Callable[[Path], object]] = {
    "a FIFO": os.mkfifo,
    "a directory": Path.mkdir,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a socket": _socket,
}


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the file ``odd`` of the current folder is."""
    monkeypatch.chdir(tmp_path)
    ODD[request.param](Path("odd"))
    return str(request.param)


def test_what_is_not_regular_is_refused(odd: str) -> None:
    with pytest.raises(NotRegular, match=f"^it is {odd}, not a regular file$"):
        read_regular("odd", 10)


def test_a_link_to_a_fifo_is_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to("fifo")
    with pytest.raises(NotRegular, match="a FIFO"):
        read_regular(str(tmp_path / "link"), 10)


def test_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert read_regular(str(path), 10) == b"x" * 10
    with pytest.raises(NotRegular, match=r"^it is larger than 9 bytes$"):
        read_regular(str(path), 9)


def test_every_file_that_is_named_is_refused_by_that(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Traces, a repository's files, and those of the docker command."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TraceError, match=f"odd: it is {odd}"):
        read("odd")
    with pytest.raises(Unreadable, match=f"it is {odd}"):
        read_text("odd", None)
    docker = tmp_path / "docker"
    docker.mkdir()
    os.rename("odd", docker / "config.json")
    environ = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(docker)}
    assert load(None, environ).docker.problem == f"it is {odd}, not a regular file"
    with pytest.raises(CredentialsError, match=f"it is {odd}"):
        Credentials(environ).header("docker.io")
    with pytest.raises(EndpointError, match=f"it is {odd}"):
        resolve(None, None, environ)
    os.rename(docker / "config.json", docker / "ca.pem")
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        tls = {"DOCKER_HOST": host, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(docker)}
        with pytest.raises(EngineUnreachable, match=f"ca.pem: it is {odd}"):
            connect(resolve(None, None, environ | tls), 5.0)

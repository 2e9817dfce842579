"""Who may do what: the whole table of who asks, by which way, for what."""

from __future__ import annotations

import json
import logging
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from holystone.agent.web.access import Failures
from holystone.agent.web.listening import ListenError
from tests.agent.web_agent import PATIENCE, Reply, Served, ask, bearer, serving
from tests.users import STRANGER, as_program, folder_for_all, needs_root

READS = (
    "/readyz", "/metrics", "/api/v1/status", "/api/v1/plan", "/api/v1/images", "/api/v1/runs",
    "/api/v1/runs/1", "/api/v1/samples", "/api/v1/inventory", "/api/v1/lease",
    "/api/v1/openapi.json", "/nothing",
)  # fmt: skip
WRITES = (
    ("POST", "/api/v1/clean"), ("POST", "/api/v1/jobs"), ("POST", "/api/v1/restore"),
    ("POST", "/api/v1/lease"), ("DELETE", "/api/v1/lease/0123456789abcdef"), ("PUT", "/nothing"),
)  # fmt: skip
WRONG = "x" * 43


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A certificate that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = str(folder / "agent.crt"), str(folder / "agent.key")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    return cert, key


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("local")) as made:
        yield made


@pytest.fixture(scope="module")
def network(
    tmp_path_factory: pytest.TempPathFactory, certificate: tuple[str, str]
) -> Iterator[Served]:
    cert, key = certificate
    folder = tmp_path_factory.mktemp("network")
    with serving(folder, listen="0.0.0.0:0", tls_cert=cert, tls_key=key) as made:
        yield made


def secure(served: Served, certificate: tuple[str, str]) -> HTTPSConnection:
    trusts = ssl.create_default_context(cafile=certificate[0])
    return HTTPSConnection("127.0.0.1", served.port, timeout=PATIENCE, context=trusts)


@pytest.fixture(params=["socket", "loopback", "network"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def served(way: str, request: pytest.FixtureRequest) -> Served:
    found: Served = request.getfixturevalue("network" if way == "network" else "local")
    found.failures._seen.clear()
    return found


@pytest.fixture
def connect(way: str, served: Served, certificate: tuple[str, str]) -> Connect:
    return Connect(way, served, certificate)


class Connect:
    """Makes connections of one way."""

    def __init__(self, way: str, served: Served, certificate: tuple[str, str]) -> None:
        self.way, self.served, self.certificate = way, served, certificate

    def __call__(self) -> HTTPConnection:
        if self.way == "socket":
            return self.served.unix()
        if self.way == "loopback":
            return self.served.tcp()
        return secure(self.served, self.certificate)

    def ask(self, method: str, path: str, token: str = "") -> Reply:
        headers = bearer(token) if token else {}
        return ask(self(), method, path, None, headers)


def passed(reply: Reply) -> bool:
    """Whether it got through the gate: what it then lacks is a body or a path."""
    return reply.status not in (401, 403, 421, 429)


@pytest.mark.parametrize("path", READS)
def test_who_may_read(path: str, way: str, served: Served, connect: Connect) -> None:
    if way == "network":
        refusal = connect.ask("GET", path)
        refusal.error(401, "unauthorized")
        assert refusal.headers["www-authenticate"].startswith("Bearer")
        assert not passed(connect.ask("HEAD", path))
    else:
        assert passed(connect.ask("GET", path))
    assert passed(connect.ask("GET", path, served.read))
    assert passed(connect.ask("GET", path, served.write))
    # A token that is given must be right, also where none is needed.
    connect.ask("GET", path, WRONG).error(401, "unauthorized")


def test_everybody_may_ask_whether_it_lives(connect: Connect) -> None:
    assert connect.ask("GET", "/healthz").status == 200
    assert connect.ask("HEAD", "/healthz").status == 200
    assert passed(connect.ask("POST", "/healthz")) is (connect.way == "socket")


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_who_may_write(method: str, path: str, way: str, served: Served, connect: Connect) -> None:
    if way == "socket":
        # The tests run as the user of the agent.
        assert passed(connect.ask(method, path))
        assert passed(connect.ask(method, path, served.read))
    else:
        refusal = connect.ask(method, path)
        refusal.error(401, "unauthorized")
        assert refusal.headers["www-authenticate"].startswith("Bearer")
        error = connect.ask(method, path, served.read).error(403, "forbidden")
        assert "reader" in error["message"]
    assert passed(connect.ask(method, path, served.write))
    connect.ask(method, path, WRONG).error(401, "unauthorized")


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic {}",
        "Token {}",
        "{}",
        "Bearer {} x",
        "Bearer x{}",
        "bearer\t{}",
    ],
)
def test_a_header_of_another_form_is_refused(header: str, local: Served) -> None:
    local.failures._seen.clear()
    given = {"Authorization": header.format(local.write)}
    ask(local.tcp(), "GET", "/api/v1/status", None, given).error(401, "unauthorized")


def test_two_tokens_are_one_too_many(local: Served) -> None:
    connection = local.tcp()
    connection.putrequest("GET", "/api/v1/status")
    for token in (local.write, local.read):
        connection.putheader("Authorization", f"Bearer {token}")
    connection.endheaders()
    assert connection.getresponse().status == 401
    connection.close()


SCRIPT = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(sys.argv[2].encode().replace(b"|", bytes((13, 10))))
sys.stdout.buffer.write(s.makefile("rb").read())
"""


def by_stranger(served: Served, method: str, path: str, token: str = "", body: str = "") -> Reply:
    """A request of another user, who is in the group of the socket."""
    head = f"{method} {path} HTTP/1.1|Host: x|Connection: close|"
    if body:
        head += f"Content-Type: application/json|Content-Length: {len(body)}|"
    head += f"Authorization: Bearer {token}|" if token else ""
    program = list(as_program(STRANGER))
    place = program.index("--clear-groups")
    program[place : place + 1] = ["--groups", "0"]
    done = subprocess.run(
        [*program, sys.executable, "-c", SCRIPT, served.server.socket, f"{head}|{body}"],
        check=True, capture_output=True,
    )  # fmt: skip
    first, _, rest = done.stdout.partition(b"\r\n\r\n")
    lines = first.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (x.partition(": ") for x in lines[1:])}
    return Reply(int(lines[0].split()[1]), headers, rest)


@needs_root
def test_another_user_of_the_socket_may_read_and_needs_a_token_to_write() -> None:
    with folder_for_all() as folder, serving(folder) as served:
        assert by_stranger(served, "GET", "/api/v1/status").json["schema"] == 1
        body = json.dumps({"level": "routine"})
        refusal = by_stranger(served, "POST", "/api/v1/clean", body=body)
        assert "root and the user of the agent" in refusal.error(401, "unauthorized")["message"]
        refusal = by_stranger(served, "POST", "/api/v1/clean", served.read, body)
        refusal.error(403, "forbidden")
        assert served.agent.asked == []
        assert by_stranger(served, "POST", "/api/v1/clean", served.write, body).status == 202
        assert served.agent.asked == [("routine", "writer")]


def test_too_many_wrong_tokens(local: Served) -> None:
    local.failures._seen.clear()
    now = [100.0]
    local.failures.clock, clock = (lambda: now[0]), local.failures.clock
    try:
        for _ in range(10):
            local.get("/api/v1/status", **bearer(WRONG)).error(401, "unauthorized")
        refusal = local.get("/api/v1/status", **bearer(local.read))
        refusal.error(429, "too_many")
        assert refusal.headers["retry-after"] == "60"
        # Who gives no token is not meant, nor is another peer.
        assert local.get("/api/v1/status").status == 200
        assert ask(local.unix(), "GET", "/healthz", None, bearer(local.read)).status == 200
        now[0] += 60.0
        assert local.get("/api/v1/status", **bearer(local.read)).status == 200
    finally:
        local.failures.clock = clock
        local.failures._seen.clear()


def test_failures_are_counted_for_a_bounded_number_of_peers() -> None:
    failures = Failures(lambda: 0.0)
    for number in range(5000):
        failures.note(f"peer {number}")
    assert len(failures._seen) == 1024
    for _ in range(10):
        failures.note("peer 1")
    assert failures.wait("peer 1") == 60
    assert failures.wait("peer 4999") == 0


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200), ("LOCALHOST:1234", 200), ("127.0.0.1:9469", 200), ("[::1]:9469", 200),
        ("evil.example", 421), ("localhost.evil.example", 421), ("127.0.0.1.nip.io:9469", 421),
        ("10.0.0.7:9469", 421), ("", 421), ("[::1", 421), ("localhost@evil.example", 421),
    ],
)  # fmt: skip
def test_on_loopback_it_answers_to_its_own_names_only(
    host: str, status: int, local: Served
) -> None:
    """Else the page of a site whose name leads to 127.0.0.1 could read it."""
    reply = local.get("/api/v1/status", Host=host)
    assert reply.status == status
    if status != 200:
        reply.error(421, "wrong_host")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://localhost:3000", "Host": "localhost:9469"}, 403),
        ({"Origin": "https://localhost:9469", "Host": "localhost:9469"}, 403),
        ({"Origin": "http://localhost:9469", "Host": "localhost:9469"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
          "Sec-Fetch-Dest": "document"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate",
          "Sec-Fetch-Dest": "iframe"}, 403),
    ],
)  # fmt: skip
def test_pages_of_other_sites_get_nothing(
    headers: dict[str, str], status: int, local: Served
) -> None:
    reply = local.get("/api/v1/status", **headers)
    assert reply.status == status
    if status != 200:
        reply.error(403, "cross_site")


def test_a_page_of_another_site_cannot_send_an_order_with_a_token(local: Served) -> None:
    headers = bearer(local.write) | {"Origin": "https://evil.example"}
    reply = ask(local.tcp(), "POST", "/api/v1/clean", b'{"level": "deep"}', headers)
    reply.error(403, "cross_site")
    assert local.agent.asked == []


def test_the_network_is_encrypted(network: Served, certificate: tuple[str, str]) -> None:
    with pytest.raises((ConnectionError, OSError)):
        ask(network.tcp(), "GET", "/healthz")
    reply = ask(secure(network, certificate), "GET", "/healthz")
    assert reply.status == 200
    old = ssl.create_default_context(cafile=certificate[0])
    old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert ask(
        HTTPSConnection("127.0.0.1", network.port, timeout=PATIENCE, context=old), "GET", "/healthz"
    ).status == 200  # fmt: skip


@pytest.mark.parametrize("lacks", ["token_file", "tls_cert", "tls_key"])
def test_without_tokens_or_tls_the_network_is_refused(
    lacks: str, tmp_path: Path, certificate: tuple[str, str]
) -> None:
    cert, key = certificate
    given: dict[str, Any] = {"tls_cert": cert, "tls_key": key} | {lacks: ""}
    with (
        pytest.raises(ListenError, match=f"agent.{lacks}.*listen at 127.0.0.1"),
        serving(tmp_path, listen="0.0.0.0:0", **given),
    ):
        pass
    assert not (tmp_path / "agent.sock").exists()


def test_tls_on_loopback_where_it_is_configured(
    tmp_path: Path, certificate: tuple[str, str]
) -> None:
    cert, key = certificate
    with serving(tmp_path, tls_cert=cert, tls_key=key) as served:
        assert ask(secure(served, certificate), "GET", "/api/v1/status").status == 200
        assert ask(served.unix(), "GET", "/api/v1/status").status == 200


def test_a_certificate_that_is_none(tmp_path: Path, certificate: tuple[str, str]) -> None:
    cert, key = certificate
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    wrong: tuple[tuple[dict[str, Any], str], ...] = (
        ({"tls_cert": str(bad), "tls_key": key}, "agent.tls_cert"),
        ({"tls_cert": cert, "tls_key": str(tmp_path / "none")}, "no such file"),
        ({"tls_cert": cert}, "both of them"),
    )
    for number, (given, words) in enumerate(wrong):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ListenError, match=words), serving(folder, **given):
            pass


def test_no_token_reaches_a_log(
    network: Served, local: Served, certificate: tuple[str, str], caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    local.failures._seen.clear()
    tokens = [local.read, local.write, network.read, WRONG]
    for token in tokens:
        local.get("/api/v1/status", **bearer(token))
        local.get(f"/api/v1/status?token={token}")
        ask(secure(network, certificate), "POST", "/api/v1/clean", b"{", bearer(token))
        with closing(local.tcp()) as broken:
            broken.connect()
            broken.sock.sendall(f"BAD {token}\r\n\r\n".encode())
            assert b"400" in broken.sock.recv(100)
    written = caplog.text + "".join(capfd.readouterr())
    assert not [token for token in tokens if token in written]
    local.failures._seen.clear()
    network.failures._seen.clear()

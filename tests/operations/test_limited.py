"""The registry on loopback behind ``refresh --limit-rate``: its pace, logins, who gets in."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from holystone.planner.reference import parse
from holystone.registry.limited.gateway import Gateway
from holystone.registry.limited.pace import Pace
from holystone.registry.limited.puller import is_insecure
from holystone.registry.limited.upstream import Upstream, UpstreamError

DIGEST = "sha256:" + "1" * 64
BASIC = "Basic " + base64.b64encode(b"ci:open sesame").decode()
LOGIN = {"username": "ci", "password": "open sesame"}


class Asked(BaseHTTPRequestHandler):
    """A registry with tokens, whose blobs lie elsewhere: what Debian's has not."""

    requests: list[tuple[str, str, str]]
    """Method, path and ``Authorization`` of each."""
    realm = ""
    elsewhere = ""
    body = b"0123456789" * 10
    lacking = 0
    """Bytes of the blob that never come."""

    def do_GET(self) -> None:
        self.requests.append((self.command, self.path, self.headers.get("Authorization", "")))
        path = urlsplit(self.path).path
        if path == "/token":
            self.answer(200, json.dumps({"token": f"t{len(self.requests)}"}).encode())
        elif path == "/blob":
            some = range(100)
            if asked := self.headers.get("Range"):
                some = range(int(asked.removeprefix("bytes=").rstrip("-")), 100)
            headers = {"Content-Range": f"bytes {some.start}-99/100"} if some.start else {}
            self.answer(206 if some.start else 200, self.body[some.start :], headers)
        elif not self.headers.get("Authorization", "").startswith(("Bearer t", "Bearer fixed")):
            scope = f'Bearer realm="{self.realm}",service="registry"'
            self.answer(401, b"{}", {"WWW-Authenticate": scope})
        elif "/blobs/" in path:
            self.answer(307, b"", {"Location": f"{self.elsewhere}/blob"})
        else:
            self.answer(200, b"{}", {"Docker-Content-Digest": DIGEST})

    do_HEAD = do_GET  # noqa: N815

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.requests.append(("POST", f"{self.path}?{form}", ""))
        self.answer(200, b'{"access_token": "t0"}')

    def answer(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header(
            "Content-Length", str(len(body) + (self.lacking if self.path == "/blob" else 0))
        )
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@contextlib.contextmanager
def registry(**more: Any) -> Iterator[tuple[str, type[Asked]]]:
    """The address of such a registry, and what it was asked."""
    kind: type[Asked] = type("Kind", (Asked,), {"requests": [], **more})
    server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
    address = f"127.0.0.1:{server.server_address[1]}"
    kind.realm = kind.realm or f"http://{address}/token"
    # Another name for the same machine is another host to a client.
    kind.elsewhere = f"http://localhost:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield address, kind
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def gateway(
    address: str, login: Mapping[str, str] = LOGIN, rate: float = 1e9
) -> Iterator[tuple[http.client.HTTPConnection, str, str]]:
    """A connection to a gateway to that registry, the path of team/app in it, and its digest."""

    def reach(domain: str) -> Upstream:
        return Upstream(domain, login, insecure=True, timeout=10)

    with Gateway(Pace(rate), reach) as made:
        name, digest = made.offer(parse(f"{address}/team/app:1"))
        at, _, path = name.partition("/")
        connection = http.client.HTTPConnection(at, timeout=10)
        with contextlib.closing(connection):
            yield connection, f"/v2/{path}", digest


def got(
    connection: http.client.HTTPConnection, path: str, **headers: str
) -> tuple[http.client.HTTPResponse, bytes]:
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response, response.read()


def test_bytes_pass_at_the_pace_and_unused_time_is_lost() -> None:
    now = [100.0]
    pace = Pace(1000, lambda: now[0])
    assert pace.wait_for(500) == pytest.approx(0.48)
    assert pace.wait_for(500) == pytest.approx(0.98)
    now[0] += 60
    assert pace.wait_for(1000) == pytest.approx(0.98)


def test_a_blob_comes_from_where_it_is_moved_to_and_no_login_goes_there() -> None:
    with registry() as (address, kind), gateway(address) as (connection, path, digest):
        assert digest == DIGEST
        response, body = got(connection, f"{path}/blobs/{DIGEST}")
        assert (response.status, body) == (200, Asked.body)
        response, body = got(connection, f"{path}/blobs/{DIGEST}", Range="bytes=40-")
        assert (response.status, body) == (206, Asked.body[40:])
        assert response.headers["Content-Range"] == "bytes 40-99/100"
        asked = [key for _, path, key in kind.requests if path.startswith("/token")]
        assert asked == [BASIC], "one token is enough"
        moved = [key for _, path, key in kind.requests if path == "/blob"]
        assert moved == ["", ""]


@pytest.mark.parametrize("login", [{"identitytoken": "me"}, {"registrytoken": "fixed"}, {}])
def test_logins_of_other_kinds(login: dict[str, str]) -> None:
    with registry() as (address, kind), gateway(address, login) as (_, _, digest):
        assert digest == DIGEST
        tokens = [(method, path) for method, path, _ in kind.requests if "/token" in path]
        if "registrytoken" in login:
            assert tokens == []
            return
        ((method, path),) = tokens
        told = {name: value for name, (value,) in parse_qs(urlsplit(path).query).items()}
        assert told["scope"] == "repository:team/app:pull"
        assert (method, told.get("refresh_token")) == (("POST", "me") if login else ("GET", None))


def test_no_login_leaves_over_a_plain_line() -> None:
    upstream = Upstream("registry.example.com", LOGIN)
    told = 'Bearer realm="http://registry.example.com/token"'
    with pytest.raises(UpstreamError, match="which is not safe"):
        upstream._admission(told, "team/app")


def test_without_a_login_the_registry_refuses() -> None:
    with registry(realm="nonsense") as (address, _), pytest.raises(UpstreamError, match="not safe"):
        Upstream(address, LOGIN, insecure=True).digest("team/app", "1")
    upstream = Upstream("registry.example.com", {})
    with pytest.raises(UpstreamError, match="there is no login for it"):
        upstream._admission("Basic realm=x", "team/app")


def test_only_who_knows_the_secret_is_served() -> None:
    with registry() as (address, kind), gateway(address) as (connection, path, _):
        asked = len(kind.requests)
        secret = path.split("/")[2]
        for wrong in (
            path.replace(secret, "0" * len(secret)),
            path.replace(f"{secret}/", ""),
            path.replace(f"{secret}/0", f"{secret}/7"),
            path.replace(f"{secret}/0", f"{secret}/x"),
            path.replace(f"{secret}/0", f"{secret}/-1"),
        ):
            response, body = got(connection, f"{wrong}/manifests/1")
            assert response.status == 404
            assert json.loads(body)["errors"][0]["code"] == "NAME_UNKNOWN"
        assert len(kind.requests) == asked
        assert got(connection, f"{path}/manifests/1")[0].status == 200
        assert got(connection, "/v2/")[0].status == 200


def test_a_blob_that_breaks_off_is_no_whole_one() -> None:
    """The engine asks for the rest of it then."""
    with (
        registry(lacking=1) as (address, _),
        gateway(address) as (connection, path, _),
        pytest.raises(http.client.IncompleteRead),
    ):
        got(connection, f"{path}/blobs/{DIGEST}")


def test_a_registry_that_goes_away_is_a_fault_with_its_words() -> None:
    with registry() as (address, _):
        pass
    with pytest.raises(UpstreamError, match=f"no answer from {address}: "):
        Upstream(address, {}, insecure=True).digest("team/app", "1")


def test_an_engine_that_tries_tls_is_told_to_go_on_without() -> None:
    with (
        registry() as (address, _),
        gateway(address) as (connection, _, _),
        socket.create_connection((connection.host, connection.port), timeout=10) as plain,
    ):
        plain.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        assert plain.recv(100).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("domain", "insecure"),
    [
        ("docker.io", False),
        ("registry.example.com", False),
        ("plain.example.com:5000", True),
        ("127.0.0.1:5000", True),
        ("127.9.9.9", True),
        ("localhost:5000", True),
        ("[::1]:5000", True),
        ("10.1.2.3:5000", True),
        ("10.2.2.3:5000", False),
        ("10.1.9.9:5000", False),
    ],
)
def test_which_registries_an_engine_takes_without_tls(domain: str, insecure: bool) -> None:
    config = {
        "InsecureRegistryCIDRs": ["127.0.0.0/8", "10.1.0.0/16"],
        "IndexConfigs": {
            "docker.io": {"Secure": True},
            "plain.example.com:5000": {"Secure": False},
            "10.1.9.9:5000": {"Secure": True},
        },
    }
    assert is_insecure(domain, config) is insecure

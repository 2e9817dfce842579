"""A registry asked directly: logins, tokens, redirects, and when TLS is left out."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from holystone.registry.distribution import Registry, RegistryError, is_insecure

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


def got(asked: Registry, path: str, **headers: str) -> tuple[int, bytes, Mapping[str, str]]:
    with asked.open("GET", "team/app", path, headers) as answer:
        return answer.status, answer.read(), answer.headers


def test_a_blob_comes_from_where_it_is_moved_to_and_no_login_goes_there() -> None:
    with registry() as (address, kind):
        asked = Registry(address, LOGIN, insecure=True, timeout=10)
        assert got(asked, f"blobs/{DIGEST}")[:2] == (200, Asked.body)
        status, body, headers = got(asked, f"blobs/{DIGEST}", Range="bytes=40-")
        assert (status, body) == (206, Asked.body[40:])
        assert headers["Content-Range"] == "bytes 40-99/100"
        tokens = [key for _, path, key in kind.requests if path.startswith("/token")]
        assert tokens == [BASIC], "one token is enough"
        moved = [key for _, path, key in kind.requests if path == "/blob"]
        assert moved == ["", ""]


@pytest.mark.parametrize("login", [{"identitytoken": "me"}, {"registrytoken": "fixed"}, {}])
def test_logins_of_other_kinds(login: dict[str, str]) -> None:
    with registry() as (address, kind):
        asked = Registry(address, login, insecure=True, timeout=10)
        assert got(asked, "manifests/1")[2]["Docker-Content-Digest"] == DIGEST
        tokens = [(method, path) for method, path, _ in kind.requests if "/token" in path]
        if "registrytoken" in login:
            assert tokens == []
            return
        ((method, path),) = tokens
        told = {name: value for name, (value,) in parse_qs(urlsplit(path).query).items()}
        assert told["scope"] == "repository:team/app:pull"
        assert (method, told.get("refresh_token")) == (("POST", "me") if login else ("GET", None))


def test_no_login_leaves_over_a_plain_line() -> None:
    asked = Registry("registry.example.com", LOGIN)
    told = 'Bearer realm="http://registry.example.com/token"'
    with pytest.raises(RegistryError, match="which is not safe"):
        asked._admission(told, "team/app")


def test_without_a_login_the_registry_refuses() -> None:
    with registry(realm="nonsense") as (address, _), pytest.raises(RegistryError, match="not safe"):
        Registry(address, LOGIN, insecure=True).open("HEAD", "team/app", "manifests/1", {})
    asked = Registry("registry.example.com", {})
    with pytest.raises(RegistryError, match="there is no login for it"):
        asked._admission("Basic realm=x", "team/app")


def test_a_registry_that_goes_away_is_a_fault_with_its_words() -> None:
    with registry() as (address, _):
        pass
    with pytest.raises(RegistryError, match=f"no answer from {address}: "):
        Registry(address, {}, insecure=True).open("HEAD", "team/app", "manifests/1", {})


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

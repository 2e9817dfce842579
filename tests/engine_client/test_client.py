"""The client against a server that misbehaves: one clear message each time, and nothing hangs."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from holystone.engine.client import Client
from holystone.engine.errors import (
    EngineError,
    EngineRefused,
    EngineUnreachable,
    EngineUnsupported,
    ProtocolError,
)
from holystone.operations.live_host import LiveHost
from tests.engine_client.clients import client_of
from tests.engine_client.misbehaving import (
    CLOSE,
    HANG,
    Behaviour,
    Host,
    InTurn,
    answers,
    bad_chunk,
    chunked,
    closes,
    cut_body,
    cut_chunk,
    cut_head,
    drips,
    garbage,
    misbehaving,
    no_json,
    no_last_chunk,
    raw,
    refuses,
    silent,
    slow,
    until_close,
)
from tests.usage.forgetful import Forgetful

BODY = [{"Id": "sha256:1"}]
TIMEOUT = 0.3
MEND = re.compile(r"(Is (this|the|there|it)|It may|Update|Check|Start|try)[^.?]*[.?]$")
"""How a message ends: with a question that points somewhere, or with what to do."""

EMPTY_HOST: dict[str, Behaviour | InTurn] = {
    "GET /info": answers({"ID": "scripted", "Driver": "overlay2"}),
    "GET /images/json": answers([]),
    "GET /containers/json": answers([]),
    "GET /networks": answers([]),
    "GET /volumes": answers({"Volumes": None}),
    "GET /system/df": answers({"BuildCache": None}),
}
"""An engine of API 1.41 with nothing on it, and without BuildKit's own service."""


def line(head: str, body: bytes = b"") -> Behaviour:
    """An answer with exactly this head."""
    return [head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body]


def assert_clear(error: EngineError, request: str) -> None:
    """The message is one line, names the request and ends with the mend."""
    text = str(error)
    assert "\n" not in text
    assert request in text
    assert MEND.search(text), text


BROKEN: dict[str, tuple[Behaviour, str]] = {
    "silent": (silent(), "did not answer"),
    "too slow": (slow(5, BODY), "did not answer"),
    "no answer": (closes(), "closed the connection in the middle"),
    "head cut": (cut_head(), "closed the connection in the middle"),
    "body cut": (cut_body(BODY, after=5), "closed the connection in the middle"),
    "body stops": (cut_body(BODY, after=5, then=HANG), "did not answer"),
    "chunk cut": (cut_chunk(BODY), "closed the connection in the middle"),
    "chunk stops": (cut_chunk(BODY, then=HANG), "did not answer"),
    "no last chunk": (no_last_chunk(BODY), "closed the connection in the middle"),
    "chunk size": (bad_chunk(), "is no chunk size"),
    "negative chunk": (
        line("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"-5\r\n[]\r\n0\r\n\r\n"),
        "is no chunk size",
    ),
    "chunk too long": (
        line("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"2\r\n[1, 2]\r\n0\r\n\r\n"),
        "is no chunk size",
    ),
    "endless line": (
        line("HTTP/1.1 200 OK\nTransfer-Encoding: chunked", b"1" * 300_000),
        "is no chunk size",
    ),
    "endless head": ([b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000], "is no HTTP"),
    "length": (line("HTTP/1.1 200 OK\nContent-Length: ²", b"[]"), "is no Content-Length"),
    "long length": (
        line(f"HTTP/1.1 200 OK\nContent-Length: {'9' * 5000}", b"[]"),
        "is no Content-Length",
    ),
    "status": (line("HTTP/1.1 ²00 OK\nContent-Length: 0"), "is no HTTP"),
    "short status": (line("HTTP/1.1 20\nContent-Length: 0"), "is no HTTP"),
    "other protocol": (garbage(), "is no HTTP"),
    "HTTP/2": ([b"HTTP/2 200\r\n\r\n"], "is no HTTP"),
    "web page": (no_json(), "is no JSON"),
    "latin-1": (raw(b'["\xe9"]'), "is no JSON"),
    "bottomless": (raw(b"[" * 200_000), "is no JSON"),
    "cut where it closes": (
        [*line("HTTP/1.1 200 OK\nConnection: close", b'[{"Id"'), CLOSE],
        "is no JSON",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_one_clear_error(name: str) -> None:
    behaviour, words = BROKEN[name]
    with misbehaving({"GET /images/json": behaviour}) as host:
        client = client_of(host, TIMEOUT)
        client.negotiate()
        with pytest.raises(ProtocolError, match=re.escape(words)) as caught:
            client.get("/images/json")
        assert_clear(caught.value, "GET /v1.41/images/json")
        client.close()


@pytest.mark.parametrize(
    ("behaviour", "reused"),
    [
        (answers(BODY), True),
        (slow(0.1, BODY), True),
        (drips(BODY, 0.001), True),
        (chunked(BODY), True),
        (
            line("HTTP/1.1 200\nTransfer-Encoding: Chunked", b"2;x=y\r\n[]\r\n0\r\nA: b\r\n\r\n"),
            True,
        ),
        (line("HTTP/1.1 204 No Content"), True),
        (line("HTTP/1.1 200\nContent-Length: 2", b"[]"), True),
        (until_close(BODY), False),
        (line("HTTP/1.0 200 OK\nContent-Length: 2", b"[]"), False),
    ],
)
def test_whole_answers_and_which_connections_serve_again(
    behaviour: Behaviour, reused: bool
) -> None:
    """Every way to end a body is read to its end; where it can be, the connection is kept."""
    with misbehaving({"GET /x": behaviour}) as host:
        client = client_of(host, TIMEOUT)
        first = client.get("/x")
        assert first in (BODY, [], None)
        assert client.get("/x") == first
        client.close()
        # GET /_ping and GET /version were asked before.
        assert host.connections == (1 if reused else 2)


@pytest.mark.parametrize(
    ("behaviour", "status", "words"),
    [
        (refuses(500, "driver:\n  thin pool is full"), 500, "driver: thin pool is full"),
        (refuses(409, "conflict: in use"), 409, "conflict: in use"),
        (raw(b"Not Found", 404), 404, "Not Found"),
        (raw(b"", 502), 502, "(no message)"),
        (raw(b'["message"]', 503), 503, '["message"]'),
        (raw(b"[" * 100_000, 500), 500, "[" * 200),
        (answers({"cause": "c", "message": "m", "response": 500}, 500), 500, "m"),
    ],
)
def test_a_refusal_carries_the_engines_words(behaviour: Behaviour, status: int, words: str) -> None:
    with misbehaving({"DELETE /x": behaviour, "GET /y": answers("next")}) as host:
        client = client_of(host, TIMEOUT)
        with pytest.raises(EngineRefused) as caught:
            client.request("DELETE", client.versioned("/x"))
        assert (caught.value.status, caught.value.words) == (status, words)
        mend = " The engine's own log may say more." if status >= 500 else ""
        said = f"the engine answered {status} to DELETE /v1.41/x: {words}.{mend}"
        assert str(caught.value) == said
        assert client.get("/y") == "next"
        client.close()
        assert host.connections == 1


@pytest.mark.parametrize(
    ("version", "error", "words"),
    [
        ({"ApiVersion": "1.39", "Version": "18.09"}, EngineUnsupported, "speaks API 1.39 at most"),
        (
            {"ApiVersion": "1.60", "MinAPIVersion": "1.56", "Version": "31"},
            EngineUnsupported,
            "speaks API 1.56 at least",
        ),
        ({"ApiVersion": "new"}, ProtocolError, "no usable ApiVersion ('new')"),
        ({"ApiVersion": "1.4²"}, ProtocolError, "no usable ApiVersion"),
        ({}, ProtocolError, "no usable ApiVersion ('None')"),
        ({"ApiVersion": "1.41", "MinAPIVersion": []}, None, ""),
        ({"ApiVersion": "1.41", "MinAPIVersion": "x"}, ProtocolError, "no usable MinAPIVersion"),
        ([], ProtocolError, "answers '[]'"),
        (None, ProtocolError, "answers 'None'"),
        ("1.41", ProtocolError, "answers '1.41'"),
    ],
)
def test_versions_that_cannot_be_spoken(
    version: object, error: type[EngineError] | None, words: str
) -> None:
    with misbehaving({"GET /version": answers(version)}) as host:
        client = client_of(host, TIMEOUT)
        if error is None:
            assert client.negotiate().api == (1, 41)
        else:
            with pytest.raises(error, match=re.escape(words)) as caught:
                client.negotiate()
            named = host if error is EngineUnsupported else "GET /version"
            assert_clear(caught.value, named)
        client.close()


@pytest.mark.parametrize(
    ("newest", "oldest", "spoken"),
    [
        ("1.40", "1.12", "1.40"),
        ("1.51", "1.24", "1.51"),
        ("1.55", "1.40", "1.55"),
        ("1.99", "1.44", "1.55"),
    ],
)
def test_the_newest_version_both_know_is_spoken(newest: str, oldest: str, spoken: str) -> None:
    """A newer engine is asked in the newest version holystone was tested with; asked once."""
    script = {
        "GET /version": answers({"ApiVersion": newest, "MinAPIVersion": oldest}),
        "GET /x": answers([]),
    }
    with misbehaving(script) as host:
        client = client_of(host, TIMEOUT)
        client.get("/x")
        client.sibling().close()
        client.get("/x")
        client.close()
        assert host.requests == ["GET /_ping", "GET /version", *[f"GET /v{spoken}/x"] * 2]


def ping(*headers: str) -> Behaviour:
    return line("\n".join(["HTTP/1.1 200 OK", "Content-Length: 2", *headers]), b"OK")


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        (("Api-Version: 1.41", "Server: Docker/20.10.24+dfsg1 (linux)"), (1, 41)),
        (("Api-Version: 1.41", "Server: Libpod/4.3.1 (linux)"), (1, 41)),
        (("Api-Version: 1.55", "Server: Docker/29.7.0 (linux)"), (1, 55)),
        (("Api-Version: 1.56", "Server: Docker/30.0.0 (linux)"), None),
        (("Api-Version: 1.39", "Server: Docker/18.09.0 (linux)"), None),
        (("Api-Version: 1.41", "Server: nginx/1.24.0"), None),
        (("Api-Version: x", "Server: Docker/20.10.24 (linux)"), None),
        (("Api-Version: 1.41",), None),
        ((), None),
    ],
)
def test_a_ping_tells_the_version_where_it_can(
    headers: tuple[str, ...], told: tuple[int, int] | None
) -> None:
    """One quick question where the engine's own headers come through; else /version is asked."""
    version = answers({"ApiVersion": "1.44", "MinAPIVersion": "1.24", "Version": "25.0"})
    with misbehaving({"GET /_ping": ping(*headers), "GET /version": version}) as host:
        client = client_of(host, TIMEOUT)
        found = client.negotiate()
        client.close()
        assert found.api == (told or (1, 44))
        assert found.podman == any("Libpod" in header for header in headers)
        assert host.requests == ["GET /_ping", *(["GET /version"] if told is None else [])]
        if told:
            assert headers[1].startswith(("Server: Docker/", "Server: Libpod/"))
            assert found.engine in headers[1]


@pytest.mark.parametrize(
    "components", [[], None, [{"Name": "Engine"}], [None, "x"], {"Name": "Engine"}, 5]
)
def test_components_of_any_shape_are_not_podman(components: object) -> None:
    """Only an engine that says so is Podman; other shapes do no harm."""
    version = {"ApiVersion": "1.41", "Components": components}
    with misbehaving({"GET /version": answers(version)}) as host:
        client = client_of(host, TIMEOUT)
        assert not client.negotiate().podman
        client.close()


WRONG_SHAPES: list[tuple[str, object]] = [
    ("/info", []),
    ("/info", {"DriverStatus": [["driver-type", "x"], 5]}),
    ("/images/json", {"Id": "x"}),
    ("/images/json", None),
    ("/images/json", "images"),
    ("/images/json", [[]]),
    ("/images/json", ["sha256:1"]),
    ("/images/json", [{"RepoTags": []}]),
    ("/images/json", [{"Id": ""}]),
    ("/images/json", [{"Id": 5}]),
    ("/containers/json", {}),
    ("/containers/json", [{"Names": ["/x"]}]),
    ("/networks", {}),
    ("/networks", [{"Driver": "bridge"}]),
    ("/volumes", []),
    ("/volumes", {"Volumes": [{"Driver": "local"}]}),
    ("/volumes", {"Volumes": 5}),
]


@pytest.mark.parametrize(("path", "body"), WRONG_SHAPES)
def test_an_answer_of_another_shape_names_the_list(path: str, body: object) -> None:
    with misbehaving({**EMPTY_HOST, f"GET {path}": answers(body)}) as host:
        live = LiveHost(client_of(host, TIMEOUT), Forgetful())
        with pytest.raises(ProtocolError) as caught:
            live.observe()
        live.close()
    assert_clear(caught.value, f"GET {path}")


ODD_SHAPES: list[tuple[str, object]] = [
    ("/images/json", [{"Id": "x", "Size": "big"}]),
    ("/images/json", [{"Id": "x", "Size": 1e999}]),
    ("/images/json", [{"Id": "x", "RepoTags": 5}]),
    ("/images/json", [{"Id": "x", "RepoTags": [None]}]),
    ("/images/json", [{"Id": "x", "Labels": 5}]),
    ("/images/json", [{"Id": "x", "Manifests": [5]}]),
    ("/containers/json", [{"Id": "x", "Mounts": 5}]),
    ("/containers/json", [{"Id": "x", "NetworkSettings": []}, 5]),
    ("/system/df", []),
    ("/system/df", {"BuildCache": [{"Size": 5}]}),
    ("/system/df", {"BuildCache": 5}),
]


@pytest.mark.parametrize(("path", "body"), ODD_SHAPES)
def test_an_odd_entry_is_noted_and_the_rest_goes_on(path: str, body: object) -> None:
    """Its ID is known, so it can be left alone; of the build cache nothing need be known."""
    with misbehaving({**EMPTY_HOST, f"GET {path}": answers(body)}) as host:
        live = LiveHost(client_of(host, TIMEOUT), Forgetful())
        inventory = live.weigh(live.observe())
        live.close()
    assert inventory.notes
    assert all(image.odd for image in inventory.images)
    assert all(container.state == "unknown" for container in inventory.containers)


@pytest.mark.parametrize(
    ("key", "body"),
    [
        ("GET /containers/c1/json", []),
        ("GET /containers/c1/json", {"State": [5]}),
        ("GET /containers/c1/json", {"State": {"Status": "exited"}, "SizeRw": "many"}),
        ("GET /images/sha256:1/json", []),
        ("GET /images/sha256:1/json", {"RootFS": [5]}),
        ("GET /images/sha256:1/json", {"Metadata": 5}),
        ("GET /images/sha256:1/history", {}),
        ("GET /images/sha256:1/history", [5]),
        ("GET /images/sha256:1/history", [{"Size": "x"}]),
    ],
)
def test_an_inspection_of_another_shape_is_noted(key: str, body: object) -> None:
    script = {
        **EMPTY_HOST,
        "GET /images/json": answers([{"Id": "sha256:1"}]),
        "GET /containers/json": answers([{"Id": "c1", "State": "exited"}]),
        "GET /containers/c1/json": answers({"State": {"Status": "exited"}}),
        "GET /images/sha256:1/json": answers({"RootFS": {"Layers": ["sha256:a"]}}),
        "GET /images/sha256:1/history": answers([{"Size": 1}]),
        key: answers(body),
    }
    with misbehaving(script) as host:
        live = LiveHost(client_of(host, TIMEOUT), Forgetful())
        inventory = live.weigh(live.date(live.observe()))
        live.close()
    noted = {note.id for note in inventory.notes}
    assert noted <= {"c1", "sha256:1"}
    assert [image.id for image in inventory.images] == ["sha256:1"]
    assert [container.id for container in inventory.containers] == ["c1"]
    assert noted or inventory.images[0].layers


def test_a_container_that_cannot_be_inspected_stays_as_listed() -> None:
    """A dead container without its files answers 500; the others' details are still told."""
    listed = [{"Id": name, "State": "dead", "SizeRw": -1} for name in ("c1", "c2", "c3")]
    ended = {"State": {"Status": "exited", "FinishedAt": "2024-01-01T00:00:00Z", "ExitCode": 3}}
    script = {
        **EMPTY_HOST,
        "GET /containers/json": answers(listed),
        "GET /containers/c1/json": refuses(500, "layer not retained"),
        "GET /containers/c2/json": answers({**ended, "SizeRw": 7}),
        "GET /containers/c3/json": refuses(404, "no such container"),
    }
    with misbehaving(script) as host:
        live = LiveHost(client_of(host, TIMEOUT), Forgetful())
        containers = live.observe().containers
        live.close()
    assert [(c.id, c.state, c.finished, c.exit_code, c.writable_size) for c in containers] == [
        ("c1", "dead", None, None, 0),
        ("c2", "exited", 1704067200.0, 3, 7),
    ]


@pytest.mark.parametrize("path", ["/info", "/images/json", "/volumes", "/system/df"])
def test_an_answer_that_is_cut_leaves_no_connection_open(path: str) -> None:
    """The first broken list ends the observation; a disk usage that is cut is noted."""
    with misbehaving({**EMPTY_HOST, f"GET {path}": cut_body({}, after=1)}) as host:
        live = LiveHost(client_of(host, TIMEOUT), Forgetful())
        if path == "/system/df":
            (note,) = live.observe().notes
            assert (note.problem, note.kind) == ("usage", "cache")
        else:
            with pytest.raises(ProtocolError, match=re.escape(path)):
                live.observe()
        live.close()
        assert live.client.idle == []


def test_a_404_of_a_list_is_asked_again() -> None:
    """The containerd store's /system/df answers 404 right after a build, at times repeatedly."""
    stumbles = refuses(404, "snapshot x-view does not exist")
    moved = InTurn((stumbles, stumbles, answers({"BuildCache": []})))
    with misbehaving({**EMPTY_HOST, "GET /system/df": moved}) as host:
        live = LiveHost(client_of(host, TIMEOUT), Forgetful())
        assert live.observe().cache == ()
        live.close()
        assert sum("/system/df" in request for request in host.requests) == 3


def test_a_disk_usage_for_another_client_is_waited_for() -> None:
    """Docker 20.10 answers one at a time, and refuses the others."""
    refused = refuses(500, "a disk usage operation is already running")
    record = {"ID": "r1", "Type": "regular", "Size": 5, "CreatedAt": "2024-01-01T00:00:00Z"}
    turns = InTurn((refused,) * 7 + (answers({"BuildCache": [record]}),))
    with misbehaving({**EMPTY_HOST, "GET /system/df": turns}) as host:
        live = LiveHost(client_of(host, TIMEOUT), Forgetful())
        inventory = live.observe()
        assert [each.id for each in inventory.cache] == ["r1"]
        assert inventory.notes == ()
        live.close()


def test_many_requests_keep_their_order_over_few_connections() -> None:
    count = 300
    script: dict[str, Behaviour | InTurn] = {
        f"GET /x/{n}": slow(0.02, n) if n % 37 == 0 else answers(n) for n in range(count)
    }
    with misbehaving(script) as host:
        client = client_of(host, 5)
        client.negotiate()
        told = client.send(("GET", f"/x/{n}") for n in range(count))
        assert [answer.json() for answer in told] == list(range(count))
        client.close()
        assert host.connections == client.width
        assert len(host.requests) == count + 2


def test_an_error_in_the_middle_of_many_ends_them_all() -> None:
    """The requests after a broken answer are given up, and the client can go on."""
    script: dict[str, Behaviour | InTurn] = {f"GET /x/{n}": answers(n) for n in range(40)}
    script["GET /x/20"] = cut_body("twenty", after=3)
    with misbehaving(script) as host:
        client = client_of(host, TIMEOUT)
        with pytest.raises(ProtocolError, match="GET /x/20"):
            client.send(("GET", f"/x/{n}") for n in range(40))
        assert client.request("GET", "/x/39") == 39
        client.close()


def test_a_huge_body_is_read_whole() -> None:
    body = [{"Id": "x" * 1000, "n": n} for n in range(20_000)]
    with misbehaving({"GET /a": answers(body), "GET /b": chunked(body, 1 << 16)}) as host:
        client = client_of(host, 10)
        assert client.get("/a") == client.get("/b") == body
        client.close()


def wait_until_stale(client: Client) -> None:
    """Wait until the engine's end of an idle connection has come, where one is kept."""
    while client.idle and not client.idle[0].stale:
        time.sleep(0.001)


@pytest.mark.parametrize("rest", [[CLOSE], [b"HTTP/1.1 408 Request Timeout\r\n\r\n", CLOSE]])
def test_a_connection_closed_while_idle_is_not_used_again(rest: Behaviour) -> None:
    """An engine or a proxy that hangs up between two requests goes unnoticed."""
    with misbehaving({"GET /version": answers({"ApiVersion": "1.41"}) + rest}) as host:
        client = client_of(host, TIMEOUT)
        for _ in range(3):
            assert client.request("GET", "/version") == {"ApiVersion": "1.41"}
            wait_until_stale(client)
        client.close()
        assert host.connections == 3


@pytest.fixture
def hanging_up() -> Iterator[Host]:
    """A server on TCP that answers one request on each connection and hangs up without a word."""
    listener = socket.create_server(("127.0.0.1", 0))
    host = Host(f"tcp://127.0.0.1:{listener.getsockname()[1]}")
    host.connections = 0

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            host.connections += 1
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    thread = threading.Thread(target=serve)
    thread.start()
    yield host
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def test_over_tcp_too_a_closed_connection_is_not_used_again(hanging_up: Host) -> None:
    """There a request can be sent to a peer that is gone; only the answer would never come."""
    client = client_of(hanging_up, TIMEOUT)
    for _ in range(3):
        assert client.request("DELETE", "/x") == {}
        wait_until_stale(client)
    client.close()
    assert hanging_up.connections == 3


def test_an_engine_that_goes_between_requests_is_unreachable() -> None:
    with misbehaving({"GET /x": answers([])}) as host:
        client = client_of(host, TIMEOUT)
        client.get("/x")
    with pytest.raises(EngineUnreachable, match=re.escape(host)) as caught:
        client.get("/x")
    client.close()
    assert_clear(caught.value, host)

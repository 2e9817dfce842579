"""The scripted server does what its script says, as the client's HTTP sees it."""

from __future__ import annotations

import pytest

from holystone.engine.errors import EngineRefused, ProtocolError
from holystone.engine.transport.address import parse_host
from holystone.engine.transport.connection import connect
from holystone.engine.transport.http import Connection
from tests.engine_client.misbehaving import (
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
    in_turn,
    misbehaving,
    no_json,
    no_last_chunk,
    raw,
    refuses,
    silent,
    slow,
    until_close,
)

BODY = [{"Id": "sha256:1"}]


def open_to(host: Host, timeout: float = 0.3) -> Connection:
    return Connection(connect(parse_host(host, "test", "test"), timeout))


@pytest.mark.parametrize(
    "behaviour",
    [answers(BODY), slow(0.1, BODY), drips(BODY, 0.001), chunked(BODY), until_close(BODY)],
)
def test_whole_answers(behaviour: Behaviour) -> None:
    with misbehaving({"GET /x": behaviour}) as host:
        connection = open_to(host)
        connection.send("GET", "/x")
        assert connection.receive().checked().json() == BODY
        connection.close()


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (garbage(), "is no HTTP; it starts with 'SSH-2.0"),
        (no_json(), "is no JSON"),
        (cut_head(), "closed the connection in the middle"),
        (cut_body(BODY, after=5), "closed the connection in the middle"),
        (cut_body(BODY, after=5, then=HANG), "did not answer GET /x within 0.3 s"),
        (cut_chunk(BODY), "closed the connection in the middle"),
        (cut_chunk(BODY, then=HANG), "did not answer GET /x within 0.3 s"),
        (no_last_chunk(BODY), "closed the connection in the middle"),
        (bad_chunk(), "is no chunk size"),
        (silent(), "did not answer GET /x within 0.3 s"),
        (slow(5, BODY), "did not answer GET /x within 0.3 s"),
        (closes(), "closed the connection"),
        (raw(b"[1, 2]", length=3), "is no JSON"),
        (raw(b"[1, 2]", length=30), "did not answer GET /x within 0.3 s"),
    ],
)
def test_broken_answers(behaviour: Behaviour, words: str) -> None:
    with misbehaving({"GET /x": behaviour}) as host:
        connection = open_to(host)
        connection.send("GET", "/x")
        with pytest.raises(ProtocolError, match=words):
            connection.receive().checked().json()
        connection.close()


def test_refusals_turns_and_names() -> None:
    script: dict[str, Behaviour | InTurn] = {
        "DELETE /images/a": in_turn(refuses(409, "in use"), answers([])),
        "GET /x?all=1": answers("with"),
        "GET /x": answers("without"),
    }
    with misbehaving(script) as host:
        connection = open_to(host)

        def ask(method: str, path: str) -> object:
            connection.send(method, path)
            return connection.receive().checked().json()

        with pytest.raises(EngineRefused, match=r"409 to DELETE /v1.41/images/a: in use"):
            ask("DELETE", "/v1.41/images/a")
        assert ask("DELETE", "/v1.41/images/a") == []
        assert ask("GET", "/v1.41/x?all=1") == "with"
        assert ask("GET", "/x?all=0") == "without"
        assert ask("GET", "/version")
        with pytest.raises(EngineRefused, match="404"):
            ask("GET", "/y")
        connection.close()
        assert host.connections == 1
        assert host.requests[:2] == ["DELETE /v1.41/images/a"] * 2

"""Pulls from an engine that refuses, stops or falls silent; and Ctrl-C in the middle of one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
from collections.abc import Iterator, Mapping

import pytest

from holystone.engine.errors import EngineError, ProtocolError
from holystone.operations.bring_back import FAILED, PULL, Entry, carry_out
from holystone.operations.workers import INTERRUPTED
from holystone.registry.credentials import Credentials
from holystone.registry.pull import PullCancelled, Puller, PullFailed
from holystone.store.records import REMOVED, Removed
from tests.engine_client.clients import client_of
from tests.engine_client.misbehaving import (
    CLOSE,
    HANG,
    Behaviour,
    answers,
    misbehaving,
    refuses,
)

DIGEST = "sha256:" + "1" * 64
REFERENCE = f"r.example.com/app@{DIGEST}"
ID = "sha256:" + "2" * 64


def stream(*messages: object, then: object = CLOSE) -> Behaviour:
    """What a pull answers: a line for each message."""
    lines = b"".join(json.dumps(message).encode() + b"\r\n" for message in messages)
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"
    return [head + lines, HANG if then is HANG else CLOSE]


def progress(layer: str, status: str, come: int = 0, size: int = 0) -> dict[str, object]:
    detail = {"current": come, "total": size} if size else {}
    return {"id": layer, "status": status, "progressDetail": detail}


@contextlib.contextmanager
def engine(
    behaviour: Behaviour, more: Mapping[str, Behaviour] = {}, *, timeout: float = 60
) -> Iterator[Puller]:
    """Pulls from an engine that answers each pull like this."""
    script = {f"POST /images/create?fromImage={REFERENCE}": behaviour, **more}
    with misbehaving(script) as host:
        client = client_of(host, timeout)
        yield Puller(client, Credentials({"DOCKER_CONFIG": "/nowhere"}))
        client.close()


def test_progress_is_the_sum_of_the_layers() -> None:
    coming = stream(
        progress("a", "Pulling fs layer"),
        progress("a", "Downloading", 10, 100),
        progress("b", "Downloading", 5, 50),
        progress("a", "Download complete"),
        progress("a", "Extracting", 3, 100),
        progress("b", "Downloading", 40, 50),
        {"status": f"Digest: {DIGEST}"},
    )
    told: list[tuple[int, int]] = []
    here = {f"GET /images/{REFERENCE}/json": answers({"Id": "2" * 64})}
    with engine(coming, here) as puller:
        assert puller.pull(REFERENCE, lambda come, size: told.append((come, size))) == ID
    assert told == [(10, 100), (15, 150), (105, 150), (105, 150), (140, 150)]


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        (refuses(404, "manifest unknown"), "manifest unknown"),
        (stream({"errorDetail": {"message": "no space left"}, "error": "x"}), "no space left"),
        (stream(progress("a", "Downloading", 1, 2), {"error": "EOF"}), "EOF"),
        (stream(progress("a", "Downloading", 1, 2)), "ended the pull without a word"),
        (stream("hello"), "garbled"),
        ([b"HTTP/1.0 200 OK\r\n\r\n<html>\n", CLOSE], "garbled"),
        ([b"HTTP/1.0 200", CLOSE], "closed the connection"),
        (stream(progress("a", "Downloading", 1, 2), then=HANG), "answers a ping all the while"),
    ],
)
def test_a_pull_that_fails(behaviour: Behaviour, words: str) -> None:
    """A status of success says nothing: what goes wrong later stands in the stream."""
    with engine(behaviour, timeout=0.1) as puller, pytest.raises(EngineError) as error:
        puller.pull(REFERENCE, lambda _come, _size: None)
    assert words in str(error.value)
    assert isinstance(error.value, PullFailed | ProtocolError)


def test_a_pull_is_cancelled_from_another_thread() -> None:
    hanging = stream(progress("a", "Downloading", 1, 2), then=HANG)
    with engine(hanging) as puller:
        threading.Timer(0.3, puller.cancel).start()
        with pytest.raises(PullCancelled):
            puller.pull(REFERENCE, lambda _come, _size: None)
        with pytest.raises(PullCancelled):
            puller.pull(REFERENCE, lambda _come, _size: None)


def test_ctrl_c_ends_the_pulls_and_tells_what_was_not_done() -> None:
    removed = [
        Removed("image", f"sha256:{n}", (), (), (REFERENCE,), {}, 1, 1, 1, REMOVED, "", 0.0)
        for n in range(5)
    ]
    plan = [Entry(each, PULL) for each in removed]

    class Interrupting:
        """Presses Ctrl-C once a pull is under way."""

        pressed = False

        def moved(self, place: int, come: int, size: int) -> None:
            if not self.pressed:
                self.pressed = True
                os.kill(os.getpid(), signal.SIGINT)

        def settled(self, place: int) -> None:
            pass

    hanging = stream(progress("a", "Downloading", 1, 2), then=HANG)
    with engine(hanging) as puller:
        undone = carry_out(plan, puller, Interrupting())
    assert undone.interrupted == INTERRUPTED
    assert [done.result for done in undone.entries] == [FAILED] * 5
    assert undone.entries[4].detail == "not tried: interrupted"

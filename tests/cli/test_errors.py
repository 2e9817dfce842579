"""What goes wrong before anything is removed: one message, its exit code, nothing on stdout."""

from __future__ import annotations

import json
import os
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import POWERLESS, Command, ended, interrupt, wait_until
from tests.cli.faulty import EMPTY
from tests.engine_client.certificates import Authority
from tests.engine_client.misbehaving import (
    HANG,
    Behaviour,
    answers,
    bad_chunk,
    closes,
    cut_body,
    cut_chunk,
    garbage,
    misbehaving,
    no_json,
    raw,
    refuses,
    silent,
)


@pytest.mark.parametrize(
    ("host", "code", "words"),
    [
        ("unix:///nowhere/docker.sock", 10, "no such file. Start the engine, or correct --host."),
        ("unix:///etc/passwd", 10, "it is a file, not a socket"),
        ("tcp://127.0.0.1:1", 10, "connection refused, nothing listens on port 1."),
        ("tcp://no-such-host.invalid", 10, "no-such-host.invalid"),
        ("", 1, "--host is '': it is empty"),
        ("/var/run/docker.sock", 1, "a path needs its scheme: unix:///var/run/docker.sock."),
        ("unix://docker.sock", 1, "Did you mean unix:///docker.sock?"),
        ("gopher://somewhere", 1, "an engine has no scheme 'gopher'"),
        ("tcp://host:port", 1, "'port' is no port"),
        ("ssh://me:secret@host", 1, "a password cannot be part of it"),
    ],
)
def test_wrong_hosts(holystone: Command, host: str, code: int, words: str) -> None:
    said = holystone("plan", "--json", "--host", host).failed(code)
    assert words.rstrip(".") in said
    assert "secret" not in said


@pytest.mark.parametrize("command", ["status", "images", "plan", "clean", "explain x"])
def test_no_engine_for_any_command(holystone: Command, command: str) -> None:
    host = "unix:///nowhere/docker.sock"
    said = holystone(*command.split(), "--json", "-H", host).failed(10)
    assert said == holystone(*command.split(), "--json", DOCKER_HOST=host).failed(10).replace(
        " (from DOCKER_HOST)", ""
    ).replace("correct DOCKER_HOST", "correct --host")


def test_the_opening_line_of_a_clean_does_not_hide_the_error(holystone: Command) -> None:
    done = holystone("clean", "-H", "unix:///nowhere/docker.sock")
    assert done.code == 10
    assert "✅" not in done.out
    assert done.err.startswith("holystone: cannot reach the engine")


def test_unknown_contexts(holystone: Command) -> None:
    assert "'staging'" in holystone("plan", "--json", "-c", "staging").failed(1)
    assert "'staging'" in holystone("plan", DOCKER_CONTEXT="staging").failed(1)
    folder = holystone.home / ".docker"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"currentContext": "staging"}))
    assert "'staging'" in holystone("plan", "--json").failed(1)
    (folder / "config.json").write_text("{")
    assert str(folder / "config.json") in holystone("plan", "--json").failed(1)


def test_a_context_and_a_host(holystone: Command) -> None:
    said = holystone("plan", "-c", "staging", "-H", "demo:").failed(1)
    assert "--host and --context are both given" in said


def test_permission_denied(holystone: Command) -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path := f"{folder}/docker.sock")
        listener.listen()
        os.chmod(path, 0)
        said = holystone.under(POWERLESS, "clean", "--json", "-H", f"unix://{path}").failed(10)
    assert "permission denied. Add the user to the docker group or pass --host." in said


@pytest.fixture
def tls_port(tmp_path: Path) -> Iterator[str]:
    """A server whose certificate is of an authority that nobody knows."""
    pair = Authority(tmp_path / "authority").issue("engine", "IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
                context.wrap_socket(connection, server_side=True).close()
            except ssl.SSLError:
                continue
            except OSError:
                return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield str(listener.getsockname()[1])
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


def test_tls_failures(holystone: Command, tls_port: str) -> None:
    host = f"tcp://127.0.0.1:{tls_port}"
    assert "certificate" in holystone("plan", "--json", "-H", f"https://{host[6:]}").failed(10)
    missing = holystone("plan", "--json", "-H", host, DOCKER_TLS_VERIFY="1").failed(1)
    assert "ca.pem" in missing


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ({"ApiVersion": "1.39", "MinAPIVersion": "1.12"}, "speaks API 1.39 at most"),
        ({"ApiVersion": "1.99", "MinAPIVersion": "1.90"}, "speaks API 1.90 at least"),
        ({"ApiVersion": "new", "MinAPIVersion": "1.12"}, "no usable ApiVersion ('new')"),
        ([], "Is this a Docker Engine API?"),
    ],
)
def test_engines_of_other_times(holystone: Command, version: object, words: str) -> None:
    with misbehaving({**EMPTY, "GET /version": answers(version)}) as host:
        assert words in holystone("clean", "--json", "-H", host).failed(1)


FAULTS: dict[str, tuple[Behaviour, str]] = {
    "page": (no_json(), "is no JSON"),
    "no http": (garbage(), "is no HTTP"),
    "cut": (cut_body([{"Id": "sha256:1"}], after=9), "closed the connection in the middle"),
    "cut chunk": (cut_chunk([{"Id": "sha256:1"}]), "closed the connection in the middle"),
    "bad chunk": (bad_chunk(), "garbled"),
    "closed": (closes(), "closed the connection"),
    "silent": (silent(), "within 0.5 s. It may be busy: try --timeout with a longer time."),
    "hangs": (cut_body([], after=1, then=HANG), "within 0.5 s"),
    "500": (refuses(500, "the store is broken"), "answered 500 to"),
    "null": (raw(b"null"), "not what the Docker Engine API promises"),
    "wrong kind": (answers(7), "not what the Docker Engine API promises"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("path", ["/info", "/images/json", "/volumes"])
def test_broken_answers(holystone: Command, fault: str, path: str) -> None:
    behaviour, words = FAULTS[fault]
    with misbehaving({**EMPTY, f"GET {path}": behaviour}) as host:
        done = holystone("plan", "--json", "-H", host, "--timeout", "0.5s")
    said = done.failed(10 if fault in ("silent", "hangs") else 1)
    assert words in said
    assert path in said


@pytest.mark.parametrize("fault", ["no http", "closed", "silent", "500"])
def test_no_event_stream_no_clean(holystone: Command, fault: str) -> None:
    with misbehaving({**EMPTY, "GET /events": FAULTS[fault][0]}) as host:
        done = holystone("clean", "--json", "-H", host, "--timeout", "0.5s")
        done.failed(10 if fault == "silent" else 1)


def test_an_entry_that_makes_no_sense(holystone: Command) -> None:
    with misbehaving({**EMPTY, "GET /images/json": answers([{"Size": "large"}])}) as host:
        said = holystone("plan", "--json", "-H", host).failed(1)
    assert "an entry of GET /images/json makes no sense" in said


FAULTS_AT_ONCE = ("page", "cut", "500", "null")
IMAGE = {"Id": "sha256:" + "1" * 64, "RepoTags": ["a:1"], "Size": 5, "Created": 9}
UNTAGGED = {**IMAGE, "Id": "sha256:" + "2" * 64, "RepoTags": None}
STOPPED = {"Id": "3" * 64, "Names": ["/job"], "State": "exited", "ImageID": "x", "Created": 9}
ONE = {**EMPTY, "GET /images/json": answers([IMAGE, UNTAGGED])}


@pytest.mark.parametrize(
    ("command", "fault"),
    [("plan", "silent")]
    + [(each, fault) for each in ("plan", "status", "clean") for fault in FAULTS_AT_ONCE],
)
def test_a_failing_disk_usage_is_noted(holystone: Command, fault: str, command: str) -> None:
    """The build cache is left out, and all else goes on."""
    host = {**EMPTY, "GET /containers/json": answers([STOPPED])}
    host |= {
        "GET /system/df": FAULTS[fault][0],
        "GET /containers/" + "3" * 64 + "/json": answers({}),
    }
    with misbehaving(host) as engine:
        # The engine is given thirty times as long for its disk usage, while it answers a ping.
        short = ("--timeout", "0.4s" if fault == "silent" else "9s")
        done = holystone(*command.split(), "--json", "-H", engine, *short)
        assert done.code == 0, done.err
        assert {"usage"} <= {note["problem"] for note in done.json["notes"]}
        if fault == "silent":
            return
        shown = holystone(*command.split(), "-H", engine, *short)
    assert "does not report the size of the build cache" in " ".join(shown.out.split())
    if command == "status":
        assert done.json["kinds"]["cache"]["count"] == 0
        assert "not reported by the engine" in shown.out


ODD: dict[str, Behaviour] = {
    "null": raw(b"null"),
    "page": no_json(),
    "wrong kind": answers(7),
    "500": refuses(500, "the layer is lost"),
    "entries": answers([5]),
    "not found": refuses(404, "rpc error: blob sha256:12 expected at /x: blob not found"),
}


@pytest.mark.parametrize(
    ("fault", "command"),
    [
        *((fault, "status") for fault in ODD),
        *(("null", command) for command in ("plan deep", "images", "observe", "clean", "plan")),
    ],
)
@pytest.mark.parametrize("asked", ["json", "history"])
def test_one_odd_image_is_bounded(holystone: Command, fault: str, asked: str, command: str) -> None:
    """Its inspection or its history makes no sense: it is listed, and nothing ends."""
    inspected = {"RootFS": {"Layers": ["sha256:" + "5" * 64, "sha256:" + "6" * 64]}}
    host = dict(ONE)
    for image in (IMAGE, UNTAGGED):
        host[f"GET /images/{image['Id']}/json"] = answers(inspected)
        host[f"GET /images/{image['Id']}/history"] = answers([])
    host[f"GET /images/{IMAGE['Id']}/{asked}"] = ODD[fault]
    with misbehaving(host) as engine:
        done = holystone(*command.split(), "--json", "-H", engine)
    assert (done.code, done.err) == (0, "")
    noted = {note["id"] for note in done.json["notes"]}
    if command in ("status", "images"):
        # Without a history the size still tells: both layers come and go together.
        assert noted == ({IMAGE["Id"]} if asked == "json" else set())


def test_entries_that_make_no_sense_are_left_alone(holystone: Command) -> None:
    """One of each kind beside whole ones: none of them goes, and what they hold stays."""
    odd = {**UNTAGGED, "Id": "sha256:" + "7" * 64, "Labels": 5}
    user = {"Id": "8" * 64, "ImageID": UNTAGGED["Id"], "Labels": 5}
    host = {
        **EMPTY,
        "GET /images/json": answers([IMAGE, UNTAGGED, odd, {"Size": "large"}]),
        "GET /containers/json": answers([user, STOPPED, {"Names": 5}]),
        "GET /containers/" + "3" * 64 + "/json": refuses(500, "its files are lost"),
        "GET /containers/" + "8" * 64 + "/json": refuses(500, "its labels are no mapping"),
        "GET /volumes": answers({"Volumes": [{"Name": "a"}, {"Name": "b", "Labels": 5}, {}]}),
        "GET /networks": answers([{"Id": "n", "Name": "n"}, {"Name": 5}]),
        "GET /system/df": answers({"BuildCache": [{"ID": "c"}, {"ID": "d", "Size": "x"}, 5]}),
    }
    with misbehaving(host) as engine:
        done = holystone("plan", "deep", "--volumes", "--min-age", "0s", "--json", "-H", engine)
    assert (done.code, done.err) == (0, "")
    verdicts = {item["id"]: item for item in done.json["items"]}
    assert verdicts[odd["Id"]]["reasons"][0]["rule"] == "odd"
    assert verdicts[user["Id"]]["reasons"][0]["rule"] == "in-use"
    assert verdicts[UNTAGGED["Id"]]["reasons"][0]["rule"] == "in-use"
    assert "b" not in verdicts
    assert "d" not in verdicts
    problems = [(note["problem"], note["kind"]) for note in done.json["notes"]]
    kinds = ("image", "image", "container", "container", "volume", "volume", "network")
    assert sorted(p for p in problems if p[0] == "entry" and p[1] != "cache") == sorted(
        ("entry", kind) for kind in kinds
    )
    assert ("inspection", "container") in problems


def test_verbose_shows_the_traceback(holystone: Command) -> None:
    with misbehaving({**EMPTY, "GET /info": no_json()}) as host:
        quiet = holystone("plan", "-H", host).failed(1)
        loud = holystone("plan", "-v", "-H", host)
    assert loud.code == 1
    assert loud.out == ""
    assert loud.err.startswith("Traceback (most recent call last)")
    assert loud.err.endswith(quiet)


@pytest.mark.parametrize("command", ["plan --json", "clean", "clean --json"])
def test_interrupted_while_observing(holystone: Command, command: str) -> None:
    with (
        misbehaving({**EMPTY, "GET /images/json": silent()}) as host,
        holystone.started(*command.split(), "-H", host) as process,
    ):
        wait_until(lambda: any("/images/json" in request for request in host.requests))
        interrupt(process)
        done = ended(process)
    assert done.code == 130
    assert done.err == (
        "holystone: interrupted; nothing was removed\n"
        if "clean" in command
        else "holystone: interrupted\n"
    )
    assert done.out == ("" if "--json" in command else done.out)
    assert "✅" not in done.out


def test_an_empty_engine_is_no_error(holystone: Command) -> None:
    """The scripted engine itself is in order: what fails above fails for the reason given."""
    with misbehaving(EMPTY) as host:
        done = holystone("clean", "--json", "-H", host)
    assert (done.code, done.err) == (0, "")
    assert done.json["items"] == []

"""The server: its socket and ports, what it refuses to listen at, slow clients, and its end."""

from __future__ import annotations

import errno
import http.client
import os
import signal
import socket
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from holystone.agent.web import protocol, requests, server
from holystone.agent.web.app import make_app
from holystone.agent.web.listening import ListenError, is_loopback, resolve
from holystone.agent.web.server import Server
from holystone.agent.web.tokens import Tokens
from holystone.config.agent_settings import Service
from holystone.operations.connect import connect
from tests.agent.web_agent import PATIENCE, DemoAgent, Served, ask, bearer, serving, until
from tests.users import needs_root


def test_the_socket_has_its_rights_and_goes_with_the_server(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        there = os.lstat(tmp_path / "agent.sock")
        assert stat.S_ISSOCK(there.st_mode)
        assert stat.S_IMODE(there.st_mode) == 0o660
        assert there.st_gid == os.getegid()
        assert ask(served.unix(), "GET", "/healthz").status == 200
        assert sorted(os.listdir(tmp_path)) == ["agent.sock", "tokens"]
    assert os.listdir(tmp_path) == ["tokens"]


@needs_root
def test_the_socket_has_the_group_of_the_configuration(tmp_path: Path) -> None:
    with serving(tmp_path, socket_group="54321"):
        assert os.lstat(tmp_path / "agent.sock").st_gid == 54321


def test_an_unknown_group(tmp_path: Path) -> None:
    with (
        pytest.raises(ListenError, match=r"no group no-such-group.*agent.socket_group"),
        serving(tmp_path, socket_group="no-such-group"),
    ):
        pass
    assert os.listdir(tmp_path) == ["tokens"]


def test_without_listen_there_is_only_the_socket(tmp_path: Path) -> None:
    with serving(tmp_path, listen="") as served:
        assert served.server.addresses == ()
        assert ask(served.unix(), "GET", "/readyz").status == 200


def test_the_socket_that_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run"
    path.mkdir()
    with serving(tmp_path, socket=str(path / "x.sock")) as served:
        assert ask(served.unix(), "GET", "/readyz").status == 200
        assert os.listdir(path) == ["x.sock"]


def test_the_socket_of_a_dead_agent_is_replaced(tmp_path: Path) -> None:
    path = str(tmp_path / "agent.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
        dead.listen()
    with serving(tmp_path) as served:
        assert ask(served.unix(), "GET", "/readyz").status == 200


def test_the_socket_of_a_living_agent_stays(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        other = Server(served.server.app, Service(), str(tmp_path))
        with pytest.raises(ListenError, match=r"something listens on the socket .* already"):
            other.start()
        other.stop()
        assert ask(served.unix(), "GET", "/readyz").status == 200


@pytest.mark.parametrize("what", ["link", "file", "folder", "dangling"])
def test_what_is_no_socket_is_never_replaced(what: str, tmp_path: Path) -> None:
    place, victim = tmp_path / "agent.sock", tmp_path / "victim"
    victim.write_text("precious")
    if what == "file":
        place.write_text("precious")
    elif what == "folder":
        place.mkdir()
    else:
        place.symlink_to(victim if what == "link" else tmp_path / "none")
    words = "symbolic link" if what in ("link", "dangling") else "no socket"
    with pytest.raises(ListenError, match=words), serving(tmp_path):
        pass
    assert victim.read_text() == "precious"
    assert os.path.lexists(place)
    assert not (tmp_path / "none").exists()


def test_a_socket_that_another_has_replaced_stays_at_the_end(tmp_path: Path) -> None:
    with serving(tmp_path), socket.socket(socket.AF_UNIX) as other:
        os.unlink(tmp_path / "agent.sock")
        other.bind(str(tmp_path / "agent.sock"))
    assert (tmp_path / "agent.sock").exists()


def test_a_path_that_is_too_long_and_a_folder_that_is_not_there(tmp_path: Path) -> None:
    for path, words in (
        (f"/tmp/{'x' * 110}", "107 bytes.*agent.socket"),
        (str(tmp_path / "none" / "agent.sock"), "no such file or directory.*Make the folder"),
    ):
        with pytest.raises(ListenError, match=words), serving(tmp_path, socket=path):
            pass
        (tmp_path / "tokens").unlink()


def test_the_longest_path_works(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("s")
    for name in ("y" * (107 - len(str(folder)) - 1), "z"):
        with serving(folder, socket=str(folder / name)) as served:
            assert ask(served.unix(), "GET", "/healthz").status == 200
        (folder / "tokens").unlink()


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(ListenError, match=f"at {where}: address already in use.*agent.listen"),
            serving(tmp_path, listen=where),
        ):
            pass
    assert os.listdir(tmp_path) == ["tokens"]


def test_the_port_is_free_again_after_a_socket_that_could_not_be(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        where = f"127.0.0.1:{probe.getsockname()[1]}"
    (tmp_path / "agent.sock").write_text("")
    with pytest.raises(ListenError), serving(tmp_path, listen=where):
        pass
    (tmp_path / "tokens").unlink()
    (tmp_path / "agent.sock").unlink()
    with serving(tmp_path, listen=where) as served:
        assert served.server.addresses == (where,)


@pytest.mark.parametrize(
    "listen", ["9469", ":9469", "localhost:", "localhost:99999", "a:b", "[]:1"]
)
def test_an_address_that_is_none(listen: str, tmp_path: Path) -> None:
    with pytest.raises(ListenError, match="cannot listen at"), serving(tmp_path, listen=listen):
        pass


def test_localhost_is_served_at_one_port_on_all_its_addresses(tmp_path: Path) -> None:
    with serving(tmp_path, listen="localhost:0") as served:
        assert len({each.rpartition(":")[2] for each in served.server.addresses}) == 1
        for address in served.server.addresses:
            host, _, port = address.rpartition(":")
            connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=PATIENCE)
            assert ask(connection, "GET", "/readyz").status == 200


def test_what_is_loopback() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")))
    assert not any(
        map(is_loopback, ("0.0.0.0", "::", "10.0.0.1", "fe80::1%eth0", "::ffff:10.0.0.1"))
    )
    assert resolve("[::1]:9469") == ("::1", [(socket.AF_INET6, "::1", 9469)])


def test_signals_stay_with_the_program(tmp_path: Path) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(each) for each in numbers]
    with serving(tmp_path):
        assert [signal.getsignal(each) for each in numbers] == before


def test_it_stops_while_streams_and_idle_connections_are_open(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        stream, idle, silent = served.tcp(), served.tcp(), served.unix()
        stream.request("GET", "/api/v1/events")
        assert stream.getresponse().readline() == b"retry: 3000\n"
        idle.request("GET", "/healthz")
        idle.getresponse().read()
        silent.connect()
        began = time.monotonic()
        served.server.stop(PATIENCE)
        assert time.monotonic() - began < PATIENCE, "it waited for clients until the end"
        assert not served.server._thread.is_alive()
        for connection in (stream, idle, silent):
            connection.close()
        with pytest.raises(ConnectionRefusedError):
            ask(served.tcp(), "GET", "/healthz")


def test_it_lets_a_request_end_that_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    with serving(tmp_path) as served:
        plan = served.agent.plan

        def slow(level: str, only: object) -> object:
            begun.set()
            assert go.wait(PATIENCE)
            return plan(level)

        monkeypatch.setattr(served.agent, "plan", slow)
        connection = served.tcp()
        connection.request("GET", "/api/v1/plan")
        assert begun.wait(PATIENCE)
        stopper = threading.Thread(target=served.server.stop, args=(PATIENCE,))
        stopper.start()
        until(served.server._stopping.is_set)
        go.set()
        answer = connection.getresponse()
        assert answer.status == 200
        assert len(answer.read()) == int(answer.headers["Content-Length"])
        stopper.join(PATIENCE)
        assert not stopper.is_alive()
        connection.close()


def test_a_request_that_does_not_end_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    with serving(tmp_path) as served:

        def hung(level: str, only: object) -> object:
            begun.set()
            go.wait(PATIENCE)
            raise AssertionError

        monkeypatch.setattr(served.agent, "plan", hung)
        connection = served.tcp()
        connection.request("GET", "/api/v1/plan")
        assert begun.wait(PATIENCE)
        served.server.stop(0.1)
        assert not served.server._thread.is_alive()
        go.set()
        connection.close()


def test_a_server_that_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    with connect("demo:") as session:
        agent = DemoAgent(session)
        Server(make_app(agent, Tokens()), Service(), str(tmp_path)).stop()


def dropped(sock: socket.socket) -> bool:
    """Whether the server closes this connection, after what it may have sent."""
    sock.settimeout(PATIENCE)
    try:
        while sock.recv(65536):
            pass
    except ConnectionError:
        pass
    return True


HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
POST = (
    b"POST /api/v1/clean HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 100\r\nAuthorization: Bearer %s\r\n\r\n"
)


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /healt", HEAD, HEAD + b"\r\n" + HEAD],
    ids=["nothing", "a line", "a head", "a second head"],
)
@pytest.mark.parametrize("way", ["unix", "tcp"])
def test_who_sends_no_head_is_dropped(
    sent: bytes, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.3)
    with serving(tmp_path) as served:
        connection: http.client.HTTPConnection = getattr(served, way)()
        connection.connect()
        connection.sock.sendall(sent)
        assert dropped(connection.sock)
        connection.close()


def test_who_sends_a_head_byte_by_byte_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with serving(tmp_path) as served:
        connection = served.tcp()
        connection.connect()
        connection.sock.settimeout(0.02)
        ends = time.monotonic() + PATIENCE
        while time.monotonic() < ends:
            try:
                connection.sock.sendall(b"x")
                if connection.sock.recv(100) == b"":
                    break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the connection stayed open")
        connection.close()


def test_a_body_that_does_not_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "BODY_SECONDS", 0.3)
    with serving(tmp_path) as served:
        connection = served.tcp()
        connection.connect()
        connection.sock.sendall(POST % served.write.encode() + b'{"level"')
        connection.sock.settimeout(PATIENCE)
        assert b" 408 " in connection.sock.recv(1000)
        connection.close()


def test_a_body_that_nobody_reads_does_not_keep_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path) as served:
        connection = served.tcp()
        connection.connect()
        connection.sock.sendall(POST % b"wrong-wrong-wrong")
        assert b" 401 " in connection.sock.recv(1000)
        monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
        connection.sock.sendall(b"{")
        assert dropped(connection.sock)
        connection.close()


def test_who_does_not_read_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "READ_SECONDS", 0.3)
    with serving(tmp_path) as served:
        big = b"x" * 50_000_000
        monkeypatch.setattr(served.agent, "metrics", lambda _: (big, "text/plain"))
        connection = served.tcp()
        connection.request("GET", "/metrics")
        states = served.server._states
        until(lambda: any(each.connections for each in states))
        until(lambda: not any(each.connections for each in states))
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            connection.getresponse().read()
        connection.close()


def test_idle_connections_do_not_keep_others_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 2.0)
    with serving(tmp_path) as served:
        crowd = []
        for _ in range(protocol.MOST_CONNECTIONS + 20):
            each = served.tcp()
            each.connect()
            crowd.append(each)
        # The socket counts its own.
        assert ask(served.unix(), "GET", "/healthz").status == 200
        assert all(dropped(each.sock) for each in crowd)
        for each in crowd:
            each.close()
        assert ask(served.tcp(), "GET", "/healthz").status == 200


def test_connections_beyond_the_most_are_dropped_at_once(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        crowd = []
        for _ in range(protocol.MOST_CONNECTIONS + 20):
            each = served.tcp()
            each.connect()
            crowd.append(each)
        # The others would be dropped for their silence, much later.
        for each in crowd[protocol.MOST_CONNECTIONS :]:
            each.sock.settimeout(protocol.HEAD_SECONDS / 2)
            with suppress(ConnectionError):
                assert each.sock.recv(1) == b""
        for each in crowd:
            each.close()


def test_many_requests_at_once_are_all_answered(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        statuses: list[int] = []

        def many(way: Callable[[], http.client.HTTPConnection]) -> None:
            statuses.extend(ask(way(), "GET", "/api/v1/plan").status for _ in range(5))

        threads = [
            threading.Thread(target=many, args=(way,))
            for way in (served.tcp, served.unix)
            for _ in range(6)
        ]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert statuses == [200] * 60


def test_new_tokens_count_after_they_were_read_again(served_alone: Served) -> None:
    path = served_alone.tokens.path
    with open(path, "a", encoding="utf-8") as file:
        file.write("late read late-but-still-welcome\n")
    assert served_alone.get("/readyz", **bearer("late-but-still-welcome")).status == 401
    served_alone.tokens.read_again()
    assert served_alone.get("/readyz", **bearer("late-but-still-welcome")).status == 200


@pytest.fixture
def served_alone(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as made:
        yield made


def test_a_loop_that_cannot_begin_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Server, "_begin", broken)
    with pytest.raises(ListenError, match="cannot serve: too many open files"), serving(tmp_path):
        pass
    assert os.listdir(tmp_path) == ["tokens"]

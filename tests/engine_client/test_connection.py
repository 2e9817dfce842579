"""Connected sockets, and one clear error for each way not to get one. All servers are real."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import ssl
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holystone.engine.errors import EngineUnreachable, ProtocolError
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import TLS, Endpoint, parse_host
from holystone.engine.transport.http import Connection, Patience, Response
from holystone.engine.transport.ssh import command
from tests.conftest import SKIPPED
from tests.engine_client.certificates import Authority, Pair, with_passphrase
from tests.engine_client.misbehaving import answers, cut_body, misbehaving, silent
from tests.engine_client.sshd import SSHServer

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK"


def endpoint(url: str, tls: TLS | None = None, source: str = "--host") -> Endpoint:
    return parse_host(url, source, source, lambda: tls)


def opened(where: Endpoint, timeout: float = 20) -> contextlib.closing[Connection]:
    """A new connection, closed at the end."""
    patience = Patience(where, lambda: False)
    return contextlib.closing(Connection(connect(where, timeout), patience))


def ask(where: Endpoint, timeout: float = 5) -> Response:
    """One answer over a new connection."""
    with opened(where, timeout) as connection:
        connection.send("GET", "/_ping")
        return connection.receive()


def error(where: Endpoint, timeout: float = 5) -> str:
    """Why there is no answer."""
    with pytest.raises(EngineUnreachable) as caught:
        ask(where, timeout)
    return str(caught.value)


def served(respond: Callable[[socket.socket], None]) -> contextlib.AbstractContextManager[str]:
    """A TCP server that hands each connection to ``respond``; its URL."""

    @contextlib.contextmanager
    def serve() -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def run() -> None:
                while True:
                    try:
                        connection, _ = listener.accept()
                    except OSError:
                        return
                    with contextlib.suppress(OSError), connection:
                        connection.settimeout(5)
                        respond(connection)

            thread = threading.Thread(target=run, daemon=True)
            thread.start()
            yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)

    return serve()


def respond_ok(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(OK)


# Sockets


@pytest.fixture
def place() -> Iterator[str]:
    """A short path for a socket: pytest's own folders may be too long for one."""
    with tempfile.TemporaryDirectory(prefix="place-") as folder:
        yield os.path.join(folder, "engine.sock")


@pytest.fixture
def listener(place: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(place)
        made.listen(0)
        yield made


def test_unix() -> None:
    with misbehaving({"GET /_ping": answers("OK")}) as host:
        sock = connect(endpoint(host), 3)
        assert sock.gettimeout() == 3
        sock.close()
        assert ask(endpoint(host)).json() == "OK"


def test_unix_no_such_file(place: str) -> None:
    said = f"cannot reach the engine at unix://{place}"
    assert error(Endpoint("unix", place, None, "default")) == (
        f"{said}: no such file. Is Docker or Podman installed and started? Start it or pass --host."
    )
    assert error(endpoint(f"unix://{place}", source="DOCKER_HOST")) == (
        f"{said} (from DOCKER_HOST): no such file. Start the engine, or correct DOCKER_HOST."
    )
    assert "no such file" in error(endpoint("unix:///etc/passwd/engine.sock"))


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("docker.sock", "Add the user to the docker group or pass --host."),
        ("podman.sock", ("Run as root, start a socket of your own with 'systemctl --user start "
         "podman.socket', or pass --host.")),
    ],
)  # fmt: skip
def test_unix_permission_denied(place: str, name: str, mend: str) -> None:
    path = os.path.join(os.path.dirname(place), name)
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)
        os.chmod(path, 0)
        os.chmod(os.path.dirname(path), 0o755)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65534)
        try:
            message = error(endpoint(f"unix://{path}"))
        finally:
            os.seteuid(me)
    assert message == f"cannot reach the engine at unix://{path}: permission denied. {mend}"


def test_unix_what_is_there_is_no_socket_that_listens(place: str, tmp_path: Path) -> None:
    """Docker makes a folder where ``-v /var/run/docker.sock:...`` finds nothing to mount."""
    file = tmp_path / "file"
    file.touch()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(place)
    datagrams = f"{place}.datagrams"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(datagrams)
        for path, words in (
            (tmp_path, "it is a folder, not a socket. Remove it and start the engine"),
            (file, "it is a file, not a socket. Pass --host with the engine's socket."),
            (place, ("connection refused, no engine listens on it. Start the engine (systemctl "
             "start docker) or pass --host.")),
            ("/" + "a" * 200, "AF_UNIX path too long"),
            (datagrams, "Protocol wrong type for socket"),
        ):  # fmt: skip
            message = error(endpoint(f"unix://{path}"))
            assert message.startswith(f"cannot reach the engine at unix://{path}: {words}")


def fill(place: str) -> list[socket.socket]:
    """Connections until the backlog takes no more."""
    waiting: list[socket.socket] = []
    while True:
        waiting.append(socket.socket(socket.AF_UNIX))
        waiting[-1].setblocking(False)
        try:
            waiting[-1].connect(place)
        except BlockingIOError:
            return waiting


def test_unix_busy(place: str, listener: socket.socket) -> None:
    waiting = fill(place)
    began = time.monotonic()
    message = error(endpoint(f"unix://{place}"), 0.3)
    assert time.monotonic() - began >= 0.3
    assert "no answer within 0.3 s. The engine is too busy to take connections" in message

    def accept() -> None:
        listener.accept()[0].close()

    threading.Timer(0.2, accept).start()
    connect(endpoint(f"unix://{place}"), 5).close()
    for each in waiting:
        each.close()


# TCP


def test_tcp() -> None:
    with served(respond_ok) as url:
        sock = connect(endpoint(url), 3)
        assert sock.gettimeout() == 3
        sock.close()
        assert ask(endpoint(url)).body == b"OK"
        assert ask(endpoint(url.replace("127.0.0.1", "localhost"))).body == b"OK"


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_tcp_ipv6() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as there:
        url = f"tcp://[::1]:{there.getsockname()[1]}"
        connect(endpoint(url), 5).close()
    assert f"at {url}: connection refused" in error(endpoint(url))


def test_tcp_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]
    assert error(endpoint(f"tcp://127.0.0.1:{port}", source="context ci")) == (
        f"cannot reach the engine at tcp://127.0.0.1:{port} (from context ci): connection refused, "
        f"nothing listens on port {port}. Start the engine there with -H tcp://..., or correct "
        "the port."
    )


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a" * 70, "a..b"])
def test_tcp_name_not_known(host: str) -> None:
    message = error(endpoint(f"tcp://{host}"))
    assert re.search(f"the name '{host}' is not known|could tell where '{host}' is", message)
    assert message.endswith("Check its spelling and the name servers, or use its IP address.")


def test_tcp_timeout() -> None:
    """A listener whose backlog is full drops what comes, as a firewall does."""
    with socket.socket() as there:
        there.bind(("127.0.0.1", 0))
        there.listen(0)
        waiting = []
        for _ in range(4):
            waiting.append(socket.socket())
            waiting[-1].setblocking(False)
            waiting[-1].connect_ex(there.getsockname())
        time.sleep(0.1)
        message = error(endpoint(f"tcp://127.0.0.1:{there.getsockname()[1]}"), 0.3)
        assert "no answer within 0.3 s. Check the address and any firewall between" in message
        for each in waiting:
            each.close()


# TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture(scope="module")
def stranger(authority: Authority) -> Authority:
    return Authority(authority.folder.parent / "stranger", "another authority")


@pytest.fixture(scope="module")
def engine_pair(authority: Authority) -> Pair:
    return authority.issue("engine", "IP:127.0.0.1", "DNS:localhost")


@pytest.fixture(scope="module")
def client_pair(authority: Authority) -> Pair:
    return authority.issue("client")


def tls_server(
    pair: Pair, client_ca: Path | None = None, version: ssl.TLSVersion | None = None
) -> contextlib.AbstractContextManager[str]:
    """A server with TLS, which asks for a client certificate if ``client_ca`` is given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    if client_ca:
        context.load_verify_locations(client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    if version:
        context.maximum_version = version

    def respond(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            respond_ok(secured)

    return served(respond)


def files(ca: Path | None, pair: Pair | None = None, *, verify: bool = True) -> TLS:
    return TLS(
        str(ca) if ca else None,
        str(pair.cert) if pair else None,
        str(pair.key) if pair else None,
        verify,
    )


def test_tls(authority: Authority, engine_pair: Pair, client_pair: Pair) -> None:
    with tls_server(engine_pair) as url:
        assert ask(endpoint(url, files(authority.ca))).body == b"OK"
        by_name = endpoint(url.replace("127.0.0.1", "localhost"), files(authority.ca))
        assert ask(by_name).body == b"OK"
    with tls_server(engine_pair, authority.ca) as url:
        sock = connect(endpoint(url, files(authority.ca, client_pair)), 3)
        assert sock.gettimeout() == 3
        sock.close()
        assert ask(endpoint(url, files(authority.ca, client_pair))).body == b"OK"


def test_tls_unknown_authority(authority: Authority, stranger: Authority) -> None:
    with tls_server(stranger.issue("engine", "IP:127.0.0.1")) as url:
        message = error(endpoint(url, files(authority.ca), "DOCKER_HOST"))
        assert re.fullmatch(
            f"cannot reach the engine at {url} [(]from DOCKER_HOST[)]: its certificate is signed "
            f"by an authority unknown to {authority.ca} [(].*[)]. Put the ca.pem that signed it "
            "in the folder DOCKER_CERT_PATH names, or in the context.",
            message,
        )
        assert "unknown to this machine" in error(endpoint(url, files(None)))
        assert "unknown to this machine" in error(endpoint(url.replace("tcp", "https")))
        for ca in (authority.ca, None):
            assert ask(endpoint(url, files(ca, verify=False))).body == b"OK"


def test_tls_other_name_or_expired(authority: Authority) -> None:
    with tls_server(authority.issue("elsewhere", "DNS:elsewhere")) as url:
        for host in ("127.0.0.1", "localhost"):
            message = error(endpoint(url.replace("127.0.0.1", host), files(authority.ca)))
            assert f"its certificate is not made out to '{host}'. Use a name that is" in message
        assert ask(endpoint(url, files(authority.ca, verify=False))).body == b"OK"
    with tls_server(authority.issue("old", "IP:127.0.0.1", days=-1)) as url:
        message = error(endpoint(url, files(authority.ca)))
        assert "its certificate has expired. Renew it, or set this machine's clock." in message


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_tls_client_certificate(
    version: ssl.TLSVersion,
    authority: Authority,
    stranger: Authority,
    engine_pair: Pair,
    client_pair: Pair,
) -> None:
    """With TLS 1.3 the engine says so only after the handshake."""
    with tls_server(engine_pair, authority.ca, version) as url:
        message = error(endpoint(url, files(authority.ca)))
        assert (
            "the engine asks for a client certificate, and there is none. Put cert.pem and key.pem"
        ) in message
        wrong = stranger.issue("client")
        message = error(endpoint(url, files(authority.ca, wrong)))
        assert (
            f"the engine does not accept the client certificate {wrong.cert} (unknown ca)"
        ) in message
        assert ask(endpoint(url, files(authority.ca, client_pair))).body == b"OK"


def test_tls_files_that_will_not_do(
    tmp_path: Path, authority: Authority, engine_pair: Pair, client_pair: Pair
) -> None:
    text = tmp_path / "text.pem"
    text.write_text("not a certificate")
    missing = tmp_path / "missing.pem"
    locked = with_passphrase(client_pair.key)
    with tls_server(engine_pair) as url:
        for tls, words in (
            (files(text), f"{text} is no usable PEM file"),
            (files(missing), f"cannot read {missing}: no such file or directory"),
            (files(authority.ca, Pair(text, client_pair.key)), f"{text} or {client_pair.key} is"),
            (files(authority.ca, Pair(client_pair.cert, missing)), f"cannot read {missing}"),
            (files(authority.ca, Pair(missing, client_pair.key)), f"cannot read {missing}"),
            (
                files(authority.ca, Pair(client_pair.cert, engine_pair.key)),
                f"the key {engine_pair.key} does not belong to the certificate {client_pair.cert}",
            ),
            (
                files(authority.ca, Pair(client_pair.cert, locked)),
                f"the key {locked} has a passphrase",
            ),
        ):
            assert words in error(endpoint(url, tls))


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n400 Bad Request", b"SSH-2.0-"]
)
def test_tls_to_a_server_without_it(authority: Authority, answer: bytes) -> None:
    def respond(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)

    with served(respond) as url:
        message = error(endpoint(url, files(authority.ca)))
        assert "it answers without TLS. Use the port with TLS (mostly 2376), or for " in message


def test_tls_cut_or_silent(authority: Authority) -> None:
    with served(lambda connection: None) as url:
        message = error(endpoint(url, files(authority.ca)))
        assert "the connection was closed at the TLS handshake. Does the port speak" in message
    with served(lambda connection: time.sleep(0.6)) as url:
        message = error(endpoint(url, files(authority.ca)), 0.2)
        assert "no answer to the TLS handshake within 0.2 s" in message


def test_no_tls_to_a_server_with_it(engine_pair: Pair) -> None:
    """Go's server says so in plain HTTP, others answer with an alert."""
    to_go = (
        b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    )
    for answer in to_go:

        def respond(connection: socket.socket, answer: bytes = answer) -> None:
            connection.recv(4096)
            connection.sendall(answer)

        with served(respond) as url:
            assert error(endpoint(url, source="DOCKER_HOST")).startswith(
                f"cannot reach the engine at {url} (from DOCKER_HOST): the engine wants TLS. "
                "Set DOCKER_TLS_VERIFY=1"
            )


@pytest.mark.engine("docker20")
def test_tls_of_a_real_engine(
    own_engine: Callable[..., Any], authority: Authority, stranger: Authority, client_pair: Pair
) -> None:
    """The Docker engine with --tlsverify, as docker:dind starts it."""
    pair = authority.issue("dockerd", "IP:127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    own_engine(
        *("-H", f"tcp://127.0.0.1:{port}", "--tlsverify", "--tlscacert", str(authority.ca)),
        *("--tlscert", str(pair.cert), "--tlskey", str(pair.key)),
    )
    url = f"tcp://127.0.0.1:{port}"
    assert ask(endpoint(url, files(authority.ca, client_pair))).body == b"OK"
    assert "the engine wants TLS" in error(endpoint(url))
    assert "asks for a client certificate" in error(endpoint(url, files(authority.ca)))
    wrong = files(authority.ca, stranger.issue("other"))
    assert "does not accept the client certificate" in error(endpoint(url, wrong))
    assert "authority unknown to" in error(endpoint(url, files(stranger.ca, client_pair)))
    localhost = endpoint(url.replace("127.0.0.1", "localhost"), files(authority.ca, client_pair))
    assert "not made out to 'localhost'" in error(localhost)


# ssh


@pytest.fixture(scope="module")
def sshd(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[SSHServer]:
    try:
        server = SSHServer(tmp_path_factory.mktemp("ssh"))
    except (OSError, RuntimeError) as problem:
        reason = f"no sshd (apt-get install openssh-server): {problem}"
        if os.environ.get("CI", "").lower() in ("true", "1"):
            pytest.fail(f"{reason} (in CI a skipped engine test is a failure)", pytrace=False)
        pytestconfig.stash[SKIPPED][reason] += 1
        pytest.skip(reason)
    yield server
    server.stop()


@pytest.fixture
def ssh(
    sshd: SSHServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Endpoint]]:
    """Endpoints over ssh: the remote socket's path, and what is odd about the client."""

    def over(
        path: str = "", *, user: str = sshd.user, port: int = sshd.port, **odd: Any
    ) -> Endpoint:
        monkeypatch.setenv("PATH", sshd.client(tmp_path / "client", **odd))
        return endpoint(f"ssh://{user}@127.0.0.1:{port}{path}")

    sshd.greeting.unlink(missing_ok=True)
    if shutil.which("docker"):
        sshd.install_docker()
    before = children()
    yield over
    assert children() == before, "an ssh was left behind"


def children() -> set[str]:
    """The children of this process, the dead ones nobody waited for included."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            process, _, rest = stat.read_text().rpartition(")")
            if int(rest.split()[1]) == os.getpid():
                found.add(process)
    return found


needs_docker = pytest.mark.skipif(not shutil.which("docker"), reason="no docker command")


@needs_docker
def test_ssh(ssh: Callable[..., Endpoint]) -> None:
    """Real ssh, real sshd, real ``docker system dial-stdio``; the body is bigger than a pipe.

    After the first answer a broken one is an error like any other.
    """
    big = ["sha256:" + "0" * 64] * 20_000
    script = {"GET /_ping": answers("OK"), "GET /big": answers(big)}
    with misbehaving({**script, "GET /x": cut_body({"a": "b"}, after=3)}) as host:
        with opened(ssh(host.removeprefix("unix://"))) as connection:
            for path, body in (("/_ping", "OK"), ("/big", big), ("/_ping", "OK")):
                connection.send("GET", path)
                assert connection.receive().json() == body
            connection.send("GET", "/x")
            with pytest.raises(ProtocolError, match="closed the connection in the middle"):
                connection.receive()
        assert host.requests[-2:] == ["GET /_ping", "GET /x"]


@needs_docker
def test_ssh_closes_while_an_answer_is_under_way(ssh: Callable[..., Endpoint]) -> None:
    """As the event stream is: it ends at once, and so does the remote end."""
    with (
        misbehaving({"GET /_ping": silent()}) as host,
        opened(ssh(host.removeprefix("unix://"))) as connection,
    ):
        connection.send("GET", "/_ping")
        time.sleep(0.5)


@needs_docker
def test_ssh_engine_is_not_there(ssh: Callable[..., Endpoint], place: str) -> None:
    message = error(ssh(place), 20)
    assert "logged in, but no engine answers there (failed to open the raw stream" in message
    assert "Start the engine on 127.0.0.1, or name its socket: ssh://127.0.0.1/path." in message


@pytest.mark.parametrize(
    ("docker", "words"),
    [
        ("echo 'dial unix /run/docker.sock: connect: permission denied' >&2; exit 1",
         "logged in, but permission to the engine's socket is denied there. Add the "),
        ("exit 127", ("logged in, but there is no docker command there (ssh ended with status "
         "127). Install it on 127.0.0.1, on the PATH of logins without a terminal.")),
        ("echo 'something new.' >&2; exit 3", ": something new. Check that 'ssh -p "),
        ("exit 3", ": ssh ended with status 3. Check that 'ssh -p "),
        ("PATH=/usr/bin:/bin; exec sleep 20", "no answer over ssh within 2 s. Try 'ssh -p "),
        (None, "logged in, but there is no docker command there ("),
    ],
)  # fmt: skip
def test_ssh_to_a_docker_that_fails(
    ssh: Callable[..., Endpoint], sshd: SSHServer, docker: str | None, words: str
) -> None:
    (sshd.commands / "docker").unlink(missing_ok=True)
    if docker:
        sshd.install_docker(docker)
    assert words in error(ssh(), 2 if docker and "sleep" in docker else 20)


def test_ssh_noise_before_the_answer(ssh: Callable[..., Endpoint], sshd: SSHServer) -> None:
    sshd.install_docker("sleep 1")
    sshd.greeting.write_text("Welcome to build-7!\nBe nice.\n")
    message = error(ssh(), 20)
    assert "the remote shell says 'Welcome to build-7!' before the engine's answer. " in message


def test_ssh_login_fails(ssh: Callable[..., Endpoint], sshd: SSHServer) -> None:
    """A key that is not known, on either side; nobody listens; no such host."""
    message = error(ssh(key=sshd.stranger), 20)
    assert "127.0.0.1 refused the login (" in message
    assert "Permission denied (publickey). holystone" not in message
    assert "load the key into ssh-agent, or name it in ~/.ssh/config." in message
    message = error(ssh(known=False), 20)
    assert "the key of 127.0.0.1 is not known or has changed. Log in once by hand (" in message
    assert f"'ssh -p {sshd.port} {sshd.user}@127.0.0.1'" in message
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    assert "connection refused by 127.0.0.1. Is sshd running there" in error(ssh(port=port), 20)
    message = error(endpoint("ssh://no-such-host.invalid"), 20)
    assert "the name 'no-such-host.invalid' is not known" in message


def test_ssh_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    message = error(endpoint("ssh://host"))
    assert "there is no ssh command. Install the OpenSSH client or pass --host." in message


def test_ssh_command_line() -> None:
    """Options stand before ``--``; a path goes quoted through the remote shell."""
    options = ["-T", "-o", "BatchMode=yes", "-o"]
    dial = ["docker", "system", "dial-stdio"]
    assert command(endpoint("ssh://host"), 60) == (
        ["ssh", *options, "ConnectTimeout=30", "--", "host", *dial]
    )
    options += ["ConnectTimeout=2", "-l", "me", "-p", "22"]
    dial[1:1] = ["--host", "'unix:///a'\\''b.sock'"]
    assert command(endpoint("ssh://me@[::1]:22/a'b.sock"), 1.5) == (
        ["ssh", *options, "--", "::1", *dial]
    )


def test_demo_is_nothing_to_connect_to() -> None:
    with pytest.raises(ValueError, match="demo: is nothing to connect to"):
        connect(endpoint("demo:"), 1)

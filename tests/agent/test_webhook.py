"""One POST to the webhook: what it holds, how it is signed, and what is said when it fails."""

import hashlib
import hmac
import json
import socket
import ssl
import threading
from pathlib import Path

import pytest

from holystone.agent import webhook
from holystone.agent.alert import Alert, Key, Kind, Message, Severity
from holystone.agent.message_text import mood, text, title
from holystone.agent.private_file import NotPrivate
from holystone.config.agent_settings import Alerts as Settings
from tests.agent.receiver import Receiver, receiving
from tests.engine_client.certificates import Authority

AT = 1_800_000_000.0
HIGH = Alert(
    Key(Kind.DISK_HIGH), Severity.WARNING, "The disk is above its high mark", AT, details={"a": 1}
)
FAILED = Alert(Key(Kind.RUN_FAILED, "weekly"), Severity.WARNING, "The weekly clean failed", AT)
MESSAGE = Message(AT + 10, (HIGH,))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv(webhook.SECRET, raising=False)


def send(settings: Settings, message: Message = MESSAGE) -> webhook.Sent:
    told = webhook.document(message, "the-id", "runner-7", "tcp://user:HUSH@engine:2376")
    return webhook.post(settings, told, AT + 11)


def test_what_is_sent(receiver: Receiver) -> None:
    assert send(Settings(webhook=receiver.url)) == (
        f"http://127.0.0.1:{receiver.port}/...",
        True,
        "",
        False,
    )
    (request,) = receiver.requests
    assert request.path == "/hook/SECRETPART?key=SECRETKEY"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["User-Agent"].startswith("holystone/")
    assert "X-Holystone-Signature" not in request.headers
    assert request.told == {
        "schema": 1,
        "id": "the-id",
        "host": "runner-7",
        "endpoint": "tcp://user:(hidden)@engine:2376",
        "at": "2027-01-15T08:00:10Z",
        "text": "[warning] The disk is above its high mark (disk_high)\n"
        "-- holystone on runner-7, 2027-01-15T08:00:10Z",
        "alerts": [
            {
                "kind": "disk_high",
                "about": "",
                "severity": "warning",
                "state": "firing",
                "reminder": False,
                "since": "2027-01-15T08:00:00Z",
                "ended": None,
                "summary": "The disk is above its high mark",
                "details": {"a": 1},
            }
        ],
    }


def test_the_signature_is_over_the_time_and_the_body(receiver: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("correct horse\n")
    secret.chmod(0o640)
    assert send(Settings(webhook=receiver.url, secret_file=str(secret))).ok
    (request,) = receiver.requests
    moment = request.headers["X-Holystone-Timestamp"]
    assert moment == "1800000011"
    over = moment.encode() + b"." + request.body
    expected = hmac.new(b"correct horse", over, hashlib.sha256).hexdigest()
    assert request.headers["X-Holystone-Signature"] == f"sha256={expected}"


def test_the_secret_may_come_from_the_environment(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(webhook.SECRET, "from-the-environment")
    assert webhook.secret(Settings()) == b"from-the-environment"
    secret = tmp_path / "secret"
    secret.write_text("from-the-file")
    secret.chmod(0o600)
    assert webhook.secret(Settings(secret_file=str(secret))) == b"from-the-file"


@pytest.mark.parametrize(
    ("mode", "content", "why"),
    [
        (0o644, "s", "everybody on this machine can read it (mode 644). Mend it with 'chmod o-rwx"),
        (0o602, "s", "everybody on this machine can change it (mode 602)"),
        (0o660, "s", "its group can change it (mode 660)"),
        (0o600, "\n", "it is empty"),
        (None, "", "no such file or directory"),
    ],
)
def test_a_secret_that_is_none_keeps_the_message_here(
    receiver: Receiver, tmp_path: Path, mode: int | None, content: str, why: str
) -> None:
    secret = tmp_path / "secret"
    if mode is not None:
        secret.write_text(content)
        secret.chmod(mode)
    settings = Settings(webhook=receiver.url, secret_file=str(secret))
    with pytest.raises(NotPrivate) as refused:
        webhook.secret(settings)
    assert str(refused.value).startswith(f"cannot use {secret} (alerts.secret_file): {why}")
    sent = send(settings)
    assert (sent.ok, sent.said) == (False, str(refused.value))
    assert receiver.requests == []


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_what_counts_as_received(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _: status
    assert send(Settings(webhook=receiver.url)).ok


@pytest.mark.parametrize(
    ("status", "hopeless"),
    [(400, True), (413, True), (401, False), (404, False), (429, False), (500, False)],
)
def test_what_is_refused(receiver: Receiver, status: int, hopeless: bool) -> None:
    receiver.answer = lambda _: status
    sent = send(Settings(webhook=receiver.url))
    assert sent[1:] == (False, f"it answered {status}", hopeless)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _: status
    receiver.headers["Location"] = f"http://127.0.0.1:{receiver.port}/elsewhere"
    sent = send(Settings(webhook=receiver.url))
    assert not sent.ok
    assert sent.said.startswith(f"it answered {status}, and redirects are not followed")
    assert len(receiver.requests) == 1


def test_the_login_of_the_address_goes_into_a_header(receiver: Receiver) -> None:
    url = f"http://user:p%40ss@127.0.0.1:{receiver.port}/x"
    sent = send(Settings(webhook=url))
    assert sent.target == f"http://127.0.0.1:{receiver.port}/..."
    assert receiver.requests[0].headers["Authorization"] == "Basic dXNlcjpwQHNz"


def test_nobody_there_says_so_without_the_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    sent = send(Settings(webhook=f"http://u:HUSH@127.0.0.1:{port}/HUSH?HUSH"))
    assert sent == (
        f"http://127.0.0.1:{port}/...",
        False,
        "cannot reach it: connection refused",
        False,
    )


@pytest.mark.parametrize(
    "answer", [b"", b"SMTP ready\r\n", b"HTTP/1.1 2\r\n\r\n", b"\x00" * 99_999]
)
def test_what_is_no_http_server_says_so(answer: bytes) -> None:
    def talk(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=talk, args=(server,))
        thread.start()
        sent = send(Settings(webhook=f"http://127.0.0.1:{server.getsockname()[1]}/HUSH"))
        thread.join()
    assert not sent.ok
    assert "HUSH" not in repr(sent)


@pytest.mark.parametrize(
    ("drip", "end"),
    [
        (b"", (False, "no answer within 2 s")),
        (b"HTTP/1.1 200", (False, "no answer within 2 s")),
        # It has the message: to send it again would be once too often.
        (b"HTTP/1.1 200 OK\r\nA: b", (True, "")),
        (b"HTTP/1.1 200 OK\r\n\r\n", (True, "")),
        (b"HTTP/1.1 500 No\r\nA: b", (False, "it answered 500")),
    ],
)
def test_a_receiver_that_does_not_finish_is_left(
    monkeypatch: pytest.MonkeyPatch, drip: bytes, end: tuple[bool, str]
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT", 2.0)
    over = threading.Event()

    def talk(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(drip)
            # A byte now and then keeps a socket from being idle.
            while not over.wait(0.05):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=talk, args=(server,))
        thread.start()
        sent = send(Settings(webhook=f"http://127.0.0.1:{server.getsockname()[1]}/x"))
        over.set()
        thread.join()
    assert (sent.ok, sent.said) == end


def test_a_certificate_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path / "ca")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server", "IP:127.0.0.1"))
    with receiving(tls=context) as receiver:
        sent = send(Settings(webhook=receiver.url))
        assert not sent.ok
        assert sent.said.startswith("its certificate is not valid: ")
        assert receiver.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
        assert send(Settings(webhook=receiver.url)).ok
        other = receiver.url.replace("127.0.0.1", "localhost")
        assert send(Settings(webhook=other)).said.startswith("its certificate is not valid: ")


def test_the_proxy_of_the_environment_is_asked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:HUSH@127.0.0.1:{receiver.port}")
    sent = send(Settings(webhook="http://hooks.invalid/x?y=z"))
    assert sent == ("http://hooks.invalid/...", True, "", False)
    (request,) = receiver.requests
    assert request.path == "http://hooks.invalid/x?y=z"
    assert request.headers["Host"] == "hooks.invalid"
    assert request.headers["Proxy-Authorization"] == "Basic bWU6SFVTSA=="
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert send(Settings(webhook=receiver.url)).ok
    assert "Proxy-Authorization" not in receiver.requests[1].headers


def test_names_from_outside_are_cleaned(receiver: Receiver) -> None:
    nasty = "a\nb\x1b[31m\u202e ::add-mask::x"
    alert = Alert(
        Key(Kind.RUN_FAILED, nasty),
        Severity.WARNING,
        nasty,
        AT,
        details={nasty: [nasty, {"x": nasty}]},
    )
    send(Settings(webhook=receiver.url), Message(AT, (alert,)))
    told = receiver.requests[0].told
    assert all(line.isprintable() for line in told["text"].splitlines())
    assert len(told["text"].splitlines()) == 2
    flat = json.dumps(told["alerts"], ensure_ascii=False)
    assert flat.isprintable()
    assert "\\" not in flat
    assert "::add-mask" not in flat + told["text"]


def test_the_text_for_people() -> None:
    resolved = Alert(Key(Kind.DISK_CRITICAL), Severity.CRITICAL, "It is well again", AT, AT + 5)
    reminder = Alert(Key(Kind.FILLING), Severity.WARNING, "It fills", AT, reminder=True)
    message = Message(AT + 10, (reminder, FAILED, resolved))
    assert title(message, "runner-7") == "[still warning] runner-7: 2 alerts, 1 resolved"
    assert text(message, "runner-7").splitlines() == [
        "[still warning] It fills (filling, since 2027-01-15T08:00:00Z)",
        "[warning] The weekly clean failed (run_failed)",
        "[resolved] It is well again (disk_critical)",
        "-- holystone on runner-7, 2027-01-15T08:00:10Z",
    ]
    assert title(Message(AT, (resolved,)), "h") == "[resolved] h: It is well again"
    assert mood(message) == "warning"
    assert mood(Message(AT, (resolved,))) == "success"
    assert (
        mood(Message(AT, (Alert(Key(Kind.ENGINE_GONE), Severity.CRITICAL, "x", AT),))) == "failure"
    )
    assert mood(Message(AT, (Alert(Key(Kind.TEST), Severity.WARNING, "x", AT),))) == "info"

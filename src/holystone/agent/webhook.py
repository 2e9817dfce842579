"""Send a message to the webhook: one POST of JSON, signed where there is a secret.

Nothing that this says contains more of the address than its host, nor the secret or a header.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import os
import socket
import ssl
import threading
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Self
from urllib.parse import SplitResult, quote, unquote, urlsplit

from holystone import __version__
from holystone.agent.alert import Message
from holystone.agent.logs import host_of, without_passwords
from holystone.agent.message_text import text
from holystone.agent.private_file import NotPrivate, read_private
from holystone.config.agent_settings import Alerts as Settings
from holystone.outside.text import safe, said
from holystone.present.format import timestamp

SCHEMA = 1
SECRET = "HOLYSTONE_WEBHOOK_SECRET"  # noqa: S105 - the name of a variable
TIMESTAMP_HEADER, SIGNATURE_HEADER = "X-Holystone-Timestamp", "X-Holystone-Signature"
TIMEOUT = 10.0
"""Seconds for all of it."""
_OF_THE_MESSAGE = (400, 413, 415, 422)
"""Answers about the message itself, which is no better at the next try."""
_MOST_READ = 65_536


class Sent(NamedTuple):
    """How a delivery to one receiver ended."""

    target: str
    """The receiver, without what is secret of its address."""
    ok: bool
    said: str = ""
    """Why it did not work."""
    hopeless: bool = False
    """Whether the receiver refuses this message, and not any message."""


def document(message: Message, number: str, host: str, endpoint: str) -> dict[str, Any]:
    """What the webhook gets, and what is kept until it has it."""
    return {
        "schema": SCHEMA,
        "id": number,
        "host": safe(host, 300),
        "endpoint": safe(without_passwords(endpoint), 300),
        "at": timestamp(message.at),
        "text": text(message, host),
        "alerts": [alert.document() for alert in message.alerts],
    }


def secret(settings: Settings, environ: Mapping[str, str] = os.environ) -> bytes | None:
    """What signs the messages; None where nothing does. Raises NotPrivate.

    The file counts where there is one, then ``HOLYSTONE_WEBHOOK_SECRET``.
    """
    if not settings.secret_file:
        return environ.get(SECRET, "").strip().encode() or None
    found = read_private(settings.secret_file, "alerts.secret_file").strip()
    if not found:
        raise NotPrivate(
            f"cannot use {settings.secret_file} (alerts.secret_file): it is empty. "
            "Write the secret into it"
        )
    return found


def signature(key: bytes, moment: str, body: bytes) -> str:
    """The value of the header: over the time, a full stop and the body."""
    return f"sha256={hmac.new(key, moment.encode() + b'.' + body, hashlib.sha256).hexdigest()}"


def post(settings: Settings, told: Mapping[str, Any], at: float) -> Sent:
    """Deliver a document once; ``at`` is the time for the signature, UTC seconds. Never raises."""
    target = host_of(settings.webhook)
    try:
        key = secret(settings)
    except NotPrivate as error:
        return Sent(target, ok=False, said=str(error))
    body = json.dumps(told).encode()
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"holystone/{__version__}",
        "Connection": "close",
    }
    if key:
        moment = str(int(at))
        headers |= {TIMESTAMP_HEADER: moment, SIGNATURE_HEADER: signature(key, moment, body)}
    try:
        status = _answer(urlsplit(settings.webhook), body, headers)
    except ssl.SSLCertVerificationError as error:
        return Sent(target, ok=False, said=f"its certificate is not valid: {error.verify_message}")
    except TimeoutError:
        return Sent(target, ok=False, said=f"no answer within {TIMEOUT:.0f} s")
    except OSError as error:
        return Sent(target, ok=False, said=f"cannot reach it: {safe(said(error), 300)}")
    except (http.client.HTTPException, ValueError) as error:
        # Their messages may quote the address.
        return Sent(target, ok=False, said=f"no HTTP was spoken ({type(error).__name__})")
    if 200 <= status < 300:
        return Sent(target, ok=True)
    if 300 <= status < 400:
        more = ", and redirects are not followed: put the address it leads to into alerts.webhook"
        return Sent(target, ok=False, said=f"it answered {status}{more}")
    hopeless = status in _OF_THE_MESSAGE
    return Sent(target, ok=False, said=f"it answered {status}", hopeless=hopeless)


def _answer(url: SplitResult, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer. Raises OSError, HTTPException, ValueError."""
    connection, where, more = _connection(url)
    headers = headers | more
    if url.username is not None:
        headers["Authorization"] = _basic(url)
    with _Deadline(connection, TIMEOUT) as late:
        try:
            connection.connect()
            late.socket = connection.sock
            connection.request("POST", where, body, headers)
            response = connection.getresponse()
            # One that hangs up while the receiver still writes looks broken to it.
            with suppress(OSError, http.client.HTTPException):
                response.read(_MOST_READ)
        except (OSError, http.client.HTTPException, ValueError):
            if late.came:
                raise TimeoutError from None
            raise
        return response.status


def _connection(url: SplitResult) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """A connection for the address, what to ask for on it, and what the proxy wants to hear.

    The proxies are those of the environment: ``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``.
    """
    host, port = url.hostname or "", url.port
    path = quote(url.path or "/", safe="/%:=&~+!$,;'@()*-._")
    where = path + (f"?{quote(url.query, safe='/%:=&~+!$,;@()*-._?[]')}" if url.query else "")
    secure = url.scheme == "https"
    context = ssl.create_default_context() if secure else None
    told = urllib.request.getproxies().get(url.scheme, "")
    if not told or urllib.request.proxy_bypass(host):
        if context:
            return (
                http.client.HTTPSConnection(host, port, timeout=TIMEOUT, context=context),
                where,
                {},
            )
        return http.client.HTTPConnection(host, port, timeout=TIMEOUT), where, {}
    proxy = urlsplit(told if "://" in told else f"http://{told}")
    login = {"Proxy-Authorization": _basic(proxy)} if proxy.username is not None else {}
    at, number = proxy.hostname or "", proxy.port or 3128
    if context:
        through = http.client.HTTPSConnection(at, number, timeout=TIMEOUT, context=context)
        through.set_tunnel(host, port or 443, login)
        return through, where, {}
    there = f"[{host}]" if ":" in host else host
    whole = f"http://{there}{f':{port}' if port else ''}{where}"
    return http.client.HTTPConnection(at, number, timeout=TIMEOUT), whole, login


def _basic(url: SplitResult) -> str:
    login = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
    return f"Basic {base64.b64encode(login.encode()).decode()}"


class _Deadline:
    """The end of the time for a connection, which is cut then and closed in the end.

    A receiver that sends a byte now and then would hold all others up.
    """

    def __init__(self, connection: http.client.HTTPConnection, seconds: float) -> None:
        self.came = False
        self.socket: socket.socket | None = None
        """That of the connection, which lets go of it while the answer is read."""
        self._connection = connection
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._connection.close()

    def _cut(self) -> None:
        self.came = True
        connected = self.socket or self._connection.sock
        with suppress(OSError):
            if connected is not None:
                # Not that of SSLSocket, which ends the encryption and leaves the socket be.
                socket.socket.shutdown(connected, socket.SHUT_RDWR)

"""A tiny JSON client for engines, independent of holystone's own so that tests can check it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from typing import Any, cast


class ApiError(Exception):
    """The engine answered a call with an error."""

    def __init__(self, call: str, status: int, message: str) -> None:
        super().__init__(f"{call}: {status} {message}")
        self.status = status
        self.message = message


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class EngineApi:
    """Calls the engine that listens on a unix socket; each call has its own connection."""

    def __init__(self, path: str, timeout: float = 300.0) -> None:
        self._path = path
        self._timeout = timeout

    def raw(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> bytes:
        """The body of the answer. ``body``: bytes or a file go as a tar, anything else as JSON.

        Raises ``ApiError`` from status 400 on, ``OSError`` when the engine is not there.
        """
        connection = _UnixConnection(self._path, self._timeout)
        sent = dict(headers or {})
        payload: Any = None
        if isinstance(body, bytes) or hasattr(body, "read"):
            payload = body
            sent.setdefault("Content-Type", "application/x-tar")
        elif body is not None:
            payload = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        try:
            connection.request(method, path, payload, sent)
            response = connection.getresponse()
            answer = response.read()
        except http.client.HTTPException as error:
            raise ApiError(f"{method} {path}", 0, f"{type(error).__name__}: {error}") from error
        finally:
            connection.close()
        if response.status >= 400:
            message = answer.decode(errors="replace").strip()
            with contextlib.suppress(ValueError, KeyError, TypeError):
                message = json.loads(message)["message"]
            raise ApiError(f"{method} {path}", response.status, message)
        return answer

    def call(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Any:
        """The answer as JSON: None for an empty one, a list for a stream of several documents."""
        text = self.raw(method, path, body, headers).decode(errors="replace").strip()
        try:
            return json.loads(text) if text else None
        except ValueError:
            pass
        try:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
        except ValueError:
            return text

    def list(self, path: str) -> list[dict[str, Any]]:
        """The list of objects a GET answers; no objects for null."""
        return cast("list[dict[str, Any]]", self.call("GET", path) or [])

"""Standard input and output of a program in a container, as one stream.

``POST /containers/{id}/exec`` names the program, ``POST /exec/{id}/start`` starts it, and the
connection goes on as its input and output. Without a terminal the engine puts a head of eight bytes
before each piece of output: 1 for the output, 2 for the errors, three zeros, and the length.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from holystone.engine.client import Client
from holystone.engine.errors import EngineRefused, ProtocolError, connection_broke
from holystone.engine.grpc import UPGRADED
from holystone.engine.reading import read_one
from holystone.engine.transport.http import AT_WORK_MARK, Connection

_HEAD = 8
_INPUT, _OUTPUT, _ERRORS = 0, 1, 2
_LARGEST = 1 << 24
"""Bytes of one piece of output. Engines send at most 32 KiB at a time."""
_SAID = 200
"""Bytes of a program's errors that are kept."""
_JSON = {"Content-Type": "application/json"}


class ExecStream:
    """The input and output of a program that runs in a container."""

    def __init__(self, client: Client, container: str, command: Sequence[str]) -> None:
        """Start the program in a running container, by its ID.

        Raises EngineRefused where the engine cannot start it, EngineUnreachable, ProtocolError.
        """
        self.what = f"{' '.join(command)} in container {container[:12]}"
        wanted = {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True, "Tty": False}
        exec_id = _ask_exec(client, container, wanted | {"Cmd": list(command)})
        self._left = bytearray()
        self._errors = b""
        self.connection = client.open()
        try:
            path = client.versioned(f"/exec/{exec_id}/start")
            headers = _JSON | {"Connection": "Upgrade", "Upgrade": "tcp"}
            _send(self.connection, path, {"Detach": False, "Tty": False}, headers)
            status = self.connection.receive_head()
            answer = None if status == UPGRADED else self.connection.receive_rest().checked()
        except BaseException:
            self.close()
            raise
        if answer is not None:
            self.close()
            raise EngineRefused(answer.status, "no upgrade to a stream", answer.request)
        self.connection.request = f"{self.what}{AT_WORK_MARK}"

    def send(self, data: bytes) -> None:
        """Send all of this to the program. Raises OSError."""
        self.connection.sock.sendall(data)

    def receive(self) -> bytes:
        """What the program has written. Raises ProtocolError, also where it has ended."""
        while True:
            kind, *_, size = struct.unpack(">B3xL", self._read(_HEAD))
            if kind not in (_INPUT, _OUTPUT, _ERRORS) or size > _LARGEST:
                raise ProtocolError(f"the engine's stream of {self.what} is garbled")
            piece = self._read(size)
            if kind == _ERRORS:
                self._errors = (self._errors + piece)[:_SAID]
            elif piece:
                return piece

    def _read(self, count: int) -> bytes:
        """So many bytes of what comes. Raises ProtocolError where it ends before."""
        while len(self._left) < count:
            data = self.connection.receive_upgraded()
            if not data:
                said = " ".join(self._errors.decode("utf-8", "replace").split())
                raise ProtocolError(f"{self.what} ended{f': {said}' if said else ''}")
            self._left += data
        taken = bytes(self._left[:count])
        del self._left[:count]
        return taken

    def close(self) -> None:
        """Close the connection; the program sees the end of its input."""
        self.connection.close()


def _ask_exec(client: Client, container: str, wanted: dict[str, Any]) -> str:
    """The ID of a program that is to run. Raises EngineRefused, ProtocolError."""
    with closing(client.open()) as connection:
        _send(connection, client.versioned(f"/containers/{container}/exec"), wanted, _JSON)
        return read_one(dict, connection.receive(), lambda told: str(told["Id"]))


def _send(connection: Connection, path: str, told: Any, headers: dict[str, str]) -> None:
    try:
        connection.send("POST", path, headers=headers, body=json.dumps(told).encode())
    except OSError as error:
        raise connection_broke(f"while asking POST {path}", error) from None

"""gRPC to BuildKit: one call at a time, on a separate connection. The library h2 reads the frames.

An engine has its own BuildKit behind ``POST /grpc``: it answers 101, and then speaks HTTP/2 as on a
new connection (API 1.39 on). A builder in a container is reached through a program in it, see
``exec_stream``. ``docker buildx`` does both the same way.
"""

from __future__ import annotations

import struct
from typing import Protocol

from h2 import events
from h2.connection import H2Connection
from h2.exceptions import H2Error

from holystone.engine.client import Client
from holystone.engine.errors import CallRefused, EngineRefused, ProtocolError
from holystone.engine.transport.http import AT_WORK_MARK
from holystone.outside.text import words_of

_UNKNOWN = 2
"""gRPC's status for an error that says nothing else."""
UPGRADED = 101
"""HTTP's status of a connection that goes on in another protocol."""
_HEADERS = ((":method", "POST"), (":scheme", "http"), (":authority", "docker"))
_MORE_HEADERS = (("content-type", "application/grpc"), ("te", "trailers"))
_SERVICE = "/moby.buildkit.v1.Control"


class Stream(Protocol):
    """A connection on which BuildKit speaks HTTP/2."""

    def send(self, data: bytes) -> None:
        """Send all of this. Raises OSError, ProtocolError."""

    def receive(self) -> bytes:
        """What has come; empty at the end. Raises OSError, ProtocolError."""

    def close(self) -> None:
        """Close the connection."""


class EngineStream:
    """The stream to an engine's own BuildKit."""

    def __init__(self, client: Client, *, works: bool = False) -> None:
        """``works``: BuildKit may be silent for long before it answers a call.

        Raises EngineRefused where the engine serves no gRPC, EngineUnreachable, ProtocolError.
        """
        self.connection = client.open()
        try:
            headers = {"Connection": "Upgrade", "Upgrade": "h2c"}
            self.connection.send("POST", "/grpc", headers=headers)
            status = self.connection.receive_head()
        except OSError as error:
            self.close()
            raise _broken_off(error) from None
        except BaseException:
            self.close()
            raise
        if status != UPGRADED:
            self.close()
            raise EngineRefused(status, "no upgrade to gRPC", "POST /grpc")
        if works:
            self.connection.request += AT_WORK_MARK

    def send(self, data: bytes) -> None:
        """Send all of this. Raises OSError."""
        self.connection.sock.sendall(data)

    def receive(self) -> bytes:
        """What has come; empty at the end. Raises ProtocolError."""
        return self.connection.receive_upgraded()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class Channel:
    """gRPC over a stream, the caller's to close."""

    def __init__(self, stream: Stream) -> None:
        self.http2 = H2Connection()
        self.stream = stream
        self.http2.initiate_connection()

    def call(self, method: str, message: bytes) -> list[bytes]:
        """The messages of the answer to one call of less than 65,530 bytes.

        Raises CallRefused, ProtocolError where the answer is no good, EngineSilent.
        """
        method = f"{_SERVICE}/{method}"
        try:
            stream = self.http2.get_next_available_stream_id()
            self.http2.send_headers(stream, [*_HEADERS, (":path", method), *_MORE_HEADERS])
            body = b"\x00" + struct.pack(">I", len(message)) + message
            size = self.http2.max_outbound_frame_size
            for start in range(0, len(body), size):
                self.http2.send_data(stream, body[start : start + size])
            self.http2.end_stream(stream)
            answer = self._answer(method, stream)
        except H2Error as error:
            raise ProtocolError(f"BuildKit's answer to {method} is garbled: {error}") from None
        except OSError as error:
            raise _broken_off(error) from None
        messages = []
        at = 0
        while at < len(answer):
            head = answer[at : at + 5]
            end = at + 5 + int.from_bytes(head[1:], "big")
            if len(head) < 5 or head[0] or end > len(answer):
                raise ProtocolError(f"BuildKit's answer to {method} is cut or compressed")
            messages.append(answer[at + 5 : end])
            at = end
        return messages

    def _answer(self, method: str, stream: int) -> bytes:
        """The body of the answer on this HTTP/2 stream."""
        body = bytearray()
        while True:
            self.stream.send(self.http2.data_to_send())
            data = self.stream.receive()
            if not data:
                raise ProtocolError(f"the engine closed the connection while answering {method}")
            for event in self.http2.receive_data(data):
                if isinstance(event, events.ConnectionTerminated | events.StreamReset):
                    raise ProtocolError(f"BuildKit broke off its answer to {method}")
                if isinstance(event, events.DataReceived):
                    body += event.data
                    self.http2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, events.ResponseReceived | events.TrailersReceived):
                    status = dict(event.headers).get(b"grpc-status", b"0")
                    number = int(status) if status.isdigit() else _UNKNOWN
                    if number:
                        raise CallRefused(number, method)
                elif isinstance(event, events.StreamEnded):
                    return bytes(body)

    def close(self) -> None:
        """Close the connection."""
        self.stream.close()


def _broken_off(error: OSError) -> ProtocolError:
    return ProtocolError(f"the connection to BuildKit broke: {words_of(error)}")

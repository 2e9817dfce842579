"""gRPC calls, one after the other, over an engine's ``POST /grpc``: HTTP/2 by the library h2.

The engine serves BuildKit's own service there (API 1.39 on); ``docker buildx`` uses it the same
way. It answers 101, and then speaks HTTP/2 as on a new connection.
"""

from __future__ import annotations

import struct

from holystone.engine.client import Client
from holystone.engine.errors import EngineRefused, ProtocolError
from holystone.engine.transport.http import WORKING_GRPC

LARGEST_MESSAGE = 65535 - 5
"""Bytes that a server takes on a new connection before it must say that it takes more."""
NO_SUCH_CALL = 12
"""gRPC's status for a call that the server does not know (``UNIMPLEMENTED``)."""
_UNKNOWN = 2
_UPGRADED = 101
_HEADERS = ((":method", "POST"), (":scheme", "http"), (":authority", "docker"))
_MORE_HEADERS = (("content-type", "application/grpc"), ("te", "trailers"))


class CallRefused(EngineRefused):
    """BuildKit refused a call; ``grpc_status`` says why."""

    def __init__(self, grpc_status: int, method: str) -> None:
        super().__init__(501, f"BuildKit refused (gRPC status {grpc_status})", method)
        self.grpc_status = grpc_status


class Channel:
    """A connection to BuildKit, the caller's to close."""

    def __init__(self, client: Client, *, works: bool = False) -> None:
        """``works``: BuildKit may be silent for long before it answers a call.

        Raises EngineRefused where the engine serves no gRPC, EngineUnreachable, ProtocolError.
        """
        # Few commands ask BuildKit, and h2 takes 40 ms to import.
        from h2.connection import H2Connection

        self.http2 = H2Connection()
        self.connection = client.open()
        try:
            self._upgrade()
        except BaseException:
            self.close()
            raise
        if works:
            self.connection.request = WORKING_GRPC

    def _upgrade(self) -> None:
        try:
            headers = {"Connection": "Upgrade", "Upgrade": "h2c"}
            self.connection.send("POST", "/grpc", headers=headers)
        except OSError as error:
            raise _broken_off(error) from None
        status = self.connection.receive_head()
        if status != _UPGRADED:
            raise EngineRefused(status, "no upgrade to gRPC", "POST /grpc")
        self.http2.initiate_connection()

    def call(self, method: str, message: bytes) -> list[bytes]:
        """The messages of the answer to one call; it sends ``LARGEST_MESSAGE`` bytes at most.

        Raises CallRefused, ProtocolError where the answer is no good, EngineSilent.
        """
        from h2.exceptions import H2Error

        try:
            return _messages(self._answer(method, self._ask(method, message)), method)
        except H2Error as error:
            raise ProtocolError(f"BuildKit's answer to {method} is garbled: {error}") from None
        except OSError as error:
            raise _broken_off(error) from None

    def _ask(self, method: str, message: bytes) -> int:
        """Write down the request; its HTTP/2 stream."""
        stream = self.http2.get_next_available_stream_id()
        self.http2.send_headers(stream, [*_HEADERS, (":path", method), *_MORE_HEADERS])
        body = b"\x00" + struct.pack(">I", len(message)) + message
        size = self.http2.max_outbound_frame_size
        for start in range(0, len(body), size):
            self.http2.send_data(stream, body[start : start + size])
        self.http2.end_stream(stream)
        return stream

    def _answer(self, method: str, stream: int) -> bytes:
        """The body of the answer on this stream."""
        from h2 import events

        body = bytearray()
        while True:
            self.connection.sock.sendall(self.http2.data_to_send())
            data = self.connection.receive_upgraded()
            if not data:
                raise ProtocolError(f"the engine closed the connection while answering {method}")
            for event in self.http2.receive_data(data):
                if isinstance(event, events.ConnectionTerminated | events.StreamReset):
                    raise ProtocolError(f"BuildKit broke off its answer to {method}")
                if isinstance(event, events.DataReceived):
                    body += event.data
                    self.http2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, events.ResponseReceived | events.TrailersReceived):
                    _check_status(dict(event.headers).get(b"grpc-status", b"0"), method)
                elif isinstance(event, events.StreamEnded):
                    return bytes(body)

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


def _check_status(status: str | bytes, method: str) -> None:
    """Raise CallRefused for a status other than 0."""
    number = int(status) if status.isdigit() else _UNKNOWN
    if number:
        raise CallRefused(number, method)


def _broken_off(error: OSError) -> ProtocolError:
    return ProtocolError(f"the connection to BuildKit broke: {error.strerror or error}")


def _messages(body: bytes, method: str) -> list[bytes]:
    """The messages in a body, each after its length. Raises ProtocolError."""
    messages = []
    at = 0
    while at < len(body):
        head = body[at : at + 5]
        end = at + 5 + int.from_bytes(head[1:], "big")
        if len(head) < 5 or head[0] or end > len(body):
            raise ProtocolError(f"BuildKit's answer to {method} is cut or compressed")
        messages.append(body[at + 5 : end])
        at = end
    return messages

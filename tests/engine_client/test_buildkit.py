"""The build cache as BuildKit tells it: decoded right, cut anywhere, refused in every way."""

from __future__ import annotations

import contextlib
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.engine import parse
from holystone.engine.buildkit.cache import disk_usage
from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused, ProtocolError
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import parse_host
from holystone.planner.inventory import CacheRecord
from tests.engines import Engine
from tests.engines.images import SCRATCH, build

UPGRADED = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
PLAIN_NAME = b"\x0bgrpc-status"
HUFFMAN_NAME = b"\x88\x9a\xca\xc8\xb2\x12\x34\xda\x8f"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def trailers(status: bytes = b"0", name: bytes = PLAIN_NAME, stream: int = 1) -> bytes:
    block = b"\x40" + name + bytes([len(status)]) + status
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, block)


def message(body: bytes, *, compressed: int = 0) -> bytes:
    return bytes([compressed]) + struct.pack(">I", len(body)) + body


def varint(value: int) -> bytes:
    value &= 2**64 - 1
    told = bytearray()
    while value > 0x7F:
        told.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*told, value])


def number(field: int, value: int) -> bytes:
    return varint(field << 3) + varint(value)


def block(field: int, value: bytes) -> bytes:
    return varint(field << 3 | 2) + varint(len(value)) + value


def moment(seconds: float) -> bytes:
    whole = int(seconds // 1)
    return number(1, whole) + number(2, round((seconds - whole) * 1e9))


def encoded(record: CacheRecord) -> bytes:
    """A record as BuildKit writes it, with a field that holystone does not know."""
    parts = [
        block(1, record.id.encode()),
        number(2, 1),
        number(3, record.in_use),
        number(4, record.size),
        *(block(12, parent.encode()) for parent in record.parents),
        block(6, moment(record.created)),
        *([] if record.last_used is None else [block(7, moment(record.last_used))]),
        number(8, record.usage_count),
        block(9, record.description.encode()),
        block(10, record.type.encode()),
        number(11, record.shared),
        varint(99 << 3 | 1) + bytes(8) + varint(98 << 3 | 5) + bytes(4),
    ]
    return block(1, b"".join(parts))


RECORD = CacheRecord(
    id="k7t3",
    parents=("a", "b"),
    type="source.local",
    description="local source for context",
    size=3_000_000_000,
    created=1_700_000_000.5,
    last_used=1_700_000_001.25,
    usage_count=300,
    in_use=True,
    shared=True,
)
WHOLE = (
    UPGRADED
    + frame(SETTINGS, 0, 0, bytes(6))
    + frame(WINDOW_UPDATE, 0, 0, b"\x00\x00\xff\xff")
    + frame(SETTINGS, ACK, 0)
    + frame(HEADERS, END_HEADERS, 1, b"\x88")
    + frame(DATA, 0, 1, message(encoded(RECORD)))
    + trailers()
)


def told(answer: bytes) -> list[CacheRecord]:
    """What is made of an answer that was sent already, by a peer that then hung up."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(5)
        there.sendall(answer)
        there.shutdown(socket.SHUT_WR)
        return disk_usage(here)


def test_a_record_is_decoded_field_by_field() -> None:
    """Every field of a record, from a whole answer."""
    assert told(WHOLE) == [RECORD]


def test_an_empty_cache_is_no_error() -> None:
    """An empty message is a cache without records."""
    assert told(UPGRADED + frame(DATA, 0, 1, message(b"")) + trailers()) == []


seconds = st.integers(0, 4_000_000_000).map(float)
records = st.builds(
    CacheRecord,
    id=st.text("abc0123456789", min_size=1),
    parents=st.lists(st.text("abc", min_size=1), unique=True, max_size=3).map(tuple),
    type=st.sampled_from(["regular", "source.local", "exec.cachemount"]),
    description=st.text(),
    size=st.integers(0, 2**62),
    created=seconds,
    last_used=st.none() | seconds,
    usage_count=st.integers(0, 2**31),
    in_use=st.booleans(),
    shared=st.booleans(),
    # What BuildKit itself does not tell.
    layer=st.just(""),
    size_at_most=st.none(),
)


@given(st.lists(records, max_size=20), st.integers(1, 200))
def test_any_records_in_frames_of_any_size(made: list[CacheRecord], size: int) -> None:
    """What was encoded is decoded, wherever the frames divide it."""
    body = message(b"".join(encoded(record) for record in made))
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    frames = b"".join(frame(DATA, 0, 1, part) for part in parts)
    assert told(UPGRADED + frames + trailers()) == made


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_an_answer_cut_anywhere_is_no_answer(end: int) -> None:
    """After any number of bytes: a clear error, never half of the records."""
    with pytest.raises(ProtocolError, match="closed the connection"):
        told(WHOLE[:end])


@given(st.integers(len(UPGRADED), len(WHOLE) - 1), st.integers(0, 255))
def test_a_garbled_byte_never_ends_in_a_traceback(at: int, value: int) -> None:
    """With any byte changed there is an answer or an EngineError, and never anything else."""
    changed = bytearray(WHOLE)
    changed[at] = value
    with contextlib.suppress(EngineError):
        assert isinstance(told(bytes(changed)), list)


def test_frames_beside_the_answer_are_answered_or_passed_over() -> None:
    """A ping is answered, padding taken off, another stream's data ignored."""
    body = message(encoded(RECORD))
    padded = bytes([3]) + body[:10] + bytes(3)
    answer = (
        UPGRADED
        + frame(PING, 0, 0, b"12345678")
        + frame(SETTINGS, 0, 0)
        + frame(DATA, 0, 3, b"another stream")
        + frame(DATA, PADDED, 1, padded)
        + frame(0x42, 0, 1, b"a kind from the future")
        + frame(DATA, 0, 1, body[10:])
        + trailers(name=HUFFMAN_NAME)
    )
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(5)
        there.sendall(answer)
        assert disk_usage(here) == [RECORD]
        here.shutdown(socket.SHUT_WR)
        sent = b"".join(iter(lambda: there.recv(1 << 16), b""))
    assert sent.startswith(b"POST /grpc HTTP/1.1\r\n")
    assert frame(PING, ACK, 0, b"12345678") in sent
    assert sent.count(frame(SETTINGS, ACK, 0)) == 1


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", 403),
        (b"HTTP/1.1 200 OK\r\n\r\n", 200),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n", 501),
        (UPGRADED + trailers(b"12"), 501),
        (UPGRADED + trailers(b"12", HUFFMAN_NAME), 501),
        (UPGRADED + frame(DATA, 0, 1, message(b"")) + trailers(b"2"), 501),
    ],
)
def test_an_engine_without_buildkit_refuses(answer: bytes, status: int) -> None:
    """A refused upgrade and a gRPC error status are refusals: another way may answer."""
    with pytest.raises(EngineRefused) as caught:
        told(answer)
    assert caught.value.status == status


@pytest.mark.parametrize(
    "answer",
    [
        UPGRADED + frame(GOAWAY, 0, 0, bytes(8)),
        UPGRADED + frame(RST_STREAM, 0, 1, bytes(4)),
        UPGRADED + frame(DATA, 0, 1, message(b"", compressed=1)) + trailers(),
        UPGRADED + frame(DATA, 0, 1, message(b"abc")[:-1]) + trailers(),
        UPGRADED + trailers(),
        UPGRADED + frame(DATA, PADDED | END_STREAM, 1, b""),
        UPGRADED + frame(DATA, 0, 1, message(b"\x0f")) + trailers(),
        UPGRADED + frame(DATA, 0, 1, message(b"\x80" * 12)) + trailers(),
        UPGRADED + frame(DATA, 0, 1, message(number(1, 5))) + trailers(),
        b"x" * 70_000,
    ],
)
def test_what_is_no_answer_is_a_protocol_error(answer: bytes) -> None:
    """Broken off, compressed, too short, or no protobuf."""
    with pytest.raises(ProtocolError):
        told(answer)


def test_a_silent_engine_is_waited_for_no_longer_than_the_timeout() -> None:
    """The socket's timeout holds for the call too."""
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(0.1)
        with pytest.raises(TimeoutError):
            disk_usage(here)


@pytest.mark.engine("docker20", "docker26", "docker28")
def test_real_records_are_those_of_system_df(fresh_engine: Engine, unique: str) -> None:
    """After a build with branches, a cache mount and a context: every field as the REST API has."""
    dockerfile = (
        SCRATCH.replace("scratch", "scratch AS base")
        + f"RUN echo {unique} > /a\n"
        + "FROM base AS one\nRUN echo 1 > /b\nWORKDIR /w\n"
        + "FROM base\nRUN --mount=type=cache,target=/cache echo 2 > /cache/c\n"
        + "COPY --from=one /b /b\n"
    )
    build(fresh_engine, dockerfile, "-t", f"localhost/{unique}:1", buildkit=True)
    build(fresh_engine, SCRATCH, buildkit=True)
    # The first look measures a cache mount, which BuildKit counts as another use of it.
    fresh_engine.disk_usage()
    client = Client(parse_host(fresh_engine.host, "test", "test"), 60, connect)
    connection = client.open()
    try:
        found = disk_usage(connection.sock)
    finally:
        connection.close()
        client.close()
    listed = [parse.cache_record(r) for r in fresh_engine.disk_usage()["BuildCache"]]
    assert len(found) >= 6
    assert {r.type for r in found} >= {"regular", "exec.cachemount"}
    assert any(r.parents for r in found)
    assert any(r.shared for r in found)

    def comparable(record: CacheRecord) -> CacheRecord:
        return record._replace(
            created=round(record.created, 5),
            last_used=None if record.last_used is None else round(record.last_used, 5),
        )

    assert sorted(map(comparable, found)) == sorted(map(comparable, listed))

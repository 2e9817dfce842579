"""The build cache as BuildKit itself tells it, for engines with no cheaper way.

Below API 1.42 ``GET /system/df`` is the only documented way to see the build cache records, and
it walks images, containers and volumes as well: three times what the list of images costs. The
same records come from BuildKit's ``Control.DiskUsage`` (moby/buildkit ``api/services/control``),
for what they alone cost.
"""

from __future__ import annotations

from collections.abc import Iterator

from holystone.core.inventory import CacheRecord
from holystone.engine.errors import ProtocolError
from holystone.engine.transport.grpc import Stream, call

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# The fields of moby.buildkit.v1.UsageRecord. `Parents` came with BuildKit 0.10; engine 20.10
# fills `Parent` alone.
_ID, _IN_USE, _SIZE, _PARENT, _CREATED, _LAST_USED = 1, 3, 4, 5, 6, 7
_USAGE_COUNT, _DESCRIPTION, _TYPE, _SHARED, _PARENTS = 8, 9, 10, 11, 12


def disk_usage(stream: Stream) -> list[CacheRecord]:
    """Every build cache record. Uses up the connection, which is the caller's to close.

    Raises EngineRefused where there is no BuildKit on it, ProtocolError, or OSError.
    """
    answer = call(stream, "/moby.buildkit.v1.Control/DiskUsage", b"")
    return [_record(value) for number, value in _fields(answer) if number == 1]


def _record(message: int | bytes) -> CacheRecord:
    text: dict[int, str] = {}
    numbers: dict[int, int] = {}
    times: dict[int, float] = {}
    parents: list[str] = []
    for field, value in _fields(message):
        if isinstance(value, int):
            numbers[field] = value
        elif field in (_CREATED, _LAST_USED):
            times[field] = _seconds(value)
        elif field in (_PARENT, _PARENTS):
            parents.append(value.decode("utf-8", "replace"))
        else:
            text[field] = value.decode("utf-8", "replace")
    return CacheRecord(
        id=text.get(_ID, ""),
        parents=tuple(dict.fromkeys(parent for parent in parents if parent)),
        type=text.get(_TYPE) or "regular",
        description=text.get(_DESCRIPTION, ""),
        size=max(0, _signed(numbers.get(_SIZE, 0))),
        created=times.get(_CREATED, 0.0),
        last_used=times.get(_LAST_USED),
        usage_count=numbers.get(_USAGE_COUNT, 0),
        in_use=bool(numbers.get(_IN_USE)),
        shared=bool(numbers.get(_SHARED)),
    )


def _seconds(timestamp: bytes) -> float:
    """A google.protobuf.Timestamp as UTC seconds."""
    parts = {field: value for field, value in _fields(timestamp) if isinstance(value, int)}
    return _signed(parts.get(1, 0)) + parts.get(2, 0) / 1e9


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _fields(data: int | bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message: number, and an int or the bytes of a string or message."""
    if isinstance(data, int):
        raise ProtocolError("BuildKit's answer has a number where a message should be")
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == _VARINT:
            number, at = _varint(data, at)
            yield tag >> 3, number
            continue
        if wire == _BYTES:
            size, at = _varint(data, at)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ProtocolError(f"BuildKit's answer has a protobuf field of unknown kind {wire}")
        if at + size > len(data):
            raise ProtocolError("BuildKit's answer ends in the middle of a protobuf field")
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ProtocolError("BuildKit's answer is not the protobuf message it should be")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at

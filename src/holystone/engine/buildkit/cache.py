"""What BuildKit itself tells (moby/buildkit ``api/services/control``): its cache, and its builds.

Below API 1.42 ``GET /system/df`` is the only documented way to see the build cache records, and
it walks images, containers and volumes as well: three times what the list of images costs. The
same records come from ``Control.DiskUsage``, for what they alone cost.

Which images a build began with (``FROM``, ``COPY --from``) no event tells. BuildKit 0.11 and later
(Docker 24) keep the progress of their latest builds, 50 of them for two days, and that names them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from holystone.engine.buildkit.grpc import Channel, Stream
from holystone.engine.errors import ProtocolError
from holystone.planner.inventory import CacheRecord

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

# The fields of moby.buildkit.v1.UsageRecord. `Parents` came with BuildKit 0.10; engine 20.10
# fills `Parent` alone.
_ID, _IN_USE, _SIZE, _PARENT, _CREATED, _LAST_USED = 1, 3, 4, 5, 6, 7
_USAGE_COUNT, _DESCRIPTION, _TYPE, _SHARED, _PARENTS = 8, 9, 10, 11, 12


def disk_usage(stream: Stream) -> list[CacheRecord]:
    """Every build cache record. Uses up the connection, which is the caller's to close.

    Raises EngineRefused where there is no BuildKit on it, ProtocolError, or OSError.
    """
    answers = Channel(stream).call("/moby.buildkit.v1.Control/DiskUsage", b"")
    if len(answers) != 1:
        raise ProtocolError(f"BuildKit answers {len(answers)} messages where one should be")
    return [_record(value) for number, value in _fields(answers[0]) if number == 1]


def prune(channel: Channel, record_ids: Sequence[str]) -> set[str]:
    """Delete these build cache records; answers the IDs of those that were deleted.

    BuildKit deletes each named record that nothing refers to, then those that only the deleted
    ones referred to, until it finds none. At most ``MOST_PRUNED`` of them; uses up the connection.
    Raises ValueError for an ID that cannot be named, EngineRefused, ProtocolError, or OSError.
    """
    # Without a filter BuildKit would choose for itself. Filters are alternatives.
    if not record_ids or not all(map(is_plain, record_ids)) or len(record_ids) > MOST_PRUNED:
        raise ValueError("name 1 to 1000 build cache records, each by a plain ID")
    filters = (f"id=={record_id}".encode() for record_id in record_ids)
    request = b"".join(bytes([_FILTER << 3 | _BYTES, len(each)]) + each for each in filters)
    # `All`: internal and frontend records too, and those that share a layer with an image.
    told = channel.call("/moby.buildkit.v1.Control/Prune", request + bytes([_ALL << 3, 1]))
    return {_record(message).id for message in told}


def is_plain(record_id: str) -> bool:
    """Whether an ID means itself in a filter; all that BuildKit makes are of this kind."""
    return record_id.isascii() and record_id.isalnum() and len(record_id) <= _LONGEST_ID


# The fields of PruneRequest.
_FILTER, _ALL = 1, 2
_LONGEST_ID = 58
MOST_PRUNED = 1000
"""Records in one call: with the longest IDs still below ``grpc.LARGEST_MESSAGE``."""


class Build(NamedTuple):
    """One build that has ended, well or not. Times are UTC seconds."""

    began: float
    ended: float
    references: tuple[str, ...]
    """The images it began with, as its Dockerfile wrote them, each once."""


class Builds(NamedTuple):
    """The builds that BuildKit remembers which ended after some moment."""

    builds: tuple[Build, ...]
    oldest: float
    """When the oldest build ended that it remembers at all; 0 where it remembers none."""
    remembered: int
    """How many it remembers."""


def builds_since(stream: Stream, moment: float) -> Builds:
    """The builds that ended after a moment, the first to end first. Uses up the connection.

    Raises EngineRefused where BuildKit remembers no builds (before 0.11), ProtocolError, OSError.
    """
    channel = Channel(stream)
    # Without `EarlyExit` the answer would go on with the builds to come.
    told = channel.call("/moby.buildkit.v1.Control/ListenBuildHistory", _EARLY_EXIT)
    ended = {}
    for event in told:
        fields = dict(_fields(event))
        if fields.get(_EVENT_TYPE, 0) != _DELETED and (record := fields.get(_EVENT_RECORD)):
            name, began, end = _ended_build(record)
            if end:
                ended[name] = (began, end)
    new = sorted((end, began, name) for name, (began, end) in ended.items() if end > moment)
    builds = []
    for end, began, name in new:
        asked = bytes([_REF << 3 | _BYTES, len(name)]) + name
        progress = channel.call("/moby.buildkit.v1.Control/Status", asked)
        builds.append(Build(began, end, _began_with(progress)))
    oldest = min((end for _, end in ended.values()), default=0.0)
    return Builds(tuple(builds), oldest, len(ended))


def builds_that_made(stream: Stream, digests: Collection[str]) -> list[bytes]:
    """The names of the remembered builds whose results have any of these digests.

    Their records hold manifests and configs of images in the containerd store, also where the image
    is gone. Uses up the connection. Raises as ``builds_since``.
    """
    told = Channel(stream).call("/moby.buildkit.v1.Control/ListenBuildHistory", _EARLY_EXIT)
    wanted = [digest.encode() for digest in digests]
    names = []
    for event in told:
        fields = dict(_fields(event))
        record = fields.get(_EVENT_RECORD)
        if fields.get(_EVENT_TYPE, 0) == _DELETED or not isinstance(record, bytes):
            continue
        name = _ended_build(record)[0]
        if name and any(digest in record for digest in wanted):
            names.append(name)
    return names


def forget_builds(stream: Stream, names: Sequence[bytes]) -> None:
    """Have BuildKit forget these builds, and let go of what their records hold.

    Uses up the connection. Raises EngineRefused, ProtocolError, OSError.
    """
    channel = Channel(stream)
    for name in names:
        request = bytes([_REF << 3 | _BYTES, len(name)]) + name + bytes([_DELETE << 3, 1])
        channel.call("/moby.buildkit.v1.Control/UpdateBuildHistory", request)


_DELETE = 3
"""The field of UpdateBuildHistoryRequest that asks for that."""

# The fields of BuildHistoryRequest, BuildHistoryEvent, BuildHistoryRecord and StatusResponse.
_EARLY_EXIT = b"\x18\x01"
_EVENT_TYPE, _EVENT_RECORD, _DELETED = 1, 2, 2
_REF, _CREATED_AT, _COMPLETED_AT = 1, 6, 7
_VERTEX, _VERTEX_NAME = 1, 3
_LOADS = "[internal] load metadata for "
"""How the Dockerfile frontend names the step that looks up an image, for each it begins with."""


def _ended_build(record: int | bytes) -> tuple[bytes, float, float]:
    """A record's name, and when it began and ended; 0 where it has not."""
    name, times = b"", {_CREATED_AT: 0.0, _COMPLETED_AT: 0.0}
    for field, value in _fields(record):
        if field == _REF and isinstance(value, bytes) and len(value) < 128:
            name = value
        elif field in times and isinstance(value, bytes):
            times[field] = _seconds(value)
    return name, times[_CREATED_AT], times[_COMPLETED_AT]


def _began_with(progress: list[bytes]) -> tuple[str, ...]:
    """The images that a build looked up, by the names of its steps."""
    names = [
        name.decode("utf-8", "replace")
        for message in progress
        for field, vertex in _fields(message)
        if field == _VERTEX
        for number, name in _fields(vertex)
        if number == _VERTEX_NAME and isinstance(name, bytes)
    ]
    loads = [name.removeprefix(_LOADS).strip() for name in names if name.startswith(_LOADS)]
    return tuple(dict.fromkeys(loads))


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

"""BuildKit's own service (moby/buildkit ``api/services/control``), over an engine's ``POST /grpc``.

BuildKit lists and deletes build cache records. And it remembers builds (0.11 and later, Docker 24):
the latest 50, for two days. Their progress names the images that each began with (``FROM``, ``COPY
--from``), which no event tells. On the containerd store its records of builds hold the manifest and
the config of each result, so that a pull finds these in the store and does not fetch them again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from holystone.engine.client import Client
from holystone.engine.errors import CallRefused, EngineError, EngineUnreachable, ProtocolError
from holystone.planner.inventory import CacheRecord

if TYPE_CHECKING:
    from holystone.engine.grpc import Channel

MOST_PRUNED = 1000
"""Records in one call: with the longest IDs their names fit into 65,535 bytes, which a server takes
on a new connection before it must say that it takes more."""
_LONGEST_ID = 58
_LOADS = "[internal] load metadata for "
"""How the Dockerfile frontend names the step that looks up an image, for each it begins with."""
_NO_SUCH_CALL = 12
"""gRPC's status for a call that the server does not know (``UNIMPLEMENTED``)."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
"""Kinds of protobuf fields."""
# The fields of PruneRequest, DiskUsageResponse and UsageRecord; of BuildHistoryRequest,
# BuildHistoryEvent, BuildHistoryRecord and StatusResponse; of UpdateBuildHistoryRequest.
_FILTER, _ALL, _ID = 1, 2, 1
_RECORD = 1
_IN_USE, _SIZE, _PARENT, _MADE, _LAST_USED, _USES = 3, 4, 5, 6, 7, 8
_DESCRIPTION, _TYPE, _SHARED, _PARENTS = 9, 10, 11, 12
_EARLY_EXIT, _EVENT_TYPE, _EVENT_RECORD, _DELETED = 3, 1, 2, 2
_REF, _CREATED_AT, _COMPLETED_AT, _VERTEX, _VERTEX_NAME = 1, 6, 7, 1, 3
_DELETE = 3


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


def open_channel(client: Client, *, works: bool = False) -> Channel:
    """A connection to BuildKit, the caller's to close.

    ``works``: BuildKit may be silent for long before it answers a call. Raises EngineRefused where
    the engine serves no gRPC, EngineUnreachable, ProtocolError.
    """
    # Few commands ask BuildKit, and h2 takes 40 ms to import.
    from holystone.engine.grpc import Channel, EngineStream

    return Channel(EngineStream(client, works=works))


def prune(channel: Channel, record_ids: Sequence[str]) -> set[str]:
    """Delete these build cache records; answers the IDs of those that were deleted.

    BuildKit deletes each named record that nothing refers to, then those that only the deleted
    ones referred to, until it finds none. At most ``MOST_PRUNED`` of them, on a new channel. Raises
    ValueError for an ID that cannot be named, and EngineError.
    """
    # Without a filter BuildKit would choose for itself. Filters are alternatives.
    if not record_ids or not all(map(is_plain, record_ids)) or len(record_ids) > MOST_PRUNED:
        raise ValueError("name 1 to 1000 build cache records, each by a plain ID")
    filters = b"".join(_text(_FILTER, f"id=={record_id}".encode()) for record_id in record_ids)
    # `All`: internal and frontend records too, and those that share a layer with an image.
    told = channel.call("Prune", filters + _yes(_ALL))
    ids = (value for message in told for field, value in _fields(message) if field == _ID)
    return {each.decode("utf-8", "replace") for each in ids if isinstance(each, bytes)}


def list_records(channel: Channel) -> list[CacheRecord]:
    """All build cache records of this BuildKit, by its own account. Raises EngineError.

    BuildKit measures a record for the first caller and remembers its size.
    """
    answer = channel.call("DiskUsage", b"")
    entries = (value for message in answer for field, value in _fields(message) if field == _RECORD)
    return [_usage_record(entry) for entry in entries]


def _usage_record(entry: int | bytes) -> CacheRecord:
    """One UsageRecord. Raises ProtocolError where it makes no sense."""
    texts: dict[int, str] = {}
    numbers: dict[int, int] = {}
    times: dict[int, float] = {}
    parents: list[str] = []
    for field, value in _fields(entry):
        if isinstance(value, int):
            numbers[field] = value - 2**64 if value >= 2**63 else value
        elif field in (_MADE, _LAST_USED):
            times[field] = _seconds(value)
        elif field == _PARENTS:
            parents.append(value.decode("utf-8", "replace"))
        else:
            texts[field] = value.decode("utf-8", "replace")
    if not texts.get(_ID):
        raise ProtocolError("BuildKit's answer has a build cache record without an ID")
    if not parents and texts.get(_PARENT):
        parents = [texts[_PARENT]]
    last_used = times.get(_LAST_USED, 0.0)
    return CacheRecord(
        id=texts[_ID],
        parents=tuple(parents),
        type=texts.get(_TYPE) or "regular",
        description=texts.get(_DESCRIPTION, ""),
        size=max(0, numbers.get(_SIZE, 0)),
        created=max(0.0, times.get(_MADE, 0.0)),
        last_used=last_used if last_used > 0 else None,
        usage_count=max(0, numbers.get(_USES, 0)),
        in_use=bool(numbers.get(_IN_USE)),
        shared=bool(numbers.get(_SHARED)),
    )


def is_plain(record_id: str) -> bool:
    """Whether an ID means itself in a filter; all that BuildKit makes are of this kind."""
    return record_id.isascii() and record_id.isalnum() and len(record_id) <= _LONGEST_ID


def builds_since(client: Client, moment: float) -> Builds:
    """The builds that ended after a moment, the first to end first.

    Raises EngineError, also where BuildKit remembers no builds (before 0.11).
    """
    with closing(open_channel(client)) as channel:
        ended = {name: (began, end) for _, name, began, end in _remembered(channel) if end}
        builds = []
        for end, began, name in sorted((end, began, name) for name, (began, end) in ended.items()):
            if end > moment:
                progress = channel.call("Status", _text(_REF, name))
                builds.append(Build(began, end, _began_with(progress)))
    oldest = min((end for _, end in ended.values()), default=0.0)
    return Builds(tuple(builds), oldest, len(ended))


def builds_that_made(client: Client, digests: Collection[str]) -> Sequence[bytes] | None:
    """The names of the builds whose results have any of these digests.

    None if it is unknown because a proxy before the engine blocks the request.
    Raises EngineUnreachable.
    """
    wanted = [digest.encode() for digest in digests]
    try:
        with closing(open_channel(client)) as channel:
            told = [(record, name) for record, name, _, _ in _remembered(channel) if name]
        return [name for record, name in told if any(digest in record for digest in wanted)]
    except EngineUnreachable:
        raise
    except CallRefused as refusal:
        # A BuildKit that knows no such call keeps no records.
        return () if refusal.grpc_status == _NO_SUCH_CALL else None
    except EngineError:
        return None


def forget_builds(client: Client, names: Sequence[bytes]) -> None:
    """Have BuildKit delete its records of these builds. Raises EngineError."""
    with closing(open_channel(client, works=True)) as channel:
        for name in names:
            channel.call("UpdateBuildHistory", _text(_REF, name) + _yes(_DELETE))


def _remembered(channel: Channel) -> Iterator[tuple[bytes, bytes, float, float]]:
    """The builds that BuildKit remembers: record, name, and when it began and ended, or 0."""
    # Without `EarlyExit` the answer would go on with the builds to come.
    for event in channel.call("ListenBuildHistory", _yes(_EARLY_EXIT)):
        fields = dict(_fields(event))
        record = fields.get(_EVENT_RECORD)
        if fields.get(_EVENT_TYPE, 0) == _DELETED or not isinstance(record, bytes):
            continue
        name, times = b"", {_CREATED_AT: 0.0, _COMPLETED_AT: 0.0}
        for field, value in _fields(record):
            if field == _REF and isinstance(value, bytes) and len(value) < 128:
                name = value
            elif field in times:
                times[field] = _seconds(value)
        yield record, name, times[_CREATED_AT], times[_COMPLETED_AT]


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


def _text(field: int, value: bytes) -> bytes:
    """A protobuf field of less than 128 bytes."""
    return bytes([field << 3 | _BYTES, len(value)]) + value


def _yes(field: int) -> bytes:
    return bytes([field << 3 | _VARINT, 1])


def _seconds(timestamp: int | bytes) -> float:
    """A google.protobuf.Timestamp as UTC seconds."""
    parts = {field: value for field, value in _fields(timestamp) if isinstance(value, int)}
    whole = parts.get(1, 0)
    return (whole - 2**64 if whole >= 2**63 else whole) + parts.get(2, 0) / 1e9


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

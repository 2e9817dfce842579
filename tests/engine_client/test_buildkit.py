"""gRPC calls to BuildKit: answered whole, cut anywhere, garbled, refused in every way."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.engine.buildkit import (
    MOST_PRUNED,
    builds_that_made,
    forget_builds,
    list_records,
    prune,
)
from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused, EngineSilent, ProtocolError
from holystone.engine.grpc import Channel, EngineStream
from holystone.planner.inventory import CacheRecord
from tests.engine_client.buildkit import (
    UPGRADED,
    Answer,
    Tamper,
    block,
    changed,
    cut,
    message,
    moment,
    number,
    served,
    varint,
)

EXTRA = varint(99 << 3 | 1) + bytes(8) + varint(98 << 3 | 5) + bytes(4)
"""Fields that holystone does not know."""
IDS = ("k7t3", "z9")
PRUNED = [message(block(1, each.encode()) + number(4, 3_000_000_000) + EXTRA) for each in IDS]


def pruned(client: Client) -> set[str]:
    """What one call says that it deleted."""
    with closing(Channel(EngineStream(client))) as channel:
        return prune(channel, IDS)


def told(answer: Answer, tamper: Tamper = lambda _, data: data, frame: int = 1 << 14) -> set[str]:
    with served({"Prune": [answer]}, tamper=tamper, frame=frame) as client:
        return pruned(client)


@pytest.mark.parametrize("frame", [1, 5, 1 << 14])
def test_deleted_records_are_told_in_frames_of_any_size(frame: int) -> None:
    assert told(PRUNED, frame=frame) == set(IDS)
    assert told([]) == set()


def listed(*records: bytes) -> list[CacheRecord]:
    """What BuildKit says that it keeps, of these records."""
    answer = [message(b"".join(block(1, each) for each in records))]
    with (
        served({"DiskUsage": [answer]}) as client,
        closing(Channel(EngineStream(client))) as channel,
    ):
        return list_records(channel)


def test_a_record_has_all_that_buildkit_says_of_it() -> None:
    whole = (
        block(1, b"k7t3") + number(2, 1) + number(3, 1) + number(4, 3_000_000_000)
        + block(6, moment(1_750_000_000.5)) + block(7, moment(1_750_000_100)) + number(8, 7)
        + block(9, "RUN make \u00e9".encode()) + block(10, b"exec.cachemount") + number(11, 1)
        + block(12, b"z9") + block(12, b"y8") + EXTRA
    )  # fmt: skip
    assert listed(whole) == [
        CacheRecord(
            "k7t3",
            ("z9", "y8"),
            "exec.cachemount",
            "RUN make \u00e9",
            3_000_000_000,
            1_750_000_000.5,
            1_750_000_100.0,
            7,
            in_use=True,
            shared=True,
        )
    ]


def test_what_buildkit_leaves_out_is_not_known() -> None:
    """Its oldest versions have one parent; a time of the year 1 and a size below 0 are none."""
    bare = (
        block(1, b"z9")
        + block(5, b"y8")
        + number(4, 2**64 - 1)
        + block(7, number(1, 2**64 - 62_135_596_800))
    )
    assert listed(bare) == [CacheRecord("z9", ("y8",))]
    assert listed() == []


def test_a_record_without_an_id_is_refused() -> None:
    with pytest.raises(ProtocolError, match="without an ID"):
        listed(number(4, 5))


@given(st.binary(max_size=60))
def test_garbled_records_never_end_in_a_traceback(data: bytes) -> None:
    with contextlib.suppress(EngineError):
        assert all(record.id and record.size >= 0 for record in listed(data))


def sent() -> int:
    """How many bytes BuildKit sends in all for one answer."""
    count = 0

    def tamper(start: int, data: bytes) -> bytes:
        nonlocal count
        count = start + len(data)
        return data

    told(PRUNED, tamper)
    return count


def test_an_answer_cut_anywhere_is_no_answer() -> None:
    """After any number of bytes: a clear error, never half of the records."""
    for end in range(0, sent(), 3):
        with pytest.raises(ProtocolError, match=r"closed the connection|broke"):
            told(PRUNED, cut(end))


@given(st.integers(len(UPGRADED), 200), st.integers(0, 255))
def test_a_garbled_byte_never_ends_in_a_traceback(at: int, value: int) -> None:
    """With any byte changed there is an answer or an EngineError, and never anything else."""
    with (
        contextlib.suppress(EngineError),
        served({"Prune": [PRUNED]}, tamper=changed(at, value), timeout=0.2) as client,
    ):
        assert isinstance(pruned(client), set)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", 403),
        (b"HTTP/1.1 200 OK\r\n\r\n", 200),
    ],
)
def test_an_engine_without_buildkit_refuses(head: bytes, status: int) -> None:
    with served({}, head=head) as client, pytest.raises(EngineRefused) as caught:
        Channel(EngineStream(client))
    assert caught.value.status == status


def test_a_call_that_buildkit_refuses_is_a_refusal() -> None:
    with pytest.raises(EngineRefused, match="gRPC status 2"):
        told(2)


@pytest.mark.parametrize("head", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n", b"x" * 70_000, b""])
def test_what_is_no_http_is_a_protocol_error(head: bytes) -> None:
    with served({}, head=head) as client, pytest.raises(ProtocolError):
        Channel(EngineStream(client))


@pytest.mark.parametrize(
    "answer",
    [
        [message(b"", compressed=1)],
        [message(b"abc")[:-1]],
        [message(b"\x0f")],
        [message(b"\x80" * 12)],
        [message(block(1, b"abc")[:-1])],
    ],
)
def test_what_is_no_message_is_a_protocol_error(answer: Answer) -> None:
    """Compressed, too short, or no protobuf."""
    with pytest.raises(ProtocolError):
        told(answer)


@pytest.mark.parametrize("answer", ["reset", "leave"])
def test_an_answer_that_buildkit_breaks_off_is_a_protocol_error(answer: str) -> None:
    with pytest.raises(ProtocolError, match="broke off"):
        told(answer)


def test_a_silent_buildkit_hangs_the_call_no_longer_than_the_timeout() -> None:
    with served({"Prune": ["silent"]}, timeout=0.1) as client, pytest.raises(EngineSilent):
        pruned(client)


@pytest.mark.parametrize("ids", [[], ["a|b"], ["a" * 59], ["ä"], ["x"] * (MOST_PRUNED + 1)])
def test_no_prune_may_name_others(ids: list[str]) -> None:
    with (
        served({}) as client,
        closing(Channel(EngineStream(client))) as channel,
        pytest.raises(ValueError, match="plain ID"),
    ):
        prune(channel, ids)


def test_as_many_records_as_one_call_may_name_fit_into_it() -> None:
    with served({"Prune": [[]]}) as client, closing(Channel(EngineStream(client))) as channel:
        assert prune(channel, ["x" * 58] * MOST_PRUNED) == set()


def history() -> Iterator[bytes]:
    for name, digest, kind in (("one", "sha256:a", 1), ("two", "sha256:b", 0), ("gone", "a", 2)):
        record = block(1, name.encode()) + block(7, moment(5.0)) + block(9, digest.encode())
        yield message(number(1, kind) + block(2, record))


def test_builds_are_found_by_what_they_made_and_forgotten() -> None:
    with served({"ListenBuildHistory": [list(history())]}) as client:
        assert builds_that_made(client, ["sha256:a", "sha256:c"]) == [b"one"]
    with served({"UpdateBuildHistory": [[message(b"")], [message(b"")]]}) as client:
        forget_builds(client, [b"one", b"two"])
    with served({"UpdateBuildHistory": [2]}) as client, pytest.raises(EngineRefused):
        forget_builds(client, [b"one"])


def test_a_buildkit_that_remembers_no_builds_has_none_and_a_proxy_cannot_tell() -> None:
    with served({}) as client:
        assert builds_that_made(client, ["sha256:a"]) == ()
    with served({"ListenBuildHistory": [2]}) as client:
        assert builds_that_made(client, ["sha256:a"]) is None
    with served({}, head=b"HTTP/1.1 403 Forbidden\r\n\r\n") as client:
        assert builds_that_made(client, ["sha256:a"]) is None

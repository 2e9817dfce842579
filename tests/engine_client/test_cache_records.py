"""Build cache records as an engine lists and keeps them that says odd things of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from holystone.engine.cache import BUSY, UNEXPLAINED, UNNAMEABLE, CacheRemover, list_cache
from holystone.engine.client import Client
from holystone.engine.errors import EngineError
from holystone.engine.host import FAILED, REMOVED, SKIPPED, Removal
from holystone.planner.inventory import CacheRecord
from tests.engine_client.clients import client_of
from tests.engine_client.misbehaving import (
    Behaviour,
    Host,
    InTurn,
    answers,
    closes,
    cut_head,
    garbage,
    in_turn,
    misbehaving,
    refuses,
)

DF, PRUNE = "GET /system/df", "POST /build/prune"
LEAF, STEM = CacheRecord("leaf", ("stem",), description="RUN make"), CacheRecord("stem")


def listed(*records: CacheRecord) -> Behaviour:
    """An answer of ``/system/df`` with these records."""
    moment = "2026-01-01T00:00:00Z"
    entries: list[dict[str, Any]] = [
        {
            "ID": record.id,
            "Parents": record.parents,
            "Type": "regular",
            "Description": record.description,
            "InUse": record.in_use,
            "Size": 1,
            "CreatedAt": moment,
            "LastUsedAt": moment,
            "UsageCount": record.usage_count,
        }
        for record in records
    ]
    return answers({"BuildCache": entries})


@contextmanager
def engine(
    df: Behaviour | InTurn, prune: Behaviour | InTurn, grpc: Behaviour | None = None
) -> Iterator[tuple[Host, Client]]:
    with misbehaving({DF: df, PRUNE: prune, "POST /grpc": grpc or refuses(404, "no")}) as host:
        client = client_of(host, 10)
        yield host, client
        client.close()


def asked(host: Host, what: str) -> int:
    method, path = what.split(" ")
    return sum(1 for each in host.requests if each.startswith(method) and path in each)


BUSY_ONES = [each._replace(in_use=True) for each in (LEAF, STEM)]


def test_nearly_all_in_use_is_not_believed_at_once() -> None:
    with engine(in_turn(listed(*BUSY_ONES), listed(LEAF, STEM)), answers({})) as (host, client):
        records = list_cache(client)
        assert asked(host, DF) == 2
    assert not any(record.in_use for record in records.values())


def test_nearly_all_in_use_is_believed_when_it_is_said_again() -> None:
    with engine(listed(*BUSY_ONES), answers({})) as (host, client):
        records = list_cache(client)
        assert asked(host, DF) == 3
    assert all(record.in_use for record in records.values())


def test_a_few_in_use_are_believed() -> None:
    idle = [CacheRecord(f"idle{n}") for n in range(7)]
    with engine(listed(*idle, *BUSY_ONES), answers({})) as (host, client):
        assert len(list_cache(client)) == 9
        assert asked(host, DF) == 1


def test_what_the_engine_keeps_without_a_reason_is_told_as_that() -> None:
    with engine(listed(LEAF, STEM), answers({"CachesDeleted": None})) as (host, client):
        removals = CacheRemover({}, 0.0).remove(client, ["leaf", "stem"])
        assert 1 <= asked(host, PRUNE) <= 5
    made_from_it = "another record that stays is made from it: leaf (RUN make)"
    assert removals == [UNEXPLAINED, Removal(SKIPPED, made_from_it)]


def test_what_is_in_use_is_not_named_to_the_engine() -> None:
    idle = [CacheRecord(f"idle{n}") for n in range(8)]
    deleted = answers({"CachesDeleted": [record.id for record in idle]})
    df = in_turn(listed(*idle, *BUSY_ONES), listed(*BUSY_ONES))
    with engine(df, deleted) as (host, client):
        removals = CacheRemover({}, 0.0).remove(client, ["idle0", "leaf", "idle1", "idle2", "stem"])
        (prune,) = [each for each in host.requests if "/build/prune" in each]
    assert "idle0%7Cidle1%7Cidle2" in prune
    assert [removal.result for removal in removals] == [REMOVED, SKIPPED, REMOVED, REMOVED, SKIPPED]
    assert removals[1] == removals[4] == BUSY


@pytest.mark.parametrize("odd", ["", ".*", "a|b", 'x","all=1', "a" * 59, "ä"])
def test_an_id_that_could_mean_others_is_never_sent(odd: str) -> None:
    with engine(listed(CacheRecord(odd)), answers({"CachesDeleted": [odd]})) as (host, client):
        assert CacheRemover({}, 0.0).remove(client, [odd]) == [UNNAMEABLE]
        assert not asked(host, PRUNE)


def test_a_record_that_went_while_the_answer_was_cut_counts_as_removed() -> None:
    with engine(in_turn(listed(LEAF, STEM), listed(STEM)), in_turn(closes())) as (_, client):
        leaf, stem = CacheRemover({}, 0.0).remove(client, ["leaf", "stem"])
    assert leaf == Removal(REMOVED)
    assert stem.result == SKIPPED


def test_an_engine_that_ends_in_the_middle_leaves_told_what_went() -> None:
    df = in_turn(listed(LEAF, STEM), refuses(500, "shutting down"))
    with engine(df, answers({"CachesDeleted": ["leaf"]})) as (_, client):
        leaf, stem = CacheRemover({}, 0.0).remove(client, ["leaf", "stem"])
    assert leaf == Removal(REMOVED)
    assert stem.result == FAILED
    assert "shutting down" in stem.detail


@pytest.mark.parametrize("grpc", [refuses(403, "no"), closes(), garbage(), answers({}), cut_head()])
def test_records_go_another_way_where_grpc_does_not(grpc: Behaviour) -> None:
    """Whatever a proxy does to ``POST /grpc``, ``POST /build/prune`` deletes the records."""
    df = in_turn(listed(LEAF, STEM), listed(STEM))
    with engine(df, answers({"CachesDeleted": ["leaf"]}), grpc) as (host, client):
        assert CacheRemover({}, 0.0).remove(client, ["leaf"]) == [Removal(REMOVED)]
        assert asked(host, "POST /grpc") == 1


def test_an_engine_that_lists_nothing_is_an_error() -> None:
    with (
        engine(refuses(500, "no such thing"), answers({})) as (_, client),
        pytest.raises(EngineError, match="no such thing"),
    ):
        CacheRemover({}, 0.0).remove(client, ["leaf"])

"""Removals of a builder's records without an answer: settled by what the builder says it keeps."""

from __future__ import annotations

import time
from pathlib import Path

from holystone.planner.inventory import Builder, CacheRecord, Inventory, Volume
from holystone.planner.plan import plan
from holystone.planner.policy import BuilderRules, Grace, Policy, Takes
from holystone.planner.usage import Usage
from holystone.store.store import Store
from tests.store.examples import KEY, NOW, host, opened

POLICY = Policy("weekly", Takes(builders=True), Grace.uniform(0.0), builders=BuilderRules(budget=0))


def with_records(*names: str) -> Inventory:
    """A host with a builder ``ci0`` that keeps these records."""
    records = tuple(CacheRecord(f"ci0/{name}", size=10, created=NOW - 9) for name in names)
    builder = Builder("ci0", "buildx_buildkit_ci0_state", "c", records)
    state = Volume(builder.volume)
    return host(0)._replace(builders=(builder,), volumes=(state,))


def unknown(inventory: Inventory) -> Inventory:
    """The same host where the builder does not answer."""
    silent = tuple(each._replace(records=None, problem="stopped") for each in inventory.builders)
    return inventory._replace(builders=silent)


def asked(ledger: Store) -> None:
    """A run that asked for the removal of two records, and was killed."""
    before = with_records("a", "b")
    made = plan(before, Usage(), POLICY, NOW)
    assert [step.id for step in made.steps] == ["ci0/a", "ci0/b"]
    run = ledger.runs.begin(made, before, endpoint="e")
    assert run is not None
    run.ask([(step.kind, step.id) for step in made.steps])


def results(ledger: Store) -> list[tuple[str, str]]:
    return [(each.id, each.result) for each in ledger.runs.removed(1)]


def test_they_are_settled_by_asking_the_builder_again(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        asked(ledger)
        assert set(ledger.open_builder_records(KEY)) == {"ci0/a", "ci0/b"}
        ledger.settle_open(with_records("b"), time.time() + 1)
        assert results(ledger) == [("ci0/a", "removed"), ("ci0/b", "failed")]
        (run,) = ledger.runs.list()
        assert (run.removed, run.failed, run.freed_bytes) == (1, 1, 10)


def test_they_stay_unknown_while_the_builder_does_not_answer(tmp_path: Path) -> None:
    """Not asked, or stopped: that says nothing of what it keeps."""
    with opened(tmp_path) as ledger:
        asked(ledger)
        for look in (unknown(with_records()), with_records()._replace(builders=())):
            ledger.settle_open(look, time.time() + 1)
            assert results(ledger) == [("ci0/a", "unknown"), ("ci0/b", "unknown")]
        assert ledger.has_open(KEY)
        ledger.settle_open(with_records(), time.time() + 1)
        assert results(ledger) == [("ci0/a", "removed"), ("ci0/b", "removed")]
        assert not ledger.open_builder_records(KEY)


def test_with_its_volume_all_that_a_builder_kept_is_gone(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        asked(ledger)
        ledger.settle_open(host(0)._replace(volumes=()), time.time() + 1)
        assert results(ledger) == [("ci0/a", "removed"), ("ci0/b", "removed")]

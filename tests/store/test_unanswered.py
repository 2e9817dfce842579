"""A removal that was asked for and got no answer is unknown until somebody looks at its object."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from holystone.planner.inventory import Inventory, Note
from holystone.store.lock import HostLock
from holystone.store.recovery import FOUND_GONE, KILLED_BEFORE
from holystone.store.run import Run
from holystone.store.store import Store
from tests.store.examples import KEY, LOCK, host, opened, plan_of


def begun(ledger: Store, inventory: Inventory) -> Run:
    """A run whose first two steps are asked for."""
    run = ledger.runs.begin(plan_of(inventory), inventory, endpoint="e")
    assert run is not None
    run.ask([("image", image.id) for image in inventory.images[:2]])
    return run


def ended(run: Run) -> None:
    """End a run that got no answer to its first two steps and did not try the rest."""
    for place in range(2, 4):
        run.settle("image", f"sha256:{place:064x}", "not_tried", "not tried: interrupted")
    run.settle("volume", "data", "not_tried", "not tried: interrupted")
    counted = {"removed": 0, "skipped": 0, "failed": 0, "unknown": 2, "not_tried": 3}
    run.end(freed_bytes=0, freed={}, interrupted="away", **counted)


def told(ledger: Store, run: int = 1) -> list[tuple[str, str, tuple[str, ...]]]:
    """How the removals of a run ended."""
    return [(each.result, each.detail, each.lost) for each in ledger.runs.removed(run)]


def counts(ledger: Store, run: int = 1) -> tuple[int, ...]:
    """The counts of a run, which are those of its removals."""
    summary = ledger.runs.get(run)
    assert summary is not None
    results = [each.result for each in ledger.runs.removed(run)]
    names = ("removed", "skipped", "failed", "unknown", "not_tried")
    counted = tuple(getattr(summary, name) for name in names)
    assert counted == tuple(results.count(name) for name in names)
    return counted


def later(seconds: float = 1.0) -> float:
    return time.time() + seconds


def test_what_was_asked_for_is_unknown_before_its_answer(tmp_path: Path) -> None:
    """Seen from another process."""
    with opened(tmp_path) as ledger, opened(tmp_path) as other:
        run = begun(ledger, host(4))
        assert [each.result for each in other.runs.removed(1)] == ["unknown"] * 2 + [""] * 3
        run.settle("image", f"sha256:{0:064x}", "removed")
        run.ask([("image", f"sha256:{2:064x}")])
        results = [each.result for each in other.runs.removed(1)]
        assert results == ["removed", "unknown", "unknown", "", ""]


@pytest.mark.parametrize("killed", [True, False])
def test_it_is_settled_by_what_is_there(tmp_path: Path, killed: bool) -> None:
    """One is gone; one lost a tag and its digest."""
    before = host(4)
    first, second, *rest = before.images
    second = second._replace(tags=("app:1", "app:one"))
    before = before._replace(images=(first, second, *rest))
    there = second._replace(tags=("app:one",), digests=())
    with opened(tmp_path) as ledger:
        run = begun(ledger, before)
        if not killed:
            ended(run)
        assert counts(ledger) == ((0, 0, 0, 2, 0) if killed else (0, 0, 0, 2, 3))
        assert ledger.has_open(KEY)
        ledger.settle_open(before._replace(images=(there, *rest)), later())
        lost = ("app:1", *second.digests)
        why = "no answer came, and it is still there, without app:1, " + second.digests[0]
        untried = ("not_tried", KILLED_BEFORE if killed else "not tried: interrupted", ())
        assert told(ledger) == [
            ("removed", "no answer came, and it is gone", ()),
            ("failed", why, lost),
            *[untried] * 3,
        ]
        assert counts(ledger) == (1, 0, 1, 0, 3)
        (summary,) = ledger.runs.list()
        assert (summary.state, summary.freed_bytes) == (
            ("killed", 10) if killed else ("interrupted", 10)
        )


def test_what_is_still_there_is_looked_at_again_for_a_minute(tmp_path: Path) -> None:
    """An engine that stood still carries out late what it was asked."""
    before = host(4)
    gone = before._replace(images=before.images[1:])
    with opened(tmp_path) as ledger:
        ended(begun(ledger, before))
        ledger.settle_open(before, later(1))
        assert counts(ledger) == (0, 0, 2, 0, 3)
        assert ledger.has_open(KEY)
        ledger.settle_open(gone, later(30))
        assert counts(ledger) == (1, 0, 1, 0, 3)
        ledger.settle_open(gone, later(90))
        assert not ledger.has_open(KEY)
        assert counts(ledger) == (1, 0, 1, 0, 3)


def test_what_cannot_be_seen_stays_unknown(tmp_path: Path) -> None:
    """An inventory without tagged images, an odd one, or one older than the removal."""
    before = host(4)
    partial = before._replace(images=(), partial=True)
    odd = before._replace(
        images=tuple(each._replace(tags=(), digests=(), odd=True) for each in before.images)
    )
    with opened(tmp_path) as ledger:
        ended(begun(ledger, before))
        ledger.settle_open(before._replace(images=()), later(-60))
        ledger.settle_open(partial, later())
        ledger.settle_open(odd, later())
        assert counts(ledger) == (0, 0, 0, 2, 3)
        assert ledger.has_open(KEY)


def test_a_list_of_build_cache_that_failed_says_nothing_of_it(tmp_path: Path) -> None:
    before = host(0)
    plan = plan_of(before)
    step = replace(plan.steps[0], kind="cache", id="record")
    plan = replace(plan, steps=(step,))
    with opened(tmp_path) as ledger:
        run = ledger.runs.begin(plan, before, endpoint="e")
        assert run is not None
        run.ask([("cache", "record")])
        run.end(freed_bytes=0, freed={}, removed=0, skipped=0, failed=0, unknown=1)
        ledger.settle_open(before._replace(notes=(Note("usage", "cache", said="500"),)), later())
        assert counts(ledger) == (0, 0, 0, 1, 0)
        ledger.settle_open(before, later())
        assert counts(ledger) == (1, 0, 0, 0, 0)


def test_a_run_under_way_is_left_alone(tmp_path: Path) -> None:
    before = host(4)
    with opened(tmp_path) as ledger:
        with HostLock(str(tmp_path), LOCK).acquire("clean routine"):
            begun(ledger, before)
            ledger.settle_open(before._replace(images=()), later())
            assert [each.result for each in ledger.runs.removed(1)] == ["unknown"] * 2 + [""] * 3
        ledger.settle_open(before._replace(images=(), volumes=()), later())
        assert counts(ledger) == (5, 0, 0, 0, 0)
        assert [each[1] for each in told(ledger)][2:] == [FOUND_GONE] * 3


def test_a_tag_that_another_image_has_by_now_was_not_lost(tmp_path: Path) -> None:
    before = host(4)
    first, *rest = before.images
    new = first._replace(id="sha256:new", digests=())
    with opened(tmp_path) as ledger:
        ended(begun(ledger, before))
        ledger.settle_open(before._replace(images=(first._replace(tags=()), new, *rest)), later())
        assert told(ledger)[0] == ("failed", "no answer came, and it is still there", ())


def test_a_later_run_that_takes_such_an_image_knows_its_names(tmp_path: Path) -> None:
    """The fault took its names, a routine clean the rest."""
    before = host(4)
    bare = tuple(each._replace(tags=(), digests=()) for each in before.images)
    with opened(tmp_path) as ledger:
        ended(begun(ledger, before))
        after = before._replace(images=bare)
        ledger.settle_open(after, later())
        run = ledger.runs.begin(plan_of(after), after, endpoint="e")
        assert run is not None
        for was, row in zip(before.images, ledger.runs.removed(run.id), strict=False):
            lost = was.id in {image.id for image in before.images[:2]}
            assert row.tags == (was.tags if lost else ())
            assert row.digests == (was.digests if lost else ())

"""A run is written before its first removal, settled after each, and told as it was."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from holystone.planner.verdict import Reason, Rule
from holystone.store import run as writing
from holystone.store.lock import HostLock
from holystone.store.records import Removed
from holystone.store.recovery import FOUND_GONE, KILLED_BEFORE
from tests.engines.places import REPOSITORY
from tests.store.examples import KEY, LOCK, NOW, host, opened, plan_of


def test_a_run_is_told_as_it_was(tmp_path: Path) -> None:
    inventory = host(2)
    plan = replace(plan_of(inventory, "weekly"), target_free=900)
    with opened(tmp_path) as ledger:
        run = ledger.runs.begin(plan, inventory, endpoint="unix:///x", job="4711")
        assert run is not None
        first, second, _ = plan.steps
        run.settle("image", first.id, "removed")
        run.settle("image", second.id, "skipped", "half a character: \ud800")
        run.settle("volume", "data", "failed", "the engine answered 500")
        run.end(
            freed_bytes=7, freed={("image", first.id): 7}, removed=1, skipped=1, failed=1,
            interrupted="the engine went away", disk_free_after=500,
        )  # fmt: skip
    with opened(tmp_path) as ledger:
        (told,) = ledger.runs.list()
        assert ledger.runs.get(told.id) == told
        assert ledger.runs.get(told.id + 1) is None
        removed = ledger.runs.removed(told.id)
    assert told.ended is not None
    assert told.started <= told.ended <= time.time()
    assert told._replace(started=0, ended=0) == (
        1, KEY, "runner", "unix:///x", "weekly", "4711", 0, 0, "interrupted",
        "the engine went away", 3, 20, False, 7, 1, 1, 1, 400, 500, 900, (), 1, 0, 0, 0, "", "",
    )  # fmt: skip
    image = inventory.images[0]
    assert removed[0] == Removed(
        "image", image.id, image.tags, image.tags, image.digests, image.labels, image.size,
        10, 7, "removed", "", removed[0].at, (), (),
    )  # fmt: skip
    assert [each.result for each in removed] == ["removed", "skipped", "failed"]
    assert [each.freed_bytes for each in removed] == [7, None, None]
    assert removed[1].detail == r"half a character: \ud800"
    assert (removed[2].labels, removed[2].size) == ({"a": "b"}, None)


def test_why_and_with_which_options(tmp_path: Path) -> None:
    """Reasons keep their facts, and a run counts the tagged images that went for space alone."""
    inventory = host(3)
    plan = plan_of(inventory)
    pressure = Reason(Rule.PRESSURE, {"least_free": 40, "idle": 86400.0, "frees": 10})
    reasons = ((pressure,), (Reason(Rule.UNTAGGED),), (pressure,), (Reason(Rule.UNUSED),))
    told = [replace(v, reasons=why) for v, why in zip(plan.verdicts, reasons, strict=True)]
    plan = replace(plan, verdicts=tuple(told))
    given = ("--min-age 0s", "--config /half/a/character/\ud800")
    with opened(tmp_path) as ledger:
        run = ledger.runs.begin(plan, inventory, endpoint="e", options=given)
        assert run is not None
        for step, result in zip(plan.steps, ("removed", "removed", "skipped", "x"), strict=True):
            run.settle(step.kind, step.id, result)
        run.end(freed_bytes=0, freed={}, removed=2, skipped=1, failed=0)
        (summary,) = ledger.runs.list()
        removed = ledger.runs.removed(summary.id)
    assert (summary.options, summary.tagged, summary.under_pressure) == (given, 2, 1)
    kept = [[(why.rule, why.facts) for why in each.reasons or ()] for each in removed]
    assert kept == [[(why.rule, why.facts)] for (why,) in reasons]
    assert [each.under_pressure for each in removed] == [True, False, True, False]


def test_runs_since_a_moment(tmp_path: Path) -> None:
    inventory = host(1)
    with opened(tmp_path) as ledger:
        for moment in (100.0, 200.0, 300.0):
            ledger.runs.clock = lambda moment=moment: moment  # type: ignore[misc]
            assert ledger.runs.begin(plan_of(inventory), inventory, endpoint="e")
        assert [run.started for run in ledger.runs.list(since=200.0)] == [300.0, 200.0]
        assert [run.started for run in ledger.runs.list(1, 200.0)] == [300.0]
        assert [ledger.runs.count(since) for since in (None, 200.0, 301.0)] == [3, 2, 0]


def test_everything_is_written_before_the_first_removal(tmp_path: Path) -> None:
    """Seen from another process, while the run has done nothing yet."""
    inventory = host(3)
    with opened(tmp_path) as ledger, opened(tmp_path) as other:
        assert ledger.runs.begin(plan_of(inventory), inventory, endpoint="e")
        removals = other.runs.removed(1)
    assert [(each.id, each.result, each.at) for each in removals] == [
        *((image.id, "", None) for image in inventory.images),
        ("data", "", None),
    ]


def test_workers_settle_side_by_side(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is lost, whether it is written at once or at the end."""
    inventory = host(400)
    for number, pause in enumerate((0.0, 60.0), 1):
        monkeypatch.setattr(writing, "_FLUSH_SECONDS", pause)
        with opened(tmp_path) as ledger:
            run = ledger.runs.begin(plan_of(inventory), inventory, endpoint="e")
            assert run is not None
            with ThreadPoolExecutor(16) as pool:
                for image in inventory.images:
                    pool.submit(run.settle, "image", image.id, "removed", f"detail of {image.id}")
            run.settle("volume", "data", "removed")
            run.settle("volume", "not of the plan", "removed")
            run.end(freed_bytes=0, freed={}, removed=401, skipped=0, failed=0)
            told = ledger.runs.removed(number)
        assert [each.detail for each in told[:-1]] == [
            f"detail of {i.id}" for i in inventory.images
        ]
        assert {each.result for each in told} == {"removed"}


KILLED = """
import sys, time
from pathlib import Path
from holystone.store.store import Store
from holystone.store.lock import HostLock
from tests.store.examples import LOCK, host, no_warning, plan_of
folder, count = sys.argv[1], int(sys.argv[2])
inventory = host(count)
held = HostLock(folder, LOCK).acquire("clean routine")
ledger = Store(folder, no_warning)
run = ledger.runs.begin(plan_of(inventory), inventory, endpoint="e")
for image in inventory.images:
    Path(folder, "gone").open("a").write(image.id + "\\n")
    run.settle("image", image.id, "removed")
    time.sleep(0.001)
print("done", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.7])
def test_what_a_killed_run_did_is_settled_by_the_next(tmp_path: Path, seconds: float) -> None:
    """Killed at some moment of its work: all that went counts as removed, nothing else does."""
    count = 1500
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, tmp_path, str(count)],
        stdout=subprocess.PIPE, cwd=REPOSITORY,
    )  # fmt: skip
    gone_file = tmp_path / "gone"
    while not gone_file.exists() or not gone_file.stat().st_size:
        assert process.poll() is None
        time.sleep(0.005)
    time.sleep(seconds)
    with opened(tmp_path) as ledger:
        assert [run.state for run in ledger.runs.list()] == ["running"]
        process.send_signal(signal.SIGKILL)
        process.communicate()
        gone = set(gone_file.read_text().split())
        assert 0 < len(gone) < count
        (told,) = ledger.runs.list()
        assert (told.state, told.interrupted) == ("killed", "killed")
        assert told.removed <= len(gone)
        assert ledger.runs.last_ended(KEY) is None

        before = host(count)
        left = before._replace(images=tuple(i for i in before.images if i.id not in gone))
        with HostLock(str(tmp_path), LOCK).acquire("clean routine"):
            run = ledger.runs.begin(plan_of(left), left, endpoint="e")
            assert run is not None
            run.end(freed_bytes=0, freed={}, removed=0, skipped=0, failed=0)
        last, killed = ledger.runs.list()
        removals = ledger.runs.removed(killed.id)
    assert (last.state, killed.state) == ("done", "killed")
    removed = {each.id for each in removals if each.result == "removed"}
    assert removed == gone
    assert {each.detail for each in removals if each.result == "removed"} <= {"", FOUND_GONE}
    untried = {(r.result, r.detail) for r in removals if r.id not in gone}
    assert untried == {("not_tried", KILLED_BEFORE)}
    assert killed.removed == len(gone)
    assert (killed.failed, killed.not_tried) == (0, count + 1 - len(gone))
    assert killed.freed_bytes == 10 * len(gone)
    assert killed.ended is not None
    assert killed.started <= killed.ended < last.started


def test_runs_on_another_engine_are_left_alone(tmp_path: Path) -> None:
    """A run there may be under way, and its objects are not in this inventory."""
    here = host(1)
    there = here._replace(engine=here.engine._replace(id="other"))
    with opened(tmp_path) as ledger:
        assert ledger.runs.begin(plan_of(there), there, endpoint="there")
        run = ledger.runs.begin(plan_of(here), here, endpoint="here")
        assert run is not None
        run.end(freed_bytes=10, freed={}, removed=1, skipped=0, failed=0)
        assert [each.result for each in ledger.runs.removed(1)] == ["", ""]
        last = ledger.runs.last_ended(KEY)
        assert last is not None
        assert (last.id, last.endpoint, last.freed_bytes) == (2, "here", 10)
        assert ledger.runs.last_ended("other/classic") is None


def test_a_history_does_not_grow_for_ever(tmp_path: Path) -> None:
    """What is older than half a year goes with its removals, and numbers are not given again."""
    inventory = host(1)
    with opened(tmp_path) as ledger:
        for days in (0, 1, 181, 182):
            ledger.runs.clock = lambda days=days: NOW + days * 86400  # type: ignore[misc]
            run = ledger.runs.begin(plan_of(inventory), inventory, endpoint="e")
            assert run is not None
            run.end(freed_bytes=0, freed={}, removed=0, skipped=0, failed=0)
        assert [run.id for run in ledger.runs.list()] == [4, 3]
        assert [run.id for run in ledger.runs.list(1)] == [4]
        assert ledger.runs.removed(1) == []
        assert len(ledger.runs.removed(3)) == 2


def test_a_run_in_several_rounds_is_one(tmp_path: Path) -> None:
    """An object that was tried in vain in the first is settled where it was tried again."""
    inventory = host(2)
    plan = plan_of(inventory)
    first, second, volume = plan.steps
    begun = replace(plan, steps=(first, volume), freed_bytes=10)
    again = replace(plan, steps=(second, volume), freed_bytes=10, estimated=True)
    with opened(tmp_path) as ledger:
        run = ledger.runs.begin(begun, inventory, endpoint="e")
        assert run is not None
        run.settle("image", first.id, "removed")
        run.settle("volume", "data", "skipped", "the engine refused: in use")
        run.add(again, inventory)
        assert [each.result for each in ledger.runs.removed(1)][2:] == ["", ""]
        run.settle("image", second.id, "removed")
        run.settle("volume", "data", "removed")
        run.end(
            freed_bytes=30, freed={("image", first.id): 10, ("volume", "data"): 20}, removed=3,
            skipped=0, failed=0, planned_bytes=15,
        )  # fmt: skip
        (told,) = ledger.runs.list()
        removals = ledger.runs.removed(1)
    assert (told.steps, told.planned_bytes, told.estimated, told.freed_bytes) == (4, 15, True, 30)
    assert [(each.id, each.result, each.freed_bytes) for each in removals] == [
        (first.id, "removed", 10),
        ("data", "skipped", None),
        (second.id, "removed", None),
        ("data", "removed", 20),
    ]

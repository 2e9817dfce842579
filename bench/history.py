"""What a long history costs: a million removals against none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.alone import HOLYSTONE
from bench.measure import Result, in_turn, run, seconds
from holystone.ledger.ledger import Ledger
from tests.ledger.examples import KEY, NOW, host, no_warning, plan_of

RUNS = 10_000
_REMOVALS = 99
"""Images in a run; with the volume of the example it removes a hundred objects."""
_MOST_SECONDS = 0.5


def long_history(runs: int = 9) -> Iterator[Result]:
    """``history``, one run of it, and what a clean does with the ledger; half a second more."""
    with tempfile.TemporaryDirectory() as folder:
        long, empty = Path(folder, "long"), Path(folder, "empty")
        _fill(long, RUNS)
        _fill(empty, 1)
        count = f"{RUNS * (_REMOVALS + 1):,} removals"
        for words in (["history"], ["history", "1"]):
            ours, theirs = in_turn(
                lambda words=words: _command(long, words),  # type: ignore[misc]
                lambda words=words: _command(empty, words),  # type: ignore[misc]
                runs,
            )
            yield _result(f"history of {count}", " ".join(words), ours, theirs, runs)
        ours, theirs = in_turn(lambda: _clean(long), lambda: _clean(empty), runs)
        yield _result(f"ledger's part of a clean, {count}", "Ledger", ours, theirs, runs)
        yield Result(
            "ledger's part of a clean of 100 objects", "Ledger", "20 ms", theirs, 0.020, 1.0, runs
        )


def _result(name: str, what: str, ours: float, theirs: float, runs: int) -> Result:
    aim = round((theirs + _MOST_SECONDS) / theirs, 1)
    return Result(name, what, "the same with one run", ours, theirs, aim, runs)


def _command(folder: Path, arguments: list[str]) -> float:
    return run([HOLYSTONE, *arguments], {**os.environ, "HOLYSTONE_STATE": str(folder)})


def _clean(folder: Path) -> float:
    """Seconds a clean of a hundred objects spends with the ledger."""
    inventory = host(_REMOVALS)
    plan = plan_of(inventory)

    def use() -> None:
        ledger = Ledger(str(folder), no_warning)
        ledger.recall(KEY)
        ledger.recall_uses(KEY)
        ledger.recall_leases(NOW)
        ledger.runs.last_ended(KEY)
        begun = ledger.runs.begin(plan, inventory, endpoint="bench")
        assert begun is not None
        for step in plan.steps:
            begun.settle(step.kind, step.id, "removed")
        begun.end(freed_bytes=0, freed={}, removed=len(plan.steps), skipped=0, failed=0)
        ledger.close()

    return seconds(use)


def _fill(folder: Path, runs: int) -> None:
    """A ledger with one real run, and copies of it."""
    _clean(folder)
    ledger = Ledger(str(folder), no_warning)
    names = [
        row[1] for row in ledger.read(lambda d: d.execute("PRAGMA table_info(run)").fetchall())
    ]
    others = ", ".join(name for name in names if name != "id")
    numbers = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    if runs > 1:
        ledger.write(
            lambda database: database.execute(
                f"{numbers} INSERT INTO run (id, {others}) SELECT i, {others} FROM n, run"
                " WHERE run.id = 1",
                (runs,),
            )
        )
        columns = "place, kind, removal.id, names, tags, digests, labels, size, planned_bytes"
        ledger.write(
            lambda database: database.execute(
                f"{numbers} INSERT INTO removal SELECT i, {columns}, freed_bytes, result, detail,"
                " at FROM n, removal WHERE run = 1",
                (runs,),
            )
        )
    ledger.close()

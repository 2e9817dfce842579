"""What a long history costs: a million removals and a million uses against none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from bench.alone import HOLYSTONE
from bench.measure import Result, in_turn, run, seconds
from holystone.planner.inventory import Image
from holystone.store.store import Store
from holystone.usage.sighting import Sighting
from tests.store.examples import KEY, NOW, host, no_warning, plan_of, seen

RUNS = 10_000
USES = 1_000_000
_REFERENCES = 10_000
"""As many as are remembered."""
_REMOVALS = 99
"""Images in a run; with the volume of the example it removes a hundred objects."""
_MOST_SECONDS = 0.5
LATER = NOW + USES * 10.0
_CLEANS = count()


def long_history(runs: int = 9) -> Iterator[Result]:
    """``history``, one run of it, and what a clean does with the ledger; half a second more."""
    with tempfile.TemporaryDirectory() as folder:
        long, empty = Path(folder, "long"), Path(folder, "empty")
        _fill(long, RUNS)
        _fill_uses(long)
        _fill(empty, 1)
        rows = f"{RUNS * (_REMOVALS + 1):,} removals, {USES:,} uses"
        for words in (["history"], ["history", "1"]):
            ours, theirs = in_turn(
                lambda words=words: _command(long, words),  # type: ignore[misc]
                lambda words=words: _command(empty, words),  # type: ignore[misc]
                runs,
            )
            yield _result(f"history of {rows}", " ".join(words), ours, theirs, runs)
        ours, theirs = in_turn(lambda: _references(long), lambda: _references(empty), runs)
        yield _result(f"{_REFERENCES:,} references, for a plan under pressure", "Ledger",
                      ours, theirs, runs)  # fmt: skip
        ours, theirs = in_turn(lambda: _clean(long), lambda: _clean(empty), runs)
        yield _result(f"ledger's part of a clean, {rows}", "Ledger", ours, theirs, runs)
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
    present = [("image", image.id) for image in inventory.images]
    now = LATER + 3600.0 * next(_CLEANS)
    uses = [
        Sighting(now + n, f"docker.io/library/app:{n}", inventory.images[n].id) for n in range(9)
    ]

    def use() -> None:
        ledger = Store(str(folder), no_warning)
        ledger.recall(KEY)
        ledger.recall_uses(KEY)
        ledger.recall_bookmark(KEY)
        ledger.recall_leases(NOW)
        ledger.runs.last_ended(KEY)
        begun = ledger.runs.begin(plan, inventory, endpoint="bench")
        assert begun is not None
        for step in plan.steps:
            begun.settle(step.kind, step.id, "removed")
        begun.end(freed_bytes=0, freed={}, removed=len(plan.steps), skipped=0, failed=0)
        ledger.fold(KEY, seen(*uses, at=now, present=present))
        ledger.close()

    return seconds(use)


def _references(folder: Path) -> float:
    """Seconds to read what is known of every reference."""

    def use() -> None:
        ledger = Store(str(folder), no_warning)
        ledger.recall_summaries(KEY, "reference")
        ledger.close()

    return seconds(use)


def _fill_uses(folder: Path) -> None:
    """As many single uses as the log holds, of as many references as are remembered."""
    ledger = Store(str(folder), no_warning)
    images = [Image(f"sha256:{n:064x}") for n in range(_REFERENCES)]
    uses = [Sighting(NOW + n, f"r.example.com/app:{n}", image.id) for n, image in enumerate(images)]
    ledger.fold(KEY, seen(*uses))
    numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    ledger.write(
        lambda database: database.execute(
            f"{numbers} INSERT INTO past_use (at, reference, image, pulled)"
            " SELECT ? + i * 10, 1 + i % ?, 1 + i % ?, 0 FROM n",
            (USES - _REFERENCES, NOW, _REFERENCES, _REFERENCES),
        )
    )
    for table in ("past_reference", "past_image"):
        ledger.write(
            lambda database, table=table: database.execute(  # type: ignore[misc]
                f"UPDATE {table} SET last_use = ? - id", (USES,)
            )
        )
    ledger.close()


def _fill(folder: Path, runs: int) -> None:
    """A ledger with one real run, and copies of it."""
    _clean(folder)
    ledger = Store(str(folder), no_warning)

    def columns(table: str, key: str) -> str:
        """All columns but the one that numbers the run."""
        rows = ledger.read(lambda d: d.execute(f"PRAGMA table_info({table})").fetchall())
        return ", ".join(f"{table}.{row[1]}" for row in rows if row[1] != key)

    numbers = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
    for table, key in (("run", "id"), ("removal", "run")) if runs > 1 else ():
        others = columns(table, key)
        names = others.replace(f"{table}.", "")
        ledger.write(
            lambda database, table=table, key=key, others=others, names=names: database.execute(  # type: ignore[misc]
                f"{numbers} INSERT INTO {table} ({key}, {names}) SELECT i, {others}"
                f" FROM n, {table} WHERE {table}.{key} = 1",
                (runs,),
            )
        )
    ledger.close()

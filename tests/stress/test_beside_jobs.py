"""Ten workers make jobs while cleans of every level run without pause: no job may notice."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from holystone.planner.units import format_size
from tests.cli.command import Command
from tests.engine.cleaning import figures
from tests.engines import Engine, Registry
from tests.stress.cleans import WAYS, Cleaner
from tests.stress.jobs import Worker, push_bases
from tests.stress.witness import Witness

WORKERS = 10
AGE = 8.0
"""Seconds for which everything rests before the start: cleans then have something to take."""
KINDS = frozenset({"container", "image", "cache", "tagged image"})
"""What must go while the jobs run; a container has to be stopped for ten seconds first."""
LONGEST = 240.0
"""Seconds, beyond the stress's own, after which the test no longer waits for that."""


@pytest.mark.engine("docker20", "docker28c")
def test_no_job_notices(
    fresh_engine: Engine,
    registry: Registry,
    holystone: Command,
    unique: str,
    stress_seconds: float,
    figures_told: list[str],
) -> None:
    engine = fresh_engine
    bases = push_bases(engine, registry, unique, often=6, seldom=60, never=40)
    workers = [Worker(engine, registry, unique, bases, number) for number in range(WORKERS)]
    needed = [f"{registry.address}/{unique}-{use}*" for use in ("often", "seldom", "app-")]
    cleaner = Cleaner(engine, holystone, needed)
    witness = Witness(engine, holystone.home / "events.jsonl")
    with witness, ThreadPoolExecutor(WORKERS + 1) as pool:
        # A first look, and a job each whose rubbish is old when the cleans begin.
        assert holystone("plan", "weekly", "--json", "-H", engine.host).code == 0
        begin = time.monotonic()
        running = [pool.submit(worker.work, lambda: time.monotonic() > begin) for worker in workers]
        for each in running:
            each.result()
        time.sleep(AGE)
        before = figures(engine)
        end = time.monotonic() + stress_seconds

        def over() -> bool:
            """Time is up, and each level and each kind of object had its turn."""
            now = time.monotonic()
            turns_made = cleaner.turns > len(WAYS) and set(cleaner.removed()) >= KINDS
            return cleaner.ended or now > end + LONGEST or (now > end and turns_made)

        running = [pool.submit(worker.work, over) for worker in workers]
        cleans = pool.submit(cleaner.work, lambda: all(each.done() for each in running))
        for each in (*running, cleans):
            each.result()
    left = figures(engine)
    last = cleaner.clean(("routine", "--min-age", "0s", "--cache-budget", "0B"))
    after = figures(engine)

    removed_ids = cleaner.tried_ids()
    failed = [failure for worker in workers for failure in worker.failures]
    failures = [failure for failure in failed if not failure.engines_own(removed_ids)]
    removed = cleaner.removed()
    kinds = sum((worker.kinds for worker in workers), Counter[str]())
    counted = cleaner.count()
    freed = sum(made.outcome.get("freed_bytes", 0) for made in cleaner.made)
    figures_told.append(
        f"{engine.kind}: {stress_seconds:.0f} s, {WORKERS} workers, "
        f"{sum(worker.jobs for worker in workers)} jobs ({told(kinds)}), "
        f"{len(cleaner.made)} cleans ({told(counted)}), removed {told(removed)}, "
        f"{cleaner.used_since()} spared because used since planned, "
        f"freed {format_size(freed)}; stored {format_size(before.total)} at the start, "
        f"{format_size(left.total)} at the end, {format_size(after.total)} after a last clean; "
        f"{len(failed) - len(failures)} builds that the engine failed over images that other jobs "
        f"removed; failures: {len(failures)}, of these for something missing: "
        f"{sum(failure.missing for failure in failures)}"
    )
    assert not cleaner.faults, "\n\n".join((*cleaner.faults, cleaner.ends()))
    assert not failures, "\n\n".join(
        f"{failure}\n{cleaner.ends()}\n{cleaner.account(failure.needed)}\n"
        f"{witness.account(failure.needed, failure.began - 1, failure.ended + 1)}"
        for failure in failures
    )
    assert set(removed) >= KINDS, removed

    assert last.done.code == 0
    # What each worker tagged last stays, and the cache that shares its layers.
    assert after.total <= before.total + WORKERS * 1_000_000

    listed = holystone("history", "--limit", 10 * len(cleaner.made) + 10, "--json").json["runs"]
    accounts = Counter(account(run["level"], run, run["estimated"]) for run in listed)
    for made in (*cleaner.made, last):
        if made.items("removed"):
            assert made.document is not None
            accounts[account(made.way[0], made.outcome, made.document["estimated"])] -= 1
    assert not -accounts, "cleans that the history does not know"
    assert all(run["state"] == "done" for run in listed)


def account(level: str, told: dict[str, int], estimated: object) -> tuple[object, ...]:
    """What the history and the clean itself tell alike.

    Of a plan that was estimated the history keeps what the disk gained.
    """
    fields = ("planned_bytes", "removed", "skipped", "failed")
    freed = None if estimated else told["freed_bytes"]
    return level, freed, *(told[field] for field in fields)


def told(counted: Counter[str]) -> str:
    """Counts in words, the ones that are not zero."""
    return ", ".join(f"{count} {name}" for name, count in counted.items() if count)

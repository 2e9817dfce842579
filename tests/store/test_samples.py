"""Samples of the disk: a minute for a day, an hour for a year."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

from holystone.store.folder import FILE
from holystone.store.migrations import MIGRATIONS
from holystone.store.samples import HOUR, MINUTE, Sample, recall, remember
from holystone.store.store import Store
from tests.store.examples import KEY, NOW, no_warning


def kept(store: Store, span: int, since: float = 0.0) -> list[Sample]:
    return list(store.read(lambda database: recall(database, KEY, span, since)))


def test_minutes_go_after_a_day_and_hours_after_a_year(tmp_path: Path) -> None:
    store = Store(str(tmp_path), no_warning)
    days = 400

    def fill(database: sqlite3.Connection) -> None:
        for hour in range(days * 24):
            remember(database, KEY, Sample(NOW + hour * HOUR, 1000, 1000 - hour % 500))
        remember(database, "other", Sample(NOW, 1, 1))

    store.write(fill)
    end = NOW + (days * 24 - 1) * HOUR
    assert len(kept(store, HOUR)) == 366 * 24 + 1
    assert [each.at for each in kept(store, MINUTE)] == [
        (end - back * HOUR) // MINUTE * MINUTE for back in range(24, -1, -1)
    ]
    assert len(kept(store, MINUTE, since=end - 2 * HOUR)) == 2
    store.close()


def test_the_last_sample_of_a_minute_and_of_an_hour_counts(tmp_path: Path) -> None:
    store = Store(str(tmp_path), no_warning)
    hour = NOW // HOUR * HOUR
    for second, free in ((1, 900), (30, 800), (61, 700)):
        sample = Sample(hour + second, 1000, free, images=5, volumes=None)
        store.write(partial(remember, engine=KEY, sample=sample))
    assert kept(store, MINUTE) == [
        Sample(hour, 1000, 800, images=5),
        Sample(hour + 60, 1000, 700, images=5),
    ]
    assert kept(store, HOUR) == [Sample(hour, 1000, 700, images=5)]
    store.close()


def test_samples_of_an_earlier_version_stay_and_the_new_column_is_kept(tmp_path: Path) -> None:
    at = next(n for n, script in enumerate(MIGRATIONS) if "ADD COLUMN available" in script)
    with closing(sqlite3.connect(tmp_path / FILE)) as old:
        for script in MIGRATIONS[:at]:
            old.executescript(script)
        old.execute(f"PRAGMA user_version = {at}")
        row = (KEY, MINUTE, int(NOW) // MINUTE * MINUTE, 1000, 900)
        old.execute(
            "INSERT INTO sample (engine, span, at, total, free) VALUES (?, ?, ?, ?, ?)", row
        )
        old.commit()
    store = Store(str(tmp_path), no_warning)
    new = Sample(row[2] + MINUTE, 1000, 800, available=950)
    store.write(partial(remember, engine=KEY, sample=new))
    assert kept(store, MINUTE) == [Sample(row[2], 1000, 900), new]
    store.close()


def test_a_year_of_samples_is_small(tmp_path: Path) -> None:
    store = Store(str(tmp_path), no_warning)

    def fill(database: sqlite3.Connection) -> None:
        for hour in range(366 * 24):
            sample = Sample(NOW + hour * HOUR, 10**12, 10**11, 10**11, 10**9, 10**10, 10**9)
            remember(database, KEY, sample)

    store.write(fill)
    (size,) = store.read(
        lambda database: database.execute(
            "SELECT count(*) * 120 FROM sample WHERE span = ?", (HOUR,)
        ).fetchone()
    )
    store.close()
    assert size < 2_000_000
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 2_000_000

"""When the jobs of the schedule last began."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from holystone.store.folder import FILE
from holystone.store.hosts import identify
from holystone.store.scheduled import Served
from holystone.store.store import Store
from tests.store.examples import KEY, NOW, host, opened, without_hosts


def test_the_latest_run_of_each_job_is_remembered(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.recall_schedule(KEY) == {}
        ledger.remember_schedule(KEY, "routine", NOW - 3600, NOW - 3500)
        ledger.remember_schedule(KEY, "weekly", NOW - 60, NOW - 1.5)
        ledger.remember_schedule("another", "routine", 5.0, 6.0)
    with opened(tmp_path) as ledger:
        ledger.remember_schedule(KEY, "routine", NOW, NOW + 7)
        told = {"routine": Served(NOW, NOW + 7), "weekly": Served(NOW - 60, NOW - 1.5)}
        assert ledger.recall_schedule(KEY) == told
        assert ledger.recall_schedule("another") == {"routine": Served(5.0, 6.0)}


def test_a_job_can_be_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        for key in (KEY, "another"):
            for job in ("deep", "routine"):
                ledger.remember_schedule(key, job, NOW, NOW)
        ledger.forget_schedule(KEY, "deep")
        ledger.forget_schedule(KEY, "verify")
        assert set(ledger.recall_schedule(KEY)) == {"routine"}
        assert set(ledger.recall_schedule("another")) == {"deep", "routine"}


def test_a_spoilt_row_costs_that_row(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember_schedule(KEY, "routine", NOW, NOW)
        ledger.remember_schedule(KEY, "weekly", NOW, NOW)
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("UPDATE scheduled SET due = 9e999 WHERE job = 'weekly'")
    warnings: list[str] = []
    ledger = Store(str(tmp_path), warnings.append)
    assert ledger.recall_schedule(KEY) == {"routine": Served(NOW, NOW)}
    ledger.close()
    assert len(warnings) == 1
    assert "scheduled (when 1 job of the schedule last began)" in warnings[0]


def test_it_goes_with_its_host(tmp_path: Path) -> None:
    """What was kept by the engine's ID gets the key of the host."""
    with opened(tmp_path) as ledger:
        ledger.remember_schedule(KEY, "routine", NOW, NOW)
        uuid = identify(ledger, host(0).engine, "unix:///run/docker.sock", NOW)
        assert ledger.recall_schedule(f"{uuid}/classic") == {"routine": Served(NOW, NOW)}


def test_a_ledger_of_an_earlier_version_gets_the_table(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember_ends(KEY, {"c": NOW})
    with sqlite3.connect(tmp_path / FILE) as database:
        without_hosts(database)
    with opened(tmp_path) as ledger:
        assert ledger.recall_schedule(KEY) == {}
        ledger.remember_schedule(KEY, "routine", NOW, NOW)
        assert ledger.recall_schedule(KEY) == {"routine": Served(NOW, NOW)}
        assert ledger.recall_ends(KEY) == {"c": NOW}

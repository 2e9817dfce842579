"""When the agent's jobs last ended well."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from holystone.store.folder import FILE
from holystone.store.hosts import identify
from holystone.store.store import Store
from tests.store.examples import KEY, NOW, host, opened, without_hosts


def test_the_latest_of_each_job_is_remembered(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.recall_successes(KEY) == {}
        assert ledger.remember_success(KEY, "routine", NOW - 60)
        assert ledger.remember_success(KEY, "weekly", NOW - 1.5)
        assert ledger.remember_success("another", "routine", 5.0)
    with opened(tmp_path) as ledger:
        assert ledger.remember_success(KEY, "routine", NOW)
        assert ledger.recall_successes(KEY) == {"routine": NOW, "weekly": NOW - 1.5}
        assert ledger.recall_successes("another") == {"routine": 5.0}


def test_a_spoilt_row_costs_that_row(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember_success(KEY, "routine", NOW)
        ledger.remember_success(KEY, "weekly", NOW)
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("UPDATE success SET at = 9e999 WHERE job = 'weekly'")
    warnings: list[str] = []
    ledger = Store(str(tmp_path), warnings.append)
    assert ledger.recall_successes(KEY) == {"routine": NOW}
    ledger.close()
    assert len(warnings) == 1
    assert "success (when 1 job last ended well)" in warnings[0]


def test_it_goes_with_its_host(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember_success(KEY, "routine", NOW)
        uuid = identify(ledger, host(0).engine, "unix:///run/docker.sock", NOW)
        assert ledger.recall_successes(f"{uuid}/classic") == {"routine": NOW}


def test_a_ledger_of_an_earlier_version_gets_the_table(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember_ends(KEY, {"c": NOW})
    with sqlite3.connect(tmp_path / FILE) as database:
        without_hosts(database)
    with opened(tmp_path) as ledger:
        assert ledger.recall_successes(KEY) == {}
        assert ledger.remember_success(KEY, "routine", NOW)
        assert ledger.recall_successes(KEY) == {"routine": NOW}

"""The sum of the last audit."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from holystone.store.audits import AuditSum
from holystone.store.folder import FILE
from holystone.store.hosts import identify
from holystone.store.store import Store
from tests.store.examples import KEY, NOW, host, opened

LAST = AuditSum(NOW, 10**12, 10**12 - 5, 7)


def test_the_last_one_is_remembered(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.recall_audit(KEY) is None
        assert ledger.remember_audit(KEY, AuditSum(NOW - 60, 1, 1, 0))
        assert ledger.remember_audit("another", AuditSum(5.0, 2, 1, 0))
    with opened(tmp_path) as ledger:
        assert ledger.remember_audit(KEY, LAST)
        assert ledger.recall_audit(KEY) == LAST
        assert ledger.recall_audit("another") == AuditSum(5.0, 2, 1, 0)


def test_it_goes_with_its_host(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember_audit(KEY, LAST)
        uuid = identify(ledger, host(0).engine, "unix:///run/docker.sock", NOW)
        assert ledger.recall_audit(f"{uuid}/classic") == LAST


def test_a_spoilt_row_costs_that_row(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember_audit(KEY, LAST)
        ledger.remember_audit("another", LAST)
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("UPDATE audit SET used = 'x' WHERE engine = 'another'")
    warnings: list[str] = []
    ledger = Store(str(tmp_path), warnings.append)
    assert ledger.recall_audit("another") is None
    assert ledger.recall_audit(KEY) == LAST
    ledger.close()
    assert "audit (the sum of 1 audit)" in warnings[0]

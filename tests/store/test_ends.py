"""When containers were first seen stopped whose end the engine does not know."""

from __future__ import annotations

from pathlib import Path

from tests.store.examples import KEY, opened


def test_the_first_sight_counts_and_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.recall_ends(KEY) == {}
        ledger.remember_ends(KEY, {"a": 100.0, "b": 200.0})
        ledger.remember_ends("another", {"a": 1.0})
    with opened(tmp_path) as ledger:
        # Another process saw "b" later, and "a" no more.
        ledger.remember_ends(KEY, {"b": 300.0, "c": 300.0})
        assert ledger.recall_ends(KEY) == {"b": 200.0, "c": 300.0}
        assert ledger.recall_ends("another") == {"a": 1.0}
        ledger.remember_ends(KEY, {})
        assert ledger.recall_ends(KEY) == {}

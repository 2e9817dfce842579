"""What registries said, and that they had an image once, apart for each engine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from holystone.store.engine_facts import REGISTRY_KEPT_FOR
from holystone.store.store import Store
from holystone.usage.sighting import Bookmark, UsageUpdate
from holystone.usage.store_port import RegistryWord
from tests.store.examples import KEY, NOW, opened

A, B = (f"r.example.com/a@sha256:{n}" for n in "ab")


def see(ledger: Store, in_registries: Mapping[str, float], at: float = NOW) -> None:
    seen = UsageUpdate("runner", at, Bookmark(), (), {}, (), (), in_registries=in_registries)
    assert ledger.fold(KEY, seen) is not None


def test_answers_come_back_as_they_were(tmp_path: Path) -> None:
    words = {
        A: RegistryWord(True, "", NOW, NOW),
        B: RegistryWord(False, "r.example.com says 'unknown é'", NOW - 1.5, 3.0),
    }
    with opened(tmp_path) as ledger:
        ledger.remember_registry(KEY, words, {A, B})
    with opened(tmp_path) as ledger:
        assert ledger.recall_registry(KEY) == words
        assert ledger.recall_registry("another engine") == {}


def test_a_pull_is_remembered_beside_the_answer(tmp_path: Path) -> None:
    """Of two the later counts; an answer does not take a pull away."""
    with opened(tmp_path) as ledger:
        see(ledger, {A: NOW - 5, B: NOW - 7})
        ledger.remember_registry(KEY, {A: RegistryWord(False, "unknown", NOW - 3)}, {A, B})
        see(ledger, {A: NOW - 9})
        told = ledger.recall_registry(KEY)
        assert told[A] == RegistryWord(False, "unknown", NOW - 3, NOW - 5)
        assert told[B] == RegistryWord(None, "", 0.0, NOW - 7)
        assert [told[A].once_there, told[B].once_there] == [False, True]
        see(ledger, {A: NOW})
        assert ledger.recall_registry(KEY)[A].once_there is True


def test_what_is_gone_or_long_ago_is_forgotten(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        see(ledger, {A: NOW - 1, B: NOW})
        see(ledger, {B: NOW}, NOW + REGISTRY_KEPT_FOR - 0.5)
        assert list(ledger.recall_registry(KEY)) == [B]
        ledger.remember_registry(KEY, {A: RegistryWord(True, "", NOW, NOW)}, {A})
        assert list(ledger.recall_registry(KEY)) == [A]


@pytest.mark.parametrize(
    ("word", "once"),
    [
        (RegistryWord(), None),
        (RegistryWord(True, "", 5.0, 5.0), True),
        (RegistryWord(False, "unknown", 5.0, 0.0), False),
        (RegistryWord(False, "unknown", 5.0, 5.0), False),
        (RegistryWord(False, "unknown", 5.0, 6.0), True),
    ],
)
def test_whether_it_was_there_when_last_heard_of(word: RegistryWord, once: bool | None) -> None:
    assert word.once_there is once

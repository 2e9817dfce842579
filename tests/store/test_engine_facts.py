"""Facts about an engine: ends of containers, answers of registries, speeds of pulls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from holystone.store.engine_facts import REGISTRY_KEPT_FOR, Pulled, Speed
from holystone.store.store import Store
from holystone.usage.sighting import Bookmark, UsageUpdate
from holystone.usage.store_port import RegistryWord
from tests.store.examples import KEY, NOW, opened

A, B = (f"r.example.com/a@sha256:{n}" for n in "ab")


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


def test_pulls_count_for_what_they_brought_and_the_latest_alone(tmp_path: Path) -> None:
    """Many small pulls, slow for their round trips, do not hide what the line can carry."""
    with opened(tmp_path) as ledger:
        assert ledger.recall_pulls(KEY) == {}
        small = [Pulled("docker.io", 1000, 1.0)] * 9
        ledger.remember_pulls(KEY, [*small, Pulled("docker.io", 10**8, 10.0)])
        ledger.remember_pulls(KEY, [Pulled("r.example.com", 500, 0.5), Pulled("x", 0, 1.0)])
        ledger.remember_pulls("another", [Pulled("docker.io", 1, 1.0)])
    with opened(tmp_path) as ledger:
        other = Speed(1000.0, 1)
        assert ledger.recall_pulls(KEY) == {"docker.io": Speed(1e7, 10), "r.example.com": other}
        assert ledger.recall_pulls("another") == {"docker.io": Speed(1.0, 1)}
        ledger.remember_pulls(KEY, [Pulled("docker.io", 200, 2.0)] * 50)
        assert ledger.recall_pulls(KEY) == {"docker.io": Speed(100.0, 50), "r.example.com": other}
        assert ledger.recall_speeds(KEY) == {"docker.io": 100.0, "r.example.com": 1000.0}
        for number, (sizes, median) in enumerate(
            [((1, 2, 3), 2), ((3, 3, 3), 3), ((5, 4, 1), 4), ((1, 1, 2), 1)]
        ):
            ledger.remember_pulls(str(number), [Pulled("a", size, 1.0) for size in sizes])
            assert ledger.recall_pulls(str(number))["a"].bytes_per_second == median


def see(ledger: Store, in_registries: Mapping[str, float], at: float = NOW) -> None:
    seen = UsageUpdate("runner", at, Bookmark(), (), {}, (), (), in_registries=in_registries)
    assert ledger.fold(KEY, seen) is not None


def test_answers_of_registries_come_back_as_they_were(tmp_path: Path) -> None:
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


def test_registries_of_images_gone_or_long_ago_are_forgotten(tmp_path: Path) -> None:
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

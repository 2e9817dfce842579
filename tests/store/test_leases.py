"""Leases: kept until they end, by whatever name the image is called."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holystone.planner.reference import InvalidReference
from holystone.planner.usage import Lease
from holystone.store.leases import key_of
from holystone.store.store import Store
from tests.store.examples import NOW, no_warning, opened

DIGEST = "sha256:" + "1" * 64


def test_a_lease_outlives_the_process_and_ends(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.leases.add(["python", "node:18"], until=NOW + 60, job="7", now=NOW)
    with opened(tmp_path) as ledger:
        expected = (Lease("node:18", NOW + 60, "7"), Lease("python", NOW + 60, "7"))
        assert ledger.leases.current(NOW + 59.9) == ledger.recall_leases(NOW) == expected
        assert ledger.leases.current(NOW + 60) == ()
        assert list(ledger.leases.list(NOW)) == list(expected)
        ledger.leases.add(["x"], until=NOW + 999, job="", now=NOW + 61)
        assert [lease.reference for lease in ledger.leases.list(NOW)] == ["x"], "purged"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("python", "docker.io/library/python:latest"),
        ("localhost:5000/a:1", "localhost:5000/a:1"),
        (f"a:1@{DIGEST}", f"a@{DIGEST}"),
        (DIGEST, "1" * 64),
    ],
)
def test_two_ways_to_write_an_image_are_one_lease(tmp_path: Path, one: str, other: str) -> None:
    assert key_of(one) == key_of(other)
    with opened(tmp_path) as ledger:
        ledger.leases.add([one], until=NOW + 60, job="7", now=NOW)
        ledger.leases.add([other], until=NOW + 90, job="7", now=NOW)
        assert ledger.leases.current(NOW) == (Lease(other, NOW + 90, "7"),)
        assert ledger.leases.release([one], job="7", now=NOW) == [Lease(other, NOW + 90, "7")]
        assert ledger.leases.current(NOW) == ()


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    """And nothing of it is kept, nor a ledger made for it."""
    with opened(tmp_path / "state") as ledger:
        with pytest.raises(InvalidReference, match="Name an image by reference"):
            ledger.leases.add(["python", "UPPER CASE"], until=NOW + 60, job="", now=NOW)
        assert ledger.leases.list(NOW) == []
        assert ledger.leases.release(["python"], job=None, now=NOW) == []
    assert not (tmp_path / "state").exists()


images = st.sampled_from(["a", "b:1", "c"])
jobs = st.sampled_from(["", "1", "2"])
times = st.integers(0, 50).map(float)
giving = st.tuples(st.just("give"), st.lists(images, min_size=1), jobs, times)
ending = st.tuples(st.just("end"), st.lists(images), st.none() | jobs, times)


@settings(deadline=None)
@given(st.lists(giving | ending, max_size=12))
def test_leases_are_those_given_and_not_ended(
    actions: list[tuple[str, list[str], str | None, float]],
) -> None:
    """Any order of giving and ending, a second later each: as a dictionary would have it."""
    expected: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        ledger = Store(folder, no_warning)
        for now, (action, names, job, lasts) in enumerate(actions):
            if action == "give" and job is not None:
                ledger.leases.add(names, until=now + lasts, job=job, now=now)
                for name in names:
                    before = expected.get((name, job), 0.0)
                    # One that has ended is no longer there to be made longer.
                    expected[name, job] = max(now + lasts, before if before > now else 0.0)
            else:
                ledger.leases.release(names, job=job, now=now)
                for name, whose in list(expected):
                    if (not names or name in names) and job in (None, whose):
                        del expected[name, whose]
            told = {(each.reference, each.job): each.until for each in ledger.leases.current(now)}
            assert told == {key: until for key, until in expected.items() if until > now}
        ledger.close()

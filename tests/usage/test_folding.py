"""Sightings folded: in order of time, whatever order they come in, and each counted once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.inventory import CacheRecord
from holystone.planner.usage import NEWEST_GAP, Key, Use
from holystone.usage.sighting import Sighting, fold, fold_record

NODE = "docker.io/library/node:18"
REFERENCE: Key = ("reference", NODE)
ID = "sha256:" + "1" * 64
IMAGE: Key = ("image", ID)


def test_a_use_is_credited_to_the_reference_and_to_the_image() -> None:
    """And the reference keeps its history when another image stands behind it."""
    first = fold({}, [Sighting(100.0, NODE, ID), Sighting(1100.0, NODE, ID)])
    assert first.uses == {
        REFERENCE: Use(100.0, 1100.0, 2, 1000.0),
        IMAGE: Use(100.0, 1100.0, 2, 1000.0),
    }
    moved = fold(first.uses, [Sighting(2100.0, NODE, "sha256:new")])
    assert moved.uses == {
        REFERENCE: Use(100.0, 2100.0, 3, 1000.0),
        ("image", "sha256:new"): Use(2100.0, 2100.0),
    }
    assert [each.at for each in first.counted + moved.counted] == [100.0, 1100.0, 2100.0]


def test_a_container_that_runs_is_one_use_however_often_it_is_looked_at() -> None:
    known: dict[Key, Use] = {}
    for now in (200.0, 900.0, 4000.0):
        folded = fold(known, [Sighting(100.0, NODE, ID, until=now)])
        known |= folded.uses
        assert len(folded.counted) == (now == 200.0)
    assert known[REFERENCE] == Use(100.0, 4000.0, 1, None, 100.0)


def test_jobs_beside_a_long_running_container_count() -> None:
    sightings = [Sighting(0.0, NODE, ID, until=9000.0), Sighting(3000.0, NODE, ID)]
    (use,) = {fold({}, order).uses[REFERENCE] for order in (sightings, sightings[::-1])}
    assert use == Use(0.0, 9000.0, 2, 3000.0, 3000.0)


def test_the_end_of_a_use_is_none_of_its_own() -> None:
    """Unless nobody saw it begin."""
    end = Sighting(500.0, NODE, ID, begins=False)
    assert fold({}, [Sighting(100.0, NODE, ID), end]).uses[REFERENCE].count == 1
    alone = fold({}, [end])
    assert alone.uses[REFERENCE] == Use(500.0, 500.0)
    assert alone.counted == (end,)


def test_a_hint_counts_where_nothing_is_known_and_is_no_use() -> None:
    hint = Sighting(50.0, NODE, ID, hint=True)
    assert fold({}, [hint]).uses[REFERENCE] == Use(50.0, 50.0)
    assert fold({}, [hint]).counted == ()
    assert fold({REFERENCE: Use(10.0, 10.0), IMAGE: Use(10.0, 10.0)}, [hint]).uses == {}
    use = Sighting(60.0, NODE, ID)
    assert fold({}, [hint, use]).counted == (use,), "it must not pass for the same use"


def test_an_image_that_had_to_come_back_within_the_minute_is_told() -> None:
    """It counts as the same use, and still its layers had to be pulled."""
    folded = fold({}, [Sighting(100.0, NODE, ID), Sighting(130.0, NODE, ID, pulled=True)])
    assert folded.uses[REFERENCE] == Use(100.0, 130.0, began=100.0)
    assert [(each.at, each.pulled) for each in folded.counted] == [(100.0, False), (130.0, True)]


def test_an_image_without_a_reference_is_not_counted_as_one() -> None:
    folded = fold({}, [Sighting(100.0, image=ID, objects=(("volume", "v"),))])
    assert set(folded.uses) == {IMAGE, ("volume", "v")}
    assert folded.counted == ()


sightings = st.builds(
    Sighting,
    at=st.integers(0, 3000).map(float),
    reference=st.sampled_from(["", NODE, "docker.io/library/redis:7"]),
    image=st.sampled_from(["", "a", "b"]),
    until=st.integers(0, 4000).map(float),
    begins=st.booleans(),
    hint=st.booleans(),
    pulled=st.just(value=False),
    objects=st.just(()),
    event=st.just(0),
)


@given(st.lists(sightings), st.randoms(use_true_random=False))
def test_twice_or_in_another_order_is_the_same(seen: list[Sighting], random: st.DataObject) -> None:
    once = fold({}, seen)
    again = fold(once.uses, seen)
    assert again.uses == {}
    assert again.counted == ()
    mixed = sorted(seen, key=lambda _: random.random())  # type: ignore[attr-defined]
    assert {key: use.last for key, use in fold({}, mixed).uses.items()} == {
        key: use.last for key, use in once.uses.items()
    }


def test_a_cache_record_by_its_own_counters() -> None:
    """At first sight the gap is the mean so far; later uses are seen one by one."""
    record = CacheRecord("r", created=100.0, last_used=1900.0, usage_count=4)
    known = fold_record(None, record)
    assert known == Use(100.0, 1900.0, 4, 600.0)
    assert fold_record(known, record) == known
    later = record._replace(last_used=2900.0, usage_count=6)
    assert fold_record(known, later) == Use(100.0, 2900.0, 6, 600.0 + NEWEST_GAP * 400.0)
    assert fold_record(None, CacheRecord("r", created=100.0)) == Use(100.0, 100.0)
    burst = CacheRecord("r", created=100.0, last_used=101.0, usage_count=2)
    assert fold_record(None, burst) == Use(100.0, 101.0, 2)

"""The ranking as it goes along: the same as one made anew, whatever came and went before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner import ranking as ranking_module
from holystone.planner.demand import SPEED, SUCCEEDED, Company, Habits, typical_gap
from holystone.planner.inventory import Image, Layer
from holystone.planner.names import repository
from holystone.planner.ranking import ABSENT, NEVER, WAIT, Piece, Ranking, rank
from holystone.planner.usage import Followers, Usage, Use

DAY = 86400.0
REFERENCES = ("a:1", "a:2", "b:1", "c:1")
PIECES: tuple[Piece, ...] = (("p", 100_000_000), ("q", 7_000_000), ("r", 1), ("s", 50_000_000))
Steps = list[tuple[str, str, frozenset[int]]]

steps = st.lists(
    st.tuples(
        st.sampled_from(["use", "use", "drop"]),
        st.sampled_from(REFERENCES),
        st.frozensets(st.integers(0, len(PIECES) - 1), min_size=1),
    ),
    max_size=25,
)


def carry_out(done: Steps, ranking: Ranking, also: Callable[[float], None]) -> dict[str, Any]:
    """Use and drop images as a host would; answers the image that each reference means."""
    means: dict[str, Any] = {}
    for number, (what, reference, places) in enumerate(done):
        now = 1000.0 + 400 * number
        pieces = tuple(PIECES[place] for place in sorted(places))
        if what == "use":
            ranking.used(reference, pieces, pieces, now)
            means[reference] = pieces
            if pieces not in ranking.entries:
                ranking.add(pieces, pieces, last=now)
        elif (entry := ranking.least(now)) is not None:
            ranking.drop(entry.key)
        also(now)
    return means


@given(steps)
def test_bookkeeping_is_as_if_made_anew(done: Steps) -> None:
    ranking = Ranking(Habits())

    def compare(now: float) -> None:
        chosen = ranking.least(now)
        anew = Ranking(ranking.habits)
        for key, entry in ranking.entries.items():
            anew.add(key, entry.pieces, last=entry.last)
        for reference, (key, pieces) in ranking._means.items():
            anew.means(reference, key, pieces)
        best = anew.least(now)
        assert {k: e.freed for k, e in ranking.entries.items()} == {
            k: e.freed for k, e in anew.entries.items()
        }
        assert (chosen is None) == (best is None) == (not ranking.entries)
        if chosen is not None and best is not None:
            least = anew.value(best, now)
            assert ranking.value(chosen, now) == pytest.approx(least)
            assert all(anew.value(e, now) >= least for e in anew.entries.values())

    carry_out(done, ranking, compare)


@given(steps)
def test_freed_is_what_nobody_else_holds(done: Steps) -> None:
    ranking = Ranking(Habits())

    def compare(_: float) -> None:
        for key, entry in ranking.entries.items():
            others = {p for k, e in ranking.entries.items() if k != key for p in e.pieces}
            assert entry.freed == sum(size for name, size in set(entry.pieces) - others)

    carry_out(done, ranking, compare)


def test_the_worth_of_a_byte() -> None:
    """The formula of docs/explanation/eviction.md, with its numbers."""
    habits = Habits()
    habits.know("a:1", Use(0.0, 10 * DAY, 20, 2 * DAY))
    habits.know("b:1", Use(0.0, 10 * DAY, 20, 2 * DAY))
    ranking = Ranking(habits)
    shared, own = ("shared", 10_000_000), ("own", 40_000_000)
    ranking.add("image", [shared, own])
    ranking.means("a:1", "image", [shared, own])
    now = 11 * DAY
    gap = 2 * DAY + (DAY - 2 * DAY) / 20
    rate = 1 / (gap + DAY)
    (entry,) = ranking.entries.values()
    alone = rate * (WAIT + 50_000_000 / SPEED) / 50_000_000
    assert ranking.value(entry, now) == pytest.approx(alone)
    ranking.means("b:1", "away", [shared])
    assert ranking.value(entry, now) == pytest.approx(
        alone + ABSENT * rate * 10_000_000 / SPEED / 50_000_000
    )
    habits.know("a:2", Use(10.5 * DAY, 10.5 * DAY))
    assert habits.known["a:1"].rate(now) == pytest.approx(SUCCEEDED * rate)


def test_each_reference_is_fetched_from_its_own_registry() -> None:
    """Whichever of the tags of an image came first."""
    values = []
    for names in (
        ("fast.example/a:1", "slow.example/a:1"),
        ("slow.example/a:1", "fast.example/a:1"),
    ):
        ranking = Ranking(Habits(speeds={"fast.example": 50e6, "slow.example": 1e6}))
        ranking.add("image", PIECES)
        for name in names:
            ranking.habits.know(name, Use(0.0, 0.0 if name.startswith("slow") else 5 * DAY))
            ranking.means(name, "image", PIECES)
        (entry,) = ranking.entries.values()
        values.append(ranking.value(entry, 10 * DAY))
    slow, fast = 1 / (11 * DAY), 1 / (6 * DAY)
    size = sum(size for _, size in PIECES)
    expected = slow * (WAIT + size / 1e6) + fast * (WAIT + size / 50e6)
    assert values == pytest.approx([expected / size] * 2)


def test_of_many_that_are_gone_those_used_last_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tags of each commit would make a layer dear, and each decision slow, for ever."""
    monkeypatch.setattr(ranking_module, "MOST_ABSENT", 2)
    habits = Habits()
    ranking = Ranking(habits)
    shared = ("shared", 10_000_000)
    ranking.add("image", [shared])
    for number in (3, 1, 4, 2):
        reference = f"app{number}:1"
        habits.know(reference, Use(number, number))
        ranking.means(reference, reference, [shared])
    (entry,) = ranking.entries.values()
    now = 10 * DAY
    counted = [habits.known[f"app{number}:1"].rate(now) for number in (3, 4)]
    expected = ABSENT * sum(counted) * 10_000_000 / SPEED / 10_000_000
    assert ranking.value(entry, now) == pytest.approx(expected)
    for number in (1, 4):
        ranking.add(f"app{number}:1", [shared])
        ranking.drop(f"app{number}:1")
    assert ranking.value(entry, now) == pytest.approx(expected)


def test_what_others_hold_is_given_up_last() -> None:
    habits = Habits()
    ranking = Ranking(habits)
    for name, at in (("a:1", 0.0), ("b:1", 1.0), ("c:1", 2.0)):
        pieces = [PIECES[3]] if name == "c:1" else [PIECES[0]]
        habits.know(name, Use(at, at))
        ranking.add(name, pieces, last=at)
        ranking.means(name, name, pieces)
    order = []
    while (entry := ranking.least(10 * DAY)) is not None:
        order.append((entry.key, ranking.value(entry, 10 * DAY) == NEVER))
        ranking.drop(entry.key)
    assert order == [("c:1", False), ("a:1", True), ("b:1", False)]


def test_no_reference_no_future() -> None:
    """The image that a tag left behind goes first, however lately it was used."""
    ranking = Ranking(Habits())
    for number, (reference, pieces) in enumerate(
        [("a:1", PIECES[:1]), ("b:1", PIECES[1:2]), ("b:1", PIECES[2:3])]
    ):
        ranking.used(reference, pieces, pieces, 1000.0 * number)
        ranking.add(pieces, pieces, last=1000.0 * number)
    first = ranking.least(3000.0)
    assert first is not None
    assert first.key == PIECES[1:2]


def test_what_was_just_asked_for_stays() -> None:
    ranking = Ranking(Habits())
    ranking.used("a:1", "image", PIECES, 0.0)
    ranking.add("image", PIECES)
    assert ranking.least(1.0, "image") is None
    assert ranking.least(1.0) is not None


def test_company() -> None:
    """What nearly always follows is expected until it comes, and forgotten after the window."""
    habits = Habits()
    for day in range(12):
        habits.used("build:1", day * DAY)
        habits.used("deploy:1", day * DAY + 120)
    begun = 12 * DAY
    assert habits.soon(begun) == {}
    habits.used("build:1", begun)
    soon = habits.soon(begun + 60)
    assert set(soon) == {"deploy:1"}
    assert soon["deploy:1"] == pytest.approx(12 / 14 / 2500)
    assert habits.soon(begun + 601) == {}
    habits.used("build:1", begun + DAY)
    habits.used("deploy:1", begun + DAY + 100)
    assert habits.soon(begun + DAY + 100) == {}


def test_company_is_forgotten() -> None:
    """What a pipeline has dropped fades with its later runs, and what comes anew is learned."""
    company = Company()
    last: dict[str, float] = {}

    def used(reference: str, at: float) -> None:
        company.used(reference, at, last.get(reference, 0.0))
        last[reference] = at

    for day in range(200):
        used("build:1", day * DAY)
        used("old:1" if day < 20 else "new:1", day * DAY + 60)
    used("build:1", 200 * DAY)
    expected = company.expected(200 * DAY + 1, lambda name: last[name])
    assert expected["new:1"] > 0.9
    assert expected.get("old:1", 0.0) < 0.01
    kept = Company({name: company.followers(name) for name in company.uses})
    assert kept.followers("build:1") == company.followers("build:1")


def test_gaps() -> None:
    assert typical_gap(Use(0.0, 0.0)) == DAY
    assert typical_gap(Use(0.0, 0.0, 2, 0.0)) == DAY / 2
    assert typical_gap(Use(0.0, 0.0, 10**6, 0.0)) == 60.0


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("docker.io/library/node:20", "docker.io/library/node"),
        ("docker.io/library/node@sha256:1", "docker.io/library/node"),
        ("docker.io/library/node:20@sha256:1", "docker.io/library/node"),
        ("localhost:5000/node", "localhost:5000/node"),
        ("localhost:5000/node:20", "localhost:5000/node"),
    ],
)
def test_repositories(reference: str, name: str) -> None:
    assert repository(reference) == name


def test_old_uses_are_forgotten_beyond_twenty() -> None:
    """And with them what came along: a count too small to tell is dropped."""
    company = Company({"a": Followers(19.0, {"b": 10.0, "rare": 0.02, "gone": 0.0199})})
    company.used("a", 0.0, 0.0)
    assert company.followers("a") == (20.0, {"b": 10.0, "rare": 0.02, "gone": 0.0199})
    company.used("a", 1e6, 0.0)
    assert company.followers("a") == (10.5, {"b": 5.0, "rare": 0.01})
    assert company.followers("b") == (0.0, {})


def test_what_comes_within_ten_minutes_follows() -> None:
    company = Company({"a": Followers(3.0, {"b": 2.0}), "c": Followers(1.0, {"b": 1.0})})
    company.resume({"old": 399.0, "a": 400.0, "c": 1000.0})
    assert [name for _, name in company.recent] == ["a", "c"]
    # Neither that b comes after a (2 of 4) nor after c (1 of 2) is certain.
    assert company.expected(1000.0, lambda _: 0.0) == {"b": 0.75}
    assert company.expected(1000.0, lambda _: 400.0) == {"b": 0.5}
    assert company.expected(1000.0, lambda _: 1000.0) == {}
    assert sorted(company.used("b", 1000.0, 400.0)) == ["a", "b", "c"]
    assert company.followers("a") == (3.0, {"b": 3.0})
    assert sorted(company.used("b", 1001.0, 1000.0)) == ["b", "c"]
    assert company.followers("c") == (1.0, {"b": 3.0})


def test_uses_of_a_reference_add_up_and_a_sign_is_no_new_use() -> None:
    habits = Habits()
    for at in (0.0, 1000.0):
        habits.used("a:1", at)
    assert habits.known["a:1"].use == Use(0.0, 1000.0, 2, 1000.0)
    for at in (1500.0, 1200.0):
        habits.seen("a:1", at)
        assert habits.known["a:1"].use == Use(0.0, 1500.0, 2, 1000.0, 1000.0)
    assert habits.seen("b:1", 7.0).use == Use(7.0, 7.0)


def test_a_layer_stands_for_the_same_compressed_bytes_in_every_image() -> None:
    """Of the content of an image only the sum is known: it is spread over its layers by size."""
    base = Layer("base", 100)
    images = [
        Image("a", ("a:1",), layers=(base, Layer("a", 100)), content_size=100, metadata_size=3),
        Image("b", ("b:1",), layers=(base, Layer("b", 100)), content_size=50),
        Image("c", ("c:1",), size=9),
        Image("d", ("d:1",), layers=(Layer("d", 0),), content_size=5),
    ]
    entries = rank(images, images, Usage()).entries
    assert entries["a"].pieces == (("base", 150), ("a", 150), (("metadata", "a"), 3))
    assert entries["b"].pieces == (("base", 150), ("b", 125))
    assert entries["c"].pieces == ((("whole", "c"), 9),)
    assert entries["d"].pieces == (("d", 0),)

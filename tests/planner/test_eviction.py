"""What goes for room beyond the level: which first, how it is told, who is asked."""

from __future__ import annotations

import pytest

from holystone.planner.build_cache import prospects_of_record, value_of_record
from holystone.planner.eviction import Stored
from holystone.planner.inventory import (
    Blob,
    CacheRecord,
    Container,
    Disk,
    Engine,
    Image,
    Inventory,
    Layer,
)
from holystone.planner.plan import containers_alone, plan
from holystone.planner.policy import Grace, Mark, Policy
from holystone.planner.ranking import WAIT, prospects, rank
from holystone.planner.usage import Usage, Use

NOW = 1_750_000_000.0
DAY = 86400.0
ROOM = Policy(target=Mark(free_bytes=300), grace=Grace.uniform(0))


def image(name: str, age: float, **more: object) -> Image:
    layers = (Layer(name, 100),)
    return Image(
        f"sha256:{name}", (f"{name}:1",), (f"{name}@sha256:1",), last_tagged=NOW - age,
        layers=layers, size=100,
    )._replace(**more)  # type: ignore[arg-type]  # fmt: skip


def host(*images: Image, free: int = 0, store: str = "classic") -> Inventory:
    engine = Engine("e", "e", "28", "1.51", "overlay2", store)
    return Inventory(engine, NOW, images=images, disk=Disk(10_000, free))


@pytest.mark.parametrize(("asked", "more"), [(0, 1), (59, 1), (60, 0), (3600, 0), (None, 0)])
def test_of_more_registries_is_asked_where_one_failed_in_this_run(
    asked: float | None, more: int
) -> None:
    failed = image(
        "failed", 9, in_registry=False, registry_said="unknown",
        registry_asked=None if asked is None else NOW - asked,
    )  # fmt: skip
    spare = [image(name, age) for name, age in (("a", 90), ("b", 80), ("c", 70), ("d", 60))]
    made = plan(host(failed, *spare, free=150), Usage(), ROOM, NOW)
    assert made.unconfirmed == tuple(f"sha256:{name}" for name in "abc"[: 2 + more])


def test_the_later_use_of_two_names_counts_and_the_slower_registry() -> None:
    one = image("one", DAY, tags=("fast.example/one:1", "slow.example/one:1"))
    fast, slow = one.tags
    usage = Usage(
        references={
            fast: Use(NOW - 9 * DAY, NOW - 4 * DAY, 3, 2 * DAY),
            slow: Use(NOW - 9 * DAY, NOW - 2 * DAY, 3, 3 * DAY),
        },
        speeds={"fast.example": 100.0, "slow.example": 10.0},
        last_used={("image", one.id): NOW - 3 * DAY},
    )
    ranking = rank([one], [one], usage)
    known = ranking.habits.known
    assert [known[name].last for name in one.tags] == [NOW - 4 * DAY, NOW - 2 * DAY]
    told = prospects(ranking.entries[one.id], one, "classic", usage, NOW, {})
    assert told.facts == {
        "idle": 2 * DAY, "sign": "last used", "gap": 2 * DAY, "frees": 100, "seconds": WAIT + 10,
    }  # fmt: skip
    soon = {fast: 0.0002, slow: 0.0001, "docker.io/library/else:1": 1.0}
    told = prospects(ranking.entries[one.id], one, "classic", usage, NOW, soon)
    assert told.facts["chance"] == pytest.approx(0.5)
    later = Usage(**{**usage._asdict(), "last_used": {("image", one.id): NOW - DAY}})
    known = rank([one], [one], later).habits.known
    assert [known[name].last for name in one.tags] == [NOW - DAY, NOW - DAY]


@pytest.mark.parametrize(
    ("record", "idle", "gap", "sign"),
    [
        (CacheRecord("r", created=NOW - 500), 500, None, "made"),
        (CacheRecord("r", created=NOW - 500, last_used=NOW - 100, usage_count=1), 100, None,
         "last used"),
        (CacheRecord("r", created=NOW - 500, last_used=NOW - 100, usage_count=2), 100, 400,
         "last used"),
        (CacheRecord("r", created=NOW - 500, last_used=NOW - 100, usage_count=5), 100, 100,
         "last used"),
        (CacheRecord("r", created=NOW - 500, last_used=NOW - 100, usage_count=90), 100, 60,
         "last used"),
        (CacheRecord("r", created=NOW + 5), 0, None, "made"),
        (CacheRecord("r"), None, None, "made"),
    ],
)  # fmt: skip
def test_what_is_expected_of_a_build_cache_record(
    record: CacheRecord, idle: float | None, gap: float | None, sign: str
) -> None:
    told = prospects_of_record(record, 7, NOW)
    assert told == (idle, gap, 7, None, None, sign)
    per_byte = 4 / 12_500_000
    if record.created:
        worth = per_byte / ((DAY if gap is None else gap) + (idle or 0))
        assert value_of_record(record, NOW) == pytest.approx(worth)


def test_the_containers_of_a_plan_alone_free_what_is_theirs() -> None:
    containers = tuple(
        Container(name, name, "x", "x", "exited", finished=NOW - DAY, writable_size=50, log_size=1)
        ._replace(writable_at_least=least)
        for name, least in (("a", 30), ("b", None))
    )  # fmt: skip
    for store, above in (("classic", 0), ("containerd", 2 * 65536)):
        whole = host(image("no", 9, tags=(), digests=()), store=store)._replace(
            containers=containers
        )
        made = plan(whole, Usage(), Policy(), NOW)
        first = containers_alone(made, whole)
        assert [step.id for step in first.steps] == ["a", "b"]
        assert (first.freed_bytes, first.at_least, first.at_most) == (102, 82, 102 + above)
        assert (first.estimated, first.held_by_cache) == (True, 0)
        assert first.verdicts == made.verdicts


def test_a_layer_that_was_never_compressed_counts_unpacked_and_as_a_blob() -> None:
    """Both have the same digest; the ranking must not take them for one, nor lose count."""
    images = [
        Image(name, (f"{name}:1",), layers=(Layer("sha256:1", 100),), blobs=(Blob("sha256:1", 90),))
        for name in "ab"
    ]
    ranking = rank(images, images, Usage())
    assert [entry.freed for entry in ranking.entries.values()] == [0, 0]
    for left in (190, None):
        entry = ranking.least(2.0)
        assert entry is not None
        ranking.drop(entry.key)
        assert [each.freed for each in ranking.entries.values()] == ([left] if left else [])


@pytest.mark.parametrize(
    ("store", "known", "fetched"),
    [
        ("classic", {}, False),
        ("classic", {"digests": ("a@sha256:1",)}, True),
        ("classic", {"digests": ("a@sha256:1",), "in_registry": False}, False),
        ("containerd", {"digests": ("a@sha256:1",)}, False),
        ("containerd", {"digests": ("a@sha256:1",), "from_registry": True}, True),
        ("podman", {"digests": ("a@sha256:1",), "in_registry": True}, True),
    ],
)
def test_only_what_a_registry_has_can_be_fetched(
    store: str, known: dict[str, object], fetched: bool
) -> None:
    image = Image("a", ("a:1",), layers=(Layer("sha256:1", 100),))._replace(**known)  # type: ignore[arg-type]
    ranking = rank([image], [image], Usage())
    expected = prospects(ranking.entries["a"], image, store, Usage(), 2.0, {})
    assert expected.freed == 100
    assert (expected.seconds is not None) is fetched


def test_bytes_that_are_given_up_and_taken_back() -> None:
    """A record holds one layer of two; the other is the image's alone."""
    record, own = CacheRecord("r", size=5), CacheRecord("own", size=3)
    pieces = (("held", 10), ("alone", 4))
    stored = Stored([pieces], [record, own], {"r": frozenset({"held"})}, lambda each: each.size)
    assert stored.pieces_of(record) == [("held", 10)]
    assert stored.pieces_of(own) == []
    for _ in range(2):
        assert stored.cut(own) == 3
        assert stored.give_up(pieces) == 4
        assert stored.only_cached(pieces) == ["held"]
        assert stored.cut(record) == 15
        assert stored.only_cached(pieces) == []
        assert stored.restore(record) == 15
        assert stored.restore(own) == 3
        assert stored.take_back(pieces) == 4
        assert stored.only_cached(pieces) == []
        assert stored.cut(record) == 5
        assert stored.restore(record) == 5
    stored.give_up(pieces)
    assert stored.let_go({"held"}) == 10

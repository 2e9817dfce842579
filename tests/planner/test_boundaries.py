"""Limits to the second and the byte: what stays just before, and goes just there."""

from __future__ import annotations

from typing import Any

import pytest

from holystone.planner.inventory import (
    CacheRecord,
    Container,
    Disk,
    Engine,
    Image,
    Inventory,
    Network,
    Volume,
)
from holystone.planner.plan import plan
from holystone.planner.policy import (
    TAKES,
    CacheLimits,
    ContainerRules,
    Grace,
    Mark,
    Policy,
    Protect,
    Retention,
    VolumeRules,
    Watermarks,
)
from holystone.planner.rules import too_young
from holystone.planner.usage import Lease, Usage

NOW = 1_750_000_000.0
GB = 10**9
ID = "sha256:" + "ab" * 32
GRACE = Grace(once_tagged=10.0, never_tagged=20.0, other=30.0, tagged=40.0)


def ruling(
    *objects: Any, level: str = "routine", usage: Usage | None = None, **rules: Any
) -> tuple[str, dict[str, Any]]:
    """``keep`` or ``remove`` with the rule, and its facts, of the first of these objects."""
    kinds = {
        Container: "containers",
        Image: "images",
        CacheRecord: "cache",
        Volume: "volumes",
        Network: "networks",
    }
    sections: dict[str, Any] = dict.fromkeys(kinds.values(), ())
    for each in objects:
        sections[kinds[type(each)]] += (each,)
    host = Inventory(
        Engine("e", "e", "28", "1.51", "overlay2"),
        NOW,
        disk=Disk(1000, 500),
        **sections,
    )
    policy = Policy(level, TAKES[level], **{"grace": GRACE, "check_registry": False, **rules})
    of_first = getattr(objects[0], "id", "") or objects[0].name
    made = plan(host, usage or Usage(), policy, NOW)
    verdict = next(each for each in made.verdicts if each.id == of_first)
    first = verdict.reasons[0]
    return f"{'remove' if verdict.remove else 'keep'} {first.rule}", dict(first.facts)


def stopped(age: float, **more: Any) -> Container:
    return Container("c", "c", "i", "i", "exited", finished=NOW - age, **more)


def created(age: float, **more: Any) -> Container:
    return Container("c", "c", "i", "i", "created", created=NOW - age, **more)


def untagged(age: float, **more: Any) -> Image:
    return Image(ID, parent="gone", created=NOW - age, layers=(), **more)


def tagged(age: float, **more: Any) -> Image:
    digests = ("app@sha256:" + "1" * 64,)
    return Image(ID, ("app:1",), digests, layers=(), last_tagged=NOW - age, **more)


def record(age: float, **more: Any) -> CacheRecord:
    return CacheRecord("r", created=NOW - age - 5, last_used=NOW - age, **more)


@pytest.mark.parametrize(
    ("since", "least", "age", "until"),
    [
        (NOW - 99, 100, 99, NOW + 1),
        (NOW - 100, 100, None, None),
        (NOW - 101, 100, None, None),
        (NOW, 100, 0, NOW + 100),
        # A clock that is ahead: it counts from now.
        (NOW + 50, 100, 0, NOW + 100),
        (NOW - 1, 0, None, None),
        (NOW + 50, 0, None, None),
        (NOW, 0.5, 0, NOW + 0.5),
    ],
)
def test_how_old_is_old_enough(
    since: float, least: float, age: float | None, until: float | None
) -> None:
    told = too_young("made", since, least, NOW)
    facts = {"since": "made", "age": age, "min_age": least, "until": until}
    assert (None if told is None else (told.rule, told.facts)) == (
        None if until is None else ("young", facts)
    )


def test_an_unknown_age_is_too_young_unless_no_age_is_asked_for() -> None:
    told = too_young("made", None, 1, NOW)
    assert told is not None
    assert told.facts == {"since": "made", "age": None, "min_age": 1, "until": None}
    assert too_young("made", None, 0, NOW) is None


RESTART = ContainerRules(restart_stopped_for=500.0, stopped_for=50.0, created_for=70.0)
GROUPS = ContainerRules(group_stopped_for=500.0)
COMPOSE = {"com.docker.compose.project": "p", "com.docker.compose.config-hash": "1"}
VOLUMES = VolumeRules(remove="named", names=("data",), unused_for=60.0)
OLD = Retention("old", unused_for=100.0)
AGED = Retention("aged", max_age=200.0)


@pytest.mark.parametrize(
    ("make", "age", "before", "there", "rules"),
    [
        (stopped, 30, "keep young", "remove stopped", {}),
        (stopped, 50, "keep young", "remove stopped", {"containers": RESTART}),
        (created, 70, "keep in-use", "remove never-started", {"containers": RESTART}),
        (lambda age: stopped(age, restart="always"), 500, "keep restart", "remove stopped",
         {"containers": RESTART}),
        (lambda age: stopped(age, restart="unless-stopped"), 500, "keep restart", "remove stopped",
         {"containers": RESTART}),
        (lambda age: stopped(age, restart="on-failure"), 50, "keep young", "remove stopped",
         {"containers": RESTART}),
        (lambda age: stopped(age, labels=COMPOSE), 500, "keep stopped-group", "remove stopped",
         {"containers": GROUPS, "level": "weekly"}),
        (untagged, 20, "keep young", "remove untagged", {}),
        (lambda age: untagged(99, last_tagged=NOW - age), 10, "keep young", "remove untagged", {}),
        (tagged, 100, "keep retained", "remove expired",
         {"level": "weekly", "retention": (OLD,)}),
        (lambda age: tagged(age, arrived=NOW - age), 200, "keep retained", "remove expired",
         {"level": "weekly", "retention": (AGED,)}),
        (tagged, 40, "keep young", "remove unused", {"level": "deep"}),
        (tagged, 600, "keep protected", "remove unused",
         {"level": "deep", "protect": Protect(used_within=600.0)}),
        (lambda age: tagged(age, arrived=NOW - age), 600, "keep protected", "remove unused",
         {"level": "deep", "protect": Protect(min_age=600.0)}),
        (record, 30, "keep young", "remove over-budget", {"cache": CacheLimits(budget_bytes=0)}),
        (record, 30, "keep young", "remove unused", {"level": "deep"}),
        (lambda age: Volume("data", created=NOW - age), 60, "keep young", "remove unused",
         {"level": "weekly", "volumes": VOLUMES}),
        (lambda age: Volume("data", created=NOW - age), 30, "keep young", "remove unused",
         {"level": "weekly", "volumes": VolumeRules("named", ("da*",))}),
        (lambda age: Network("n", "wp_n", created=NOW - age), 30, "keep young", "remove unused",
         {"level": "weekly"}),
        (lambda age: Network("n", "wp_n", created=NOW - age), 80, "keep young", "remove unused",
         {"level": "weekly", "networks_unused_for": 80.0}),
    ],
)  # fmt: skip
def test_an_object_stays_until_it_is_old_enough(
    make: Any, age: float, before: str, there: str, rules: dict[str, Any]
) -> None:
    assert ruling(make(age - 1), **rules)[0] == before
    assert ruling(make(age), **rules)[0] == there
    assert ruling(make(age + 1), **rules)[0] == there
    assert ruling(make(-3600), **rules)[0] == before


@pytest.mark.parametrize(
    ("idle", "verdict"),
    [(99, "keep within-budget"), (100, "keep within-budget"), (101, "remove idle")],
)
def test_build_cache_within_its_budget_stays_as_long_as_it_may_be_idle(
    idle: float, verdict: str
) -> None:
    limits = CacheLimits(budget_bytes=1000, unused_for=100.0)
    assert ruling(record(idle, size=1), cache=limits)[0] == verdict


@pytest.mark.parametrize(
    ("limits", "budget"),
    [
        (CacheLimits(budget_bytes=70), 70),
        (CacheLimits(), 100),
        (CacheLimits(budget_share=0.25), 250),
        (CacheLimits(budget_bytes=70, least_bytes=80), 80),
        (CacheLimits(budget_bytes=70, least_share=0.5), 500),
        (CacheLimits(budget_bytes=700, least_share=0.5, least_bytes=80), 700),
    ],
)
def test_build_cache_stays_up_to_the_byte(limits: CacheLimits, budget: int) -> None:
    assert ruling(record(99, size=budget), cache=limits) == (
        "keep within-budget", {"total": budget, "budget": budget},
    )  # fmt: skip
    assert ruling(record(99, size=budget + 1), cache=limits) == (
        "remove over-budget",
        {"idle": 99, "sign": "last used", "total": budget + 1, "budget": budget},
    )


def test_where_the_disk_is_not_in_sight_the_budget_is_a_fixed_one() -> None:
    assert CacheLimits(fallback_bytes=9, least_share=0.1).budget(None) == 9
    assert CacheLimits(fallback_bytes=9, budget_bytes=3).budget(None) == 3
    assert CacheLimits(fallback_bytes=9, budget_bytes=3, least_share=0.1).budget(None) == 9


@pytest.mark.parametrize(("size", "verdict"), [(100, "remove untagged"), (101, "keep protected")])
def test_only_a_larger_image_is_protected_for_its_size(size: int, verdict: str) -> None:
    protect = Protect(larger_than=100)
    assert ruling(untagged(99, size=size), protect=protect)[0] == verdict


@pytest.mark.parametrize(
    ("reference", "until", "verdict"),
    [
        (ID, 1, "keep leased"),
        (ID, 0, "remove unused"),
        (ID.removeprefix("sha256:")[:12], 1, "keep leased"),
        (ID.removeprefix("sha256:")[:11], 1, "remove unused"),
        ("app", 1, "remove unused"),
        ("app:1", 1, "keep leased"),
        ("app:2", 1, "remove unused"),
        ("docker.io/library/app:1", 1, "keep leased"),
        ("example.com/app:1", 1, "remove unused"),
        ("app@sha256:" + "1" * 64, 1, "keep leased"),
        ("app:7@sha256:" + "1" * 64, 1, "keep leased"),
        ("app:1@sha256:" + "2" * 64, 1, "remove unused"),
        ("not a reference", 1, "remove unused"),
    ],
)
def test_what_a_lease_is_on_and_how_long(reference: str, until: float, verdict: str) -> None:
    usage = Usage(leases=(Lease("other:1", NOW + 9), Lease(reference, NOW + until, "job", "me")))
    told, facts = ruling(tagged(99), level="deep", usage=usage)
    assert told == verdict
    if until and verdict == "keep leased":
        assert facts == {"until": NOW + 1, "job": "job", "now": NOW, "user": "me"}


@pytest.mark.parametrize(
    ("free", "target"),
    [(500, None), (150, None), (149, 300), (49, 300), (0, 300)],
)
def test_a_target_for_a_full_disk_counts_below_the_high_mark_alone(
    free: int, target: int | None
) -> None:
    host = Inventory(Engine("e", "e", "28", "1.51", "overlay2"), NOW, disk=Disk(1000, free))
    policy = Policy(target=Mark(used_share=0.7), only_when_high=True)
    assert plan(host, Usage(), policy, NOW).target_free == target


def test_a_target_asked_for_counts_however_full_the_disk_is() -> None:
    host = Inventory(Engine("e", "e", "28", "1.51", "overlay2"), NOW, disk=Disk(1000, 900))
    assert plan(host, Usage(), Policy(target=Mark(used_share=0.7)), NOW).target_free == 300
    assert plan(host, Usage(), Policy(), NOW).target_free is None


@pytest.mark.parametrize(
    ("disk", "reached"),
    [
        (Disk(1000, 150), ""),
        (Disk(1000, 149), "high"),
        (Disk(1000, 50), "high"),
        (Disk(1000, 49), "critical"),
        (Disk(None, 49), ""),
        (Disk(1000, None), ""),
        (Disk(1000, 500, 100, 10), ""),
        (Disk(1000, 500, 100, 9), "inodes"),
        (Disk(1000, 500, 0, 0), ""),
        (Disk(1000, 500, 100, None), ""),
        (Disk(1000, 149, 100, 0), "high"),
    ],
)
def test_which_watermark_is_reached(disk: Disk, reached: str) -> None:
    assert Watermarks().reached(disk) == reached


@pytest.mark.parametrize(
    ("marks", "free"),
    [
        (Watermarks(), 17 * GB),
        (Watermarks(high=Mark(free_bytes=5 * GB)), 7 * GB),
        (Watermarks(low=Mark(used_share=0.7)), 30 * GB),
        (Watermarks(low=Mark(free_bytes=40 * GB)), 40 * GB),
    ],
)
def test_a_clean_for_room_ends_a_little_beyond_the_high_mark(marks: Watermarks, free: int) -> None:
    assert marks.end.least_free(100 * GB) == free


def test_a_share_of_an_unknown_disk_is_unknown() -> None:
    assert Watermarks().end.least_free(None) is None
    assert Watermarks(low=Mark(free_bytes=7)).end.least_free(None) == 7


@pytest.mark.parametrize(
    ("store", "facts", "once"),
    [
        ("classic", {}, False),
        ("classic", {"last_tagged": 0}, True),
        ("classic", {"last_tagged": 0, "parent": "gone"}, True),
        ("classic", {"last_tagged": 0, "loaded": True}, False),
        ("classic", {"loaded": True, "tagged_in": ("a",)}, True),
        ("classic", {"made_by_buildkit": True}, True),
        ("classic", {"made_by_buildkit": True, "arrived": 59}, True),
        ("classic", {"made_by_buildkit": True, "arrived": 60}, False),
        ("classic", {"made_by_buildkit": True, "arrived": 60, "last_tagged": 60}, True),
        ("classic", {"arrived": 0}, False),
        # There every image has a date, also a step of a classic build.
        ("containerd", {"last_tagged": 59}, False),
        ("containerd", {"last_tagged": 60}, True),
        ("containerd", {"last_tagged": 60, "parent": "gone"}, False),
        ("containerd", {"last_tagged": 59, "made_by_buildkit": True}, True),
        ("podman", {"last_tagged": 59}, True),
    ],
)
def test_an_untagged_image_goes_sooner_where_nothing_can_name_it(
    store: str, facts: dict[str, Any], once: bool
) -> None:
    """Dates are seconds after it was built."""
    built = NOW - 500
    times: dict[str, Any] = {
        key: built + facts[key] for key in ("last_tagged", "arrived") if key in facts
    }
    facts = {**facts, **times}
    image = Image(ID, created=built, layers=(), **facts)
    host = Inventory(Engine("e", "e", "28", "1.51", "overlay2", store), NOW, images=(image,))
    policy = Policy(grace=Grace(once_tagged=0, never_tagged=1e6), check_registry=False)
    usage = Usage(first_seen={ID: built})
    (verdict,) = plan(host, usage, policy, NOW).verdicts
    assert [reason.rule for reason in verdict.reasons] == ["untagged" if once else "young"]


@pytest.mark.parametrize(
    ("facts", "named"),
    [
        ({}, True),
        ({"last_tagged": 60}, True),
        ({"last_tagged": 59}, False),
        ({"last_tagged": 0}, False),
        ({"last_tagged": -1}, True),
        ({"parent": "gone"}, False),
        ({"tagged_in": ("app",)}, False),
        ({"tagged_in": ("other",)}, True),
        ({"tagged_in": ("app",), "digests": ("app@sha256:1", "b@sha256:1")}, True),
    ],
)
def test_a_digest_names_an_image_that_was_not_built_here(
    facts: dict[str, Any], named: bool
) -> None:
    facts = {"digests": ("app@sha256:1",), "arrived": NOW - 99, **facts}
    built = NOW - 500
    if "last_tagged" in facts:
        facts["last_tagged"] += built
    told, of = ruling(Image(ID, created=built, layers=(), **facts))
    assert told == ("keep digest" if named else "remove untagged")
    if named:
        assert of == {"reference": facts["digests"][-1], "certain": False}


@pytest.mark.parametrize(
    ("tags", "rules", "verdict"),
    [
        (("a:1",), {"keep_last": 1}, "keep retained"),
        (("a:1",), {"keep_last": 0, "unused_for": 9.0}, "remove expired"),
        (("b:1",), {"keep_last": 1, "unused_for": 9.0}, "remove expired"),
        (("b:1",), {"keep_last": 2, "unused_for": 9.0}, "keep retained"),
        (("a:1", "b:1"), {"keep_last": 1, "unused_for": 9.0}, "keep retained"),
        (("a:1",), {"keep": True, "unused_for": 9.0}, "keep retained"),
        (("a:1",), {}, "keep retained"),
        (("a:1",), {"unused_for": 9.0, "images": ("b",)}, "keep retained"),
        (("a:1",), {"unused_for": 9.0, "images": ("a",)}, "remove expired"),
    ],
)
def test_the_newest_tags_of_a_repository_are_retained(
    tags: tuple[str, ...], rules: dict[str, Any], verdict: str
) -> None:
    newer = Image("sha256:newer", ("b:2",), layers=(), created=NOW - 100, last_tagged=NOW - 1)
    image = Image(ID, tags, ("a@sha256:1",), layers=(), created=NOW - 200, last_tagged=NOW - 99)
    rule = (Retention("rule", **rules),)
    assert ruling(image, newer, level="weekly", retention=rule)[0] == verdict
    # A rule of another file can keep more, and lets nothing go.
    also = ruling(image, newer, level="weekly", retention=rule, also_retained=(Retention("no"),))
    assert also[0] == "keep retained"
    last = (Retention("yes", unused_for=0.0),)
    assert ruling(image, newer, level="weekly", retention=rule, also_retained=last)[0] == verdict


@pytest.mark.parametrize(
    ("users", "verdict", "facts"),
    [
        ({"b": "running", "a": "running", "0": "exited"}, "keep in-use",
         {"containers": 2, "container": "a"}),
        ({"b": "exited", "a": "exited"}, "keep released", {"container": "a"}),
    ],
)  # fmt: skip
def test_the_containers_that_use_an_object_are_counted_and_one_is_named(
    users: dict[str, str], verdict: str, facts: dict[str, Any]
) -> None:
    containers = [
        Container(name, name, ID, "i", state, finished=NOW - 99, volumes=("v",), networks=("wp_n",))
        for name, state in users.items()
    ]
    volume = Volume("v", created=NOW - 99, anonymous=True)
    network = Network("0" * 64, "wp_n", created=NOW - 99)
    assert ruling(volume, *containers, level="weekly") == (verdict, facts)
    assert ruling(network, *containers, level="weekly") == (verdict, facts)
    if verdict == "keep in-use":
        assert ruling(untagged(99), *containers, level="weekly") == (verdict, facts)


def test_where_leases_cannot_be_read_every_image_may_have_one() -> None:
    told = ruling(tagged(99), level="deep", usage=Usage(leases_unread=True))
    assert told == ("keep leased", {"unread": True})

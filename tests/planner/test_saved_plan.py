"""A plan that was agreed on, held against a host that changed since: what still goes, and why."""

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
    Layer,
    Network,
    Volume,
)
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Grace, Mark, Policy, Retention, VolumeRules
from holystone.planner.saved_plan import Agreed, agreed_on, beyond, hold_against
from holystone.planner.usage import Since, Usage
from holystone.planner.verdict import Plan

NOW = 1_750_000_000.0
THEN = NOW - 9 * 86400
WEEKLY = Policy(
    "weekly",
    TAKES["weekly"],
    grace=Grace.uniform(0),
    retention=(Retention("old", unused_for=1.0),),
    check_registry=False,
)
RUN = Container("c", "run", "sha256:other", "other", "exited", finished=THEN)
APP = Image("sha256:app", ("app:1", "app:2"), ("app@sha256:1",), layers=(), last_tagged=THEN)
NAMELESS = Image("sha256:no", layers=(), last_tagged=THEN)
STEP = CacheRecord("step", size=5, created=THEN, usage_count=3, last_used=THEN)
MOUNT = CacheRecord("mount", type="exec.cachemount", size=5, created=THEN, last_used=THEN)
DATA = Volume("data", created=THEN, size=7, anonymous=True)
NET = Network("n", "wp_net", created=THEN)
OBJECTS = (RUN, APP, NAMELESS, STEP, MOUNT, DATA, NET)


def host(*objects: Any, free: int = 10) -> Inventory:
    def of(kind: type) -> tuple[Any, ...]:
        return tuple(each for each in objects if isinstance(each, kind))

    return Inventory(
        Engine("e", "e", "28", "1.51", "overlay2"),
        NOW,
        images=of(Image),
        containers=of(Container),
        cache=of(CacheRecord),
        volumes=of(Volume),
        networks=of(Network),
        disk=Disk(1000, free),
    )


def agreed_plan(policy: Policy = WEEKLY) -> list[Agreed]:
    inventory = host(*OBJECTS)
    return agreed_on(plan(inventory, Usage(), policy, NOW), inventory)


def told(made: Plan, object_id: str) -> tuple[str, dict[str, Any]]:
    """What the first reason on an object says."""
    verdict = next(each for each in made.verdicts if each.id == object_id)
    first = verdict.reasons[0]
    return f"{'remove' if verdict.remove else 'keep'} {first.rule}", dict(first.facts)


def test_on_the_same_host_all_of_it_goes_in_the_order_agreed_on() -> None:
    agreed = agreed_plan()
    assert [(each.kind, each.id, each.freed_bytes) for each in agreed] == [
        ("container", "c", 0), ("image", "sha256:app", 0), ("image", "sha256:no", 0),
        ("cache", "mount", 5), ("cache", "step", 5), ("volume", "data", 7), ("network", "n", 0),
    ]  # fmt: skip
    assert {each.id: each.names for each in agreed}["sha256:app"] == ("app:1", "app:2")
    turned = agreed[::-1]
    made = hold_against(turned, host(*OBJECTS), Usage(), WEEKLY, NOW)
    assert [step.id for step in made.steps] == [each.id for each in turned]
    assert made.freed_bytes == 17
    rules = {each.id: [reason.rule for reason in each.reasons] for each in made.verdicts}
    assert rules["c"] == ["agreed", "stopped"]
    assert rules["data"] == ["agreed", "unused"]


@pytest.mark.parametrize(
    ("before", "now", "verdict", "what"),
    [
        (RUN, RUN._replace(finished=THEN + 1), "keep changed", "it was used"),
        (RUN, RUN._replace(state="dead"), "keep changed", "it was used"),
        (APP, APP._replace(tags=("app:1", "app:2", "new:1")), "keep changed", "it is now new:1"),
        (APP, APP._replace(tags=("app:2", "b:1", "a:1")), "keep changed", "it is now a:1"),
        (APP, APP._replace(tags=("app:1",)), "keep changed", "it lost a reference"),
        (APP, APP._replace(digests=()), "keep changed", "it lost a reference"),
        (APP, APP._replace(tags=("app:2", "app:1")), "remove agreed", None),
        (STEP, STEP._replace(usage_count=4), "keep changed", "it was used"),
        (STEP, STEP._replace(last_used=THEN + 1), "keep changed", "it was used"),
        (MOUNT, MOUNT._replace(usage_count=4, last_used=THEN + 1), "remove agreed", None),
        (DATA, DATA._replace(created=THEN + 1), "keep changed", "it was made anew"),
        (NET, NET._replace(created=THEN + 1), "keep changed", "it was made anew"),
        # What is kept anyhow is kept for its own reason, but for what was used or named anew.
        (DATA, DATA._replace(anonymous=False, created=THEN + 1), "keep named", None),
        (NET, NET._replace(builtin=True, created=THEN + 1), "keep builtin", None),
        (STEP, STEP._replace(in_use=True), "keep in-use", None),
        (STEP, STEP._replace(in_use=True, usage_count=4), "keep changed", "it was used"),
    ],
)
def test_what_changed_since_stays(before: Any, now: Any, verdict: str, what: str | None) -> None:
    objects = [now if each is before else each for each in OBJECTS]
    made = hold_against(agreed_plan(), host(*objects), Usage(), WEEKLY, NOW)
    object_id = getattr(before, "id", "data")
    rule, facts = told(made, object_id)
    assert rule == verdict
    assert facts.get("what") == what
    assert (object_id in {step.id for step in made.steps}) is (verdict == "remove agreed")
    assert len(made.steps) == len(OBJECTS) - (verdict != "remove agreed")


def test_what_is_gone_is_told_and_what_came_stays() -> None:
    new = Image("sha256:new", layers=(), last_tagged=THEN)
    made = hold_against(agreed_plan(), host(new), Usage(), WEEKLY, NOW)
    assert told(made, "sha256:new") == ("keep not-in-plan", {})
    assert told(made, "sha256:app") == ("keep changed", {"what": "it is gone", "gone": True})
    gone = {each.id: (each.kind, each.names) for each in made.verdicts}
    assert gone["sha256:app"] == ("image", ("app:1", "app:2"))
    assert made.steps == ()


@pytest.mark.parametrize(
    ("since", "last_used", "kept"),
    [
        (None, {("volume", "data"): NOW}, {}),
        (Since(THEN), {}, {}),
        (Since(THEN), {("volume", "data"): THEN}, {}),
        (Since(THEN), {("volume", "data"): THEN + 1}, {"data": "it was used"}),
        (Since(THEN, frozenset({("image", "sha256:no")})), {}, {"sha256:no": "it was used"}),
        (Since(THEN, frozenset({("network", "n")})), {}, {"n": "it was used"}),
        (Since(THEN, frozenset({("network", "data")})), {}, {}),
        (Since(THEN, complete=False), {}, {"data": None}),
        (Since(THEN, frozenset({("volume", "data")}), complete=False), {}, {"data": "it was used"}),
    ],
)
def test_what_was_used_since_stays(
    since: Since | None, last_used: dict[tuple[str, str], float], kept: dict[str, str | None]
) -> None:
    usage = Usage(last_used=last_used)
    made = hold_against(agreed_plan(), host(*OBJECTS), usage, WEEKLY, NOW, since)
    assert {each.id for each in made.verdicts if not each.remove} == kept.keys()
    for object_id, what in kept.items():
        rule = "keep changed" if what else "keep use-unknown"
        assert told(made, object_id) == (rule, {"what": what} if what else {})


def test_what_a_container_holds_that_is_not_in_the_plan_stays() -> None:
    for network in ("wp_net", "n"):
        holder = RUN._replace(image_id=APP.id, volumes=("data",), networks=(network,))
        made = hold_against(agreed_plan()[1:], host(holder, *OBJECTS[1:]), Usage(), WEEKLY, NOW)
        assert told(made, "c") == ("keep not-in-plan", {})
        assert told(made, "sha256:app") == ("keep in-use", {"containers": 1, "container": "run"})
        assert told(made, "data") == told(made, "n") == ("keep released", {"container": "run"})
        assert {step.id for step in made.steps} == {"sha256:no", "step", "mount"}


def test_what_stays_keeps_what_it_needs() -> None:
    reader = Container("r", "r", "x", "x", "exited", finished=THEN, needs=("data",))
    data = Container("d", "data", "x", "x", "exited", finished=THEN)
    other = Container("o", "other", "x", "x", "exited", finished=THEN)
    before = host(reader, data, other)
    agreed = agreed_on(plan(before, Usage(), WEEKLY, NOW), before)
    later = host(reader._replace(finished=NOW - 9), data, other)
    made = hold_against(agreed, later, Usage(), WEEKLY, NOW)
    assert [step.id for step in made.steps] == ["o"]
    assert told(made, "d") == ("keep needed-by", {"container": "r", "state": "exited"})


def test_what_images_and_records_that_stay_stand_on_stays() -> None:
    """Steps may be taken out of a plan: the engine could not remove what is below."""
    low = Image("sha256:low", layers=(), last_tagged=THEN)
    mid = Image("sha256:mid", layers=(), last_tagged=THEN, parent="sha256:low")
    top = Image("sha256:top", layers=(), last_tagged=THEN, parent="sha256:mid")
    a, b, c = (
        CacheRecord(name, parents, size=5, created=THEN, last_used=THEN)
        for name, parents in (("a", ()), ("b", ("a",)), ("c", ("b",)))
    )
    before = host(low, mid, top, a, b, c)
    agreed = agreed_on(plan(before, Usage(), WEEKLY, NOW), before)
    assert [each.id for each in agreed] == [top.id, mid.id, low.id, "c", "b", "a"]
    for out, left in ((top.id, ["c", "b", "a"]), (mid.id, [top.id, "c", "b", "a"])):
        some = [each for each in agreed if each.id != out]
        made = hold_against(some, before, Usage(), WEEKLY, NOW)
        assert [step.id for step in made.steps] == left
    assert told(made, "sha256:low") == ("keep parent", {"children": 1})
    some = [each for each in agreed if each.id != "c"]
    made = hold_against(some, before, Usage(), WEEKLY, NOW)
    assert [step.id for step in made.steps] == [top.id, mid.id, low.id]
    assert told(made, "a") == ("keep needed", {"children": 1})
    assert made.freed_bytes == 0


def test_for_room_it_goes_however_much_is_free_by_now() -> None:
    policy = Policy(
        target=Mark(free_bytes=300),
        only_when_high=True,
        check_registry=False,
        grace=Grace.uniform(0),
    )
    images = [
        Image(f"sha256:{name}", (f"{name}:1",), (f"{name}@sha256:1",), last_tagged=THEN,
              layers=(Layer(name, 200),), size=200)
        for name in "ab"
    ]  # fmt: skip
    full, free = host(*images, free=10), host(*images, free=900)
    agreed = agreed_on(plan(full, Usage(), policy, NOW), full)
    assert len(agreed) == 2
    made = hold_against(agreed, free, Usage(), policy, NOW)
    assert made.freed_bytes == 400
    reason = made.verdicts[0].reasons[1]
    assert (reason.rule, reason.facts["least_free"]) == ("pressure", 300)


@pytest.mark.parametrize("named", [True, False])
def test_images_of_the_plan_are_asked_about_and_no_others(named: bool) -> None:
    policy = Policy("weekly", WEEKLY.takes, grace=WEEKLY.grace, retention=WEEKLY.retention)
    other = Image("sha256:b", ("b:1",), ("b@sha256:2",), layers=(), last_tagged=THEN)
    agreed = [Agreed("image", APP.id, APP.tags, (*APP.tags, *APP.digests), 0)] if named else []
    made = hold_against(agreed, host(APP, other), Usage(), policy, NOW)
    assert made.unconfirmed == ((APP.id,) if named else ())


def agreed_image(*state: str) -> Agreed:
    return Agreed("image", "i", (), state, 0)


@pytest.mark.parametrize(
    ("agreed", "takes", "rules", "what"),
    [
        (agreed_image("app:1"), {}, {}, "tagged image"),
        (agreed_image("app@sha256:1", "app:1"), {}, {}, "tagged image"),
        (agreed_image("app:1"), {}, {"target": Mark(free_bytes=1)}, None),
        (agreed_image("app:1"), {"tagged": "all"}, {}, None),
        (agreed_image("app@sha256:1"), {}, {}, None),
        (agreed_image(), {}, {}, None),
        (agreed_image(), {"untagged": False}, {}, "untagged image"),
        (agreed_image(), {"untagged": False}, {"target": Mark(free_bytes=1)}, None),
        (Agreed("container", "c", (), (), 0), {}, {}, None),
        (Agreed("container", "c", (), (), 0), {"containers": False}, {}, "container"),
        (Agreed("cache", "r", (), (), 0), {}, {}, None),
        (Agreed("cache", "r", (), (), 0), {"build_cache": "none"}, {}, "build cache record"),
        (Agreed("cache", "r", (), (), 0), {"build_cache": "none"},
         {"target": Mark(free_bytes=1)}, None),
        (Agreed("volume", "v", (), (), 0), {}, {}, "volume"),
        (Agreed("volume", "v", (), (), 0), {"volumes": True}, {}, None),
        (Agreed("volume", "v", (), (), 0), {"volumes": True},
         {"volumes": VolumeRules(remove="never")}, "volume"),
        (Agreed("network", "n", (), (), 0), {}, {}, "network"),
        (Agreed("network", "n", (), (), 0), {"networks": True}, {}, None),
    ],
)  # fmt: skip
def test_what_no_plan_of_a_level_can_have(
    agreed: Agreed, takes: dict[str, Any], rules: dict[str, Any], what: str | None
) -> None:
    policy = Policy(takes=TAKES["routine"]._replace(**takes), **rules)
    first = Agreed("container", "c", (), (), 0)
    told = beyond([first, agreed] if takes.get("containers", True) else [agreed], policy)
    assert told == (None if what is None else (int(takes.get("containers", True)), what))

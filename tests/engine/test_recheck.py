"""Between plan and execute a host goes on living: what is used in the meantime stays."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from holystone.engine.host import GONE, USED, Removal
from holystone.operations.clean import Event, StepDone
from holystone.operations.clean import clean as clean_host
from holystone.operations.connect import connect
from holystone.operations.execute import execute
from holystone.operations.live_host import _WORKERS, LiveHost
from holystone.operations.workers import INTERRUPTED
from holystone.planner.inventory import Inventory
from holystone.planner.plan import plan
from holystone.planner.verdict import Plan, Step
from tests.engine.cleaning import (
    NO_CACHE,
    NO_GRACE,
    Clean,
    clean,
    image_ids,
    live_host,
    wait_for_builds,
)
from tests.engine_client.clients import client_of
from tests.engine_client.proxy import proxy
from tests.engines import Engine
from tests.engines.images import SCRATCH, ImageToLoad, build, busybox_layer, layer, load
from tests.usage.forgetful import Forgetful


def assert_true(done: Clean) -> None:
    """What the outcome says was freed is what the engine's own figures fell by."""
    if not done.before.images and done.inventory.engine.store == "podman":
        return  # Podman 4 has no such figure.
    assert done.outcome.freed_bytes == done.before.total - done.after.total
    assert done.outcome.freed_bytes == sum(done.outcome.freed.values())


def untagged(engine: Engine, unique: str) -> list[str]:
    """Three untagged images on one base: whichever stays keeps the base."""
    base = layer(f"{unique} base", 50_000)
    made = [ImageToLoad([base, layer(f"{unique} {n}", 10_000 + n)]) for n in range(3)]
    return load(engine, *made)


@pytest.mark.parametrize("digits", [71, 19], ids=["whole ID", "12 digits"])
def test_a_container_is_created_from_a_doomed_image(
    fresh_engine: Engine, unique: str, digits: int
) -> None:
    """By ID, the only name an untagged image has: it stays, and with it the base of the others."""
    used, *others = untagged(fresh_engine, unique)
    name = used[:digits].removeprefix("sha256:") if digits < 71 else used
    done = clean(
        fresh_engine, meanwhile=lambda: fresh_engine.docker("create", "--network", "none", name)
    )
    assert done.result("image", used) == Removal("skipped", USED)
    assert [done.result("image", other).result for other in others] == ["removed"] * 2
    assert image_ids(fresh_engine) == {used}
    assert done.outcome.freed_bytes < done.plan.freed_bytes - 50_000
    assert_true(done)


def test_a_container_was_there_for_a_moment(fresh_engine: Engine, unique: str) -> None:
    """``docker run --rm``: nothing refers to the image any more, and still it was used."""
    used, *others = untagged(fresh_engine, unique)

    def meanwhile() -> None:
        container = fresh_engine.docker("create", "--network", "none", used)
        fresh_engine.docker("rm", container)

    done = clean(fresh_engine, meanwhile=meanwhile)
    assert done.result("image", used) == Removal("skipped", USED)
    assert image_ids(fresh_engine) == {used}
    assert (done.outcome.removed, done.outcome.skipped) == (len(others), 1)
    assert_true(done)


def test_a_doomed_image_gets_a_tag(fresh_engine: Engine, unique: str) -> None:
    used, *others = untagged(fresh_engine, unique)
    tag = f"localhost/{unique}:1"
    done = clean(fresh_engine, meanwhile=lambda: fresh_engine.docker("tag", used, tag))
    assert done.result("image", used) == Removal("skipped", USED)
    assert (done.outcome.removed, done.outcome.skipped) == (len(others), 1)
    (left,) = fresh_engine.client.list("/images/json")
    assert left["RepoTags"] == [tag]
    assert_true(done)


def test_a_tag_that_no_event_told_of(fresh_engine: Engine, unique: str) -> None:
    """Any event of an image makes the references of each be read again before it goes."""
    used, *others = untagged(fresh_engine, unique)
    tag = f"localhost/{unique}:1"
    host = live_host(fresh_engine)
    host.watch()
    inventory = host.weigh(host.date(host.observe()))
    made = plan(inventory, host.usage(), NO_GRACE, time.time())
    fresh_engine.docker("tag", used, tag)
    assert host.touched.stream is not None
    host.touched.stream.close()
    host.touched.stream = None
    host.touched.references_moved = True
    outcome = execute(made, inventory, host)
    host.close()
    assert outcome.results["image", used] == Removal("skipped", f"{USED}: it is now {tag}")
    assert [outcome.results["image", other].result for other in others] == ["removed"] * 2
    assert image_ids(fresh_engine) == {used}


@pytest.mark.parametrize("again", ["runs", "stopped"])
def test_a_doomed_container_is_started_again(fresh_engine: Engine, unique: str, again: str) -> None:
    """It stays, whether it still runs or has stopped again, and its untagged image with it."""
    tag = f"localhost/{unique}:1"
    image = ImageToLoad([busybox_layer(), layer(unique)], [tag])
    (held,) = load(fresh_engine, image)
    seconds = "1000" if again == "runs" else "0"
    command = f"ls /again || {{ touch /again; exit 0; }}; sleep {seconds}"
    fresh_engine.docker("run", "--network", "none", "--name", unique, tag, "sh", "-c", command)
    load(fresh_engine, ImageToLoad([layer(f"{unique} new")], [tag]))
    (other,) = load(fresh_engine, ImageToLoad([layer(f"{unique} other")]))
    done = clean(fresh_engine, meanwhile=lambda: fresh_engine.docker("start", unique))
    (container,) = fresh_engine.client.list("/containers/json?all=1")
    assert done.result("container", container["Id"]) == Removal("skipped", USED)
    assert done.result("image", held).result == "skipped"
    assert done.result("image", other).result == "removed"
    assert held in image_ids(fresh_engine)
    assert_true(done)


def test_a_doomed_image_is_deleted_by_someone_else(fresh_engine: Engine, unique: str) -> None:
    """It is gone already; what it shared goes with the others, who count it."""
    gone, *others = untagged(fresh_engine, unique)
    done = clean(fresh_engine, meanwhile=lambda: fresh_engine.api("DELETE", f"/images/{gone}"))
    assert done.result("image", gone) == Removal("skipped", "already gone")
    assert [done.result("image", other).result for other in others] == ["removed"] * 2
    assert image_ids(fresh_engine) == set()
    assert done.outcome.freed_bytes > 50_000
    assert_true(done)


@pytest.mark.engine("classic")
def test_a_doomed_image_is_built_on(fresh_engine: Engine, unique: str) -> None:
    """The classic builder made a child of it: the engine refuses, in its own words."""
    dockerfile = SCRATCH + f"RUN echo {unique} > /a\n"
    doomed = build(fresh_engine, dockerfile)
    child = ""

    def meanwhile() -> None:
        nonlocal child
        child = build(fresh_engine, dockerfile + "RUN echo child > /b\n")

    done = clean(fresh_engine, meanwhile=meanwhile)
    skipped = done.result("image", doomed)
    assert skipped.result == "skipped"
    assert skipped.detail == USED or "dependent child images" in skipped.detail
    assert {doomed, child} <= image_ids(fresh_engine)
    assert done.outcome.failed == 0


@pytest.mark.engine("classic", "containerd")
@pytest.mark.parametrize("more", ["RUN true\n", "LABEL more=1\n"], ids=["built on", "found again"])
def test_a_doomed_cache_record_is_used_by_a_build(
    fresh_engine: Engine, unique: str, more: str
) -> None:
    """No event tells of it, and still it stays, with all it stands on; the rest goes."""
    work = SCRATCH + f"RUN head -c 70000 /dev/zero > /{{n}} && echo {unique} >> /{{n}}\n"
    for n in ("kept", "idle"):
        build(fresh_engine, work.format(n=n), buildkit=True)
    for image in fresh_engine.client.list("/images/json"):
        fresh_engine.api("DELETE", f"/images/{image['Id']}")
    wait_for_builds(fresh_engine)
    again = work.format(n="kept") + more
    done = clean(
        fresh_engine, NO_CACHE, meanwhile=lambda: build(fresh_engine, again, buildkit=True)
    )
    records = {record.id: record for record in done.inventory.cache}
    wait_for_builds(fresh_engine)
    left = {r["ID"] for r in fresh_engine.disk_usage()["BuildCache"]}
    results = {i: done.result("cache", i) for i in records if ("cache", i) in done.outcome.results}
    assert {removal.result for removal in results.values()} == {"skipped", "removed"}
    for record_id, removal in results.items():
        assert (record_id in left) == (removal.result == "skipped"), records[record_id]
    (idle,) = [i for i, r in records.items() if "> /idle" in r.description]
    (kept,) = [i for i, r in records.items() if "> /kept" in r.description]
    assert results[idle] == Removal("removed")
    assert results[kept] == Removal("skipped", USED)
    assert all(results[parent].result == "skipped" for parent in records[kept].parents)
    freed = sum(amount for (kind, _), amount in done.outcome.freed.items() if kind == "cache")
    assert freed == done.before.cache - done.after.cache >= 70_000


@pytest.mark.engine("docker20", "docker28c")
def test_a_cache_mount_that_was_only_looked_at_goes(fresh_engine: Engine, unique: str) -> None:
    """BuildKit counts its being measured as a use; the plan's own look keeps nothing."""
    dockerfile = SCRATCH + f"RUN --mount=type=cache,id={unique},target=/c echo {unique} > /c/x\n"
    build(fresh_engine, dockerfile, buildkit=True)
    done = clean(fresh_engine, NO_CACHE, meanwhile=lambda: None)
    (mount,) = [r.id for r in done.inventory.cache if r.type == "exec.cachemount"]
    assert done.result("cache", mount) == Removal("removed")


def many(engine: Engine, unique: str, count: int = 24) -> list[str]:
    """Untagged images without anything in common."""
    return load(engine, *(ImageToLoad([layer(f"{unique} {n}")]) for n in range(count)))


def prepared(host: LiveHost) -> tuple[Inventory, Plan]:
    """An inventory and its plan, to be carried out two steps at a time."""
    host.watch()
    inventory = host.weigh(host.date(host.observe()))
    host.workers = 2
    return inventory, plan(inventory, host.usage(), NO_GRACE, time.time())


@pytest.mark.engine("docker20", "docker28c", "podman")
def test_the_engine_is_killed_in_the_middle(own_engine: Callable[..., Engine], unique: str) -> None:
    """What was done is told from what was not, in time and without an exception."""
    engine = own_engine()
    ids = many(engine, unique)
    host = live_host(engine)
    inventory, made = prepared(host)
    done: list[Step] = []

    def report(step: Step, removal: Removal) -> None:
        done.append(step)
        if len(done) == 5:
            engine.stop()

    began = time.monotonic()
    outcome = execute(made, inventory, host, report)
    host.close()
    assert time.monotonic() - began < 30
    assert outcome.interrupted == GONE
    assert {object_id for _, object_id in outcome.results} == set(ids)
    assert outcome.removed >= 5
    assert outcome.not_tried > 0
    ended = outcome.removed + outcome.failed + outcome.not_tried + outcome.unknown
    assert ended == len(ids) == len(done)
    missed = {"failed", "not_tried"}
    told = {removal.detail for removal in outcome.results.values() if removal.result in missed}
    assert f"not tried: {GONE}" in told
    assert all(GONE in detail for detail in told)


@pytest.mark.engine("docker20", "docker28c", "podman")
def test_an_engine_cut_off_after_seven_removals(fresh_engine: Engine, unique: str) -> None:
    ids = many(fresh_engine, unique, 12)
    with proxy(fresh_engine) as front:
        host = LiveHost(client_of(front.url), Forgetful())
        inventory, made = prepared(host)
        host.workers = 1
        front.cut_before = ("DELETE", 7)
        outcome = execute(made, inventory, host)
        host.close()
    assert outcome.interrupted == GONE
    assert (outcome.removed, outcome.failed, outcome.not_tried, outcome.unknown) == (7, 0, 4, 1)
    left = {i for (_, i), removal in outcome.results.items() if removal.result != "removed"}
    assert image_ids(fresh_engine) == left
    assert len(ids) - len(left) == 7
    freed = [step.freed_bytes for step in made.steps if step.id not in left]
    assert outcome.freed_bytes == sum(freed)


@pytest.mark.engine("docker20", "docker28c", "podman")
def test_ctrl_c_in_the_middle(fresh_engine: Engine, unique: str) -> None:
    """Removals under way are finished, the others are told as not tried, and are still there."""
    many(fresh_engine, unique)
    host = live_host(fresh_engine)
    inventory, made = prepared(host)
    done: list[Step] = []

    def report(step: Step, removal: Removal) -> None:
        done.append(step)
        if len(done) == 5:
            os.kill(os.getpid(), signal.SIGINT)

    outcome = execute(made, inventory, host, report)
    host.close()
    assert outcome.interrupted == INTERRUPTED
    assert 5 <= outcome.removed < len(made.steps)
    assert outcome.failed == 0
    assert outcome.removed + outcome.not_tried == len(made.steps)
    left = {i for (_, i), removal in outcome.results.items() if removal.result == "not_tried"}
    assert image_ids(fresh_engine) == left
    assert {outcome.results["image", i].detail for i in left} == {f"not tried: {INTERRUPTED}"}


@pytest.mark.engine("docker20", "docker28c")
def test_what_the_history_keeps_of_a_clean_that_was_cancelled(
    fresh_engine: Engine, unique: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the disk gained by what went, within its bounds: what stayed widens none."""
    load(fresh_engine, ImageToLoad([busybox_layer()], [f"{unique}:1"]))
    for number in range(6):
        fresh_engine.docker("run", "--name", f"{unique}-{number}", f"{unique}:1", "true")
    monkeypatch.setitem(_WORKERS, fresh_engine.store, 1)
    cancel = threading.Event()

    def stop(event: Event) -> None:
        if isinstance(event, StepDone):
            cancel.set()

    with connect(fresh_engine.host, state=str(tmp_path)) as session:
        policy = NO_GRACE._replace(takes=NO_GRACE.takes._replace(tagged="none"))
        done = clean_host(session, policy, report=stop, cancel=cancel)
        assert done.run is not None
        kept = session.ledger.runs.get(done.run)
    assert kept is not None
    assert done.plan is not None
    outcome, plan = done.outcome, done.plan
    assert outcome.removed + outcome.not_tried == len(plan.steps) == 6
    assert outcome.removed > 0 < outcome.not_tried
    assert (kept.removed, kept.failed, kept.not_tried) == (outcome.removed, 0, outcome.not_tried)
    assert done.freed_bytes == kept.freed_bytes
    assert outcome.slack.above * 6 == (plan.at_most - plan.freed_bytes) * outcome.removed
    assert 0 <= kept.freed_bytes <= outcome.freed_bytes + outcome.slack.above

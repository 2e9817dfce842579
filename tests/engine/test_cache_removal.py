"""One clean takes all of the build cache that may go, and says truly why any of it stays."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from holystone.engine import buildkit as control
from holystone.engine import cache as cache_removal
from holystone.engine.cache import BUSY
from holystone.engine.grpc import Channel
from holystone.engine.host import ALREADY_GONE, REMOVED, SKIPPED, USED, Removal
from holystone.engine.observe import Lists
from holystone.operations.execute import Outcome, execute
from holystone.operations.live_host import LiveHost
from holystone.planner.plan import plan
from holystone.planner.policy import CacheLimits
from holystone.planner.verdict import Step
from tests.engine.cleaning import NO_CACHE, NO_GRACE, clean, live_host, wait_for_builds
from tests.engine.test_cache_holders import running_build
from tests.engine_client.clients import client_of
from tests.engine_client.proxy import Front, proxy
from tests.engines import Engine
from tests.engines.images import (
    SCRATCH,
    ImageToLoad,
    build,
    busybox_layer,
    layer,
    load,
    tar_of,
)
from tests.usage.forgetful import Forgetful

pytestmark = pytest.mark.engine("docker20", "docker28c")


def chains(engine: Engine, unique: str, builds: int, steps: int) -> None:
    """Build cache as long chains of small steps, with no image on it."""
    for number in range(builds):
        step = "COPY f /{n}-" + f"{unique}-{number}\n"
        dockerfile = "FROM scratch\n" + "".join(step.format(n=n) for n in range(steps))
        context = tar_of({"Dockerfile": dockerfile.encode(), "f": unique.encode()})
        engine.docker("build", "--quiet", "-", stdin=context, buildkit=True)
    remove_images(engine)


def remove_images(engine: Engine) -> None:
    for image in engine.client.list("/images/json"):
        engine.api("DELETE", f"/images/{image['Id']}?force=1")


def left(engine: Engine) -> set[str]:
    """The IDs of the build cache records, as the engine says."""
    return {record["ID"] for record in engine.disk_usage()["BuildCache"] or ()}


def clean_by_way_of(front: Front) -> Outcome:
    """A clean of all build cache through a proxy."""
    host = LiveHost(client_of(front.url), Forgetful())
    try:
        host.watch()
        inventory = host.weigh(host.date(host.observe()))
        made = plan(inventory, host.usage(), NO_CACHE, time.time())
        front.requests.clear()
        return execute(made, inventory, host)
    finally:
        host.close()


def assert_all_went(outcome: Outcome, count: int) -> None:
    assert set(outcome.results.values()) == {Removal(REMOVED)}
    assert len(outcome.results) == count


def test_one_clean_after_a_restart_leaves_no_record(fresh_engine: Engine, unique: str) -> None:
    """Losing its last child counts as a use of a record then; that one goes all the same."""
    chains(fresh_engine, unique, builds=3, steps=45)
    count = len(left(fresh_engine))
    fresh_engine.restart()
    with proxy(fresh_engine) as front:
        outcome = clean_by_way_of(front)
        calls = [request for request in front.requests if "/events" not in request]
    assert count >= 135
    assert_all_went(outcome, count)
    assert left(fresh_engine) == set()
    # One list and one prune call.
    assert len(calls) == 2, calls


@pytest.mark.engine("docker28")
def test_without_grpc_one_clean_leaves_no_record_either(fresh_engine: Engine, unique: str) -> None:
    """A proxy lets only the documented interface through: a call for each hundred records."""
    chains(fresh_engine, unique, builds=2, steps=55)
    count = len(left(fresh_engine))
    with proxy(fresh_engine) as front:
        front.forbidden = "/grpc"
        outcome = clean_by_way_of(front)
        prunes = [request for request in front.requests if "/build/prune" in request]
    assert 100 < count <= 200
    assert_all_went(outcome, count)
    assert left(fresh_engine) == set()
    assert len(prunes) == 2


def test_what_a_retry_finds_bumped_by_the_removal_itself_goes(
    fresh_engine: Engine, unique: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first call takes the upper half of a chain, as where the engine stops half-way."""
    chains(fresh_engine, unique, builds=1, steps=20)
    fresh_engine.restart()
    asked: list[int] = []
    real = control.prune

    def half(channel: Channel, record_ids: list[str]) -> set[str]:
        asked.append(len(record_ids))
        return real(channel, record_ids[:10] if len(asked) == 1 else record_ids)

    monkeypatch.setattr(cache_removal, "prune", half)
    done = clean(fresh_engine, NO_CACHE)
    assert_all_went(done.outcome, len(done.plan.steps))
    assert asked == [len(done.plan.steps), len(done.plan.steps) - 10]
    assert left(fresh_engine) == set()


def test_what_a_running_build_works_with_stays(fresh_engine: Engine, unique: str) -> None:
    """With most records in use the engine is asked twice, and then believed."""
    step = f"RUN echo {unique} > "
    kept = SCRATCH + "".join(f"{step}/kept{n}\n" for n in range(8))
    build(fresh_engine, kept, buildkit=True)
    build(fresh_engine, SCRATCH + f"{step}/idle\n", buildkit=True)
    remove_images(fresh_engine)
    with ExitStack() as running:
        build_again = running_build(fresh_engine, kept)
        done = clean(fresh_engine, NO_CACHE, meanwhile=lambda: running.enter_context(build_again))
        again = clean(fresh_engine, NO_CACHE)
    outcome = done.outcome
    results = {i: removal for (_, i), removal in outcome.results.items()}
    records = {record.id: record for record in done.inventory.cache}
    names = {records[i].description: results[i] for i in results}
    for n in range(8):
        (result,) = [names[name] for name in names if f"/kept{n}" in name]
        assert result in (BUSY, Removal(SKIPPED, USED)), names
    (idle,) = [names[name] for name in names if "/idle" in name]
    assert idle == Removal(REMOVED)
    assert outcome.failed == 0
    spared = [v for v in again.plan.verdicts if v.kind == "cache" and not v.remove]
    assert len(spared) >= 8
    assert {reason.rule for verdict in spared for reason in verdict.reasons} <= {"in-use", "needed"}


def test_whoever_gives_up_on_the_lists_leaves_no_record_held(
    fresh_engine: Engine, unique: str
) -> None:
    """A clean that finds another one at work, an error, Ctrl-C: the engine measures to its end."""
    client = client_of(fresh_engine.host)

    def make(builder: int) -> None:
        steps = "".join(
            f"RUN for i in $(seq 300); do echo {unique}{builder} > /{n}-$i; done\n"
            for n in range(8)
        )
        build(fresh_engine, SCRATCH + steps, buildkit=True)

    with closing(client), ThreadPoolExecutor(3) as pool:
        builders = [pool.submit(make, builder) for builder in range(3)]
        while not all(each.done() for each in builders):
            lists = Lists(client, sizes=False)
            time.sleep(random.random() / 50)
            lists.close()
        for each in builders:
            each.result()
    wait_for_builds(fresh_engine)


def test_a_record_whose_child_stays_says_which(fresh_engine: Engine, unique: str) -> None:
    """Hundreds of other IDs in the same call change nothing."""
    chains(fresh_engine, unique, builds=1, steps=3)
    host = live_host(fresh_engine)
    records = {record.id: record for record in host.observe().cache}
    parents = {parent for record in records.values() for parent in record.parents}
    (leaf,) = [r for r in records.values() if r.parents and r.id not in parents]
    (parent,) = leaf.parents
    gone = [f"{number:025}" for number in range(900)]
    steps = [Step("cache", i, (i,), 0) for i in (*gone, parent)]
    *absent, kept = host.remove_cache(steps)
    host.close()
    assert set(absent) == {Removal(SKIPPED, ALREADY_GONE)}
    assert kept.result == SKIPPED
    assert kept.detail.startswith(f"another record that stays is made from it: {leaf.id} (")
    assert left(fresh_engine) == set(records)


def test_a_large_base_image_does_not_make_the_build_cache_cold(
    fresh_engine: Engine, unique: str
) -> None:
    """BuildKit lists the layers of a tagged base image as records; only the rest has a budget."""
    base = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer(), layer(unique, 30_000_000)], [base]))
    mount = f"--mount=type=cache,id={unique},target=/c"
    steps = f"RUN {mount} head -c 1000000 /dev/zero > /c/x && cp /c/x /x\n"
    for number in range(2):
        # The second run has a source of its own, as the next pipeline does.
        stages = f"FROM {base} AS build\n{steps}RUN echo {number} > /y\nFROM {base}\n"
        build(fresh_engine, f"{stages}COPY --from=build /y /y\n", "-t", unique, buildkit=True)
        wait_for_builds(fresh_engine)
        before = left(fresh_engine)
        policy = NO_GRACE._replace(cache=CacheLimits(budget_bytes=20_000_000))
        done = clean(fresh_engine, policy)
        assert not [v for v in done.plan.verdicts if v.kind == "cache" and v.remove]
        assert left(fresh_engine) == before


def test_beside_a_prune_nothing_fails_and_nothing_stays(fresh_engine: Engine, unique: str) -> None:
    chains(fresh_engine, unique, builds=2, steps=20)
    other = threading.Thread(target=fresh_engine.docker, args=("builder", "prune", "-f"))
    done = clean(fresh_engine, NO_CACHE, meanwhile=other.start)
    other.join()
    assert left(fresh_engine) == set()
    allowed = {Removal(REMOVED), Removal(SKIPPED, ALREADY_GONE)}
    assert set(done.outcome.results.values()) <= allowed
    assert len(done.outcome.results) == len(done.plan.steps)

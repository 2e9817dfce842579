"""The simulated host refuses what an engine refuses, and accounts for its bytes."""

from __future__ import annotations

import pytest

from holystone.demo.memory_host import USED, SimulatedHost
from holystone.engine.errors import EngineRefused
from holystone.engine.host import FAILED, REMOVED, SKIPPED, Host, Removal
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
from holystone.planner.usage import Usage
from holystone.planner.verdict import Step

BASE, APP = Layer("base", 100), Layer("base/app", 20)


def image(name: str, *layers: Layer, **more: object) -> Image:
    return Image(name, layers=layers)._replace(**more)  # type: ignore[arg-type]


def host(**objects: object) -> SimulatedHost:
    inventory = Inventory(Engine("e", "n", "28", "1.51", "overlay2"), 1000.0, disk=Disk(9000, 500))
    return SimulatedHost(inventory._replace(**objects))  # type: ignore[arg-type]


def take(target: str, *targets: str) -> Step:
    return Step("image", target, targets or (target,), 0)


def test_it_is_a_host() -> None:
    simulated: Host = host()
    assert simulated.weigh(simulated.date(simulated.observe())).images == ()
    assert simulated.disk() == Disk(9000, 500)
    assert simulated.remove(Step("plugin", "x", ("x",), 0)).result == FAILED
    simulated.close()


def test_a_layer_goes_with_its_last_holder() -> None:
    engine = host(images=(image("a", BASE, APP), image("b", BASE)))
    assert engine.layers_bytes == 120
    assert engine.remove(take("b")) == Removal(REMOVED)
    assert engine.layers_bytes == 120
    engine.remove(take("a"))
    assert engine.layers_bytes == 0
    assert engine.observe().disk == Disk(9000, 620)
    assert engine.remove(take("a")) == Removal(SKIPPED, "already gone")


def test_everything_stored_counts() -> None:
    engine = host(
        images=(image("a", BASE, metadata_size=5), Image("untold", size=7)),
        containers=(Container("c", "c", "a", "a", "exited", writable_size=11),),
        cache=(CacheRecord("r", size=13), CacheRecord("s", size=99, shared=True)),
        volumes=(Volume("v", size=17), Volume("w")),
    )
    assert engine.stored_bytes == 100 + 5 + 7 + 11 + 13 + 17
    assert engine.observe().volumes[0].size is None
    assert engine.observe(sizes=True).volumes[0].size == 17


@pytest.mark.parametrize("state", ["running", "created", "exited", "dead"])
def test_an_image_any_container_uses_is_refused(state: str) -> None:
    engine = host(
        images=(image("a", BASE), image("t", BASE, tags=("t:1",))),
        containers=(Container("c", "c", "a", "a", state), Container("d", "d", "t", "t:1", state)),
    )
    assert "is being used by" in engine.remove(take("a")).detail
    assert "is being used by" in engine.remove(take("t", "t:1")).detail
    assert engine.images["t"].tags == ("t:1",)


def test_an_image_with_children_is_refused() -> None:
    engine = host(images=(image("a", BASE), image("b", BASE, APP, parent="a")))
    assert "has dependent child images" in engine.remove(take("a")).detail
    assert engine.remove(take("b")).result == REMOVED
    assert engine.remove(take("a")).result == REMOVED


def test_a_reference_only_untags_unless_it_is_the_last() -> None:
    engine = host(images=(image("a", BASE, tags=("x:1", "y:1")),))
    assert engine.delete_image("x:1") == []
    assert [left.tags for left in engine.images.values()] == [("y:1",)]
    assert engine.delete_image("y:1") == ["a"]
    with pytest.raises(EngineRefused, match="No such image: y:1"):
        engine.delete_image("y:1")


def test_the_last_tag_of_a_repository_takes_its_digests_along() -> None:
    digests = ("x@sha256:aa", "registry:5000/x@sha256:aa")
    engine = host(images=(image("a", BASE, tags=("x:1", "x:2"), digests=digests),))
    for target, left in (("x:1", digests), ("x:2", digests[1:])):
        engine.delete_image(target)
        assert engine.images["a"].digests == left
    engine = host(images=(image("a", BASE, tags=("x:1",), digests=digests[:1]),))
    assert engine.remove(take("a", "x:1", *digests[:1])).result == REMOVED


def test_an_id_with_references_in_several_repositories_is_refused() -> None:
    engine = host(images=(image("a", tags=("x:1", "y:1")), image("b", tags=("z:1",))))
    assert "multiple repositories" in engine.remove(take("a")).detail
    assert engine.remove(take("b")).result == REMOVED


def test_an_image_that_got_another_reference_stays() -> None:
    engine = host(images=(image("a", BASE, digests=("x@sha256:aa",)),))
    engine.tag("a", "x:new")
    engine.touched.clear()
    assert engine.remove(take("a", "x@sha256:aa")).result == SKIPPED
    assert engine.images["a"].tags == ("x:new",)


def test_a_cache_record_others_stand_on_or_a_build_uses_is_kept() -> None:
    leaf = CacheRecord("leaf", parents=("base",))
    engine = host(cache=(CacheRecord("base"), leaf, CacheRecord("busy", in_use=True)))
    names = ("base", "busy", "leaf", "base", "gone")
    told = [engine.remove(Step("cache", name, (name,), 0)).result for name in names]
    assert told == [SKIPPED, SKIPPED, REMOVED, REMOVED, SKIPPED]


def test_cache_records_go_together_leaves_first() -> None:
    records = (
        CacheRecord("leaf", parents=("middle",)),
        CacheRecord("middle", parents=("base",)),
        CacheRecord("base"),
        CacheRecord("branch", parents=("base",)),
    )
    steps = [Step("cache", record.id, (record.id,), 0) for record in records]
    removals = host(cache=records).remove_cache(steps)
    assert [removal.result for removal in removals] == [REMOVED, REMOVED, SKIPPED, REMOVED]


def test_running_containers_used_volumes_and_networks_are_refused() -> None:
    engine = host(
        containers=(Container("c", "c", "a", "a", "running", volumes=("v",), networks=("n",)),),
        volumes=(Volume("v"), Volume("free")),
        networks=(Network("id", "n"), Network("b", "bridge", builtin=True), Network("f", "free")),
    )

    def result(kind: str, name: str) -> str:
        return engine.remove(Step(kind, name, (name,), 0)).result

    for kind, name in (("container", "c"), ("volume", "v"), ("network", "id"), ("network", "b")):
        assert result(kind, name) == SKIPPED
    assert [result("volume", "free"), result("network", "f")] == [REMOVED] * 2


def test_what_is_used_since_watch_is_left_alone() -> None:
    engine = host(
        images=(image("a"), image("b"), image("old", tags=("x:1",))),
        containers=(Container("c", "c", "b", "b", "exited"),),
    )
    engine.watch()
    engine.tag("a", "x:1")
    # A container that was there is started, and one runs that is new.
    engine.touched |= {"c", "b", "d", "old"}
    engine.add_image(image("new", tags=("x:1",)))
    assert engine.images["old"].tags == engine.images["a"].tags == ()
    for name in ("a", "b", "old", "new"):
        assert engine.remove(take(name)) == Removal(SKIPPED, USED)
    assert engine.remove(Step("container", "c", ("c",), 0)) == Removal(SKIPPED, USED)
    engine.watch()
    assert engine.remove(take("a")).result == REMOVED


def test_the_hook_changes_the_host_between_plan_and_step() -> None:
    inventory = host(cache=(CacheRecord("base"),)).observe()
    engine = SimulatedHost(
        inventory,
        before_remove=lambda step: engine.cache.update(
            late=CacheRecord("late", parents=(step.id,))
        ),
    )
    assert engine.remove(Step("cache", "base", ("base",), 0)).result == SKIPPED


def test_first_seen_is_remembered() -> None:
    times = iter([5.0, 9.0])
    inventory = host(images=(image("a"), image("b"))).observe()
    engine = SimulatedHost(inventory, Usage({"a": 1.0}), clock=lambda: next(times))
    engine.observe()
    engine.observe()
    assert engine.usage() == Usage({"a": 1.0, "b": 5.0})

"""What a plan promises is what the engine's own figures fall by, to the byte on classic stores."""

from __future__ import annotations

import random

import pytest

from holystone.planner.verdict import Rule
from tests.engine.cleaning import NO_CACHE, NO_GRACE, Clean, clean, image_ids, planned
from tests.engine.restoring import EVERYTHING
from tests.engines import Engine, Registry
from tests.engines.images import SCRATCH, ImageToLoad, Layer, build, busybox_layer, layer, load

MANIFEST = (
    "application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.manifest.v1+json"
)


def assert_exact(done: Clean) -> None:
    """The plan was carried out whole, and freed what it promised."""
    assert {r.result for r in done.outcome.results.values()} <= {"removed"}, done.outcome.results
    assert done.outcome.freed_bytes == done.plan.freed_bytes
    store = done.inventory.engine.store
    if store == "containerd":
        assert done.plan.at_least <= done.fall <= done.plan.at_most
    elif done.before.images or store == "classic":
        assert not done.plan.estimated
        assert done.fall == done.plan.freed_bytes


def test_an_empty_host(fresh_engine: Engine) -> None:
    done = clean(fresh_engine)
    assert not done.plan.steps
    assert done.plan.freed_bytes == 0
    assert done.outcome.removed == 0


@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_a_random_host_with_shared_layers(fresh_engine: Engine, unique: str, remote: bool) -> None:
    """Layers shared between images that stay, that go, and both, are counted once.

    Locally the files of the store are read; of a remote engine the interface tells as much.
    """
    dice = random.Random(unique)
    bases = [[layer(f"{unique} base {b} {n}", 20_000) for n in range(3)] for b in range(3)]
    images = []
    for number in range(24):
        base = dice.choice(bases)[: dice.randint(1, 3)]
        own = [layer(f"{unique} {number} {n}", 1000 + number) for n in range(dice.randint(0, 3))]
        tags = [f"localhost/{unique}:{number}"] if dice.random() < 0.4 else []
        steps: list[Layer | str] = [*base, f"ENV N={number}", *own]
        images.append(ImageToLoad(steps, tags, {"number": str(number)}))
    ids = load(fresh_engine, *images)
    done = clean(fresh_engine, remote=remote)
    assert_exact(done)
    tagged = {i for i, image in zip(ids, images, strict=True) if image.tags}
    assert image_ids(fresh_engine) == tagged
    assert 0 < done.plan.freed_bytes < sum(len(i.layers) for i in images) * 20_000


def test_tagged_images_stay(fresh_engine: Engine, unique: str) -> None:
    """An image with one tag, with two, and in two repositories: all stay, with all their tags."""
    tags = [f"localhost/{unique}:a", f"localhost/{unique}:b", f"localhost/{unique}-too:a"]
    one = ImageToLoad([layer(unique)], tags[:1], {"n": "1"})
    two = ImageToLoad([layer(unique)], [*tags[1:]], {"n": "2"})
    ids = load(fresh_engine, one, two)
    done = clean(fresh_engine)
    assert not done.plan.steps
    assert image_ids(fresh_engine) == set(ids)
    assert {v.reasons[0].rule for v in done.plan.verdicts if v.kind == "image"} == {"tagged"}


def test_an_image_of_a_stopped_container(fresh_engine: Engine, unique: str) -> None:
    image = ImageToLoad([busybox_layer(), layer(unique)], [f"localhost/{unique}:1"])
    (image_id,) = load(fresh_engine, image)
    fresh_engine.docker(
        *("run", "--network", "none", "--name", unique, f"localhost/{unique}:1"),
        *("sh", "-c", "head -c 100000 /dev/urandom > /written"),
    )
    load(fresh_engine, ImageToLoad([layer(f"{unique} new")], [f"localhost/{unique}:1"]))
    done = clean(fresh_engine)
    assert done.verdict(unique).remove
    assert done.verdict(unique).freed_bytes >= 100_000
    assert done.verdict(image_id).remove
    assert image_id not in image_ids(fresh_engine)
    assert fresh_engine.client.list("/containers/json?all=1") == []
    assert_exact(done)


@pytest.mark.parametrize("state", ["created", "running"])
def test_an_image_in_use_stays(fresh_engine: Engine, unique: str, state: str) -> None:
    """Containers that run or were only created keep their untagged image."""
    keeps_its_image(fresh_engine, unique, state)


@pytest.mark.engine("classic", "containerd")
def test_an_image_of_a_paused_container_stays(fresh_engine: Engine, unique: str) -> None:
    """Podman cannot pause where there is no freezer among the control groups."""
    keeps_its_image(fresh_engine, unique, "paused")


def keeps_its_image(engine: Engine, unique: str, state: str) -> None:
    """A container in this state, and the untagged image it was made from, both stay."""
    tag = f"localhost/{unique}:1"
    (image_id,) = load(engine, ImageToLoad([busybox_layer(), layer(unique)], [tag]))
    verb = ["create"] if state == "created" else ["run", "--detach"]
    engine.docker(*verb, "--network", "none", "--name", unique, tag, "sleep", "1000")
    if state == "paused":
        engine.docker("pause", unique)
    load(engine, ImageToLoad([layer(f"{unique} new")], [tag]))
    done = clean(engine)
    assert not done.plan.steps
    assert done.verdict(unique).reasons[0].rule == "in-use"
    assert done.verdict(image_id).reasons[0].rule == "in-use"
    assert image_id in image_ids(engine)


@pytest.mark.engine("classic")
def test_parents_of_the_classic_builder(fresh_engine: Engine, unique: str) -> None:
    """Steps of a tagged build stay as its parents; those of an untagged one go, children first."""
    dockerfile = (
        SCRATCH + "RUN mkdir /empty\nRUN head -c {n} /dev/urandom > /b\nWORKDIR /c\nENV A={n}\n"
    )
    kept = build(fresh_engine, dockerfile.format(n=30_000), "-t", f"localhost/{unique}:1")
    gone = build(fresh_engine, dockerfile.format(n=50_000))
    done = clean(fresh_engine)
    assert_exact(done)
    assert done.plan.freed_bytes == 50_000
    rules = [v.reasons[0].rule for v in done.plan.verdicts if v.kind == "image"]
    assert rules.count(Rule.UNTAGGED) == 3
    assert rules.count(Rule.PARENT) == 4
    left = image_ids(fresh_engine)
    assert kept in left
    assert gone not in left


@pytest.mark.engine("classic", "containerd")
def test_build_cache_of_a_buildkit_build(fresh_engine: Engine, unique: str) -> None:
    """With no budget the cache goes, leaves first; the layers of the tagged image stay."""
    dockerfile = (
        SCRATCH + f"RUN echo {unique} && head -c 200000 /dev/urandom > /big\n"
        "FROM scratch\nCOPY --from=0 /bin/busybox /bin/busybox\n"
    )
    build(fresh_engine, dockerfile, "-t", f"localhost/{unique}:1", buildkit=True)
    build(fresh_engine, dockerfile + "COPY rootfs/ /again\n", buildkit=True)
    kept = clean(fresh_engine)
    if fresh_engine.store == "classic":
        assert kept.fall == kept.plan.freed_bytes
    assert {s.kind for s in kept.plan.steps} == {"image"}
    done = clean(fresh_engine, NO_CACHE)
    assert {s.kind for s in done.plan.steps} == {"cache"}
    assert {r.result for r in done.outcome.results.values()} == {"removed"}
    fall = done.before.cache - done.after.cache
    if fresh_engine.store == "containerd":
        # The engine counts a blob with each record, and with the image that has it too.
        assert 200_000 <= done.plan.freed_bytes <= fall
    else:
        assert fall == done.plan.freed_bytes >= 200_000
    assert fresh_engine.client.list("/images/json")


def test_an_image_with_a_digest_only(fresh_engine: Engine, registry: Registry, unique: str) -> None:
    tag = f"{registry.address}/{unique}:1"
    load(fresh_engine, ImageToLoad([layer(unique)], [tag]))
    fresh_engine.docker("push", tag)
    headers, _ = registry.call("GET", f"/v2/{unique}/manifests/1", MANIFEST)
    digest = f"{registry.address}/{unique}@{headers['docker-content-digest']}"
    fresh_engine.docker("rmi", tag)
    fresh_engine.docker("pull", digest)
    (pulled,) = fresh_engine.client.list("/images/json")
    image_id = "sha256:" + pulled["Id"].removeprefix("sha256:")
    _, patient = planned(fresh_engine, NO_GRACE)
    (verdict,) = [v for v in patient.verdicts if v.id == image_id]
    assert not verdict.remove
    assert verdict.reasons[0].rule == "digest"
    done = clean(fresh_engine, EVERYTHING)
    assert_exact(done)
    assert done.plan.freed_bytes >= 10_000
    assert fresh_engine.client.list("/images/json?all=1") == []


def test_a_version_left_behind_by_a_pull(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    tag = f"{registry.address}/{unique}:1"
    base = layer(f"{unique} base", 30_000)
    for version in ("old", "new"):
        load(fresh_engine, ImageToLoad([base, layer(f"{unique} {version}")], [tag]))
        fresh_engine.docker("push", tag)
        if version == "old":
            clean(fresh_engine)
    fresh_engine.docker("pull", tag)
    done = clean(fresh_engine)
    assert_exact(done)
    (left,) = fresh_engine.client.list("/images/json")
    assert tag in left["RepoTags"]

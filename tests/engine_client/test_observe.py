"""What is seen on a real engine, and what it was asked for that."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest

from holystone.engine.client import Client
from holystone.engine.remove import references
from holystone.engine.sight import Sight, disk
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import resolve
from holystone.operations.live_host import LiveHost
from holystone.planner.inventory import Container, Inventory
from holystone.store.store import Store
from tests.engine.cleaning import live_host, wait_for_builds
from tests.engine.restoring import pushed
from tests.engine_client.proxy import Front, proxy
from tests.engines import Engine, Registry
from tests.engines.images import SCRATCH, ImageToLoad, build, busybox_layer, layer, load
from tests.usage.forgetful import Forgetful

LISTS = ("GET /_ping", "GET /info", "GET /networks", "GET /volumes", "GET /events?past")
IMAGES = {
    **dict.fromkeys(["docker20", "docker26", "podman", "podman5"], "GET /images/json?all=1"),
    **dict.fromkeys(["docker28", "docker28c"], "GET /images/json?all=1&manifests=1"),
}
CACHE: dict[str, tuple[str, ...]] = {
    "docker20": ("GET /system/df",),
    **dict.fromkeys(["docker26", "docker28", "docker28c"], ("GET /system/df?type=build-cache",)),
    **dict.fromkeys(["podman", "podman5"], ()),
}
CACHE_AND_VOLUMES = {
    **dict.fromkeys(["docker20", "podman", "podman5"], "GET /system/df"),
    **dict.fromkeys(
        ["docker26", "docker28", "docker28c"], "GET /system/df?type=build-cache&type=volume"
    ),
}


def lists(kind: str) -> list[str]:
    """One question for each kind of object, two for who it is, and one for its past."""
    return sorted([*LISTS, IMAGES[kind], "GET /containers/json?all=1", *CACHE[kind]])


def host_behind(front: Front, memory: Store, *, remote: bool) -> LiveHost:
    """The host as seen through a proxy; ``remote``: its files are not here."""
    here = resolve(front.url, None, {})
    there = here._replace(scheme="tcp", address="elsewhere:2375") if remote else here
    return LiveHost(Client(there, 60, lambda _, timeout: connect(here, timeout)), memory)


def look(front: Front, memory: Store, *, remote: bool) -> tuple[Inventory, list[str]]:
    """All that can be asked of a host, and the questions.

    Podman is also asked which manifest lists there are, where an image has no tag.
    """
    front.requests.clear()
    host = host_behind(front, memory, remote=remote)
    inventory = host.weigh(host.date(host.observe()))
    host.close()
    return inventory, [path for path in front.paths if "manifest%22" not in path]


def no_warning(message: str) -> None:
    raise AssertionError(message)


def container(inventory: Inventory, name: str) -> Container:
    (found,) = [each for each in inventory.containers if each.name == name]
    return found


def test_a_second_look_at_an_unchanged_host_costs_one_list_a_kind(
    fresh_engine: Engine, unique: str, tmp_path: Path
) -> None:
    """From afar: images are asked about one by one the first time, and never again."""
    base = layer(f"{unique} base")
    tagged = ImageToLoad([base, layer(unique)], [f"localhost/{unique}:1"])
    load(fresh_engine, tagged, *(ImageToLoad([base, layer(f"{unique} {n}")]) for n in range(3)))
    details = sorted(["GET /images/ID/json", "GET /images/ID/history"] * 4)
    with proxy(fresh_engine) as front:
        first_memory = Store(str(tmp_path), no_warning)
        first, asked = look(front, first_memory, remote=True)
        first_memory.close()
        assert asked == sorted(lists(fresh_engine.kind) + details)
        memory = Store(str(tmp_path), no_warning)
        second, asked = look(front, memory, remote=True)
        assert asked == lists(fresh_engine.kind)
        assert sorted(second.images) == sorted(first.images)
        assert all(image.layers for image in second.images)

        (new,) = load(fresh_engine, ImageToLoad([base, layer(f"{unique} new")]))
        third, asked = look(front, memory, remote=True)
        memory.close()
        assert asked == sorted(
            [*lists(fresh_engine.kind), "GET /images/ID/json", "GET /images/ID/history"]
        )
    assert {image.id for image in third.images} - {image.id for image in first.images} == {new}
    (arrived,) = [image for image in third.images if image.id == new]
    shared = {part for image in first.images for part in image.layers or ()}
    assert len(shared.intersection(arrived.layers or ())) == 1


@pytest.mark.parametrize("moves", [False, True], ids=["unchanged", "an image lost its tag"])
@pytest.mark.engine("docker20", "docker28c")
def test_a_partial_look_is_completed_by_one_list(
    fresh_engine: Engine, unique: str, tmp_path: Path, moves: bool
) -> None:
    """On the containerd store of the images that have a tag; all anew where one changed."""
    base, tag = layer(f"{unique} base"), f"localhost/{unique}:1"
    untagged = load(fresh_engine, *(ImageToLoad([base, layer(f"{unique} {n}")]) for n in range(3)))
    tagged = load(fresh_engine, ImageToLoad([base], [tag]))
    memory = Store(str(tmp_path), no_warning)
    with proxy(fresh_engine) as front:
        # Once a day all images are listed.
        look(front, memory, remote=False)
        host = host_behind(front, memory, remote=False)
        host.watch()
        partial = host.observe(every=False)
        assert partial.partial
        assert {each.id for each in partial.images if not each.tags} == set(untagged)
        if moves:
            load(fresh_engine, ImageToLoad([base, layer(unique)], [tag]))
        front.requests.clear()
        whole = host.complete()
        asked = [path for path in front.requests if "/_ping" not in path]
        host.close()
        expected, _ = look(front, memory, remote=False)
    memory.close()
    assert not whole.partial
    here = {image.id: image.tags for image in whole.images}
    assert here == {image.id: image.tags for image in expected.images}
    assert {*untagged, *tagged} <= set(here)
    (images,) = [path for path in asked if "/images/json" in path]
    assert ("false" in images) == (fresh_engine.store == "containerd" and not moves)
    assert moves or asked == [images]


@pytest.mark.engine("docker20")
def test_a_use_between_a_partial_look_and_the_whole_one_is_known(
    fresh_engine: Engine, unique: str, tmp_path: Path
) -> None:
    """Of an image too that the partial look had not: a build step, by its ID."""
    steps = f"{SCRATCH}ENV A={unique}\nENV B={unique}\n"
    top = build(fresh_engine, steps)
    step = fresh_engine.client.call("GET", f"/images/{top}/json")["Parent"]
    memory = Store(str(tmp_path), no_warning)
    with proxy(fresh_engine) as front:
        look(front, memory, remote=False)
        host = host_behind(front, memory, remote=False)
        host.watch()
        assert [image.id for image in host.observe(every=False).images] == [top]
        fresh_engine.docker("run", "--rm", "--network", "none", step, "true")
        whole = host.complete()
        assert step in {image.id for image in whole.images}
        assert host.touched.follow(step)
        host.close()
    memory.close()


@pytest.mark.engine("classic", "podman")
def test_an_image_that_lost_its_tag_is_asked_about_again(
    fresh_engine: Engine, unique: str, tmp_path: Path
) -> None:
    """Its tag may have been put on again since; only now the date of that counts."""
    tags = [f"localhost/{unique}:{n}" for n in range(2)]
    new = iter(range(9))

    def take(tag: str) -> str:
        """A new image with this tag; the one that had it has none any more."""
        (image_id,) = load(fresh_engine, ImageToLoad([layer(f"{unique} {next(new)}")], [tag]))
        return image_id

    one, whole = ["GET /images/ID/json"], ["GET /images/ID/json", "GET /images/ID/history"]
    memory = Store(str(tmp_path), no_warning)
    with proxy(fresh_engine) as front:

        def asked() -> list[str]:
            """What was asked beside the lists."""
            rest = look(front, memory, remote=True)[1]
            for path in lists(fresh_engine.kind):
                rest.remove(path)
            return rest

        image_id = take(tags[0])
        assert asked() == sorted(whole)
        take(tags[0])
        assert asked() == sorted(whole + one)
        assert asked() == []
        fresh_engine.docker("tag", image_id, tags[1])
        assert asked() == []
        take(tags[1])
        assert asked() == sorted(whole + one)
    memory.close()


@pytest.mark.engine("classic")
def test_an_image_without_layers_is_weighed_after_it_was_only_dated(
    fresh_engine: Engine, unique: str, tmp_path: Path
) -> None:
    """Nothing in it, which is not the same as nothing known of it."""
    (image_id,) = load(fresh_engine, ImageToLoad([f"LABEL {unique}"], labels={"a": unique}))
    memory = Store(str(tmp_path), no_warning)
    for _ in range(2):
        host = live_host(fresh_engine, remote=True)
        host.memory = memory
        dated = host.date(host.observe())
        host.close()
    assert [(image.id, image.layers) for image in dated.images] == [(image_id, None)]
    with proxy(fresh_engine) as front:
        weighed, _ = look(front, memory, remote=True)
        again, asked = look(front, memory, remote=True)
    memory.close()
    assert [(image.layers, image.exact) for image in weighed.images] == [((), True)]
    assert again.images == weighed.images
    assert asked == lists(fresh_engine.kind)


@pytest.mark.engine("classic", "containerd")
def test_near_by_the_first_look_asks_no_more_either(fresh_engine: Engine, unique: str) -> None:
    """Root on the host reads the classic store's files; of containerd's all but the dates."""
    load(fresh_engine, *(ImageToLoad([layer(f"{unique} {n}")]) for n in range(3)))
    with proxy(fresh_engine) as front:
        inventory, asked = look(front, Forgetful(), remote=False)
    assert all(image.layers for image in inventory.images)
    more = [path for path in asked if path not in lists(fresh_engine.kind)]
    dates = [] if fresh_engine.store == "classic" else ["GET /images/ID/json"] * 3
    assert more == dates


def test_containers_are_inspected_where_one_has_stopped(fresh_engine: Engine, unique: str) -> None:
    """State, end, exit code, bytes written; nobody asks for those of one that runs."""
    tag = f"localhost/{unique}:1"
    (image_id,) = load(fresh_engine, ImageToLoad([busybox_layer()], [tag]))
    begun = time.time()

    def run(name: str, *command: str) -> None:
        fresh_engine.docker(
            *("run", "--network", "none", "--label", f"is={name}", "--name", f"{unique}-{name}"),
            *command,
            check=False,
        )

    run("good", tag, "sh", "-c", "head -c 30000 /dev/zero > /written")
    run("bad", tag, "sh", "-c", "exit 3")
    run("running", "--detach", tag, "sleep", "1000")
    fresh_engine.docker("create", "--network", "none", "--name", f"{unique}-created", tag)
    with proxy(fresh_engine) as front:
        host = host_behind(front, Forgetful(), remote=True)
        inventory = host.observe()
        host.close()
        asked = [path for path in front.paths if "/containers/ID/json" in path]
        assert len(asked) == 4
        assert sum("size=" in path for path in asked) == 3
        assert sorted(set(front.paths) - set(asked)) == sorted(set(lists(fresh_engine.kind)))
    found = {
        name: container(inventory, f"{unique}-{name}")
        for name in ("good", "bad", "running", "created")
    }
    assert {name: each.state for name, each in found.items()} == {
        "good": "exited",
        "bad": "exited",
        "running": "running",
        "created": "created",
    }
    assert {name: each.exit_code for name, each in found.items()} == {
        "good": 0,
        "bad": 3,
        "running": None,
        "created": 0,
    }
    for name, each in found.items():
        assert each.image_id == image_id
        assert each.image == tag
        assert begun - 2 <= each.created <= time.time() + 2
        assert each.stopped == (name in ("good", "bad"))
        if each.stopped:
            assert each.finished is not None
            assert begun - 1 <= each.finished <= time.time() + 1
            assert each.labels["is"] == name
        else:
            assert each.finished is None
    assert found["good"].writable_size >= 30_000
    assert found["good"].writable_size - found["bad"].writable_size >= 28_000
    assert found["running"].writable_size == 0


def test_with_sizes_running_containers_and_volumes_are_measured(
    fresh_engine: Engine, unique: str
) -> None:
    """Anonymous and named volumes, who uses them, and the bytes of what runs."""
    tag = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer()], [tag]))
    named = f"{unique}-named"
    fresh_engine.docker("volume", "create", "--label", "a=b", named)
    fresh_engine.docker("volume", "create", f"{unique}-idle")
    fresh_engine.docker(
        *("run", "--detach", "--network", "none", "--name", unique),
        *("--volume", f"{named}:/named", "--volume", "/anonymous", tag),
        *("sh", "-c", "head -c 40000 /dev/zero | tee /named/x > /own; sleep 1000"),
    )
    for _ in range(50):
        listed = fresh_engine.client.list("/containers/json?size=1")
        if (listed[0].get("SizeRw") or 0) >= 40_000:
            break
        time.sleep(0.1)
    with proxy(fresh_engine) as front:
        host = host_behind(front, Forgetful(), remote=True)
        inventory = host.observe(sizes=True)
        host.close()
        assert front.paths == sorted(
            [
                *LISTS,
                IMAGES[fresh_engine.kind],
                "GET /containers/json?all=1&size=1",
                CACHE_AND_VOLUMES[fresh_engine.kind],
            ]
        )
    running = container(inventory, unique)
    assert running.writable_size >= 40_000
    volumes = {volume.name: volume for volume in inventory.volumes}
    (anonymous,) = [name for name, volume in volumes.items() if volume.anonymous]
    assert set(volumes) == {named, f"{unique}-idle", anonymous}
    assert set(running.volumes) == {named, anonymous}
    assert volumes[named].labels == {"a": "b"}
    sizes = [volumes[name].size for name in (named, anonymous, f"{unique}-idle")]
    assert sizes[0] is not None
    assert sizes[0] >= 40_000
    assert all(size is not None for size in sizes)
    assert all(abs(volume.created - time.time()) < 120 for volume in volumes.values())
    plain = live_host(fresh_engine)
    assert all(volume.size is None for volume in plain.observe().volumes)
    plain.close()


@pytest.mark.engine("podman")
def test_podman_is_the_same_engine_at_each_look(fresh_engine: Engine) -> None:
    """It makes up another ID for each answer; memory must not hang on that."""
    host = live_host(fresh_engine)
    first, second = host.observe().engine, host.observe().engine
    host.close()
    assert first == second
    told = {fresh_engine.api("GET", "/info")["ID"] for _ in range(2)}
    assert len(told) == 2


def test_an_image_has_a_digest_in_each_of_its_repositories(
    fresh_engine: Engine, registry: Registry, unique: str
) -> None:
    """Those that an inspection tells; the containerd store's list has one of several alone.

    ``restore`` goes by them, and ``refresh`` takes an image without one for built here.
    """
    pulled = pushed(fresh_engine, registry, unique, "1")
    tag = f"{registry.address}/{unique}:1"
    for repository in (f"localhost/{unique}-a", f"localhost/{unique}-b"):
        fresh_engine.docker("tag", tag, f"{repository}:2")
    host = live_host(fresh_engine)
    (image,) = host.observe().images
    told = references(host.client, image.id)
    host.close()
    assert pulled in image.digests
    assert {*image.tags, *image.digests} == told


def test_networks_of_ones_own_are_told_from_the_engines(fresh_engine: Engine, unique: str) -> None:
    fresh_engine.docker("network", "create", "--internal", "--label", "a=b", unique)
    host = live_host(fresh_engine)
    networks = host.observe().networks
    host.close()
    (own,) = [network for network in networks if not network.builtin]
    assert own.name == unique
    assert own.labels["a"] == "b"
    assert abs(own.created - time.time()) < 60
    assert any(network.builtin for network in networks)


def test_networks_and_volumes_come_by_name(fresh_engine: Engine, unique: str) -> None:
    """Docker's own order changes from one answer to the next."""
    for letter in "cadb":
        fresh_engine.docker("network", "create", "--internal", f"{unique}-{letter}")
        fresh_engine.docker("volume", "create", f"{unique}-{letter}")
    host = live_host(fresh_engine)
    inventory = host.observe()
    host.close()
    for found in (inventory.networks, inventory.volumes):
        names = [each.name for each in found]
        assert len(names) >= 4
        assert names == sorted(names)


@pytest.mark.engine("classic", "containerd")
def test_the_build_cache_is_seen_whole(fresh_engine: Engine, unique: str) -> None:
    """Every record ``/system/df`` lists, its tree included, in whatever way it was asked for."""
    build(fresh_engine, SCRATCH + f"RUN echo {unique} > /a\nRUN true\n", buildkit=True)
    wait_for_builds(fresh_engine)
    for sizes in (False, True):
        host = live_host(fresh_engine)
        inventory = host.observe(sizes=sizes)
        host.close()
        listed = {r["ID"]: r for r in fresh_engine.disk_usage()["BuildCache"]}
        assert {r.id: r.size for r in inventory.cache} == {i: r["Size"] for i, r in listed.items()}
        parents = {parent for record in inventory.cache for parent in record.parents}
        assert parents
        assert parents <= set(listed)


def test_where_the_disk_is_known(fresh_engine: Engine) -> None:
    """The file system under the engine's data, but not that of an engine elsewhere."""
    near, far = live_host(fresh_engine), live_host(fresh_engine, remote=True)
    seen = near.observe().disk
    assert seen.total_bytes is not None
    assert seen.free_bytes is not None
    assert 0 < seen.free_bytes <= seen.total_bytes
    assert far.observe().disk.total_bytes is None
    near.close()
    far.close()


def test_the_disk_is_counted_as_df_counts_it(tmp_path: Path) -> None:
    """What is reserved for root is neither used nor free."""
    told = disk(Sight(str(tmp_path)))
    df = subprocess.run(
        ["df", "--block-size=1", "--output=used,avail", str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    used, available = map(int, df.stdout.splitlines()[1].split())
    assert told.free_bytes == pytest.approx(available, rel=0.01)
    assert told.total_bytes == pytest.approx(used + available, rel=0.01)

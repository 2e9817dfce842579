"""A host that is looked at again and again knows what a new look at everything would show."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holystone.engine.observe import Lists, read_lists, with_all_images
from holystone.operations.hot_host import HotHost
from holystone.operations.live_host import LiveHost
from holystone.planner.inventory import Image, Inventory
from holystone.store.store import Store
from tests.engine.changes import Changes
from tests.engine_client.clients import client_of
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, layer, load


def by_id(inventory: Inventory, unique: str) -> dict[str, Image]:
    """The images that the test made, by ID, as they are listed: without what was seen of them."""
    return {
        image.id: image._replace(
            tags=tuple(sorted(image.tags)),
            digests=tuple(sorted(image.digests)),
            tagged_in=(),
            loaded=False,
            last_tagged=None,
            arrived=None,
        )
        for image in inventory.images
        if unique in " ".join((*image.tags, *image.digests)) or image.labels.get("of") == unique
    }


@pytest.fixture
def looks(engine: Engine, hot: HotHost, tmp_path: Path, unique: str) -> Iterator[Looks]:
    made = Looks(engine, hot, tmp_path, unique)
    yield made
    made.fresh.close()


@pytest.fixture
def hot(engine: Engine, tmp_path: Path) -> Iterator[HotHost]:
    host = HotHost(client_of(engine.host, 60), Store(str(tmp_path / "hot"), lambda _: None))
    host.watch()
    host.observe()
    yield host
    host.close()


class Looks:
    """Compares the host that is kept with a new look at the engine."""

    def __init__(self, engine: Engine, hot: HotHost, folder: Path, unique: str) -> None:
        self.engine, self.hot, self.unique = engine, hot, unique
        memory = Store(str(folder / "fresh"), lambda _: None)
        self.fresh = LiveHost(client_of(engine.host, 60), memory)

    def agree(self, what: str) -> Inventory:
        """Wait until both see the same; events come a moment after an answer."""
        until = time.monotonic() + 20
        while True:
            self.hot.watch()
            kept = self.hot.observe()
            seen, there = by_id(kept, self.unique), by_id(self.fresh.observe(), self.unique)
            if seen == there:
                return kept
            differ = {i: (seen.get(i), there.get(i)) for i in seen.keys() | there.keys()}
            odd = [each for each in differ.values() if each[0] != each[1]]
            assert time.monotonic() < until, f"{what}: {odd}"
            time.sleep(0.05)


def test_it_follows_every_change_of_images(
    engine: Engine, registry: Registry, hot: HotHost, unique: str, looks: Looks
) -> None:
    # Of a containerd store the images are listed once: after that by what events name.
    whole = hot.whole_at
    names = [f"{unique}-a:1", f"{unique}-a:2", f"{unique}-b:1"]
    ids = [
        load(engine, ImageToLoad((layer(name),), (name,), labels={"of": unique}))[0]
        for name in names
    ]
    looks.agree("loaded")
    pushed = f"{registry.address}/{unique}-c:1"
    engine.docker("tag", names[0], pushed)
    looks.agree("tagged")
    engine.docker("push", pushed)
    looks.agree("pushed")
    engine.docker("rmi", pushed)
    looks.agree("untagged")
    engine.docker("rmi", names[0])
    looks.agree("removed by its last name")
    engine.docker("pull", pushed)
    looks.agree("pulled")
    engine.docker("tag", names[1], names[2])
    looks.agree("a tag moved, and its image has none")
    engine.docker("rmi", ids[2])
    looks.agree("an untagged image removed by its ID")
    digest = engine.docker("inspect", "-f", "{{index .RepoDigests 0}}", pushed).strip()
    engine.docker("rmi", pushed)
    engine.docker("pull", digest)
    looks.agree("pulled by digest")
    engine.docker("rmi", digest)
    looks.agree("removed by digest")
    if engine.kind == "docker28c":
        assert hot.whole_at == whole, "all images were listed once"


def test_it_follows_the_steps_of_classic_builds(
    engine: Engine, hot: HotHost, unique: str, looks: Looks
) -> None:
    # No event names the nameless image that each step of such a build leaves.
    whole = hot.whole_at
    made = Changes(engine, unique, random.Random(1))
    looks.agree("the base")
    top = made.build(f"{unique}-built:1", steps=3)
    known = by_id(looks.agree("built"), unique)
    steps = {image.parent for image in known.values()} & known.keys()
    assert len(steps) == 3, "the base is one of them"
    made.build(f"{unique}-built:2", steps=2, fails=True)
    looks.agree("a build that failed after two steps")
    made.build(f"{unique}-built:3", steps=2, base=f"{unique}-built:1")
    looks.agree("built on an image that was built")
    engine.docker("rmi", f"{unique}-built:1")
    looks.agree("the name of an image removed on which another was built")
    engine.docker("rmi", f"{unique}-built:3")
    looks.agree("an image removed, and the steps before it")
    made.try_it("tag", top, f"{unique}-late:1")
    looks.agree("a name put on a step, where it is still there")
    if engine.kind == "docker28c":
        assert hot.whole_at == whole, "all images were listed once"


def test_it_knows_a_step_that_no_image_says_it_is_built_on(
    engine: Engine, hot: HotHost, unique: str, looks: Looks
) -> None:
    # The parent is a label of each name, and a name from an archive has none: the list tells that
    # of the last name, and the step is hidden because of the first one.
    made = Changes(engine, unique, random.Random(3))
    made.build(f"{unique}-built:1", steps=2)
    engine.docker("tag", f"{unique}-built:1", f"{unique}-built:2")
    looks.agree("built")
    made.load_again(f"{unique}-built:2", removed=True)
    looks.agree("it came back")
    looks.agree("nothing happened")
    client = client_of(engine.host, 60)
    first = read_lists(Lists(client, sizes=False, untagged=True), time.time())
    completed = with_all_images(client, first)
    whole = read_lists(Lists(client, sizes=False), time.time())
    client.close()
    assert by_id(completed, unique) == by_id(whole, unique)
    if engine.kind == "docker28c":
        assert [i for i in by_id(whole, unique).values() if not i.tags], "the step"


def test_it_follows_changes_by_chance(engine: Engine, unique: str, looks: Looks) -> None:
    made = Changes(engine, unique, random.Random(11))
    # Only of a containerd store images are kept between looks.
    for turn in range(25 if engine.store == "containerd" else 12):
        for _ in range(made.chance.randint(1, 3)):
            what = made.one(by_id(looks.fresh.observe(), unique))
        looks.agree(f"turn {turn}: {what}")


def test_a_look_that_is_completed_is_a_whole_one(engine: Engine, unique: str) -> None:
    # First the images without a name alone, as for a routine clean, and then the others.
    made = Changes(engine, unique, random.Random(2))
    made.build(f"{unique}-built:1", steps=3)
    made.build(f"{unique}-built:2", steps=2, fails=True)
    client = client_of(engine.host, 60)
    first = read_lists(Lists(client, sizes=False, untagged=True), time.time())
    assert first.partial
    completed = with_all_images(client, first)
    whole = read_lists(Lists(client, sizes=False), time.time())
    client.close()
    assert not completed.partial
    assert by_id(completed, unique) == by_id(whole, unique)
    assert len(by_id(whole, unique)) == 6, "the base too"


def test_after_the_engine_was_away_everything_is_listed(
    fresh_engine: Engine, unique: str, tmp_path: Path
) -> None:
    engine = fresh_engine
    host = HotHost(client_of(engine.host, 60), Store(str(tmp_path / "hot"), lambda _: None))
    host.watch()
    host.observe()
    engine.restart()
    load(engine, ImageToLoad((layer(unique),), (f"{unique}:1",), labels={"of": unique}))
    stream = host.stream
    assert stream is not None
    until = time.monotonic() + 30
    while not stream.breaks or stream.broken:
        stream.wait(0.2)
        assert time.monotonic() < until
    host.watch()
    inventory = host.observe()
    assert any(f"{unique}:1" in " ".join(image.tags) for image in inventory.images)
    host.close()

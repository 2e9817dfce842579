"""What a routine clean asks of an engine: of images the untagged alone, while none of them goes."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from holystone.store.store import Store
from tests.cli.command import Command
from tests.engine.restoring import pushed
from tests.engine_client.proxy import Front, proxy
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, busybox_layer, layer, load


def full_lists(front: Front) -> list[str]:
    """The lists with the tagged images that were asked for since the last time."""
    tagged = re.compile(r"GET /images/json\?(all=1|filters=.*dangling.*false)")
    asked = [path for path in front.paths if tagged.match(path)]
    front.requests.clear()
    return asked


def kept(text: str) -> str:
    """How many images, or names of images, a clean says it kept."""
    found = re.search(r"image\S* *(?:names)? +\d+ +(\S+)", text)
    assert found, text
    return found[1]


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_a_young_untagged_image_costs_no_full_list(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """The counts are true, and once the image goes its bytes are told of all images."""
    load(
        fresh_engine,
        *(ImageToLoad([layer("base"), layer(n)], [f"localhost/{unique}:{n}"]) for n in range(3)),
        ImageToLoad([layer("base"), layer(unique)]),
    )
    with proxy(fresh_engine) as front:
        on = ("-H", front.url)
        before = holystone("clean", *on)
        front.requests.clear()
        for command in ("clean", "plan"):
            done = holystone(command, *on)
            assert (done.code, done.err) == (0, "")
            assert full_lists(front) == []
            assert "Too recent" in done.out
        # Of Podman the images are counted by its files, which are not in sight through a proxy.
        direct = holystone("clean", "-H", fresh_engine.host)
        # What the containerd store counts are names.
        counted = "not" if fresh_engine.store == "containerd" else "4"
        assert kept(direct.out) == counted, (before, direct)
        # A document has a verdict on each object.
        assert len(holystone("clean", "--json", *on).json["items"]) >= 4
        assert full_lists(front)
        gone = holystone("clean", "--min-age", "0s", *on)
        assert gone.code == 0
        assert full_lists(front)
        assert kept(gone.out) == "3"
    assert len(fresh_engine.client.list("/images/json?all=1")) == 3


@pytest.mark.engine("docker28c", "podman5")
def test_what_was_not_listed_is_not_forgotten(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str
) -> None:
    """A clean that lists the untagged alone remembers uses by reference and image."""
    old, new = (f"localhost/{unique}:{n}" for n in ("old", "new"))
    ids = load(fresh_engine, *(ImageToLoad([busybox_layer(), layer(n)], [n]) for n in (old, new)))
    pulled = f"{registry.address}/{unique}:1"
    pushed(fresh_engine, registry, unique, "1")
    fresh_engine.docker("rmi", pulled)
    with proxy(fresh_engine) as front:
        on = ("-H", front.url)
        holystone("observe", *on)
        fresh_engine.docker("run", "--name", unique, "--network", "none", new, "/bin/true")
        fresh_engine.docker("pull", pulled)
        front.requests.clear()
        holystone("clean", *on)
        assert full_lists(front) == []
    ledger = Store(str(holystone.state), lambda said: None)
    ((key,),) = ledger.read(lambda d: d.execute("SELECT engine FROM watch").fetchall())
    facts = ledger.recall(key)
    uses = ledger.recall_summaries(key, "reference")
    images = ledger.recall_summaries(key, "image")
    ledger.close()
    assert set(ids) <= set(facts)
    assert new in uses
    assert pulled in uses
    assert ids[1] in images


@pytest.mark.engine("docker28c")
def test_all_images_are_listed_once_a_day(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """So that new ones are known since then."""
    load(fresh_engine, ImageToLoad([layer(unique)], [f"localhost/{unique}:1"]))
    with proxy(fresh_engine) as front:
        on = ("-H", front.url)
        holystone("observe", *on)
        holystone("clean", *on)
        front.requests.clear()
        holystone("clean", *on)
        assert full_lists(front) == []
        with sqlite3.connect(next(Path(holystone.state).glob("holystone.db"))) as database:
            database.execute("UPDATE watch SET listed = listed - 90000")
        database.close()
        holystone("clean", *on)
        assert len(full_lists(front)) == 1
        holystone("clean", *on)
        assert full_lists(front) == []


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_a_second_deep_plan_asks_lists_alone(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """When images got their tags is remembered, and asked again where one is tagged again."""
    names = [f"localhost/{unique}:{n}" for n in range(20)]
    ids = load(fresh_engine, *(ImageToLoad([layer("base"), layer(n)], [n]) for n in names))
    with proxy(fresh_engine) as front:
        on = ("--min-age", "0s", "--no-check-registry", "--json", "-H", front.url)
        first = holystone("plan", "deep", *on)
        front.requests.clear()
        again = holystone("plan", "deep", *on)
        assert len(front.requests) <= 12, front.paths
        verdicts = [
            {item["id"]: item["action"] for item in each.json["items"]} for each in (first, again)
        ]
        assert verdicts[0] == verdicts[1]
        if fresh_engine.store != "podman":  # It keeps no such time.
            fresh_engine.docker("tag", names[0], names[0])
            front.requests.clear()
            holystone("plan", "deep", *on)
            asked = [each for each in front.requests if re.search(r"/images/[^/?]+/json", each)]
            assert len(asked) == 1
            assert ids[0] in asked[0]

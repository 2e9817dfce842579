"""``holystone restore``: what a clean took comes back, and what does not is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.cli.test_levels import CONFIG
from tests.docs.test_reference import codes, fields, first_cells, section
from tests.engine.refreshing import move_tag
from tests.engine.restoring import forget, image, pushed
from tests.engines import Engine, Registry
from tests.engines.artifacts import image_config, push_image
from tests.engines.images import SCRATCH, ImageToLoad, build, layer, load

SIGNATURE = "application/vnd.dev.cosign.simplesigning.v1+json"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A policy without graces: what a test makes is always young."""
    path = tmp_path / "holystone.toml"
    path.write_text(CONFIG)
    return path


def clean(holystone: Command, engine: Engine, config: Path, *options: str) -> None:
    on = ("--config", config, "-H", engine.host)
    done = holystone("clean", "deep", "--yes", *options, *on)
    assert (done.code, done.err) == (0, ""), done


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_a_deep_clean_is_undone(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    tags = [f"{registry.address}/{unique}:{tag}" for tag in ("1", "2")]
    pushed(fresh_engine, registry, unique, "1", "2")
    fresh_engine.docker("volume", "create", f"{unique}-data")
    before = image(fresh_engine, tags[0])
    clean(holystone, fresh_engine, config, "--volumes=named")
    assert image(fresh_engine, tags[0]) is None
    on = ("-H", fresh_engine.host)

    dry = holystone("restore", "--dry-run", *on)
    assert (dry.code, dry.err) == (0, "")
    assert "would be pulled" in dry.out
    assert dry.lines[-1].startswith("Would pull 1 image (")
    assert image(fresh_engine, tags[0]) is None

    done = holystone("restore", *on)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith("Restored what run 1 removed (deep clean, ")
    assert "1 volume cannot come back: the data of a volume is nowhere else." in done.out
    assert done.lines[-1].startswith("Restored 1 image in ")
    for tag in tags:
        now = image(fresh_engine, tag)
        assert now is not None
        assert before is not None
        assert now["Id"] == before["Id"]

    again = holystone("restore", "1", tags[0], "--json", *on)
    assert again.code == 0
    assert again.json["outcome"]["present"] == 1
    assert [item["result"] for item in again.json["items"]] == ["present"]


@pytest.mark.engine("docker20", "docker28")
def test_build_steps_go_with_their_image_and_are_not_missed(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    tag = f"{registry.address}/{unique}:3"
    lines = "RUN head -c 30000 /dev/urandom > /b\nENV A=1\n"
    before = build(fresh_engine, SCRATCH + lines, "-t", tag)
    fresh_engine.docker("push", tag)
    asked = ("--until-used", "1%", "--json", "--config", config, "-H", fresh_engine.host)
    items = holystone("clean", *asked).json["items"]
    images = {i["names"][0] if i["names"] else i["id"]: i for i in items if i["kind"] == "image"}
    (reason,) = images.pop(tag)["reasons"]
    assert (reason["rule"], reason["facts"]["with_steps"]) == ("pressure", 2)
    assert re.search(r"frees [\d.]+ MB with 2 build steps", reason["text"])
    assert [i["reasons"][0]["text"] for i in images.values()] == [
        f"build step of {tag}, which goes too"
    ] * 2
    assert image(fresh_engine, tag) is None
    assert "untagged" not in holystone("history", "1").out
    done = holystone("restore", "-H", fresh_engine.host)
    assert (done.code, done.err) == (0, "")
    assert "2 build steps not pulled: their images are whole without." in done.out
    assert "cannot come back" not in done.out
    assert (image(fresh_engine, tag) or {})["Id"] == before


@pytest.mark.engine("docker20", "docker28")
def test_a_digest_that_was_the_name_is_the_name_again(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    """Where the image had a tag, its digest names it no more than before."""
    digest, tagged = (pushed(fresh_engine, registry, f"{unique}-{n}", "1") for n in "ab")
    fresh_engine.docker("rmi", digest.partition("@")[0] + ":1")
    fresh_engine.docker("pull", digest)
    on = ("--config", config, "-H", fresh_engine.host)
    name = ("digest", {"reference": digest, "certain": True})

    def because(reference: str) -> list[tuple[str, object]]:
        reasons = holystone("explain", reference, "--json", *on).json["item"]["reasons"]
        return [(reason["rule"], reason["facts"]) for reason in reasons]

    assert because(digest) == [name]
    clean(holystone, fresh_engine, config)
    assert image(fresh_engine, digest) is None
    assert holystone("restore", "-H", fresh_engine.host).code == 0
    assert because(digest) == [name]
    assert because(tagged) == [("tagged", {"tags": 1})]
    move_tag(fresh_engine, registry, f"{unique}-b", "1")
    fresh_engine.docker("pull", tagged.partition("@")[0] + ":1")
    assert [rule for rule, _ in because(tagged)] == ["untagged"]
    assert because(digest) == [name]


@pytest.mark.engine("docker28c")
def test_what_the_engine_cannot_unpack_comes_back_with_its_tag(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    """A signature as cosign pushes it: an image by its config, with a layer that is no archive."""
    payload = json.dumps({"critical": unique}).encode()
    tag = push_image(registry, unique, image_config([payload]), [payload], layer_type=SIGNATURE)
    fresh_engine.docker("pull", tag, check=False)
    before = image(fresh_engine, tag)
    assert before is not None, "the engine has it, though it says that the pull failed"
    clean(holystone, fresh_engine, config)
    assert image(fresh_engine, tag) is None
    done = holystone("restore", "-H", fresh_engine.host)
    assert (done.code, done.err) == (0, ""), done
    assert "it is not unpacked: " in done.out
    now = image(fresh_engine, tag)
    assert now is not None
    assert now["Id"] == before["Id"]


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_some_do_not_come_back(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    """What never could is no failure, unless it was asked for by name; the rest comes."""
    good, gone = (pushed(fresh_engine, registry, f"{unique}-{n}", "1") for n in ("good", "gone"))
    local = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([layer(local)], [local]))
    clean(holystone, fresh_engine, config, "--include-local")
    forget(registry, gone)
    on = ("-H", fresh_engine.host)
    done = holystone("restore", "--json", *on)
    assert (done.code, done.err) == (3, "")
    items = {item["names"][0].partition(":1")[0]: item for item in done.json["items"]}
    assert {name.rpartition("-")[2]: item["result"] for name, item in items.items()} == {
        "good": "restored",
        "gone": "failed",
        # Where every image has a digest only the attempt can tell.
        local.rpartition(":")[0].rpartition("-")[2]: "lost"
        if fresh_engine.store == "classic"
        else "failed",
    }
    said = next(item["detail"] for name, item in items.items() if name.endswith("-gone"))
    assert "unknown" in said or "not found" in said
    assert fields(done.json) == documented()
    assert image(fresh_engine, good) is not None
    assert image(fresh_engine, gone) is None
    assert holystone("restore", *on, good, "-v").code == 0
    assert holystone("restore", "1", *on, local).code == 3
    said = holystone("restore", *on, "nothing:1", "--dry-run").failed(1)
    assert "the run removed nothing called 'nothing:1'; it removed " in said


def documented() -> set[str]:
    """The fields of the document, by its description."""
    told = codes(first_cells(section("docs/reference/json.md", "restore --json")))
    return {name for name in told if not any(each.startswith(f"{name}.") for each in told)}


@pytest.mark.engine("docker20")
def test_there_is_no_such_run_or_engine(fresh_engine: Engine, holystone: Command) -> None:
    on = ("-H", fresh_engine.host)
    assert "no run on this engine has removed an image" in holystone("restore", *on).failed(1)
    assert "there is no run 4711" in holystone("restore", "4711", *on).failed(1)
    holystone("restore", "-H", "unix:///nowhere.sock").failed(10)

"""``holystone refresh``: what moved in a registry is pulled, and the rest is told."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from holystone.usage.engine_history import KEPT_EVENTS
from tests.cli.command import Command, Done
from tests.cli.test_levels import CONFIG
from tests.docs.test_reference import codes, fields, first_cells, section
from tests.engine.cleaning import settle
from tests.engine.refreshing import move_tag
from tests.engine.restoring import forget, image, login, pushed
from tests.engines import Engine, Registry, start_registry
from tests.engines.images import ImageToLoad, layer, load


@pytest.fixture
def config(tmp_path: Path, registry: Registry) -> Path:
    """A policy without graces that protects the tags called 1 of everything."""
    path = tmp_path / "holystone.toml"
    path.write_text(f'{CONFIG}\n[protect]\nimages = ["**:1"]\n')
    return path


def image_id(engine: Engine, reference: str) -> str:
    told = image(engine, reference)
    assert told is not None
    return "sha256:" + str(told["Id"]).removeprefix("sha256:")


def states(done: Done) -> dict[str, tuple[str, str | None]]:
    """State and result of each reference, by the last part of its repository's name."""
    return {
        item["reference"].rpartition(":")[0].rpartition("-")[2]: (item["state"], item["result"])
        for item in done.json["items"]
    }


def documented() -> set[str]:
    """The fields of the document, by its description."""
    told = codes(first_cells(section("docs/reference/json.md", "refresh --json")))
    return {
        name
        for name in told
        if not any(name != each and each.startswith((f"{name}.", f"{name}[")) for each in told)
    }


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_a_tag_that_moved(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    """The container goes on with the version before, which a clean takes after it."""
    tag = f"{registry.address}/{unique}:1"
    pushed(fresh_engine, registry, unique, "1")
    before = image_id(fresh_engine, tag)
    on = ("--config", config, "-H", fresh_engine.host)
    first = holystone("refresh", "--dry-run", *on)
    assert (first.code, first.err) == (0, "")
    podman = fresh_engine.store == "podman"
    assert ("may be newer" if podman else "up to date") in first.out
    move_tag(fresh_engine, registry, unique, "1")
    body = {"Image": tag, "Cmd": ["/none"]}
    container = fresh_engine.api("POST", "/containers/create", body)["Id"]

    dry = holystone("refresh", "--dry-run", *on)
    assert (dry.code, dry.err) == (0, "")
    assert dry.lines[-1].startswith("Would pull 1 image.")
    assert image_id(fresh_engine, tag) == before

    done = holystone("refresh", "--window", "00:00-00:00", *on)
    assert (done.code, done.err) == (0, "")
    assert f"it was {before[7:19]}" in done.out
    after = image_id(fresh_engine, tag)
    assert after != before
    assert image_id(fresh_engine, before) == before

    again = holystone("refresh", "--json", *on)
    (item,) = again.json["items"]
    assert (item["state"], item["result"]) == (
        ("untold", "unchanged") if podman else ("current", None)
    )
    assert (item["why"], item["image_id"]) == ("protected", after)
    settle(fresh_engine)
    assert holystone("clean", *on).code == 0
    assert image(fresh_engine, before) is not None, "a container needs it"
    fresh_engine.api("DELETE", f"/containers/{container}")
    assert holystone("clean", *on).code == 0
    assert image(fresh_engine, before) is None
    assert image_id(fresh_engine, tag) == after


@pytest.mark.engine("docker20", "docker28c")
def test_one_image_does_not_stop_the_others(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    """One is gone, one was built here, one registry is down and one wants a login."""
    down, locked = start_registry(), start_registry(locked=True)
    try:
        pushed(fresh_engine, registry, f"{unique}-moved", "1")
        move_tag(fresh_engine, registry, f"{unique}-moved", "1")
        forget(registry, pushed(fresh_engine, registry, f"{unique}-gone", "1"))
        pushed(fresh_engine, down, f"{unique}-down", "1")
        pushed(fresh_engine, locked, f"{unique}-locked", "1")
        move_tag(fresh_engine, locked, f"{unique}-locked", "1")
        down.stop()
        local = f"{registry.address}/{unique}-local:1"
        pushed(fresh_engine, registry, f"{unique}-local", "1")
        load(fresh_engine, ImageToLoad([layer("built here")], [local]))
        built = image_id(fresh_engine, local)

        on = ("--config", config, "-H", fresh_engine.host)
        done = holystone("refresh", "--json", *on)
        assert (done.code, done.err) == (3, "")
        assert states(done) == {
            "moved": ("newer", "pulled"),
            "gone": ("gone", None),
            "down": ("unanswered", None),
            "locked": ("unanswered", None),
            "local": ("local", None),
        }
        assert image_id(fresh_engine, local) == built
        said = {item["reference"]: item["detail"] for item in done.json["items"]}
        assert "connection refused" in said[f"{down.address}/{unique}-down:1"]
        assert "refuses access" in said[f"{locked.address}/{unique}-locked:1"]

        (holystone.home / ".docker").mkdir()
        (holystone.home / ".docker/config.json").write_text(json.dumps(login(locked)))
        named = holystone("refresh", f"{locked.address}/{unique}-locked", local, "--json", *on)
        assert named.code == 0
        assert states(named) == {"locked": ("newer", "pulled"), "local": ("newer", "pulled")}
    finally:
        down.stop()
        locked.stop()


@pytest.mark.engine("docker20", "docker28c")
def test_missing_ones_are_pulled_only_where_asked(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, tmp_path: Path
) -> None:
    tags = [f"{registry.address}/{unique}-{name}:1" for name in ("a", "b")]
    for name in ("a", "b"):
        pushed(fresh_engine, registry, f"{unique}-{name}", "1")
        fresh_engine.api("DELETE", f"/images/{registry.address}/{unique}-{name}:1")
    never = f"{registry.address}/{unique}-never:1"
    config = tmp_path / "holystone.toml"
    names = json.dumps([tags[0], never, f"{registry.address}/{unique}*:2", f"{registry.address}/x"])
    config.write_text(f"[protect]\nimages = {names}\n")
    on = ("--config", config, "-H", fresh_engine.host)
    nothing = holystone("refresh", *on)
    assert (nothing.code, nothing.err) == (0, "")
    assert nothing.lines[-1].startswith("Nothing to refresh")
    done = holystone("refresh", "--missing", "--json", *on)
    assert done.code == 3
    assert states(done) == {"a": ("missing", "pulled"), "never": ("gone", None)}
    assert image(fresh_engine, tags[0]) is not None
    absent = holystone("refresh", tags[1], *on)
    assert absent.code == 3
    assert "--missing pulls it" in absent.out
    assert holystone("refresh", tags[1], "--missing", *on).code == 0
    assert image(fresh_engine, tags[1]) is not None


@pytest.mark.engine("docker20", "docker28c")
def test_what_was_used_of_late(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str
) -> None:
    """The version that is pulled stands in for the one that was used."""
    for name in ("used", "unused"):
        pushed(fresh_engine, registry, f"{unique}-{name}", "1")
        move_tag(fresh_engine, registry, f"{unique}-{name}", "1", 3_000_000)
    tag = f"{registry.address}/{unique}-used:1"
    body = {"Image": tag, "Cmd": ["/none"]}
    container = fresh_engine.api("POST", "/containers/create", body)["Id"]
    # A pull is a use as well; after so many events the engine no longer tells of it.
    for number in range(KEPT_EVENTS):
        fresh_engine.api("POST", f"/containers/{container}/rename?name={unique}-{number}")
    on = ("-H", fresh_engine.host, "--json")
    done = holystone("refresh", *on)
    assert (done.code, done.err) == (0, "")
    assert states(done) == {"used": ("newer", "pulled")}
    if fresh_engine.store == "classic":  # Others do not tell how many bytes came so quickly.
        (speed,) = done.json["speeds"]
        assert fields(done.json) == documented()
        assert (speed["registry"], speed["pulls"]) == (registry.address, 1)
        (item,) = done.json["items"]
        assert item["pulled_bytes"] >= 3_000_000
        assert speed["bytes_per_second"] == pytest.approx(
            item["pulled_bytes"] / item["seconds"], rel=0.05
        )
    fresh_engine.api("DELETE", f"/containers/{container}")
    assert states(holystone("refresh", *on)) == {"used": ("current", None)}


def test_outside_the_window_nothing_is_asked(holystone: Command, tmp_path: Path) -> None:
    """Not even the engine, which is not there."""
    now = time.localtime()
    window = f"{(now.tm_hour + 2) % 24:02}:00-{(now.tm_hour + 3) % 24:02}:00"
    on = ("-H", "unix:///nowhere.sock")
    done = holystone("refresh", "--window", window, *on)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"Outside the window {window}: it is ")
    config = tmp_path / "holystone.toml"
    config.write_text(f'[refresh]\nwindow = "{window}"\n')
    told = holystone("refresh", "--json", "--config", config, *on)
    assert (told.code, told.json["outside_window"], told.json["window"]) == (0, True, window)
    holystone("refresh", "--window", "00:00-00:00", "--config", config, *on).failed(10)
    holystone("refresh", "--dry-run", "--config", config, *on).failed(10)


@pytest.mark.parametrize(
    ("arguments", "words", "code"),
    [
        (["--window", "22-6"], "write it like 22:00-06:00", 64),
        (["--parallel", "0"], "from 1 to 16", 64),
        (["--limit-rate", "5MB/s"], "there is no option --limit-rate", 64),
    ],
)
def test_what_cannot_be(holystone: Command, arguments: list[str], words: str, code: int) -> None:
    assert words in holystone("refresh", *arguments).failed(code)


@pytest.mark.engine("docker20")
@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("python@sha256:" + "1" * 64, "what a digest means never changes"),
        ("Python", "must be lower case"),
        ("nothing/*", "there is no tag here that 'nothing/*' covers"),
    ],
)
def test_references_that_mean_nothing(
    engine: Engine, holystone: Command, reference: str, words: str
) -> None:
    assert words in holystone("refresh", reference, "-H", engine.host).failed(1)

"""Images that no builder of an engine makes: artifacts, no history, no layers; all else goes on."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.command import Command, Done
from tests.engines import Engine, Registry
from tests.engines.artifacts import image_config, layer_of, push_chart, push_image
from tests.engines.files import found_below
from tests.engines.images import ImageToLoad, layer, load

LOOKS = ("plan", "plan deep", "plan weekly --min-age 0s", "status", "images", "observe")


def pull(engine: Engine, *references: str) -> None:
    """Pull what the registry has; raises where the engine refuses."""
    for reference in references:
        said = engine.api("POST", f"/images/create?fromImage={reference}")
        assert not [line for line in said if "error" in line], said


def try_to_pull(engine: Engine, reference: str) -> None:
    """Pull what the engine keeps, and then says that it cannot unpack it."""
    engine.api("POST", f"/images/create?fromImage={reference}")
    listed = [tag for each in engine.client.list("/images/json") for tag in each["RepoTags"] or ()]
    assert reference in listed


def odd_images(registry: Registry, name: str) -> dict[str, str]:
    """References of images with layers in common and a history that is none, by what is odd."""
    layers = [layer_of("a", b"a" * 100_000), layer_of(name, b"b" * 200_000)]
    histories: dict[str, dict[str, Any]] = {
        "none": {},
        "empty": {"history": []},
        "null": {"history": None},
        "short": {"history": [{"created_by": "one"}]},
    }
    return {
        odd: push_image(registry, f"{name}-{odd}", image_config(layers, **more), layers)
        for odd, more in histories.items()
    }


def rule(done: Done, reference: str) -> str:
    """The rule that decided on the image with this tag."""
    (item,) = [each for each in done.json["items"] if reference in each["names"]]
    return str(item["reasons"][0]["rule"])


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_images_without_history(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str
) -> None:
    """Every look and the clean end well, and a stopped container and an untagged image go."""
    odd = odd_images(registry, unique)
    pull(fresh_engine, *odd.values())
    (untagged,) = load(fresh_engine, ImageToLoad([layer(unique)]))
    on = ("-H", fresh_engine.host)
    for look in LOOKS:
        done = holystone(*look.split(), "--json", *on)
        assert (done.code, done.err) == (0, ""), look
        assert holystone(*look.split(), *on).code == 0, look
    listed = {image["id"]: image for image in holystone("images", "--json", *on).json["images"]}
    assert len(listed) == len(odd) + 1
    # Their layers are known by name, so that what they share counts once.
    shared = [each["shared_bytes"] for each in listed.values() if each["id"] != untagged]
    assert all(each >= 300_000 for each in shared), listed
    for reference in odd.values():
        assert holystone("explain", reference, *on).code == 0
    assert holystone("verify", *on).code == 0
    cleaned = holystone("clean", "--min-age", "0s", "--json", *on)
    assert (cleaned.code, cleaned.err) == (0, "")
    assert cleaned.json["outcome"]["removed"] == 1
    assert untagged not in {each["Id"] for each in fresh_engine.client.list("/images/json?all=1")}
    gone = holystone("clean", "deep", "--include-local", "--yes", "--min-age", "0s", "--json", *on)
    assert (gone.code, gone.err) == (0, "")
    # Podman tells late of what the clean before did: that spares an image for this run.
    outcome = gone.json["outcome"]
    assert outcome["removed"] + outcome["skipped"] == len(odd), outcome
    assert outcome["removed"] == len(odd) or fresh_engine.store == "podman"
    bounds = [gone.json[key] for key in ("at_least_bytes", "freed_bytes", "at_most_bytes")]
    assert bounds == sorted(bounds)


@pytest.mark.engine("docker28c")
def test_an_artifact_holds_nothing_unpacked(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str
) -> None:
    """A Helm chart that stays leaves the figures of the others as exact as they were."""
    chart = push_chart(registry, unique, unique.encode() * 100_000)
    load(fresh_engine, ImageToLoad([layer(unique)]))
    on = ("-H", fresh_engine.host)
    before = holystone("plan", "--min-age", "0s", "--json", *on).json
    # A module of WebAssembly has a config that names its layer as an image's does.
    module = f"{unique} module".encode() * 1000
    wasm = push_image(
        registry,
        f"{unique}-wasm",
        image_config([module]),
        [module],
        config_type="application/vnd.wasm.config.v0+json",
        layer_type="application/wasm",
    )
    pull(fresh_engine, chart)
    try_to_pull(fresh_engine, wasm)
    for look in LOOKS:
        done = holystone(*look.split(), "--json", *on)
        assert (done.code, done.err) == (0, ""), look
        assert done.json["notes"] == []
    after = holystone("plan", "--min-age", "0s", "--json", *on).json
    figures = ("freed_bytes", "at_least_bytes", "at_most_bytes")
    assert [before[each] for each in figures] == [after[each] for each in figures]
    assert before["freed_bytes"] > 0
    (told,) = [
        each for each in holystone("images", "--json", *on).json["images"] if chart in each["tags"]
    ]
    assert told["unique_bytes"] == told["size_bytes"] > len(unique) * 100_000
    assert told["shared_bytes"] == 0
    verified = holystone("verify", "--json", *on)
    assert verified.code == 0
    assert {each["result"] for each in verified.json["images"]} == {"ok"}
    assert holystone("clean", "--min-age", "0s", *on).code == 0
    deep = holystone("clean", "deep", "--include-local", "--yes", "--min-age", "0s", "--json", *on)
    assert deep.code == 0
    assert rule(deep, chart) == "unused"
    assert fresh_engine.client.list("/images/json?all=1") == []
    assert deep.json["freed_bytes"] > told["size_bytes"]


@pytest.mark.engine("docker28c")
def test_an_image_whose_blobs_are_gone_is_listed_and_noted(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """The engine answers 404 to an inspection of it, as if it were gone."""
    names = [f"localhost/{unique}:{n}" for n in ("manifest", "config")]
    ids = load(fresh_engine, *(ImageToLoad([layer(name)], [name]) for name in names))
    blobs = found_below(fresh_engine.data, "io.containerd.content.v1.content/blobs/sha256")[0]
    described = json.loads((blobs / ids[1].removeprefix("sha256:")).read_text())
    for digest in (ids[0], described["config"]["digest"]):
        (blobs / digest.removeprefix("sha256:")).unlink()
    on = ("-H", fresh_engine.host)
    for look in (*LOOKS, "clean --min-age 0s"):
        done = holystone(*look.split(), "--json", *on)
        assert (done.code, done.err) == (0, ""), look
    told = holystone("images", "--json", *on).json
    assert {each["id"] for each in told["images"]} == set(ids)
    assert {each["id"] for each in told["notes"]} == set(ids)
    assert holystone("verify", *on).code == 1


@pytest.mark.engine("docker20")
def test_verify_says_not_checked_of_what_the_engine_cannot_export(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str
) -> None:
    """An image without layers is not damaged, and was not looked at either."""
    empty = push_image(registry, unique, image_config([]), [])
    pull(fresh_engine, empty)
    done = holystone("verify", "--json", "-H", fresh_engine.host)
    assert done.code == 3
    (told,) = done.json["images"]
    assert told["result"] == "unchecked"
    assert "cannot export" in told["not_checked"][0]

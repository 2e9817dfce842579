"""``holystone rm``: what is named goes, unless it is in use, protected or leased."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

DEMO = ("-H", "demo:")
BACKEND = "registry.example.com/team/backend"


def removed(document: dict[str, Any]) -> set[tuple[str, str]]:
    """Kind and ID of what was removed."""
    return {(i["kind"], i["id"]) for i in document["items"] if i["result"] == "removed"}


def test_an_image_goes_and_restore_brings_it_back(holystone: Command, tmp_path: Path) -> None:
    on = ("--state", tmp_path / "state", *DEMO)
    dry = holystone("rm", "postgres:15-alpine", "--dry-run", *on)
    assert (dry.code, dry.err) == (0, "")
    assert dry.lines[-1] == "Would free 232 MB: 1 image."
    done = holystone("rm", "postgres:15-alpine", *on)
    assert (done.code, done.err) == (0, "")
    assert "Would free 232 MB: 1 image." in done.lines
    assert done.lines[-1] == "✅ Removed 1 image"
    (run,) = holystone("history", "--json", "--state", tmp_path / "state").json["runs"]
    assert (run["level"], run["removed"], run["options"]) == (
        "rm", 1, ["postgres:15-alpine"],
    )  # fmt: skip
    holystone("rm", "postgres:15-alpine", *on).failed(1)
    assert holystone("restore", *on).code == 0
    assert holystone("rm", "postgres:15-alpine", "-n", *on).code == 0


def test_what_is_in_use_stays_and_the_rest_goes(holystone: Command) -> None:
    done = holystone("rm", "redis:7", "nginx:1.27", "nginx:1.27", *DEMO, "--json")
    assert (done.code, done.err) == (3, "")
    told = done.json
    assert [each["kind"] for each in told["asked"]] == ["image", "image"]
    assert len(removed(told)) == 1
    reasons = {i["id"]: i["reasons"][0]["rule"] for i in told["items"]}
    assert reasons[told["asked"][0]["id"]] == "in-use"
    assert told["outcome"]["freed_bytes"] == told["outcome"]["planned_bytes"] > 0
    assert holystone("rm", "redis:7", "-n", *DEMO).code == 3


def test_what_is_protected_or_leased_stays(holystone: Command, tmp_path: Path) -> None:
    config = tmp_path / "mine.toml"
    config.write_text('[protect]\nimages = ["nginx"]\n')
    on = ("--state", tmp_path / "state", *DEMO)
    done = holystone("rm", "nginx:1.27", "--yes", "--config", config, *on)
    assert done.code == 3
    assert "protected: nginx:1.27 matches nginx" in done.out
    assert done.lines[-1] == "❌ 1 of 1 object not removed"
    lease = ("lease", "nginx:1.27", "--for", "1h", "--job", "7", "--state", tmp_path / "state")
    assert holystone(*lease).code == 0
    assert "leased by job 7" in holystone("rm", "nginx:1.27", "--yes", *on).out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ngnix:1.27",), "Did you mean nginx:1.27?"),
        (("nginx:1.27", "--kind", "volume"), "no volume on this host is called"),
        ((f"{BACKEND}:latest",), f"it is also {BACKEND}:1.42.3. To take one name away frees"),
    ],
)
def test_what_is_not_one_object_is_an_error(
    holystone: Command, words: tuple[str, ...], said: str
) -> None:
    assert said in holystone("rm", *words, "--yes", *DEMO).failed(1)


def test_a_name_of_several_objects_lists_them(holystone: Command) -> None:
    done = holystone("rm", "postgres", "--yes", *DEMO)
    assert (done.code, done.out) == (1, "")
    assert "'postgres' means 2 objects" in done.err
    assert "image postgres:15-alpine (100fe2f9216a)" in done.err


@pytest.mark.parametrize("json", [(), ("--json",)])
def test_what_is_lost_for_good_takes_a_yes(holystone: Command, json: tuple[str, ...]) -> None:
    done = holystone("rm", "sonarqube-data", *json, *DEMO)
    assert done.code == 64
    assert "Data in 1 volume is lost for good:\n  sonarqube-data  9.64 GB\n" in done.err
    assert "nothing was removed. Pass --yes to go ahead." in done.err
    done = holystone("rm", "sonarqube-data", "--yes", *DEMO)
    assert (done.code, done.lines[-1]) == (0, "✅ Removed 1 volume")


def test_a_container_and_what_only_it_used(holystone: Command) -> None:
    """Both were named: a volume is not kept since its last container went just now."""
    job = "runner-t3pk2x8z-project-98-concurrent-2-build"
    image = "ultralytics/yolov5:latest"
    told = holystone("rm", job, image, "--yes", "--json", *DEMO).json
    assert {kind for kind, _ in removed(told)} == {"container", "image"}
    network = holystone("rm", "e2e-shop-4711", "e2e-4711", "e2e-artifacts", "-y", "--json", *DEMO)
    assert network.code == 0
    assert {kind for kind, _ in removed(network.json)} == {"container", "network", "volume"}


@pytest.mark.engine("docker20", "docker28c")
def test_on_an_engine(fresh_engine: Engine, holystone: Command, unique: str) -> None:
    on = ("-H", fresh_engine.host)
    a, b, c = (f"localhost/{unique}-{n}:1" for n in "abc")
    low, top = layer(f"{unique} low"), layer(f"{unique} top", 20_000)
    base, built, other = load(
        fresh_engine,
        ImageToLoad([low], [a]),
        ImageToLoad([low, top], [b, f"{b}.1"]),
        ImageToLoad([busybox_layer()], [c]),
    )
    volume = ("-v", f"{unique}-data:/data")
    fill = ("/bin/sh", "-c", "head -c 500000 /dev/urandom > /data/file")
    fresh_engine.docker("run", "--name", unique, "--network", "none", *volume, other, *fill)
    some = holystone("rm", b, "--yes", *on).failed(1)
    assert f"it is also {b}.1" in some
    asks = holystone("rm", b, f"{b}.1", *on)
    assert asks.code == 64
    assert "No registry is known to have this image:" in asks.err
    used = holystone("rm", c, "--yes", *on)
    assert used.code == 3
    assert f"in use by container {unique}" in used.out
    done = holystone("rm", built, "--with-unused-parents", "--yes", "--json", *on)
    assert (done.code, done.err) == (0, "")
    assert removed(done.json) == {("image", built), ("image", base)}
    held = holystone("rm", f"{unique}-data", "--yes", *on)
    assert held.code == 3
    assert f"in use by container {unique}" in held.out
    both = holystone("rm", unique, c, f"{unique}-data", "--yes", "--json", *on)
    assert both.code == 0
    assert {kind for kind, _ in removed(both.json)} == {"container", "image", "volume"}
    (data,) = (i for i in both.json["items"] if i["kind"] == "volume")
    assert data["outcome_freed_bytes"] >= 500_000
    assert fresh_engine.docker("images", "--quiet") == ""


def test_it_asks_on_a_terminal(holystone: Command) -> None:
    said = holystone.on_terminal("rm", "sonarqube-data", *DEMO, columns=100, answer="n\n")
    assert "Remove all this? [y/N]" in said.out
    assert "nothing was removed" in said.out
    assert said.code == 1
    said = holystone.on_terminal("rm", "sonarqube-data", *DEMO, columns=100, answer="y\n")
    assert said.code == 0
    assert "Removed 1 volume" in said.out
    said = holystone.on_terminal("rm", "nginx:1.27", *DEMO, columns=100)
    assert (said.code, "[y/N]" in said.out) == (0, False)

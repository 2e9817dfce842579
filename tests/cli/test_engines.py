"""Every command on real engines: what is told is what the engine has, and what goes is gone."""

from __future__ import annotations

import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from holystone.planner.policy import LEVELS
from holystone.planner.units import format_size
from tests.cli.command import Command, ended
from tests.cli.contract import Key, check_clean, check_plan, removed
from tests.cli.faulty import proxied
from tests.cli.test_text import FIRST, LAST
from tests.engine.cleaning import figures
from tests.engines import Engine
from tests.engines.images import SCRATCH, ImageToLoad, build, busybox_layer, layer, load

NOW = ("--min-age", "0s")


def objects(engine: Engine) -> set[Key]:
    """Everything in the engine's own lists, by kind and ID."""
    found = {("container", c["Id"]) for c in engine.client.list("/containers/json?all=1")}
    for image in engine.client.list("/images/json?all=1"):
        found.add(("image", "sha256:" + image["Id"].removeprefix("sha256:")))
    found |= {("network", network["Id"]) for network in engine.client.list("/networks")}
    found |= {("volume", v["Name"]) for v in engine.api("GET", "/volumes")["Volumes"] or ()}
    usage = engine.disk_usage()
    return found | {("cache", record["ID"]) for record in usage.get("BuildCache") or ()}


def furnish(engine: Engine, name: str) -> dict[str, str]:
    """Put one of everything on an engine; answers IDs by what they are."""
    tag = f"localhost/{name}:1"
    base = ImageToLoad([busybox_layer(), layer(f"{name} base", 40_000)], [tag])
    steps = [*base.layers, layer(f"{name} own", 30_000)]
    dangling = ImageToLoad(steps, labels={"n": name}, created=datetime.now(UTC))
    tagged_id, dangling_id = load(engine, base, dangling)
    engine.docker("volume", "create", f"{name}-volume")
    write = "head -c 20000 /dev/urandom > /written"
    run = ("run", "--network", "none", "--name")
    engine.docker(*run, f"{name}-stopped", tag, "sh", "-c", write)
    engine.docker("run", "--detach", *run[1:], f"{name}-running", tag, "sleep", "1000")
    return {"tagged": tagged_id, "dangling": dangling_id, "tag": tag}


def test_the_whole_round(fresh_engine: Engine, holystone: Command, unique: str) -> None:
    """Look, plan, clean, look again: on every kind of engine."""
    made = furnish(fresh_engine, unique)
    before = objects(fresh_engine)
    on = ("-H", fresh_engine.host)

    status = holystone("status", *on)
    assert (status.code, status.err) == (0, "")
    assert fresh_engine.host in status.out
    images = holystone("images", *NOW, *on)
    assert (images.code, images.err) == (0, "")
    assert re.search(rf"^ +localhost/{unique} +1 .* keep: in use$", images.out, re.MULTILINE)
    assert re.search(r"^ +<none> +<none> .* remove$", images.out, re.MULTILINE)

    planned = holystone("plan", "--json", "--detailed-exitcode", *NOW, *on)
    assert (planned.code, planned.err) == (2, "")
    items = check_plan(planned.json)
    assert set(items) == before
    assert objects(fresh_engine) == before, "a plan changes nothing"
    assert items["image", made["dangling"]]["action"] == "remove"
    assert items["image", made["tagged"]]["reasons"][0]["rule"] == "in-use"

    for name in (made["tag"], made["dangling"][:19], f"{unique}-stopped", f"{unique}-volume"):
        explained = holystone("explain", name, *NOW, *on)
        assert (explained.code, explained.err) == (0, ""), name

    cleaned = holystone("clean", "--json", *NOW, *on)
    assert (cleaned.code, cleaned.err) == (0, "")
    items = check_clean(cleaned.json)
    assert set(items) == before
    went = removed(items)
    assert objects(fresh_engine) == before - went
    assert {kind for kind, _ in went} == {"container", "image"}
    assert cleaned.json["freed_bytes"] == planned.json["freed_bytes"]
    if fresh_engine.store == "classic":
        assert cleaned.json["outcome"]["freed_bytes"] == planned.json["freed_bytes"] == 50_000

    again = holystone("clean", *NOW, *on)
    assert (again.code, again.err) == (0, "")
    assert again.out.startswith(f"{FIRST}\n")
    assert again.out.endswith(f"\n{LAST}\n")
    assert re.search(r"^ +total +0 ", again.out, re.MULTILINE)
    assert holystone("plan", "--detailed-exitcode", *NOW, *on).code == 0


def test_young_objects_are_left_and_told(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    before = (furnish(fresh_engine, unique), objects(fresh_engine))[1]
    done = holystone("clean", "-H", fresh_engine.host)
    assert done.code == 0
    assert objects(fresh_engine) == before
    said = " ".join(done.out.split())
    assert "Too recent, kept for now: 1 container and 1 image (eligible from " in said


@pytest.mark.engine("docker20")
def test_freed_bytes_are_the_fall_of_the_engines_figures(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """Layers, the writable layer of a container and build cache, to the byte."""
    furnish(fresh_engine, unique)
    dockerfile = SCRATCH + f"RUN echo {unique} && head -c 70000 /dev/urandom > /big\n"
    build(fresh_engine, dockerfile, buildkit=True)
    before = figures(fresh_engine)
    done = holystone("clean", "--json", *NOW, "--cache-budget", "0", "-H", fresh_engine.host)
    after = figures(fresh_engine)
    items = check_clean(done.json)
    assert {kind for kind, _ in removed(items)} == {"container", "image", "cache"}
    assert before.total - after.total == done.json["outcome"]["freed_bytes"]
    assert done.json["outcome"]["freed_bytes"] == done.json["freed_bytes"] >= 120_000
    assert not done.json["estimated"]
    told = Counter[str]()
    for (kind, _), item in items.items():
        told[kind] += item["outcome_freed_bytes"]
    assert told["container"] == before.containers - after.containers
    # What images and cache hold together comes free with the last of them, for the engine with
    # the first.
    assert told["image"] + told["cache"] == (
        before.images + before.cache - after.images - after.cache
    )


@pytest.mark.engine("docker20")
def test_text_and_json_tell_the_same(fresh_engine: Engine, holystone: Command, unique: str) -> None:
    furnish(fresh_engine, unique)
    done = holystone("clean", *NOW, "-v", "-H", fresh_engine.host)
    assert done.code == 0
    assert done.out.split("\n")[0] == FIRST
    assert f"\n  {unique}-stopped " in done.out
    assert re.search(r"^ +total +2 +\d+ +50\.0 kB$", done.out, re.MULTILINE)
    assert re.search(r"^Freed 50\.0 kB in \d+\.\d s, as planned\.$", done.out, re.MULTILINE)


@pytest.mark.engine("docker20", "docker28c")
def test_two_cleans_at_the_same_moment(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """Neither fails, and what the other one took is told as already gone.

    They have state folders of their own: with one in common the second waits for the first.
    """
    load(
        fresh_engine,
        *(ImageToLoad([layer(f"{unique} {n}")], labels={"n": f"{n}"}) for n in range(24)),
    )
    first = holystone("plan", "--json", *NOW, "-H", fresh_engine.host)
    assert len(check_plan(first.json)) >= 24
    runs: list[Any] = []

    def other_run_now(number: int) -> None:
        if number == 6:
            on = ("-H", fresh_engine.host, "--state", holystone.home / "other")
            runs.append(holystone("clean", "--json", *NOW, *on))

    with proxied(fresh_engine.socket, other_run_now) as proxy:
        runs.append(holystone("clean", "--json", *NOW, "-H", proxy.host))
    went: list[set[Key]] = []
    for run in runs:
        assert (run.code, run.err) == (0, "")
        items = check_clean(run.json)
        assert run.json["outcome"]["failed"] == 0
        skipped = [i for i in items.values() if i["result"] == "skipped"]
        assert {i["detail"] for i in skipped} <= {"already gone"}
        went.append(removed(items))
    assert all(went)
    assert not went[0] & went[1]
    assert not [key for key in objects(fresh_engine) if key[0] == "image"]


@pytest.mark.engine("docker20", "docker28", "podman")
def test_two_cleans_in_a_race(fresh_engine: Engine, holystone: Command, unique: str) -> None:
    """Both after the same objects: what one of them takes under the other's hands is no failure."""
    images = [ImageToLoad([layer(f"{unique} {n}", 1000)], labels={"n": f"{n}"}) for n in range(40)]
    load(fresh_engine, *images)
    arguments = ("clean", "--json", *NOW, "-H", fresh_engine.host)
    apart = ("--state", holystone.home / "other")
    with holystone.started(*arguments) as one, holystone.started(*arguments, *apart) as other:
        runs = [ended(one), ended(other)]
    for run in runs:
        assert (run.code, run.err) == (0, ""), run.out
        details = {item["detail"] for item in check_clean(run.json).values()}
        # Podman sends events of the second before the stream was opened: here, of the load.
        late = {"used since planned"} if fresh_engine.store == "podman" else set()
        # After an error of its own the engine does not tell which of the two took it.
        fault = "the engine answered 500, and it is gone"
        assert details <= {"", "already gone", fault} | late
    if not late:
        assert not [key for key in objects(fresh_engine) if key[0] == "image"]


@pytest.mark.engine("docker20")
def test_the_environment_names_the_engine(
    engine: Engine, holystone: Command, tmp_path: Path
) -> None:
    """DOCKER_HOST, a context by option, by variable and by configuration."""
    engine.docker("context", "create", "private", "--docker", f"host={engine.host}")
    config = engine.environment["DOCKER_CONFIG"]
    ways: list[tuple[tuple[str, ...], dict[str, str]]] = [
        ((), {"DOCKER_HOST": engine.host}),
        (("-c", "private"), {"DOCKER_CONFIG": config}),
        (("-c", "private"), {"DOCKER_CONFIG": config, "DOCKER_HOST": "unix:///nowhere.sock"}),
        ((), {"DOCKER_CONFIG": config, "DOCKER_CONTEXT": "private"}),
    ]
    for arguments, variables in ways:
        done = holystone("status", "--json", *arguments, **variables)
        assert done.json["endpoint"] == engine.host


def test_report_has_the_figures_of_plan(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """On every kind of engine, and before anything is recorded of it."""
    furnish(fresh_engine, unique)
    file = holystone.home / "report.html"
    on = (*NOW, "--no-check-registry", "-H", fresh_engine.host)
    done = holystone("report", file, *on)
    assert (done.code, done.err) == (0, "")
    page = file.read_text()
    for level in LEVELS:
        plan = holystone("plan", level, *on, "--json").json
        said = format_size(plan["freed_bytes"])
        assert re.search(rf'<p class="figure">(about )?{re.escape(said)}', page), level
    assert f"{unique}-running" in page
    assert f"localhost/{unique}:1" in page
    picture = holystone("status", "--svg", "-H", fresh_engine.host)
    assert (picture.code, picture.err) == (0, "")
    assert picture.out.startswith("<svg xmlns=")

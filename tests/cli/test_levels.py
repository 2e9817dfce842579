"""Weekly, deep and under pressure on real engines; plans in files; one run at a time."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.command import Command, ended
from tests.cli.contract import check_clean, check_plan, removed
from tests.cli.test_engines import objects
from tests.engine.cleaning import figures
from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

CONFIG = """
[grace]
untagged = "0s"
never_tagged = "0s"
tagged = "0s"
other = "0s"
[images]
unused_for = "0s"
keep_last = 1
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A policy without graces: what a test makes is always young."""
    path = tmp_path / "holystone.toml"
    path.write_text(CONFIG)
    return path


def pushed(engine: Engine, registry: Registry, name: str, *tags: str) -> list[str]:
    """Load images of one repository, push them, and answer their references."""
    references = [f"{registry.address}/{name}:{tag}" for tag in tags]
    base = layer(f"{name} base", 50_000)
    load(
        engine,
        *(
            ImageToLoad([base, layer(reference, 9000 + n)], [reference])
            for n, reference in enumerate(references)
        ),
    )
    for reference in references:
        engine.docker("push", reference)
    return references


def tags(engine: Engine) -> set[str]:
    """Every tag on the engine."""
    listed = engine.client.list("/images/json")
    return {tag for image in listed for tag in image["RepoTags"] or () if "<none>" not in tag}


@pytest.mark.engine("docker20", "docker28c")
def test_weekly(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    """Networks, anonymous volumes and expired tags go, to the byte; the rest stays."""
    old, new = pushed(fresh_engine, registry, unique, "1", "2")
    local = [f"localhost/{unique}:1", f"localhost/{unique}:2"]
    load(fresh_engine, *(ImageToLoad([layer(tag)], [tag]) for tag in local))
    project = "com.docker.compose.project=shop"
    fresh_engine.docker("network", "create", "--label", project, f"{unique}-net")
    fresh_engine.docker("network", "create", f"{unique}-by-hand")
    fresh_engine.docker("volume", "create", f"{unique}-named")
    anonymous = fresh_engine.api("POST", "/volumes/create", {})["Name"]
    before = figures(fresh_engine)
    done = holystone("clean", "weekly", "--json", "--config", config, "-H", fresh_engine.host)
    assert (done.code, done.err) == (0, "")
    items = check_clean(done.json)
    went = {
        name for item in items.values() if item["result"] == "removed" for name in item["names"]
    }
    assert went == {anonymous, f"{unique}-net", min(old, new)}
    assert tags(fresh_engine) == {max(old, new), *local}
    (kept,) = (i for i in items.values() if local[0] in i["names"])
    # On the containerd store its registry is asked, and there is none at localhost.
    expected = "local" if fresh_engine.store == "classic" else "unconfirmed"
    assert kept["reasons"][0]["rule"] == expected
    images = sum(i["outcome_freed_bytes"] for (kind, _), i in items.items() if kind == "image")
    if fresh_engine.store == "classic":
        assert before.images - figures(fresh_engine).images == images
    assert fresh_engine.docker("volume", "ls", "--quiet").split() == [f"{unique}-named"]


@pytest.mark.engine("docker20", "docker28c")
def test_deep(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    """Everything unused, asked for twice; what no registry can give back only when named."""
    (back,) = pushed(fresh_engine, registry, unique, "1")
    local, used = f"localhost/{unique}:local", f"localhost/{unique}:used"
    load(fresh_engine, ImageToLoad([layer(local)], [local]))
    load(fresh_engine, ImageToLoad([busybox_layer(), layer(used)], [used]))
    fresh_engine.docker("run", "-d", "--network", "none", "--name", unique, used, "sleep", "1000")
    fresh_engine.docker("volume", "create", f"{unique}-named")
    on = ("--config", config, "-H", fresh_engine.host)

    refused = holystone("clean", "deep", *on)
    assert refused.code == 64
    assert "Pass --yes to go ahead" in refused.err
    assert back in refused.err
    assert tags(fresh_engine) == {back, local, used}

    done = holystone("clean", "deep", "--yes", "--json", *on)
    assert (done.code, done.err) == (0, "")
    check_clean(done.json)
    assert tags(fresh_engine) == {local, used}

    lost = holystone("clean", "deep", "--include-local", "--volumes=named", *on)
    assert lost.code == 64
    assert re.search(rf"No registry is known to have this image:\n +{re.escape(local)} ", lost.err)
    assert re.search(rf"Data in 1 volume is lost for good:\n +{unique}-named ", lost.err)
    done = holystone("clean", "deep", "--yes", "--include-local", "--volumes=named", *on)
    assert (done.code, done.err) == (0, "")
    assert done.lines[-1] == "✅ Cleaned at level deep"
    assert tags(fresh_engine) == {used}
    assert fresh_engine.docker("volume", "ls", "--quiet") == ""


@pytest.mark.engine("docker20")
def test_deep_asks_on_a_terminal(
    fresh_engine: Engine, holystone: Command, unique: str, config: Path
) -> None:
    tag = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([layer(tag)], [tag]))
    on = ("clean", "deep", "--include-local", "--config", config, "-H", fresh_engine.host)
    said = holystone.on_terminal(*on, columns=100, answer="n\n")
    assert "Remove all this? [y/N]" in said.out
    assert "nothing was removed" in said.out
    assert (said.code, tags(fresh_engine)) == (1, {tag})
    said = holystone.on_terminal(*on, columns=100, answer="y\n")
    assert (said.code, tags(fresh_engine)) == (0, set())


@pytest.mark.engine("docker20", "docker28c")
def test_until_free(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    """What was used longest ago goes first, and what cannot be reached is told with why."""
    references = pushed(fresh_engine, registry, unique, "1", "2", "3")
    for reference in references[:2]:
        fresh_engine.docker("tag", reference, reference)
    on = ("--config", config, "-H", fresh_engine.host)
    disk = holystone("status", "--json", *on).json["disk"]
    planned = holystone("plan", "--until-free", f"{disk['free_bytes'] - 10**9}B", "--json", *on)
    assert planned.json["items"]
    assert not [i for i in check_plan(planned.json).values() if i["action"] == "remove"]
    local = f"localhost/{unique}:local"
    load(fresh_engine, ImageToLoad([layer(local)], [local]))
    done = holystone("clean", "--until-free", f"{disk['total_bytes']}B", "--json", *on)
    assert done.code == 4
    assert done.json["target_free_bytes"] == disk["total_bytes"]
    assert tags(fresh_engine) == {local}
    run = holystone("history", "--json").json["runs"][0]
    assert (run["tagged_removed"], run["tagged_under_pressure"]) == (3, 3)
    assert run["options"] == [f"--config {config}", f"--until-free {disk['total_bytes']}B"]
    assert "3 tagged images, under pressure" in holystone("history").lines[1]
    assert holystone("history", str(run["id"])).out.count("the disk needs ") == 3
    back = holystone("restore", "--dry-run", str(run["id"]), "-H", fresh_engine.host)
    assert back.out.count("removed under pressure, least valuable first") == 3
    assert back.lines[1] == "The run removed 3 tagged images, under pressure: least valuable first."
    text = holystone("clean", "--until-used", "0%", *on)
    assert text.code == 4
    assert "What holds the space:" in text.out
    assert text.lines[-1].startswith("❌ Target not reached: ")


@pytest.mark.engine("docker20", "docker28c")
def test_a_registry_must_confirm(
    fresh_engine: Engine, registry: Registry, holystone: Command, unique: str, config: Path
) -> None:
    """An image whose registry has lost it stays."""
    there, lost = pushed(fresh_engine, registry, unique, "1", "2")
    (digest,) = (
        name.partition("@")[2]
        for image in fresh_engine.client.list("/images/json")
        if lost in image["RepoTags"]
        for name in image["RepoDigests"]
    )
    registry.call("DELETE", f"/v2/{unique}/manifests/{digest}")
    on = ("--check-registry", "--config", config, "-H", fresh_engine.host)
    done = holystone("clean", "deep", "--yes", "--json", *on)
    assert (done.code, done.err) == (0, "")
    assert tags(fresh_engine) == {lost}
    (kept,) = (i for i in check_clean(done.json).values() if lost in i["names"])
    assert kept["reasons"][0]["rule"] == "local"
    assert kept["reasons"][0]["facts"]["said"]
    assert there


@pytest.mark.engine("docker20", "docker28c")
def test_a_plan_in_a_file(
    fresh_engine: Engine, holystone: Command, unique: str, config: Path, tmp_path: Path
) -> None:
    """Exactly that plan; what changed since is skipped and told."""
    ids = load(
        fresh_engine,
        *(ImageToLoad([layer(f"{unique} {n}")], labels={"n": f"{n}"}) for n in range(4)),
    )
    file = tmp_path / "plan.json"
    on = ("--config", config, "-H", fresh_engine.host)
    assert holystone("plan", "--out", file, *on).code == 0
    fresh_engine.docker("tag", ids[0], f"localhost/{unique}:kept")
    fresh_engine.docker("rmi", ids[1])
    (later,) = load(fresh_engine, ImageToLoad([layer(f"{unique} later")]))
    done = holystone("clean", "--plan", file, "--json", *on)
    assert (done.code, done.err) == (0, "")
    items = check_clean(done.json)
    assert removed(items) == {("image", ids[2]), ("image", ids[3])}
    rules = {key[1]: item["reasons"][0]["rule"] for key, item in items.items()}
    assert (rules[ids[0]], rules[ids[1]], rules[later]) == ("changed", "changed", "not-in-plan")
    assert {("image", ids[0]), ("image", later)} <= objects(fresh_engine)


@pytest.fixture
def plan_file(holystone: Command, tmp_path: Path) -> Path:
    """A plan for the demo host."""
    path = tmp_path / "plan.json"
    assert holystone("plan", "--out", path, "-H", "demo:").code == 0
    return path


def test_of_an_edited_plan_the_steps_that_are_left_go(holystone: Command, plan_file: Path) -> None:
    told = json.loads(plan_file.read_text())
    told["steps"] = [step for step in told["steps"] if step["kind"] == "container"][1:]
    plan_file.write_text(json.dumps(told))
    done = holystone("clean", "--plan", plan_file, "--json", "-H", "demo:")
    assert (done.code, done.err) == (0, "")
    left = {(step["kind"], step["id"]) for step in told["steps"]}
    assert removed(check_clean(done.json)) == left
    told["steps"][0]["freed_bytes"] += 1
    plan_file.write_text(json.dumps(told))
    said = holystone("clean", "--plan", plan_file, "-H", "demo:").failed(1)
    assert f"steps[0] (container {told['steps'][0]['names'][0]}) was changed or added" in said


def test_a_plan_that_is_old_is_refused(holystone: Command, plan_file: Path) -> None:
    done = holystone("clean", "--plan", plan_file, "--max-plan-age", "0s", "-H", "demo:")
    assert done.code == 1
    assert "too much may have changed" in done.err


@pytest.mark.engine("docker20")
def test_a_plan_for_another_engine_is_refused(
    engine: Engine, holystone: Command, plan_file: Path
) -> None:
    done = holystone("clean", "--plan", plan_file, "-H", engine.host)
    assert done.code == 1
    assert "is for another engine: ci-runner-07 (simulated)" in done.err


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"checksum": "x", "steps": []}', "\0"])
def test_what_is_no_plan_is_refused(holystone: Command, tmp_path: Path, content: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(content)
    assert str(path) in holystone("clean", "--plan", path, "-H", "demo:").failed(1)


@pytest.mark.engine("docker20")
def test_another_run_holds_the_lock(
    fresh_engine: Engine, holystone: Command, unique: str, config: Path
) -> None:
    """A deep clean that asks holds it; the message says who."""
    tag = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([layer(tag)], [tag]))
    on = ("--config", config, "-H", fresh_engine.host)
    with holystone.asking("clean", "deep", "--include-local", *on):
        done = holystone("clean", "weekly", "--wait", "1s", "--json", *on)
    assert done.code == 11
    assert re.search(r"holystone clean deep \(process \d+, user \w+\) holds the lock", done.err)


@pytest.mark.engine("docker20")
def test_a_routine_run_that_waited_for_another_is_done(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """The run that it waited for did its work; that is told."""
    load(
        fresh_engine,
        *(ImageToLoad([layer(f"{unique} {n}")], labels={"n": f"{n}"}) for n in range(200)),
    )
    now = ("clean", "--json", "--min-age", "0s", "-H", fresh_engine.host)
    with holystone.started(*now) as first:
        while not list(holystone.state.glob("*.lock")) or first.poll() is not None:
            assert first.poll() is None
        second = holystone("clean", "--json", "-H", fresh_engine.host)
        assert ended(first).code == 0
    assert second.code == 0
    assert second.json["outcome"]["removed"] == 0
    assert second.json["coalesced_with"] == 1


@pytest.mark.engine("docker20")
def test_a_lease_made_while_a_clean_runs_counts(
    fresh_engine: Engine, holystone: Command, unique: str, config: Path
) -> None:
    """Between the plan and the removal a job says what it needs."""
    tag = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([layer(tag)], [tag]))
    on = ("clean", "deep", "--include-local", "--config", config, "-H", fresh_engine.host)
    with holystone.asking(*on) as asked:
        assert holystone("lease", tag, "--for", "1h", "--job", "417").code == 0
        said = asked("y\n")
    assert said.code == 0
    assert "leased by job 417 since planned" in said.out
    assert tags(fresh_engine) == {tag}

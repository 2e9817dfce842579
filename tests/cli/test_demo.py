"""The built-in demo host: JSON against the contract, ``--or-demo``, ``explain``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.command import Command
from tests.cli.contract import KINDS, check_clean, check_head, check_item, check_plan, removed
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import misbehaving, no_json

DEMO = ("-H", "demo:")


@pytest.fixture(scope="module")
def plan(shared_holystone: Command) -> dict[str, Any]:
    """``plan --json`` of the demo host."""
    done = shared_holystone("plan", "--json", *DEMO)
    assert (done.code, done.err) == (0, "")
    document: dict[str, Any] = done.json
    return document


def items_of(plan: dict[str, Any], kind: str, action: str = "") -> list[dict[str, Any]]:
    return [i for i in plan["items"] if i["kind"] == kind and i["action"].startswith(action)]


def test_plan(plan: dict[str, Any]) -> None:
    items = check_plan(plan)
    assert {kind for kind, _ in items} == set(KINDS)
    assert {item["action"] for item in items.values()} == {"keep", "remove"}
    assert not plan["estimated"]


def test_no_tagged_image_volume_or_network_goes(plan: dict[str, Any]) -> None:
    assert items_of(plan, "image", "keep")
    tagged = [item for item in items_of(plan, "image") if any("@" not in n for n in item["names"])]
    assert len(tagged) > 20
    assert {item["action"] for item in tagged} == {"keep"}
    assert not items_of(plan, "volume", "remove")
    assert not items_of(plan, "network", "remove")


def test_clean(holystone: Command, plan: dict[str, Any]) -> None:
    """The very plan is carried out."""
    done = holystone("clean", "--json", *DEMO)
    assert (done.code, done.err) == (0, "")
    items = check_clean(done.json)
    assert removed(items) == {
        (item["kind"], item["id"]) for item in plan["items"] if item["action"] == "remove"
    }
    assert done.json["outcome"]["freed_bytes"] == plan["freed_bytes"] == done.json["freed_bytes"]
    disk, after = done.json["disk"], done.json["outcome"]["disk"]
    assert after["free_bytes"] - disk["free_bytes"] == plan["freed_bytes"]


def test_status_and_images(holystone: Command, plan: dict[str, Any]) -> None:
    status = holystone("status", "--json", *DEMO).json
    check_head(status)
    assert status["clean"]["freed_bytes"] == plan["freed_bytes"]
    counts = {kind: status["kinds"][kind]["count"] for kind in KINDS}
    assert counts == {kind: len(items_of(plan, kind)) for kind in KINDS}
    image = status["kinds"]["image"]
    assert image["unique_bytes"] + image["shared_bytes"] == image["stored_bytes"]
    listed = holystone("images", "--json", *DEMO).json
    check_head(listed)
    assert {i["id"]: i["action"] for i in listed["images"]} == {
        i["id"]: i["action"] for i in items_of(plan, "image")
    }
    sizes = [image["size_bytes"] for image in listed["images"]]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize("arguments", ["plan", "plan --all", "clean", "status", "images --all"])
def test_json_is_one_line_in_a_pipe(holystone: Command, arguments: str) -> None:
    done = holystone(*arguments.split(), "--json", "-v", *DEMO, CI="true", GITLAB_CI="true")
    assert (done.code, done.err) == (0, "")
    assert done.out.count("\n") == 1
    assert done.out.isascii()
    check_head(done.json)


def test_detailed_exitcode(holystone: Command) -> None:
    assert holystone("plan", "--detailed-exitcode", *DEMO).code == 2
    assert holystone("plan", "--detailed-exitcode", "--json", *DEMO).code == 2
    with misbehaving(EMPTY) as host:
        assert holystone("plan", "--detailed-exitcode", "-H", host).code == 0
        assert holystone("plan", "-H", host).out.startswith("Nothing to clean")


def test_min_age_and_cache_budget(holystone: Command, plan: dict[str, Any]) -> None:
    everything = holystone("plan", "--json", "--min-age", "0s", "--cache-budget", "0", *DEMO).json
    nothing = holystone("plan", "--json", "--min-age", "100w", "--cache-budget", "9TB", *DEMO).json
    removals = [
        sum(i["action"] == "remove" for i in p["items"]) for p in (everything, plan, nothing)
    ]
    assert removals == sorted(removals, reverse=True)
    assert everything["freed_bytes"] > plan["freed_bytes"] > nothing["freed_bytes"] == 0
    check_plan(everything)
    check_plan(nothing)


def test_or_demo_where_no_engine_answers(holystone: Command) -> None:
    done = holystone("plan", "--or-demo", "-H", "unix:///nowhere.sock")
    assert done.code == 0
    assert done.lines[0].startswith("Plan of a routine clean of ci-runner-07 (simulated)")
    assert "cannot reach the engine at unix:///nowhere.sock: no such file" in done.err
    assert "This is the built-in demo host instead; nothing of it is real." in done.err
    assert check_plan(holystone("plan", "--or-demo", "--json", "-H", "unix:///nowhere.sock").json)


def test_or_demo_hides_no_other_error(holystone: Command) -> None:
    with misbehaving({**EMPTY, "GET /info": no_json()}) as host:
        holystone("plan", "--or-demo", "-H", host).failed(1)
    holystone("plan", "--or-demo", "-c", "staging").failed(1)
    with misbehaving(EMPTY) as host:
        done = holystone("plan", "--or-demo", "-H", host)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("Nothing to clean")
    assert "there is no option --or-demo" in holystone("clean", "--or-demo").failed(64)


@pytest.mark.parametrize("kind", KINDS)
def test_explain_each_kind(holystone: Command, plan: dict[str, Any], kind: str) -> None:
    """By ID, by the start of it where it has one, in text and JSON; as the plan has it."""
    meant = (items_of(plan, kind, "remove") or items_of(plan, kind))[0]
    told = holystone("explain", meant["id"], "--json", *DEMO).json
    check_head(told)
    check_item(told["item"])
    assert {key: told["item"][key] for key in ("kind", "id", "action")} == {
        key: meant[key] for key in ("kind", "id", "action")
    }
    done = holystone("explain", meant["id"], "--kind", kind, *DEMO)
    assert (done.code, done.err) == (0, "")
    assert f"verdict {meant['action']}" in " ".join(done.out.split())
    assert meant["id"] in done.out
    if kind != "volume":
        short = meant["id"].removeprefix("sha256:")[:12]
        assert meant["id"] in holystone("explain", short, *DEMO).out


@pytest.mark.parametrize(
    ("reference", "id_of"),
    [
        ("python:3.12-slim", "python:3.12-slim"),
        ("docker.io/library/python:3.12-slim", "python:3.12-slim"),
        ("ultralytics/yolov5", "ultralytics/yolov5:latest"),
        ("registry.example.com/team/backend:latest", "registry.example.com/team/backend:1.42.3"),
        ("debug-e2e-checkout", "debug-e2e-checkout"),
        ("sonarqube-data", "sonarqube-data"),
        ("ci-backend", "ci-backend"),
    ],
)
def test_explain_by_name(
    holystone: Command, plan: dict[str, Any], reference: str, id_of: str
) -> None:
    (wanted,) = [item["id"] for item in plan["items"] if id_of in item["names"]]
    assert holystone("explain", reference, "--json", *DEMO).json["item"]["id"] == wanted


def test_explain_nothing_of_that_name(holystone: Command) -> None:
    said = holystone("explain", "no-such-thing", "--json", *DEMO).failed(1)
    assert "no image, container, volume, network or build cache record on this host" in said
    assert "'no-such-thing'" in said
    assert "no volume on this host" in holystone(
        "explain", "python:3.12-slim", "--kind", "volume", *DEMO
    ).failed(1)
    holystone("explain", "", *DEMO).failed(1)
    holystone("explain", "sha256:", *DEMO).failed(1)
    holystone("explain", "No Such Thing", *DEMO).failed(1)


def test_explain_what_is_ambiguous(holystone: Command) -> None:
    done = holystone("explain", "node", *DEMO)
    assert (done.code, done.out) == (1, "")
    first, *others = done.err.splitlines()
    assert first == "holystone: 'node' means 3 objects; tell them apart with a whole name or ID:"
    assert [line.partition(" (")[0] for line in others[:2]] == [
        "  image node:18-alpine",
        "  image node:20-alpine",
    ]
    assert holystone("explain", "node:18-alpine", *DEMO).code == 0


@pytest.mark.parametrize("option", ["--dry-run", "-n"])
def test_a_dry_run_is_a_plan(holystone: Command, option: str) -> None:
    """It shows what would go, in the words of ``plan``, and not the lines of a clean."""
    done = holystone("clean", option, "-H", "demo:")
    assert done.code == 0
    assert done.out.startswith("Plan of a routine clean of ")
    assert done.lines[-1].startswith("Would free ")
    assert holystone("clean", option, "--json", "-H", "demo:").json["freed_bytes"] > 0


def test_images_leave_out_the_steps_of_classic_builds(holystone: Command) -> None:
    """A line tells how many there are; ``--all`` lists them."""
    short = holystone("images", "-H", "demo:").out
    assert "and 4 steps of classic builds (--all lists them)" in short
    assert "parent images" not in short
    assert holystone("images", "--all", "-H", "demo:").out.count("parent images") == 4

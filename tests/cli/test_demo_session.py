"""A session on the demo host: what is done to it stays in the state folder, and can be undone."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Command
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import misbehaving

DEMO = ("-H", "demo:")
FILE = "demo.json"


def tags(holystone: Command, *options: str) -> set[str]:
    """The tags of the images on the demo host."""
    listed = holystone("images", "--json", "--all", *DEMO, *options).json["images"]
    return {tag for image in listed for tag in image["tags"]}


def test_a_deep_clean_is_undone(holystone: Command, tmp_path: Path) -> None:
    """In the folder that ``--state`` names, which need not be there; the environment's stays."""
    state = ("--state", str(tmp_path / "new" / "folder"))
    before = tags(holystone, *state)
    cleaned = holystone("clean", "deep", "--yes", "--json", *DEMO, *state)
    assert (cleaned.code, cleaned.err) == (0, "")
    removed = cleaned.json["outcome"]["removed"]
    assert removed > 50
    left = tags(holystone, *state)
    assert left < before
    (run,) = holystone("history", "--json", *state).json["runs"]
    assert (run["level"], run["removed"], run["engine"]["name"]) == (
        "deep", removed, "ci-runner-07 (simulated)",
    )  # fmt: skip
    assert holystone("history", "--json", *DEMO, *state).json["runs"] == [run]
    again = holystone("clean", "deep", "--yes", "--json", *DEMO, *state).json
    # Networks whose last container went are left for the run after it.
    assert {item["kind"] for item in again["items"] if item.get("result") == "removed"} == {
        "network"
    }
    assert again["disk"]["free_bytes"] == cleaned.json["outcome"]["disk"]["free_bytes"]

    told = holystone("restore", "1", "--json", *DEMO, *state)
    assert (told.code, told.err) == (0, "")
    back = {t for item in told.json["items"] if item["result"] == "restored" for t in item["tags"]}
    assert back == before - left - {"legacy/reports:2.8"} - own(before)
    assert tags(holystone, *state) == left | back
    once_more = holystone("restore", "1", "--json", *DEMO, *state).json["outcome"]
    assert (once_more["restored"], once_more["failed"]) == (0, 0)
    assert not holystone.state.exists()


def own(names: set[str]) -> set[str]:
    """What was built on the demo host and is in no registry."""
    return {name for name in names if name.startswith("backend-test:")}


def test_the_environment_names_the_folder_too(holystone: Command) -> None:
    assert holystone("clean", *DEMO).code == 0
    assert (holystone.state / FILE).exists()
    assert "Nothing to clean" in holystone("plan", *DEMO).out
    assert "Nothing to clean" not in holystone("plan", *DEMO, HOLYSTONE_STATE=None).out
    (run,) = holystone("history", "--json").json["runs"]
    assert run["endpoint"] == "demo:"
    assert holystone("history", "-H", "unix:///elsewhere.sock").lines == [
        "No run was made on unix:///elsewhere.sock yet."
    ]
    said = holystone("history", "1", "-H", "unix:///elsewhere.sock").failed(1)
    assert "run 1 was made on demo:, not on unix:///elsewhere.sock" in said


@pytest.mark.parametrize("kept", [True, False])
def test_a_plan_in_a_file_is_carried_out(holystone: Command, tmp_path: Path, kept: bool) -> None:
    """All of it, with a state folder and without; a second time nothing is left to do."""
    state = None if not kept else str(holystone.state)
    plan = tmp_path / "plan.json"
    made = holystone("plan", "weekly", "--out", plan, "--json", *DEMO, HOLYSTONE_STATE=state).json
    going = {item["id"] for item in made["items"] if item["action"] == "remove"}
    clean = ("clean", "--plan", plan, *DEMO)
    done = holystone(*clean, "--json", HOLYSTONE_STATE=state)
    assert (done.code, done.err) == (0, "")
    assert {i["id"] for i in done.json["items"] if i.get("result") == "removed"} == going
    again = holystone(*clean, HOLYSTONE_STATE=state)
    assert again.code == 0
    assert ("Nothing was left to do" in again.out) is kept


FOLDERS = ("--state", "HOLYSTONE_STATE", "")


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("wish", ["weekly", "deep", "--until-free 130GB", "--until-free 80GB"])
def test_a_plan_frees_what_it_says(
    holystone: Command, tmp_path: Path, wish: str, folder: str
) -> None:
    state = ("--state", str(tmp_path / "state")) if folder == "--state" else ()
    kept = {} if folder == "HOLYSTONE_STATE" else {"HOLYSTONE_STATE": None}
    file = tmp_path / "plan"
    made = holystone("plan", *wish.split(), "--out", file, *state, *DEMO, **kept).out
    (would,) = re.findall(r"^Would free ([\d.]+ GB):", made, re.MULTILINE)
    done = holystone("clean", "--plan", file, *state, *DEMO, **kept).out
    assert re.findall(r"^Freed ([\d.]+ GB) in .*, as planned\.$", done, re.MULTILINE) == [would]
    assert "not removed" not in done


def test_each_of_two_plans_is_for_the_host_of_the_first(holystone: Command, tmp_path: Path) -> None:
    """Whichever is carried out, in a folder that had no state."""
    first, second = tmp_path / "first", tmp_path / "second"
    holystone("plan", "weekly", "--out", first, *DEMO)
    told = holystone("plan", "deep", "--out", second, "--json", *DEMO).json
    going = {item["id"] for item in told["items"] if item["action"] == "remove"}
    done = holystone("clean", "--plan", second, "--json", *DEMO).json
    assert {i["id"] for i in done["items"] if i.get("result") == "removed"} == going
    rest = holystone("clean", "--plan", first, "--json", *DEMO).json["items"]
    facts = [r["facts"] for i in rest for r in i["reasons"] if r["rule"] == "changed"]
    assert facts
    assert all(each.get("gone") for each in facts)


def test_a_part_of_a_plan_is_not_as_planned(holystone: Command, tmp_path: Path) -> None:
    file = tmp_path / "plan"
    made = holystone("plan", "deep", "--out", file, *DEMO).out
    (would,) = re.findall(r"^Would free ([\d.]+ GB):", made, re.MULTILINE)
    assert holystone("clean", "weekly", *DEMO).code == 0
    done = holystone("clean", "--plan", file, *DEMO).out
    (line,) = re.findall(r"^Freed .*", done, re.MULTILINE)
    assert re.fullmatch(rf"Freed [\d.]+ GB of the {would} in the plan in [\d.]+ s\.", line)


def test_the_clean_before_a_repair_is_restored(holystone: Command) -> None:
    """Of the repair nothing is missing; where there was no other run, that is told."""
    assert holystone("verify", "--repair", *DEMO).code == 0
    (line,) = [line for line in holystone("restore", "-n", *DEMO).lines if "trivy" in line]
    assert line.split()[-2:] == ["here", "already"]
    before = tags(holystone)
    assert holystone("clean", "--until-free", "80GB", *DEMO).code == 0
    assert tags(holystone) < before
    # A clean may take the image that was mended: then nothing else is damaged.
    mended = holystone("verify", "--repair", *DEMO)
    assert mended.code == 0
    told = holystone("restore", "--json", *DEMO).json
    assert told["run"]["level"] == "routine"
    assert told["outcome"]["restored"] > 0
    assert tags(holystone) == before


def test_a_repair_after_a_clean_is_passed_over(holystone: Command) -> None:
    assert holystone("clean", "--until-free", "80GB", *DEMO).code == 0
    assert holystone("verify", "--repair", *DEMO).code == 0
    levels = [run["level"] for run in holystone("history", "--json").json["runs"]]
    assert levels == ["repair", "routine"]
    assert holystone("restore", "-n", "--json", *DEMO).json["run"]["level"] == "routine"


def test_looking_changes_nothing(holystone: Command) -> None:
    for command in ("plan", "status", "images", "explain redis:7", "verify", "refresh -n"):
        holystone(*command.split(), *DEMO)
    assert not (holystone.state / FILE).exists()


def test_verify_repairs_what_is_damaged(holystone: Command) -> None:
    found = holystone("verify", "--json", *DEMO)
    damaged = [image for image in found.json["images"] if image["result"] == "damaged"]
    assert (found.code, [image["tags"] for image in damaged]) == (1, [["aquasec/trivy:0.53.0"]])
    mended = holystone("verify", "--repair", "--json", *DEMO)
    assert (mended.code, mended.err) == (0, "")
    assert [i["repair"] for i in mended.json["images"] if i["result"] == "damaged"] == ["repaired"]
    assert holystone("verify", *DEMO).code == 0
    assert [run["level"] for run in holystone("history", "--json").json["runs"]] == ["repair"]


def test_refresh_pulls_what_is_newer(holystone: Command) -> None:
    def by_tag() -> dict[str, str]:
        listed = holystone("images", "--json", *DEMO).json["images"]
        return {tag: image["id"] for image in listed for tag in image["tags"]}

    before = by_tag()
    asked = holystone("refresh", "-n", "--json", *DEMO).json["items"]
    newer = {each["reference"] for each in asked if each["state"] == "newer"}
    assert newer == {"python:3.12-slim", "node:20-alpine"}
    done = holystone("refresh", "--json", *DEMO)
    assert done.json["speeds"] == [], "no registry of the demo host is measured"
    assert (done.code, done.err) == (0, "")
    after = by_tag()
    assert {tag for tag, image in after.items() if before[tag] != image} == newer
    again = holystone("refresh", "--json", *DEMO).json["items"]
    assert {each["state"] for each in again} == {"current"}
    assert holystone("refresh", "registry.example.com/team/backend:main", *DEMO).code == 0
    assert holystone("refresh", "python:3.13-slim", "--missing", *DEMO).code == 0
    assert "python:3.13-slim" in by_tag()
    assert holystone("refresh", "python:9", "--missing", *DEMO).code == 3
    # What the tags meant before is untagged now, and goes.
    going = {i["id"] for i in holystone("plan", "--json", "--min-age=0s", *DEMO).json["items"]
             if i["action"] == "remove"}  # fmt: skip
    assert before["python:3.12-slim"] not in going, "a job that runs uses it"
    assert before["registry.example.com/team/backend:main"] in going


def test_a_lease_holds_on_it(holystone: Command) -> None:
    assert holystone("lease", "maven:3.9-eclipse-temurin-21", "--for", "2h", *DEMO).err == ""
    plan = holystone("plan", "deep", "--json", *DEMO).json
    (maven,) = [i for i in plan["items"] if "maven:3.9-eclipse-temurin-21" in i["names"]]
    assert (maven["action"], maven["reasons"][0]["rule"]) == ("keep", "leased")
    lost = holystone("lease", "redis:7", "--for", "2h", *DEMO, HOLYSTONE_STATE=None)
    assert lost.code == 0
    assert "only with --state FOLDER" in lost.err
    with misbehaving(EMPTY) as host:
        said = holystone("lease", "redis:7", "--for", "2h", "-H", host).failed(64)
    assert "a lease holds on every engine" in said


def test_advice_from_its_own_past(holystone: Command) -> None:
    advice = holystone("advise", "--json", *DEMO)
    assert (advice.code, advice.err) == (0, "")
    assert advice.json["trace"]["uses"] > 5000
    seen = holystone("observe", "--json", *DEMO).json["references"]
    assert not [each for each in seen if each["uses"]], "the look before has counted them"
    trace = holystone.home / "trace.jsonl"
    assert holystone("history", "export", trace, *DEMO, HOLYSTONE_STATE=None).code == 0
    assert len(trace.read_text().splitlines()) > 5000


def test_without_a_folder_there_is_a_run_to_show_and_to_restore(holystone: Command) -> None:
    (run,) = holystone("history", "--json", *DEMO, HOLYSTONE_STATE=None).json["runs"]
    assert (run["level"], run["removed"]) == ("weekly", 2)
    told = holystone("restore", "--json", *DEMO, HOLYSTONE_STATE=None)
    assert (told.code, told.err) == (0, "")
    assert told.json["outcome"]["restored"] == 2
    said = holystone("restore", *DEMO).failed(1)
    assert "no run on this engine has removed an image" in said


KEPT: dict[str, Any] = {
    "schema": "holystone/demo/1", "began": 1_700_000_000, "gone": {}, "images": {},
}  # fmt: skip
ODD: dict[str, bytes] = {
    "empty": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "not UTF-8": b"\xff\xfe{}",
    "deep": b"[" * 100_000,
    "large": json.dumps(KEPT).encode() + b" " * (1 << 20),
    "another schema": json.dumps(KEPT | {"schema": "holystone/demo/2"}).encode(),
    "no number": json.dumps(KEPT | {"began": float("nan")}).encode(),
    "no end": json.dumps(KEPT | {"began": float("inf")}).encode(),
    "the future": json.dumps(KEPT | {"began": 1e11}).encode(),
    "a truth": json.dumps(KEPT | {"began": True}).encode(),
    "no kind": json.dumps(KEPT | {"gone": {"plugin": []}}).encode(),
    "no IDs": json.dumps(KEPT | {"gone": {"image": "all"}}).encode(),
    "unknown": json.dumps(KEPT | {"gone": {"volume": ["\x1b[31m##[x]"]}}).encode(),
    "no image": json.dumps(KEPT | {"images": {"sha256:1": {}}}).encode(),
    "unknown image": json.dumps(
        KEPT
        | {"images": {"sha256:1": {"tags": [], "digests": [], "arrived": 1, "last_tagged": None}}}
    ).encode(),
}


@pytest.mark.parametrize("content", ODD.values(), ids=ODD)
def test_a_broken_state_is_told(holystone: Command, content: bytes) -> None:
    """It is left as it is, and the mend is named."""
    holystone.state.mkdir()
    (holystone.state / FILE).write_bytes(content)
    said = holystone("status", *DEMO).failed(1)
    assert f"cannot use the state of the demo host in {holystone.state / FILE}: " in said
    assert "Delete the file to reset the demo host" in said
    assert "\x1b" not in said
    assert (holystone.state / FILE).read_bytes() == content


def test_a_state_that_is_no_file_is_told(holystone: Command, tmp_path: Path) -> None:
    """A pipe does not hold the command up, and no link is followed."""
    path = holystone.state / FILE
    holystone.state.mkdir()
    os.mkfifo(path)
    assert "it is not a file" in holystone("plan", *DEMO).failed(1)
    path.unlink()
    secret = tmp_path / "secret"
    secret.write_text(json.dumps(KEPT))
    path.symlink_to(secret)
    assert "it is a symbolic link" in holystone("plan", *DEMO).failed(1)
    path.unlink()
    path.mkdir()
    assert "demo.json" in holystone("plan", *DEMO).failed(1)

"""How listings look: on terminals no two objects under one name, in pipes each line whole."""

from __future__ import annotations

import re

import pytest

from tests.cli.command import Command
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import Behaviour, InTurn, answers, misbehaving

DEMO = ("-H", "demo:")
WIDTHS = (40, 60, 80, 100, 120)
TEAM = "registry.example.com:5000/team/checkout"
TAGS = [
    f"{TEAM}-{middle}-service-backend:{tag}"
    for middle in ("payments-eu-west", "payments-eu-east", "refunds-eu-west")
    for tag in ("2026.11.26-build.4711", "2026.11.26-build.4712")
]


def listed() -> list[dict[str, object]]:
    """What an engine lists: tags that differ in their middle, and IDs that begin alike."""
    images = [(f"{number:x}", [tag]) for number, tag in enumerate(TAGS)]
    images += [(f"{number:x}", []) for number in range(10, 14)]
    return [
        {
            "Id": f"sha256:0123456789ab{end * 52}",
            "ParentId": "",
            "RepoTags": tags,
            "RepoDigests": [],
            "Created": 1_700_000_000,
            "Size": 1_000_000,
            "SharedSize": -1,
            "Labels": None,
            "Containers": -1,
        }
        for end, tags in images
    ]


def engine() -> dict[str, Behaviour | InTurn]:
    """An engine with these images, each of one layer."""
    made = EMPTY | {"GET /images/json": answers(listed())}
    for image in listed():
        inspected = {
            "Id": image["Id"],
            "RootFS": {"Layers": [image["Id"]]},
            "Metadata": {"LastTagTime": "2023-11-14T22:13:20Z"},
        }
        step = {"Id": image["Id"], "Created": 1_700_000_000, "Size": 1_000_000, "Tags": None}
        made[f"GET /images/{image['Id']}/json"] = answers(inspected)
        made[f"GET /images/{image['Id']}/history"] = answers([step])
    return made


@pytest.mark.parametrize("width", WIDTHS)
def test_images_are_told_apart(holystone: Command, width: int) -> None:
    """By what stands in the columns before their size, over all lines of a row."""
    with misbehaving(engine()) as host:
        done = holystone.on_terminal("images", "-H", host, columns=width)
    rows: list[str] = []
    for line in done.lines[1:]:
        if not line.startswith("  ") or line.startswith("  …"):
            break
        before, size, _ = line.partition("1.00 MB")
        if size:
            rows.append(before)
        else:
            rows[-1] += line
    assert len(rows) == len(listed()), done.out
    assert len({" ".join(row.split()) for row in rows}) == len(rows), done.out


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("command", ["plan --all", "plan deep --all", "verify -v"])
def test_objects_of_the_demo_host_are_told_apart(
    holystone: Command, command: str, width: int
) -> None:
    """Kind by kind, on rows that begin with a name."""
    lines = holystone.on_terminal(*command.split(), *DEMO, columns=width).lines
    names: list[str] = []
    for line in [*lines, ""]:
        if re.match(r"  \S", line) and not line.startswith("  …"):
            names.append(re.split(r"  +", line.strip())[0])
        elif not line.startswith("   "):
            assert len(set(names)) == len(names), names
            names = []


@pytest.mark.parametrize(
    "command", ["plan", "plan --all", "status", "images --all", "clean", "verify -v", "refresh -n"]
)
def test_a_pipe_gets_each_line_whole(holystone: Command, command: str) -> None:
    """Whatever COLUMNS says: no sentence is broken, no name is cut, nothing is drawn twice."""
    done = holystone(*command.split(), *DEMO, COLUMNS="40", HOLYSTONE_STATE=None)
    text = re.sub(r"\d\d:\d\d UTC|in [\d.]+ s", "", done.out)
    wide = holystone(*command.split(), *DEMO, HOLYSTONE_STATE=None)
    assert text == re.sub(r"\d\d:\d\d UTC|in [\d.]+ s", "", wide.out)
    assert "\r" not in done.out
    assert done.err == ""
    if command in ("plan", "status", "clean"):
        (young,) = [line for line in done.lines if "Too recent, kept for now" in line]
        assert young.endswith(" UTC).")
    if command == "plan --all":
        assert "runner-t3pk2x8z-project-114-concurrent-0-postgres-0  in use" in done.out

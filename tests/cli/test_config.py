"""``holystone config``, and how every other command takes a configuration."""

from __future__ import annotations

import json
import os
import re

import pytest

from holystone.config import kinds
from holystone.config.sample import sample, schema
from tests.cli.command import POWERLESS, Command
from tests.docs.test_reference import codes, fields, first_cells, section

DEMO = ("--host", "demo:")


def written(holystone: Command, text: str, name: str = "a.toml") -> str:
    """The path of a file with this text."""
    path = holystone.home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return str(path)


def own(holystone: Command, text: str) -> str:
    """The path of the user's own file, with this text."""
    return written(holystone, text, ".config/holystone/holystone.toml")


@pytest.mark.parametrize(
    "command",
    ["status", "images", "plan", "clean --dry-run", "explain postgres:16", "config check"],
)
def test_errors_end_every_command_at_once(holystone: Command, command: str) -> None:
    path = written(holystone, "[protekt]\n\n[disk]\nhigh = 85\n")
    done = holystone(*command.split(), *DEMO, "--json", "--config", path)
    assert (done.code, done.out) == (1, "")
    assert done.err.splitlines() == [
        "holystone: the configuration has 2 errors:",
        f"  {path}:1: protekt: there is no such table; did you mean protect?",
        f"  {path}:4: disk.high: 85 is not {kinds.MARK.like}",
    ]


def test_one_error_is_one_line_and_cannot_command_a_ci_log(holystone: Command) -> None:
    path = written(holystone, "[disk]\nhi = 85\n")
    assert f"{path}:2: disk.hi:" in holystone("plan", *DEMO, HOLYSTONE_CONFIG=path).failed(1)
    said = holystone("config", "show", "--config", holystone.home / "none.toml").failed(1)
    assert "none.toml: --config names this file, and there is none." in said
    path = written(holystone, '[protect]\nimages = ["##[group]\\u001b[31m"]\n')
    said = holystone("plan", *DEMO, "--config", path).failed(1)
    assert "##[" not in said
    assert "\x1b" not in said
    path = own(holystone, "[protect]\nnewest = 1\n")
    os.chmod(path, 0)
    said = holystone.under(POWERLESS, "plan", *DEMO).failed(1)
    assert f"{path}: cannot read it: permission denied. Mend that" in said


def test_a_plan_obeys_the_files(holystone: Command) -> None:
    def going(*options: str, **variables: str) -> set[str]:
        plan = holystone("plan", "weekly", *DEMO, "--json", *options, **variables).json
        return {i["names"][0] for i in plan["items"] if i["action"] == "remove" and i["names"]}

    assert "postgres:15-alpine" in going()
    own(holystone, '[protect]\nimages = ["postgres"]\n')
    assert "postgres:15-alpine" not in going()
    assert "postgres:15-alpine" in going("--config", written(holystone, ""))
    assert "postgres:15-alpine" in going(HOLYSTONE_CONFIG=written(holystone, ""))


def test_options_count_for_more_than_files(holystone: Command) -> None:
    path = written(holystone, '[build_cache]\nbudget = "1GB"\n[grace]\nother = "1000w"\n')

    def cache(*options: str) -> int:
        plan = holystone("plan", *DEMO, "--json", "--config", path, *options).json
        return sum(i["action"] == "remove" for i in plan["items"] if i["kind"] == "cache")

    assert cache() == 0
    assert cache("--min-age", "0s") > cache("--min-age", "0s", "--cache-budget", "30GB") > 0


def test_prune_filters_of_docker_protect(holystone: Command) -> None:
    (holystone.home / ".docker").mkdir()
    config = holystone.home / ".docker/config.json"
    config.write_text(json.dumps({"pruneFilters": ["label=removable", "until=24h"]}))
    plan = holystone("plan", *DEMO, "--json").json
    going = [item for item in plan["items"] if item["action"] == "remove"]
    assert {item["kind"] for item in going} <= {"cache"}
    done = holystone("config", "check", *DEMO)
    assert done.code == 0
    assert f"warning: {config}: pruneFilters: 'until=24h' is passed over" in done.out
    assert "label=removable" in holystone("config", "show").out
    config.write_text('{"pruneFilters": [')
    done = holystone("plan", *DEMO)
    assert done.code == 0
    assert f"{config}: not valid JSON" in done.err, "not without a word"
    assert done.err.endswith("so its pruneFilters protect nothing\n")
    assert f"warning: {config}: not valid JSON" in holystone("config", "check", *DEMO).out


def test_show_tells_where_each_value_comes_from(holystone: Command) -> None:
    near = holystone.home / "holystone.toml"
    near.write_text('[protect]\nnewest = 1\nlabels = ["a"]\n[disk]\nhigh = "83%"\n')
    far = own(holystone, '[protect]\nnewest = 3\nlabels = ["b"]\n[disk]\nhigh = "84%"\n')
    done = holystone.shell(f"cd {holystone.home} && holystone config show --json")
    values = {value["key"]: value for value in done.json["values"]}
    assert values["protect.newest"] == {
        "key": "protect.newest",
        "value": 3,
        "source": far,
        "note": "./holystone.toml says 1: it can only protect more",
    }
    assert values["protect.labels"]["value"] == ["b", "a"]
    assert values["protect.labels"]["source"] == f"./holystone.toml, {far}"
    assert values["disk.high"]["value"] == "84%"
    assert values["disk.high"]["note"] == "./holystone.toml says 83%: it can only protect more"
    assert values["grace.other"]["source"] == "default"
    text = holystone.shell(f"cd {holystone.home} && holystone config show").out
    assert re.search(
        r"^  newest +3 +\S+holystone.toml \(\./holystone.toml says 1: it c", text, re.MULTILINE
    )
    assert re.search(r"^  /etc/holystone/holystone.toml +not there$", text, re.MULTILINE)


def test_check_tells_what_matches_nothing(holystone: Command) -> None:
    path = written(
        holystone,
        """
        [protect]
        images = ["python", "nobody/nothing", "!node", "!python:3.12-slim"]
        labels = ["nobody-has-this", "com.gitlab.*=true"]
        [volumes]
        remove = "named"
        names = ["e2e-*", "no-such-*"]
        [disk]
        low = "1GB free"
        [images]
        rules = [
            {name = "team", images = ["registry.example.com/team/*"], keep = true},
            {name = "late", images = ["registry.example.com/team/*",
             "!registry.example.com/team/app"], keep = true},
            {name = "backend", images = ["registry.example.com/team/backend"], keep = true},
            {name = "by-digest", images = ["hadolint/*"], keep = true},
            {name = "none", images = ["nobody/*"], keep = true},
        ]
        """,
    )
    done = holystone("config", "check", *DEMO, "--config", path, "--json")
    assert done.code == 0
    assert [(each["key"], each["text"]) for each in done.json["warnings"]] == [
        (
            "images.rules 'late'",
            "can never match: images.rules 'team' stands before it and takes all of its tags",
        ),
        ("protect.images", "'nobody/nothing' matches no image here"),
        ("protect.images", "'!node' excepts no image here that a pattern before it covers"),
        ("protect.labels", "no object here has a label like 'nobody-has-this'"),
        (
            "images.rules 'backend'",
            "every tag here that matches it goes to images.rules 'team' before it",
        ),
        ("images.rules 'none'", "no tag here matches it"),
        ("volumes.names", "'no-such-*' matches no volume here"),
        ("disk.low", "on this disk 1GB free leaves no more free than disk.high, 85%"),
    ]
    assert done.json["compared_with"] == "ci-runner-07 (simulated)"


def test_check_without_an_engine_or_without_files(holystone: Command) -> None:
    path = written(holystone, '[volumes]\nnames = ["a"]\n')
    done = holystone("config", "check", "--config", path, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert done.code == 0
    assert f"warning: {path}: volumes.names: without effect, since volumes.remove is" in done.out
    assert "Not compared with what is on a host: cannot reach the engine" in done.out
    done = holystone("config", "check", *DEMO)
    assert done.code == 0
    assert "No holystone.toml found; using the defaults." in done.out


def test_init_writes_the_sample_and_never_over_a_file(holystone: Command) -> None:
    done = holystone.shell(f"cd {holystone.home} && holystone config init")
    assert done.code == 0
    assert (holystone.home / "holystone.toml").read_text() == sample()
    again = holystone.shell(f"cd {holystone.home} && holystone config init").failed(1)
    assert "'holystone.toml' exists. It is left as it is" in again
    assert holystone("config", "init", "--print").out == sample()
    written = holystone.home / "holystone.toml"
    assert holystone("config", "check", *DEMO, "--config", written).code == 0
    said = holystone("config", "init", holystone.home / "no/such/folder.toml").failed(1)
    assert "no such file or directory. Name another file." in said
    assert json.loads(holystone("config", "schema").out) == schema()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("", "the following arguments are required: ACTION"),
        ("shwo", "invalid choice: 'shwo'"),
        ("show a.toml", "config show: FILE is for config init"),
        ("check --print", "config check: --print is for config init"),
        (
            "init --json",
            "config init: --json is for config show and config check and config schema",
        ),
        ("init --config a.toml", "config init: --config is for config show and config check"),
        ("show --host demo:", "config show: --host is for config check"),
        ("schema --timeout 3s", "config schema: --timeout is for config check"),
        ("init a.toml --print", "give either a FILE or --print"),
    ],
)
def test_wrong_usage(holystone: Command, arguments: str, words: str) -> None:
    assert words in holystone("config", *arguments.split()).failed(64)


@pytest.mark.parametrize("action", ["show", "check"])
def test_every_field_is_documented(holystone: Command, action: str) -> None:
    rule = '[[images.rules]]\nname = "a"\nimages = ["none"]\nkeep = true\n'
    host = DEMO if action == "check" else ()
    done = holystone("config", action, "--json", *host, "--config", written(holystone, rule))
    documented = codes(first_cells(section("docs/reference/json.md", f"config {action} --json")))
    assert documented == {name.replace("value[]", "value") for name in fields(done.json)}

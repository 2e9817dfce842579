"""What each key takes, what it refuses, and with which words."""

from __future__ import annotations

from typing import Any

import pytest

from holystone.config.errors import ConfigError
from holystone.config.keys import KEYS, RULE_KEYS
from holystone.config.reading import policy_from, read
from holystone.config.settings import merged
from holystone.planner.policy import (
    DEFAULT_RETENTION,
    LEVELS,
    TAKES,
    CacheLimits,
    ContainerRules,
    Grace,
    Mark,
    Policy,
    Protect,
    Retention,
    VolumeRules,
    Watermarks,
)


@pytest.mark.parametrize("level", LEVELS)
def test_nothing_written_is_the_default(level: str) -> None:
    assert policy_from({}, level) == Policy(level, TAKES[level])
    empty = {"protect": {}, "images": {"rules": []}, "levels": {"deep": {}}}
    assert policy_from(empty, level) == Policy(level, TAKES[level])


def test_every_table_ends_in_the_policy() -> None:
    policy = policy_from(
        {
            "protect": {
                "images": ["python:*-slim", "!python:3.8-slim"], "labels": ["keep", "stage=prod*"],
                "official": True, "larger_than": "5GB", "local": True, "newest": 2,
                "used_within": "7d", "min_age": "1d",
            },
            "images": {
                "unused_for": "14d", "max_age": "90d", "keep_last": 3, "check_registry": True,
                "rules": [
                    {"name": "team", "images": ["registry.example.com/team/*"], "keep": True},
                    {"name": "ci", "unused_for": "1d", "max_age": "never", "keep_last": 5},
                ],
            },
            "containers": {"stopped_for": "6h", "keep_labels": ["debug"], "exit_codes": [0, 137]},
            "build_cache": {"budget": "20GB", "unused_for": "2w", "keep_mounts": True},
            "volumes": {"remove": "named", "names": ["ci-*"], "unused_for": "1h30m"},
            "networks": {"unused_for": "1d"},
            "grace": {"untagged": "5m", "never_tagged": "2h", "tagged": "3h", "other": "30m"},
            "disk": {"high": "80%", "low": "60GB free", "critical": "90% used", "inodes": "70%"},
            "levels": {"weekly": {
                "containers": False, "untagged": False, "tagged": "all", "build_cache": "none",
                "networks": False, "volumes": False,
            }},
        },
        "weekly",
    )  # fmt: skip
    day = 86400.0
    assert policy == Policy(
        level="weekly",
        takes=TAKES["weekly"]._replace(
            containers=False, untagged=False, tagged="all", build_cache="none",
            networks=False, volumes=False,
        ),
        grace=Grace(once_tagged=300, never_tagged=7200, other=1800, tagged=10800),
        cache=CacheLimits(budget_bytes=20_000_000_000, unused_for=14 * day, keep_mounts=True),
        protect=Protect(
            images=("python:*-slim", "!python:3.8-slim"), labels=("keep", "stage=prod*"),
            official=True, larger_than=5_000_000_000, local=True, newest=2,
            used_within=7 * day, min_age=day,
        ),
        retention=(
            Retention("team", ("registry.example.com/team/*",), keep=True),
            Retention("ci", unused_for=day, keep_last=5),
            DEFAULT_RETENTION._replace(unused_for=14 * day, max_age=90 * day, keep_last=3),
        ),
        containers=ContainerRules(6 * 3600, ("debug",), (0, 137)),
        volumes=VolumeRules("named", ("ci-*",), 5400),
        networks_unused_for=day,
        disk=Watermarks(
            Mark(used_share=0.8), Mark(free_bytes=60_000_000_000), Mark(used_share=0.9), 0.7
        ),
        check_registry=True,
    )  # fmt: skip


def test_a_budget_is_bytes_or_a_share_of_the_disk() -> None:
    share = policy_from({"build_cache": {"budget": "25%"}}, "routine").cache
    assert share.budget(1000) == 250
    assert policy_from({"build_cache": {"budget": "0"}}, "routine").cache.budget(1000) == 0


def test_only_the_level_in_question_changes() -> None:
    tables = {"levels": {"weekly": {"volumes": False}}}
    assert policy_from(tables, "weekly").takes == TAKES["weekly"]._replace(volumes=False)
    assert policy_from(tables, "deep").takes == TAKES["deep"]


def test_never_takes_a_limit_away() -> None:
    tables = {"images": {"unused_for": "never", "max_age": "30d"}}
    (default,) = policy_from(tables, "weekly").retention
    assert (default.unused_for, default.max_age) == (None, 30 * 86400)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.path)
def test_each_example_and_default_is_taken(key: Any) -> None:
    def tables(value: Any) -> dict[str, Any]:
        nested: Any = {key.name: value}
        for name in reversed(key.table.split(".")):
            nested = {name: nested}
        assert isinstance(nested, dict)
        return nested

    level = key.table.rpartition(".")[2] if key.field[0] == "takes" else "weekly"

    def counted(tables: dict[str, Any]) -> object:
        reading, wrong = read(tables)
        assert not wrong
        settings = merged([("", reading)])
        return settings.agent() if key.of_agent else settings.policy(level)

    changed, usual = counted(tables(key.example)), counted({})
    if key.default is None:
        assert changed != usual
        return
    written = key.kind.write(key.default)
    assert counted(tables(written)) == usual
    assert (changed == usual) == (written == key.example)


WRONG = [
    ("protect", "images", "python", "'python' is not a list of image patterns"),
    ("protect", "images", ["Python"], "protect.images[0]: 'Python' is not a pattern of references"),
    ("protect", "images", ["a", 3], "protect.images[1]: 3 is not an image pattern in quotes"),
    ("protect", "images", [""], "protect.images[0]: '' is not an image pattern"),
    ("protect", "images", ["!a", "a"], "'!a' stands first"),
    ("protect", "labels", ["=x"], "protect.labels[0]: '=x' is not a label"),
    ("protect", "official", "true", "'true' is not true or false, without quotes"),
    ("protect", "larger_than", 5, "5 is not a size in quotes with its unit"),
    ("protect", "larger_than", "5", "'5' is not a size in quotes with its unit"),
    ("protect", "larger_than", "9999999PB", "is more than any disk has"),
    ("protect", "newest", "2", "'2' is not a whole number"),
    ("refresh", "window", "22-6", "'22-6' is not two times of day in quotes"),
    ("protect", "newest", True, "true is not a whole number"),
    ("protect", "newest", -1, "-1 is not a whole number"),
    ("protect", "newest", 10**20, "a huge number is not a whole number"),
    ("protect", "min_age", 3, "3 is not a duration in quotes"),
    ("protect", "min_age", "3 days", "'3 days' is not a duration"),
    ("protect", "min_age", "-3d", "'-3d' is not a duration"),
    ("protect", "min_age", "99999w", "longer than a century"),
    ("protect", "min_age", "never", "'never' is not a duration"),
    ("images", "unused_for", False, 'false is not a duration in quotes, like "12h" or "30d", or'),
    ("containers", "exit_codes", [256], "containers.exit_codes[0]: 256 is not an exit code"),
    ("containers", "exit_codes", 0, "0 is not a list of exit codes"),
    ("build_cache", "budget", "120%", "'120%' is more than all of it"),
    ("build_cache", "budget", "20", "'20' is not a size or a share of the disk"),
    ("volumes", "remove", "annonymous", "did you mean 'anonymous'?"),
    ("volumes", "remove", ["named"], 'a list is not "never", "anonymous" or "named"'),
    ("volumes", "names", ["a b"], "volumes.names[0]: 'a b' is not a pattern"),
    ("disk", "high", 85, "85 is not a share in use or bytes free"),
    ("disk", "high", "0%", "no disk is as empty as that"),
    ("disk", "inodes", "5GB", "'5GB' is not a share"),
    ("protect", "imagez", [], "protect.imagez: there is no such key; did you mean images?"),
    ("volumes", "budget", 1, "there is no such key; did you mean budgets?"),
    ("networks", "budget", 1, "it belongs below [build_cache] or [builders]"),
    ("grace", "xyzzy", 1, "there is no such key; there are untagged, never_tagged, tagged, other"),
    ("protekt", "images", [], "protekt: there is no such table; did you mean protect?"),
    ("levels", "weekly", 3, "levels.weekly: 3 is not a table; write [levels.weekly]"),
    ("levels", "wekly", {}, "levels.wekly: there is no such table; did you mean levels.weekly?"),
    ("images", "rules", {"name": "a"}, "write [[images.rules]] above each"),
    ("images", "rules", [{"keep": True}], "images.rules[0]: the rule has no name"),
    ("images", "rules", [{"name": "a"}], "images.rules[0]: nothing says when"),
    ("images", "rules", [{"name": "a", "keep_last": 3}], "nothing says when"),
    ("images", "rules", [{"name": "a", "keep": True, "max_age": "1d"}], "would do nothing"),
    ("images", "rules", [{"name": "default", "keep": True}], "choose another"),
    ("images", "rules", [{"name": "a b", "keep": True}], "images.rules[0].name: 'a b' is not"),
    ("images", "rules", [{"name": "a", "keep": True}] * 2, "images.rules[0] is called 'a' as well"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "key", "value", "words"), WRONG)
def test_says_what_is_wrong_and_what_to_write(table: str, key: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        policy_from({table: {key: value}}, "weekly")
    (fault,) = raised.value.faults
    assert words in str(fault)
    assert fault.key.startswith(f"{table}")


def test_top_level_keys_are_shown_their_table() -> None:
    with pytest.raises(ConfigError, match=r"unused_for: stands outside .* \[images\], \[build_ca"):
        policy_from({"unused_for": "3d"}, "weekly")
    with pytest.raises(ConfigError, match=r"protect: 3 is not a table; write \[protect\]"):
        policy_from({"protect": 3}, "weekly")


@pytest.mark.parametrize(
    ("disk", "words"),
    [
        ({"low": "85%"}, r"disk.low: disk.low \(85%\) must leave more free than disk.high \(85%, "),
        (
            {"critical": "60%"},
            r"disk.critical .60%. must leave less free than disk.high \(85%, the",
        ),
        ({"high": "20GB", "low": "10GB free"}, r"disk.low \(10GB free\) must leave more free than"),
    ],
)
def test_watermarks_must_be_in_order(disk: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        policy_from({"disk": disk}, "weekly")


def test_watermarks_that_only_the_disk_can_compare_are_taken() -> None:
    assert policy_from({"disk": {"high": "20GB free"}}, "weekly").disk.high == Mark(
        None, 20 * 10**9
    )


def test_tells_everything_that_is_wrong() -> None:
    with pytest.raises(ConfigError) as raised:
        policy_from(
            {"grace": {"other": 1, "tagged": 2}, "x": {}, "images": {"rules": [{}]}}, "deep"
        )
    keys = [fault.key for fault in raised.value.faults]
    assert keys == ["grace.other", "grace.tagged", "x", "images.rules[0]", "images.rules[0]"]
    assert str(raised.value).startswith("the configuration has 5 errors:\n  grace.other: 1 is not")


def test_names_of_rules_are_those_of_the_policy() -> None:
    assert {key.name for key in RULE_KEYS} == set(Retention._fields)

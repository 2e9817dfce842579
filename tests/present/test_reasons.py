from __future__ import annotations

import ast
import inspect
from types import ModuleType

import pytest

from holystone.core import cache, rules
from holystone.core.decision import Fact, Reason
from holystone.present import reasons
from tests.present import host


def rules_used(module: ModuleType) -> set[str]:
    """The rule names a module of core gives reasons with."""
    return {
        node.args[0].value
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("keep", "remove", "Reason")
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


def test_every_rule_of_core_is_rendered_and_no_other() -> None:
    assert rules_used(rules) | rules_used(cache) == set(reasons.RULES)


def test_an_unknown_rule_is_an_error() -> None:
    with pytest.raises(KeyError):
        reasons.text(Reason("whim"))


NOON = 1_760_011_200.0  # 2025-10-09T12:00:00Z
CASES: list[tuple[str, dict[str, Fact], str]] = [
    ("in-use", {"state": "running"}, "in use: the container is running"),
    ("in-use", {"state": "created"}, "created and not started yet: a job may be about to"),
    ("in-use", {"build": True}, "in use by a build that runs now"),
    ("in-use", {"containers": 1, "container": "web"}, "in use by container web"),
    ("in-use", {"containers": 3, "container": "web"}, "in use by container web and 2 more"),
    ("stopped", {"stopped_for": 10_700.0, "exit_code": 0}, "stopped 3 h ago (exit code 0)"),
    ("stopped", {"stopped_for": None, "exit_code": 137}, "stopped (exit code 137)"),
    ("stopped", {"stopped_for": 0.0, "exit_code": None}, "stopped just now"),
    ("tagged", {"tags": 1}, "tagged"),
    ("tagged", {"tags": 2}, "tagged (2 tags)"),
    ("untagged", {"once_tagged": True}, "untagged: it lost its last tag"),
    ("untagged", {}, "untagged"),
    (
        "untagged",
        {"digest": "python@sha256:0123456789abcdef"},
        "untagged; it was pulled as python@sha256:0123456789ab",
    ),
    ("parent", {"children": 1}, "1 image that stays was built on it"),
    ("parent", {"children": 2}, "2 images that stay were built on it"),
    (
        "young",
        {"since": "last tagged", "age": 12.0, "min_age": 60.0, "until": NOON + 48},
        ("last tagged 12 s ago: left for the next run until 12:01 UTC (min age 1 min)"),
    ),
    (
        "young",
        {
            "since": "stopped",
            "age": 3600.0,
            "min_age": 7 * 86400.0,
            "until": NOON + 7 * 86400 - 3600,
        },
        ("stopped 1 h ago: left for the next run until 2025-10-16 11:00 UTC (min age 7 days)"),
    ),
    (
        "young",
        {"since": "first seen", "age": None, "min_age": 3600.0, "until": None},
        ("seen for the first time, of unknown age: left for a later run (min age 1 h)"),
    ),
    (
        "level",
        {"level": "routine", "anonymous": False},
        "unused, but named; it can hold data, and a routine clean takes no volumes",
    ),
    (
        "level",
        {"level": "routine", "anonymous": True},
        "an unused anonymous volume; it can hold data, and a routine clean takes no volumes",
    ),
    ("level", {"level": "routine"}, "unused; a routine clean takes no networks"),
    ("builtin", {}, "belongs to the engine"),
    (
        "over-budget",
        {"idle": 9 * 86400.0, "total": 12_000_000_000, "budget": 10_000_000_000},
        "build cache is 12.0 GB, over its budget of 10.0 GB; last used 9 days ago",
    ),
    ("idle", {"idle": 9 * 86400.0, "unused_for": 604800.0}, "not used for 9 days, over 7 days"),
    (
        "within-budget",
        {"total": 8_000_000_000, "budget": 10_000_000_000},
        "build cache is 8.00 GB, within its budget of 10.0 GB",
    ),
    ("needed", {"children": 1}, "1 cache record stays and is made from it"),
    ("needed", {"children": 4}, "4 cache records stay and are made from it"),
    (
        "shared",
        {"size": 1},
        "shares its layer with an image that is here now: removing it frees nothing yet",
    ),
]


@pytest.mark.parametrize(("rule", "facts", "expected"), CASES)
def test_text(rule: str, facts: dict[str, Fact], expected: str) -> None:
    assert reasons.text(Reason(rule, facts)) == expected
    assert reasons.text(Reason(rule, facts)).isascii()
    assert 0 < len(reasons.brief(Reason(rule, facts))) < 75


def test_there_is_a_case_for_every_rule() -> None:
    assert {rule for rule, _, _ in CASES} == set(reasons.RULES)


def test_every_reason_of_a_plan_is_rendered() -> None:
    for verdict in host.plan().verdicts:
        assert reasons.texts(verdict.reasons)
        assert reasons.briefs(verdict.reasons)
        assert reasons.label(verdict.reasons[0].rule)


def test_a_name_from_outside_stays_on_its_line() -> None:
    facts: dict[str, Fact] = {"containers": 1, "container": "web\x1b[2J\n::error::x"}
    assert reasons.text(Reason("in-use", facts)) == "in use by container web?[2J ::error::x"

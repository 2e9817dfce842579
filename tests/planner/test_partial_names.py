"""Patterns, the ends of names, and the names closest to a wrong one."""

from __future__ import annotations

import time

import pytest

from holystone.planner.lookup import closest, covering, did_you_mean, reference_test

NAMES = (
    "127.0.0.1:5000/team/app-node:1.5",
    "127.0.0.1:5000/team/app-node:1.4",
    "node:18-alpine",
    "node:20-alpine",
    "python:3.12-slim",
    "registry.example.com/team/backend:main",
    f"hadolint/hadolint@sha256:{'a' * 64}",
)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("app-node:1.5", "127.0.0.1:5000/team/app-node:1.5"),
        ("app-node:1.55", "127.0.0.1:5000/team/app-node:1.5"),
        ("app-nod:1.4", "127.0.0.1:5000/team/app-node:1.4"),
        ("other/app-node:1.4", "127.0.0.1:5000/team/app-node:1.4"),
        ("nod:18-alpine", "node:18-alpine"),
        ("node:18", "node:18-alpine"),
        ("pyhton", "python:3.12-slim"),
        ("Python:3.12-Slim", "python:3.12-slim"),
        ("backnd", "registry.example.com/team/backend:main"),
        ("hadolit", NAMES[-1]),
    ],
)
def test_the_closest_name_comes_first(text: str, first: str) -> None:
    found = closest(NAMES, text)
    assert found[0] == first
    assert len(found) <= 3
    assert did_you_mean(NAMES, text).startswith(f" Did you mean {first}")


def test_the_same_last_part_comes_before_what_is_only_similar() -> None:
    assert closest(NAMES, "node") == [
        "node:18-alpine", "node:20-alpine", "127.0.0.1:5000/team/app-node:1.4",
    ]  # fmt: skip
    assert did_you_mean(NAMES[:2], "app-node") == (
        " Did you mean 127.0.0.1:5000/team/app-node:1.4 or 127.0.0.1:5000/team/app-node:1.5?"
    )


@pytest.mark.parametrize("text", ["", "zzzz", "x" * 300, "::"])
def test_nothing_is_close(text: str) -> None:
    assert closest(NAMES, text) == []
    assert did_you_mean(NAMES, text) == ""


def test_ten_thousand_names_take_no_time() -> None:
    names = [f"registry.example.com/team/service-{n}:{n}.0" for n in range(10_000)]
    began = time.process_time()
    assert closest(names, "servce-77:77.0")
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "covered"),
    [
        ("node:*", [2, 3]),
        ("*-alpine", []),
        ("team/*", [0, 1, 5]),
        ("app-node:1.5", [0]),
        ("app-*:1.?", [0, 1]),
        ("team/app-node", [0, 1]),
        ("eam/app-node", []),
        ("hadolint", [6]),
        ("**", [0, 1, 2, 3, 4, 5, 6]),
        ("bad name", []),
    ],
)
def test_patterns_and_ends_of_names(text: str, covered: list[int]) -> None:
    covers = covering(NAMES, text)
    assert [NAMES.index(name) for name in NAMES if covers(name)] == covered


def test_a_pattern_that_covers_something_as_it_stands_covers_no_more() -> None:
    names = ("team/app:1", "registry.example.com/team/app:1")
    covers = covering(names, "team/*")
    assert [covers(name) for name in names] == [True, False]
    either = reference_test("team/*")
    assert [either(name) for name in names] == [True, True]

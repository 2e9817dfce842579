"""Patterns with ``*`` and ``?``: what they match, and that no pattern takes long."""

from __future__ import annotations

import time
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.glob import of_path, of_text
from holystone.planner.reference import InvalidReference, parse, parse_pattern

patterns = st.text("ab/*?", max_size=9)
texts = st.text("ab/\n", max_size=10)


def fits(pattern: str, text: str, *, inside: str) -> bool:
    """Whether a text is as a pattern says, by the plainest rules; no mark matches ``inside``."""

    @cache
    def rest(at: int, of: int) -> bool:
        if at == len(pattern):
            return of == len(text)
        if pattern.startswith("**", at):
            return rest(at + 2, of) or (of < len(text) and rest(at, of + 1))
        fitting = of < len(text) and text[of] not in inside
        if pattern[at] == "*":
            return rest(at + 1, of) or (fitting and rest(at, of + 1))
        if pattern[at] == "?":
            return fitting and rest(at + 1, of + 1)
        return of < len(text) and text[of] == pattern[at] and rest(at + 1, of + 1)

    return rest(0, 0)


@given(patterns, texts)
def test_any_text_may_stand_for_a_star(pattern: str, text: str) -> None:
    assert of_text(pattern).matches(text) == fits(pattern, text, inside="")


@given(patterns, texts)
def test_in_a_path_a_star_stays_in_its_part(pattern: str, text: str) -> None:
    matched = of_path(pattern).matches(text)
    if pattern == "*":
        assert matched
    elif pattern.endswith("/*"):
        head = pattern.removesuffix("/*")
        ends = [at for at, char in enumerate(text) if char == "/" and at + 1 < len(text)]
        assert matched == any(fits(head, text[:at], inside="/") for at in ends)
    else:
        assert matched == fits(pattern, text, inside="/")


@given(patterns)
def test_a_pattern_without_marks_is_the_one_text_it_matches(pattern: str) -> None:
    literal = pattern if not set(pattern) & set("*?") else None
    assert of_text(pattern).literal == literal


@pytest.mark.parametrize(
    "pattern",
    ["*a*a*a*b", "*a" * 200 + "*b", "?*" * 200 + "b", "*a?" * 100 + "*b", "**a*" * 100 + "b"],
)
@pytest.mark.parametrize("of", [of_text, of_path])
def test_no_pattern_takes_long(pattern: str, of: type) -> None:
    glob = of(pattern)
    started = time.process_time()
    assert not glob.matches("a" * 20_000)
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "text",
    ["a" * 100_000, "a-" * 50_000, "a--" * 30_000, "a/" * 50_000, "a." * 50_000, "_" * 100_000,
     "a:" + "x" * 100_000, "a@" + "a+" * 50_000, "a@sha256:" + "f" * 100_000, "A" * 100_000],
)  # fmt: skip
@pytest.mark.parametrize("read", [parse, parse_pattern])
def test_no_reference_takes_long_to_refuse(text: str, read: type) -> None:
    started = time.process_time()
    with pytest.raises(InvalidReference):
        read(f"{text}!")
    assert time.process_time() - started < 1

"""Patterns: what they match, alone and many at once, and that none takes long."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.glob import of_path, of_text
from holystone.planner.kept_containers import KeptContainers
from holystone.planner.patterns import Labels, Names, References, covers
from holystone.planner.policy import Retention
from holystone.planner.protection import Retained
from holystone.planner.reference import InvalidReference, matches, parse, parse_pattern
from tests.planner.hosts import Draw, drawn, moderate

MANY = 10_000
REFERENCES = [f"registry.example.com/team-{at % 50}/app-{at}:1.{at % 7}" for at in range(2_000)]


def label_matches(pattern: str, labels: Mapping[str, str]) -> bool:
    """True where one of the labels is as the pattern says: ``key`` or ``key=value``, ``*?``."""
    key, with_value, value = pattern.partition("=")
    if not ("*" in pattern or "?" in pattern):
        return key in labels and (not with_value or labels[key] == value)

    named = [told for name, told in labels.items() if of_text(key).matches(name)]
    return any(not with_value or of_text(value).matches(told) for told in named)


def _valid(text: str) -> bool:
    try:
        parse_pattern(text.removeprefix("!"))
    except InvalidReference:
        return False
    return True


def _pattern(draw: Draw) -> str:
    while True:
        parts = [draw.choice(NAME_PARTS) for _ in range(draw.randint(1, 3))]
        text = draw.choice(("", "", "", "!")) + "/".join(parts) + draw.choice(ENDS)
        if _valid(text):
            return text


def _rule(draw: Draw) -> list[str]:
    return [_pattern(draw) for _ in range(draw.randint(0, 3))]


NAME_PARTS = ("a", "app", "application", "*", "**", "app*", "*app", "a?p", "python", "library",
              "docker.io")  # fmt: skip
ENDS = ("", "", ":1", ":1.*", ":*-slim", "@sha256:*", f"@sha256:{'a' * 64}")
TAGS = (":1", ":1.2", ":3-slim", f"@sha256:{'a' * 64}", f":1@sha256:{'b' * 64}")
FOLDERS = ("a", "app", "application", "apple", "python", "library")
lists = drawn(lambda draw: [_pattern(draw) for _ in range(draw.count(24))])
"""Some so short that they are tried one by one, some so long that they are indexed."""
image_names = drawn(
    lambda draw: "/".join((draw.choice(FOLDERS), *draw.some(FOLDERS, 2))) + draw.choice(TAGS)
)


@moderate
@given(lists, image_names)
def test_references_are_found_as_one_by_one(patterns: list[str], name: str) -> None:
    wanted = [at for at, each in enumerate(patterns) if matches(each.removeprefix("!"), name)]
    assert References(patterns).matching(parse(name)) == wanted
    covered = ""
    for at in wanted:
        if bool(covered) is patterns[at].startswith("!"):
            covered = "" if covered else patterns[at]
    assert covers(patterns, name) == covered


@moderate
@given(lists, image_names)
def test_of_a_digest_those_patterns_count_that_name_digests(patterns: list[str], name: str) -> None:
    told = References(patterns).covering_digest(parse(name))
    assert told == covers([each for each in patterns if "@" in each], name)


WORDS = ("", "a", "ab", "application", "*", "a*", "*a", "a*c?t*", "?", "*lica*")
TEXTS = ("", "a", "ab", "abc", "application", "applications", "lica", "x")
words = drawn(lambda draw: [draw.choice(WORDS) for _ in range(draw.count(24))])
texts = st.sampled_from(TEXTS)


@moderate
@given(words, texts)
def test_names_are_found_as_one_by_one(patterns: list[str], name: str) -> None:
    wanted = [at for at, each in enumerate(patterns) if of_text(each).matches(name)]
    assert Names(patterns).matching(name) == wanted
    assert Names(patterns).first(name) == min(wanted, default=None)


label_patterns = drawn(
    lambda draw: [
        draw.choice(WORDS) + (f"={draw.choice(WORDS)}" if draw.yes() else "")
        for _ in range(draw.count(24))
    ]
)


@moderate
@given(label_patterns, st.dictionaries(texts, texts, max_size=4))
def test_labels_are_found_as_one_by_one(patterns: list[str], labels: dict[str, str]) -> None:
    wanted = [at for at, each in enumerate(patterns) if label_matches(each, labels)]
    found = Labels(patterns)
    assert found.matching(labels) == wanted
    assert found.first(labels) == (patterns[wanted[0]] if wanted else "")
    missing = [each for at, each in enumerate(patterns) if at not in wanted]
    assert found.first_missing(labels) == (missing[0] if missing else None)


@moderate
@given(drawn(lambda draw: [_rule(draw) for _ in range(draw.count(30))]), image_names)
def test_the_first_rule_that_covers_a_tag_decides(rules: list[list[str]], name: str) -> None:
    given_ = [Retention(str(at), images=tuple(each)) for at, each in enumerate(rules)]
    wanted = next((r for r in given_ if not r.images or covers(r.images, name)), None)
    assert Retained((), given_, lambda _: ()).rules.first_for(name) == wanted


def test_the_first_row_of_an_owner_keeps_a_container() -> None:
    tools = [f"name=db-{at}-*" for at in range(50)]
    kept = KeptContainers([*tools, "label=keep=*", "image=redis"], ())
    facts = {"of_image": {}, "references": ["redis:7"]}
    assert kept.by(name="db-7-x", labels={"keep": ""}, **facts).name == "name=db-7-*"  # type: ignore[union-attr, arg-type]
    assert kept.by(name="x", labels={"keep": ""}, **facts).name == "label=keep=*"  # type: ignore[union-attr, arg-type]
    assert kept.by(name="x", labels={}, **facts).name == "image=redis"  # type: ignore[union-attr, arg-type]


@pytest.mark.parametrize(
    "pattern",
    ["registry.example.com/team-{}/app", "registry.example.com/app-{}-*", "**/app-{}", "app:1.{}-*",
     "*.example.com/*/app-{}*:1.*", "registry.example.com/team-?/ap?-{}:*", "!**/app-{}"],
)  # fmt: skip
def test_ten_thousand_patterns_of_images_take_a_moment(pattern: str) -> None:
    patterns = tuple(pattern.format(at) for at in range(MANY))
    parsed = [parse(each) for each in REFERENCES]
    started = time.process_time()
    found = References(patterns)
    for each in parsed:
        found.covering(each)
    assert time.process_time() - started < 4  # a fifth of one on an idle machine; one by one: 20


@pytest.mark.parametrize("pattern", ["stage={}-*a*a*b", "com.example.{}", "*.{}=a*a*b", "a=*-{}"])
def test_ten_thousand_patterns_of_labels_take_a_moment(pattern: str) -> None:
    patterns = [pattern.format(at) for at in range(MANY)]
    started = time.process_time()
    found = Labels(patterns)
    for at in range(2_000):
        found.first({"stage": f"{at}-{'a' * 1000}", "maintainer": "somebody"})
    assert time.process_time() - started < 4


globs = st.text("ab/*?", max_size=9)
glob_texts = st.text("ab/\n", max_size=10)


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


@given(globs, glob_texts)
def test_any_text_may_stand_for_a_star(pattern: str, text: str) -> None:
    assert of_text(pattern).matches(text) == fits(pattern, text, inside="")


@given(globs, glob_texts)
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


@given(globs)
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

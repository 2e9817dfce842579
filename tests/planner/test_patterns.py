"""Many patterns at once: the index finds what trying each pattern finds, and finds it soon."""

from __future__ import annotations

import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.glob import of_text
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

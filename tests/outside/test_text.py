"""Text from outside: nothing in it reaches a terminal or log that either would act on."""

from __future__ import annotations

import json
import re
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.outside.text import LONGEST, safe, safe_json, safe_lines, safe_message

pieces = st.sampled_from(
    ["::", ":", "#", "##", "[", "add-mask", "vso", "error", "section_", "start:", "\x1b", "[2J",
     "]8;;", "\x07", "\n", "\r", "\t", " ", "\x7f", "\x85", "\x9b", "\u202e", "\u2066", "\u200b",
     "\u2028", "\ufeff", "\ud800", "\u3164", "a", "🧹", "é"]
)  # fmt: skip
texts = st.one_of(st.text(), st.lists(pieces, max_size=12).map("".join))


def harmless(line: str) -> bool:
    """Whether no terminal and no CI system does anything for a line but show it."""
    odd = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    return not (
        any(unicodedata.category(char) in odd for char in line)
        or line.strip().startswith("::")
        or re.search(r"##[A-Za-z]*\[|::add-mask[ :]|section_(start|end):", line)
    )


@given(texts)
def test_a_text_is_one_harmless_line(text: str) -> None:
    assert harmless(safe(text))
    assert len(safe(text).splitlines()) <= 1


@given(texts)
def test_lines_are_harmless_and_stay_as_many(text: str) -> None:
    shown = safe_lines(text)
    assert shown.count("\n") == text.count("\n")
    assert all(harmless(line.replace("\t", " ")) for line in shown.split("\n"))


@given(texts)
def test_what_is_safe_stays(text: str) -> None:
    assert safe(safe(text)) == safe(text)
    assert safe_lines(safe_lines(text)) == safe_lines(text)


@given(texts)
def test_with_colour_no_escape_stays_but_those_that_colour(text: str) -> None:
    shown = safe_lines(f"\x1b[1;36m{text}\x1b[0m", colour=True)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;]+m", "", shown)
    assert shown.startswith("\x1b[1;36m")


@given(st.recursive(texts, lambda inner: st.lists(inner) | st.dictionaries(texts, inner)))
@pytest.mark.parametrize("indent", [None, 2])
def test_json_is_harmless_and_means_the_same(indent: int | None, value: object) -> None:
    written = safe_json(json.dumps(value, indent=indent))
    assert json.loads(written) == value
    assert all(harmless(line) for line in written.split("\n"))
    assert "::" not in written


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text: a::b, fe80::1, [::1]:2375", "plain text: a::b, fe80::1, [::1]:2375"),
        ("job\x1b[2J\n::add-mask::secret", "job?[2J : :add-mask::secret"),
        ("\u00a0::warning::x", ": :warning::x"),
        ("##vso[task.setvariable variable=a]b", "# #vso[task.setvariable variable=a]b"),
        ("\x1b[0Ksection_start:1:a\r\x1b[0Kb", "?[0Ksection_ start:1:a ?[0Kb"),
        ("gnp.\u202eexe", "gnp.?exe"),
        ("a\u3164b", "a?b"),
        ("über 🧹 日本", "über 🧹 日本"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_what_is_too_long_loses_its_middle() -> None:
    shown = safe(f"tried{'x' * 10 * LONGEST}mend")
    assert len(shown) < LONGEST + 50
    assert shown.startswith("tried")
    assert shown.endswith("mend")
    assert f"{9 * LONGEST + 9} characters left out" in shown


def test_indentation_tabs_and_lines_of_a_message_stay() -> None:
    assert safe_message("two faults:\n  a\n\tb\n  ::error::c") == (
        "two faults:\n  a\n\tb\n  : :error::c"
    )


def test_a_command_behind_a_colour_is_one_too() -> None:
    assert safe_lines("\x1b[1m  ::error::x\x1b[0m", colour=True) == "\x1b[1m  : :error::x\x1b[0m"


@pytest.mark.parametrize("piece", ["#", "##a", "::", "::add-mas", "section_", " ", "\x1b", "a:"])
def test_no_text_takes_long(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    safe(text, len(text))
    safe_lines(text, colour=True)
    assert time.process_time() - started < 5

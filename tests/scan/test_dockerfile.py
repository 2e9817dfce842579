"""Instructions: where one ends, and what is none."""

from __future__ import annotations

import re

import pytest

from holystone.scan.dockerfile import parse, read, words
from holystone.scan.findings import Learned, Unreadable


def instructions(text: str) -> list[tuple[str, str, int]]:
    return [(each.name, each.text, each.line) for each in parse(text).instructions]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FROM a", [("from", "a", 1)]),
        ("\r\nFROM\ta\r\n  # b\r\nRUN c\r\n", [("from", "a", 2), ("run", "c", 4)]),
        ("  FROM a \\\n  AS b\n", [("from", "a   AS b", 1)]),
        ("RUN a \\  \n\n# comment \\\n  b\nRUN c", [("run", "a   b", 1), ("run", "c", 5)]),
        ("RUN a \\\\\nRUN b", [("run", "a \\\\", 1), ("run", "b", 2)]),
        ("RUN a \\", [("run", "a", 1)]),
        ("RUN a \\\n\n", [("run", "a", 1)]),
        ("# escape=`\nRUN a `\n b \\\nRUN c", [("run", "a  b \\", 2), ("run", "c", 4)]),
        ("#escape=`\n# a comment\nRUN a `\n b", [("run", "a  b", 3)]),
        ("# a comment\n# escape=`\nRUN a \\\n b", [("run", "a  b", 3)]),
        ("RUN <<A <<-B\nFROM x\nA\n\tB\nRUN c", [("run", "<<A <<-B", 1), ("run", "c", 5)]),
        ("RUN <<'A B'\nFROM x\nA B\nRUN c", [("run", "<<'A B'", 1), ("run", "c", 4)]),
        ("RUN <<A\n A\nA \n  # x \\\nA", [("run", "<<A", 1)]),
        ('RUN ["a", "<<A"]\nRUN b', [("run", '["a", "<<A"]', 1), ("run", "b", 2)]),
        ("CMD <<A\nRUN b", [("cmd", "<<A", 1), ("run", "b", 2)]),
        ("ONBUILD RUN <<A\nx\nA\nRUN b", [("onbuild", "RUN <<A", 1), ("run", "b", 4)]),
        ("RUN a<<A\nRUN b << A", [("run", "a<<A", 1), ("run", "b << A", 2)]),
        ("", []),
        ("#!/usr/bin/env docker\nFROM a", [("from", "a", 2)]),
    ],
)  # fmt: skip
def test_where_an_instruction_ends(text: str, found: list[tuple[str, str, int]]) -> None:
    assert instructions(text) == found


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        ("FROM a\nFORM b", "'FORM' is no instruction", 2),
        ("FROM a\n{% if b %}", "a template, with '{%'", 2),
        ("RUN <<A\nb", "<<A has no end", 1),
        ("# escape=x\nFROM a", "escape is 'x'", 1),
        ("%PDF-1.4", "a template, with '%'", 1),
        ("x" * 100, "is no instruction", 1),
    ],
)
def test_what_is_no_dockerfile(text: str, why: str, line: int) -> None:
    with pytest.raises(Unreadable, match=re.escape(why)) as caught:
        parse(text)
    assert caught.value.line == line
    assert len(str(caught.value)) < 120


def test_flags() -> None:
    (copy, run) = parse(
        "COPY --from=a --chmod=755 --link b --not=1\nRUN --mount=a=b c"
    ).instructions
    assert copy.flags == (("from", "a"), ("chmod", "755"), ("link", ""))
    assert copy.text == "b --not=1"
    assert run.flags == (("mount", "a=b"),)


def test_words() -> None:
    assert words("a='b c' d\\ e \"f 'g\" h", "\\") == ["a='b c'", "d\\ e", '"f \'g"', "h"]


def images(text: str, **arguments: str) -> list[str]:
    learned = Learned()
    read(learned, parse(text), "Dockerfile", arguments)
    return [use.reference for use in learned.uses]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("ARG A=1 B=\"2 3\" C='$A'\nFROM a:$A\nFROM b:${A}${A:+-x}", ["a:1", "b:1-x"]),
        ("ARG A=1\nARG A=2\nFROM a:$A", ["a:2"]),
        ("FROM a\nARG A=1\nFROM a:$A", ["a:latest"]),
        ("ARG A\nFROM a${A:+:1}\nFROM a:${A-2}\nFROM a:${A:-${B:-3}}", ["a:latest", "a:2", "a:3"]),
        ("ARG A=\nFROM a:1$A\nFROM a:${A-2}", ["a:1"]),
        ("ARG TARGETARCH=x\nFROM a:$TARGETARCH", ["a:x"]),
        ("FROM a:${TARGETARCH:-x}", []),
        ("FROM one AS two\nFROM two AS three\nCOPY --from=FOUR / /\nFROM three AS four",
         ["one:latest"]),
        ("FROM later\nFROM x AS later", ["later:latest", "x:latest"]),
        ("FROM a\nRUN --mount=type=bind,source=/,from=b --mount=type=cache,target=/c true",
         ["a:latest", "b:latest"]),
        ('FROM a\nRUN --mount="type=bind,from=b" true', ["a:latest", "b:latest"]),
    ],
)  # fmt: skip
def test_images(text: str, found: list[str]) -> None:
    assert images(text) == found


def test_arguments_of_a_build() -> None:
    text = "ARG A=1\nARG B=a:$A\nFROM $B"
    assert images(text) == ["a:1"]
    assert images(text, A="2") == ["a:2"]
    assert images(text, B="c") == ["c:latest"]
    assert images("FROM $B", B="c") == []

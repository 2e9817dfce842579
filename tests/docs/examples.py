"""The examples in the documentation: found, run, compared. ``make examples`` writes them anew.

A fenced block marked ``console`` holds commands and what they print::

    $ holystone plan --host demo:
    Plan of a routine clean of ...

Each is run. No engine is in reach of it but the demo host. Those of a document that name the same
``--state`` folder are one session: what the ones before did is there. Two things may differ:
moments and durations, and whatever stands where the example has a line with nothing but ``…``. What
needs a real engine is marked ``text``, what is only to be typed ``sh``: neither is run. A ``toml``
block is the owner's file for the ``console`` block that follows it: ``holystone.toml``, which
``HOLYSTONE_CONFIG`` names. A block whose first line is a comment with nothing but the name of a
file is that file there, and several may stand before the console.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.docs.tracked import ROOT, documents

LEFT_OUT = "…"
OWNERS = "holystone.toml"
_FENCE = re.compile(r"^ *(`{3,}|~{3,}) *(\w*)")
_DATE = r"\d{4}-\d\d-\d\d"
_DATED = re.compile(rf"{_DATE} \d\d:\d\d UTC")
_VOLATILE = re.compile(
    rf"{_DATE}T\d\d:\d\d:\d\d(?:\.\d+)?Z|(?:{_DATE} )?\d\d:\d\d UTC"
    r"|(?<= in )\d+(?:\.\d+)? (?:ms|s)\b"
)


class Example(NamedTuple):
    """A command in a document and what it is said to print."""

    command: str
    output: list[str]
    line: int
    """Where the command stands, counted from 1."""
    output_at: int
    """Index of the first line of output."""
    files: Mapping[str, str] = {}
    """What is in the files that are there."""
    before: tuple[str, ...] = ()
    """The commands before it that keep what they do in the same folder."""


def examples(text: str) -> Iterator[Example]:
    """The examples of a Markdown document."""
    lines = text.splitlines()
    fence, language = "", ""
    files: dict[str, str] = {}
    sessions: dict[str, tuple[str, ...]] = {}
    opened = 0
    at = 0
    while at < len(lines):
        mark = _FENCE.match(lines[at])
        if mark and not fence:
            fence, language, opened = mark[1], mark[2], at
        elif mark and mark[1].startswith(fence):
            body = lines[opened + 1 : at]
            name = _named(language, body) or (OWNERS if language == "toml" else "")
            files = {**files, name: "\n".join([*body, ""])} if name else {}
            fence = language = ""
        elif language == "console" and lines[at].startswith("$ "):
            example = _example(lines, at, fence)._replace(files=files)
            if state := re.search(r"--state (\S+)", example.command):
                before = sessions.get(state[1], ())
                sessions[state[1]] = (*before, example.command)
                example = example._replace(before=before)
            yield example
            at = example.output_at + len(example.output)
            continue
        at += 1


def _named(language: str, body: list[str]) -> str:
    """The file that a block is, by its first line; empty where it is none."""
    name = re.fullmatch(r"# ([\w./-]+)", body[0]) if body else None
    return name[1] if name and language in ("dockerfile", "yaml", "toml") else ""


def _example(lines: list[str], at: int, fence: str) -> Example:
    first, command = at, lines[at][2:]
    while command.endswith("\\"):
        at += 1
        command = command[:-1] + lines[at].removeprefix("> ").lstrip()
    start = end = at + 1
    while end < len(lines) and not lines[end].startswith(("$ ", fence)):
        end += 1
    return Example(command, lines[start:end], first + 1, start)


def run(example: Example) -> list[str]:
    """What the command prints on both streams where there is no engine, no file and no colour."""
    with tempfile.TemporaryDirectory() as home:
        for name, content in example.files.items():
            Path(home, name).parent.mkdir(parents=True, exist_ok=True)
            Path(home, name).write_text(content, encoding="utf-8")
        for command in (*example.before, example.command):
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=home,
                env={
                    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                    "HOME": home,
                    "HOLYSTONE_STATE": home,
                    "DOCKER_HOST": "unix:///nowhere/docker.sock",
                    "LANG": "C.UTF-8",
                    "PYTHONUNBUFFERED": "1",
                    **({"HOLYSTONE_CONFIG": OWNERS} if OWNERS in example.files else {}),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
            )
    return done.stdout.decode().rstrip("\n").splitlines()


def agrees(shown: list[str], printed: list[str]) -> bool:
    """Whether a document shows what the command printed."""
    expected, actual = _settled(shown), _settled(printed)
    if _DATED.search("\n".join(printed)) and LEFT_OUT not in expected:
        # Near midnight a moment comes with its date, and lines break elsewhere.
        return " ".join(expected).split() == " ".join(actual).split()
    pattern = "".join(
        "(?:.*\n)*?" if line == LEFT_OUT else re.escape(line) + "\n" for line in expected
    )
    return re.fullmatch(pattern, "".join(line + "\n" for line in actual)) is not None


def _settled(lines: list[str]) -> list[str]:
    settled = [_VOLATILE.sub("<time>", line).rstrip() for line in lines]
    while settled and not settled[-1]:
        settled.pop()
    return settled


def rewritten(text: str) -> str:
    """The document with the present output in every example but those that leave lines out."""
    lines = text.splitlines()
    for example in reversed(list(examples(text))):
        printed = run(example)
        if not agrees(example.output, printed) and LEFT_OUT not in example.output:
            lines[example.output_at : example.output_at + len(example.output)] = printed
    return "\n".join(lines) + "\n"


def main() -> None:
    """Bring the examples of all documents up to date."""
    for path, text in documents().items():
        new = rewritten(text)
        if new != text:
            (ROOT / path).write_text(new, encoding="utf-8")
            sys.stdout.write(f"rewritten: {path}\n")
        for example in examples(new):
            if not agrees(example.output, run(example)):
                sys.stdout.write(f"to mend by hand: {path}:{example.line}\n")


if __name__ == "__main__":
    main()

"""Text from outside, made safe: the one place that decides what may reach a terminal or log.

Names, labels, build steps, job IDs, file names and messages of engines and registries come from
other people. None of them may move the cursor of a terminal, hide or reverse text, add a line or
open a section of a GitLab log. None may give a command to GitHub's runner or Azure's agent, which
read commands from the log of a job.

``safe`` is for one such text. ``safe_lines`` is for whole output and messages with several lines:
every command writes through it. ``safe_json`` is for JSON, which stays equal when read.
"""

from __future__ import annotations

import re

LONGEST = 4000
"""Characters of a text that are shown."""

_INVISIBLE = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Invisible characters that Python calls printable."""
_HIDDEN = dict.fromkeys(map(ord, _INVISIBLE), "?")
_NAMES = (
    "add-mask|add-matcher|add-path|echo|endgroup|group|remove-matcher|save-state|set-env|"
    "set-output|stop-commands"
)
"""Commands that do more than show a message; they are broken anywhere, the others at the start."""
# GitHub takes "::" where a line starts and "##[" anywhere (actions/runner, ActionCommand.cs), Azure
# "##vso[" (azure-pipelines-agent, Command.cs), TeamCity "##teamcity[", GitLab "section_start:".
_COMMAND = re.compile(
    rf"##(?=[A-Za-z]{{0,20}}\[)|::(?=(?:{_NAMES})[ :])|section_(?=(?:start|end):)"
)
_BROKEN = {"##": "# #", "::": ": :", "section_": "section_ "}
_OWN_COLOUR = re.compile(r"(\x1b\[(?:0|1|2|3[1-6]|1;3[1-6])m)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SUSPECT = re.compile(r"[^\n\t -~]|::|##|section_")


def safe(text: str, longest: int = LONGEST) -> str:
    """The text on one line, without control characters and commands to CI systems, cut if too long.

    White space becomes a space. A control character, a character that is invisible or changes the
    direction of others, and half of a surrogate pair become ``?``. A command gets a space in it.
    """
    text = _printable(_cut(text, longest))
    start = text.lstrip()
    if start.startswith("::"):
        text = f": :{start[2:]}"
    return _COMMAND.sub(_break, text)


def safe_lines(text: str, *, colour: bool = False) -> str:
    """The lines of the text, each as ``safe`` has it but for its length; indentation and tabs stay.

    With ``colour`` the escape sequences stay that ``Look.paint`` makes.
    """
    if not _SUSPECT.search(text):
        return text
    return "\n".join(_line(line, colour) for line in text.split("\n"))


def safe_message(text: str) -> str:
    """A message of several lines as ``safe_lines`` has it, each line cut if it is far too long."""
    return safe_lines("\n".join(_cut(line, LONGEST) for line in text.split("\n")))


def words_of(error: BaseException) -> str:
    """What the system says of a failed call, without number and file name."""
    return getattr(error, "strerror", None) or str(error)


def said(error: BaseException) -> str:
    """The same in lower case."""
    return words_of(error).lower()


def safe_json(text: str) -> str:
    """JSON in ASCII without text that a CI log would run as a command; the same when it is read.

    Outside of strings JSON has none of these characters in a row.
    """
    for mark, written in _IN_JSON:
        if mark in text:
            text = text.replace(mark, written)
    return text


_IN_JSON = (
    ("\x7f", "\\u007f"),
    ("::", ":\\u003a"),
    ("##", "#\\u0023"),
    ("section_start:", "section_start\\u003a"),
    ("section_end:", "section_end\\u003a"),
)


def _line(line: str, colour: bool) -> str:  # noqa: FBT001 - of this file alone
    # What a file name has that is no UTF-8 can be read this way, and be found again.
    line = _SURROGATE.sub(lambda half: f"\\u{ord(half[0]):04x}", line)
    parts = _OWN_COLOUR.split(line) if colour and "\x1b" in line else [line]
    for at in range(0, len(parts), 2):
        parts[at] = _COMMAND.sub(_break, "\t".join(map(_printable, parts[at].split("\t"))))
    first = next((at for at in range(0, len(parts), 2) if parts[at].strip()), 0)
    start = parts[first].lstrip()
    if start.startswith("::"):
        parts[first] = parts[first][: -len(start)] + f": :{start[2:]}"
    return "".join(parts)


def _cut(text: str, longest: int) -> str:
    """The text without its middle if it is too long: the end of a message says what to do."""
    more = len(text) - longest
    if more <= 0:
        return text
    tail = longest // 4
    return f"{text[: longest - tail]}... ({more} characters left out) ...{text[-tail:]}"


def _printable(text: str) -> str:
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " if c.isspace() else "?" for c in text)
    return text if text.isascii() else text.translate(_HIDDEN)


def _break(command: re.Match[str]) -> str:
    return _BROKEN[command[0]]

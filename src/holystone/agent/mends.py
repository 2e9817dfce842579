"""Advice for a command line, in words that fit the agent: its options are given where it starts."""

from __future__ import annotations

import re

_LONGER = re.compile(r"\btry --timeout with a longer time|\b(?:try )?a longer --timeout\b")
_PASS = re.compile(r"\b([Pp])ass (another )?(--[a-z-]+)( with)?")

_LESS = "Ask for less with --until-free"


def for_agent(text: str) -> str:
    """What an operation says of an error, as the agent says it in its log, status and alerts."""
    text = text.replace(_LESS, "Ask for less in [disk], or with until_free in the request")
    text = _LONGER.sub("start the agent with a longer --timeout", text)
    return _PASS.sub(_start_with, text)


def _start_with(found: re.Match[str]) -> str:
    start = "Start" if found[1] == "P" else "start"
    return f"{start} the agent with {found[2] or ''}{found[3]}{' and' if found[4] else ''}"

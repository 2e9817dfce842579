"""The example in docs/explanation/replay.md: what the command prints of a long trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_LINE = "$ holystone replay hub.jsonl.gz --budget 10GB\n"
_END = "```"


def example(trace: Path) -> str:
    """What the command prints, as if the trace lay in this folder."""
    command = [sys.executable, "-m", "holystone", "replay", str(trace), "--budget", "10GB"]
    printed = subprocess.check_output(command, text=True, env={})
    return printed.replace(str(trace), trace.name)


def shown(text: str) -> str:
    """The example that is in the document."""
    return text.partition(_LINE)[2].partition(_END)[0]


def with_example(text: str, printed: str) -> str:
    """The document with this for its example."""
    before, line, rest = text.partition(_LINE)
    return before + line + printed + _END + rest.partition(_END)[2]

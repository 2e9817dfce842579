"""A line with a bar that rich draws again and again, in place, until it is stopped."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TextIO

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from holystone.present.terminal import Output

_TIMES_A_SECOND = 10
_BAR = 24
"""Columns of the bar."""


def live_line(output: Output, state: Callable[[], tuple[str, float]]) -> Live:
    """The line, not yet started. ``state`` returns its words and how full the bar is, 0 to 1."""
    look = output.look

    def row() -> Table:
        words, share = state()
        row = Table.grid(padding=(0, 2))
        row.add_column(max_width=_BAR)
        row.add_column(no_wrap=True, overflow="ellipsis")
        row.add_row(ProgressBar(1.0, share, width=_BAR), Text(words))
        return row

    console = Console(
        file=_Lenient(output.stream),  # type: ignore[arg-type]
        width=look.width,
        force_terminal=True,
        color_system="standard" if look.colour else None,
        highlight=False,
    )
    return Live(
        get_renderable=row,
        console=console,
        refresh_per_second=_TIMES_A_SECOND,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )


class _Lenient:
    """A stream whose terminal may go away: the work beside it goes on."""

    def __init__(self, stream: TextIO) -> None:
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        return True

"""A maintenance window: the part of each day in which work may begin."""

from __future__ import annotations

import re
from typing import NamedTuple

_DAY = 24 * 60
_TIME = "([01][0-9]|2[0-3]):([0-5][0-9])"


class Window(NamedTuple):
    """From and to in minutes since midnight, local time; one that begins as it ends is all day."""

    begins: int
    ends: int

    def holds(self, minute: int) -> bool:
        """Whether this minute of the day lies in the window."""
        return (minute - self.begins) % _DAY < ((self.ends - self.begins) % _DAY or _DAY)

    def __str__(self) -> str:
        return f"{clock(self.begins)}-{clock(self.ends)}"


def clock(minute: int) -> str:
    """A minute of the day as ``22:00``."""
    return f"{minute // 60:02}:{minute % 60:02}"


def parse_window(text: str) -> Window:
    """The window written as ``"22:00-06:00"``. Raises ValueError."""
    match = re.fullmatch(f" *{_TIME} *- *{_TIME} *", text)
    if match is None:
        raise ValueError(f"{text!r} is not a window; write it like 22:00-06:00")
    hours, minutes, last_hours, last_minutes = map(int, match.groups())
    return Window(hours * 60 + minutes, last_hours * 60 + last_minutes)

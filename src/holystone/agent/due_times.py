"""The due times of a cron expression in a time zone, as UTC seconds.

A time of day that the change to summer time skips is due right after the gap, and one that comes
twice is due the first time; an expression that repeats over the hours (``17 * * * *``) goes by
elapsed time. So does Debian's cron.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from cronsim import CronSim

_LOCAL = "/etc/localtime"
_HOUR = 3600.0
_AWAY = 3 * _HOUR
"""Longer than any change of the clock's time."""


def zone(name: str) -> tzinfo:
    """The zone of this IANA name; of the machine where it is empty: TZ, then /etc/localtime."""
    if name:
        return ZoneInfo(name)
    told = os.environ.get("TZ", "").removeprefix(":")
    try:
        if told and not told.startswith("/"):
            return _named(told)
        with open(told or _LOCAL, "rb") as file:
            return ZoneInfo.from_file(file, told or _LOCAL)
    except (KeyError, OSError, ValueError):
        return UTC  # So does the C library.


def _named(told: str) -> tzinfo:
    """The zone of a name or of a rule like ``CET-1CEST,M3.5.0,M10.5.0/3``. Raises ValueError."""
    try:
        return ZoneInfo(told)
    except (KeyError, OSError, ValueError):
        # A file of a zone that has nothing but this rule, in both parts that the format asks for.
        counts = bytes(16) + (1).to_bytes(4) + (4).to_bytes(4)
        part = b"TZif2" + bytes(15) + counts + bytes(6) + b"UTC\0"
        return ZoneInfo.from_file(io.BytesIO(part * 2 + f"\n{told}\n".encode()), told)


class DueTimes:
    """When an expression of five fields is due."""

    def __init__(self, expression: str, zone: tzinfo) -> None:
        minute, hour, *rest = expression.split()
        if minute.startswith("*") and not hour.startswith("*"):
            # "*/30 2 * * *" is of hours of the day; cronsim goes by the star and takes it for one
            # that repeats, so that a skipped hour would have no run.
            minute = f"0-59{minute[1:]}"
        self._expression = " ".join((minute, hour, *rest))
        self._zone = zone

    def after(self, moment: float) -> Iterator[float]:
        """Those after a moment, one after another; ends where none comes for 50 years."""
        # A little earlier: a moment just before a due time is rounded to it.
        begin = datetime.fromtimestamp(moment - 1, self._zone)
        before = datetime.fromtimestamp(moment - _AWAY, self._zone)
        if before.utcoffset() != begin.utcoffset():
            # Begun in an hour, or half of one, that comes twice, cronsim counts on from the first.
            begin = before
        for each in CronSim(self._expression, begin):
            due = each.timestamp()
            if due > moment:
                yield due

    def first(self, moment: float) -> float | None:
        """The first after a moment."""
        return next(self.after(moment), None)

    def latest(self, begin: float, end: float) -> Iterator[float]:
        """Those after ``begin``, up to ``end``, the latest first."""
        span = _HOUR
        while end > begin:
            since = max(begin, end - span)
            due = []
            for each in self.after(since):
                if each > end:
                    break
                due.append(each)
            yield from reversed(due)
            end, span = since, span * 2

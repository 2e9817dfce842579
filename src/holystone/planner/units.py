"""Sizes and durations as people write and read them.

Sizes are whole bytes. Decimal units (``kB MB GB TB``) are powers of 1000, as the docker
command prints them; ``KiB MiB GiB TiB`` are powers of 1024. Durations are seconds.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_SIZE_UNITS: dict[str, int] = {"": 1, "b": 1, "byte": 1, "bytes": 1} | {
    letter + rest: base**power
    for power, letter in enumerate("kmgtp", start=1)
    # Kubernetes and lsblk write Ki for KiB.
    for rest, base in (("", 1000), ("b", 1000), ("i", 1024), ("ib", 1024))
}
_LONGEST = 200
"""Characters of a size or duration."""
_SLOWEST = 1000
_DURATION_UNITS = {
    unit: seconds
    for seconds, units in (
        (1, "s sec secs second seconds"),
        (60, "m min mins minute minutes"),
        (3600, "h hr hrs hour hours"),
        (86400, "d day days"),
        (7 * 86400, "w week weeks"),
    )
    for unit in units.split()
}
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")
_CAPITAL_M = re.compile(r"[0-9]\s*M(?![A-Za-z])")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)")


def parse_size(text: str) -> int:
    """Bytes written as ``"40GB"``, ``"1.5 GiB"`` or ``"1024"``. Raises ValueError."""
    match = _SIZE.fullmatch(text) if len(text) <= _LONGEST else None
    factor = _SIZE_UNITS.get(match.group(2).lower()) if match else None
    if match is None or factor is None:
        raise ValueError(f"{text!r} is not a size; write it like 500MB, 40GB or 1.5GiB")
    whole, _, decimals = match.group(1).partition(".")
    scale: int = 10 ** len(decimals)
    return int(whole + decimals) * factor // scale


def parse_rate(text: str) -> int:
    """Bytes a second written as ``"5MB/s"``, ``"500kB"`` or ``"100Mbit/s"``. Raises ValueError."""
    size = text.strip().removesuffix("/s")
    bits = size.endswith("bit")
    try:
        rate = parse_size(size.removesuffix("bit") + "B") // 8 if bits else parse_size(size)
    except ValueError:
        rate = 0
    if rate < _SLOWEST or size[-1:].isdigit():
        raise ValueError(
            f"{text!r} is not a rate, 1kB/s at least; write it like 5MB/s or 100Mbit/s"
        )
    return rate


class AmbiguousDuration(ValueError):
    """A duration that can be read in two ways."""


def parse_duration(text: str) -> float:
    """Seconds written as ``"90s"``, ``"1h30m"``, ``"2w"`` or ``"0"``. Raises ValueError."""
    if len(text) <= _LONGEST and _CAPITAL_M.search(text):
        raise AmbiguousDuration(
            f"{text!r} could mean minutes or months; write 1m for a minute, 30d for a month"
        )
    compact = text.strip().lower()
    if compact == "0":
        return 0.0
    parts = _DURATION_PART.findall(compact) if len(compact) <= _LONGEST else ()
    known = all(unit in _DURATION_UNITS for _, unit in parts)
    if not parts or not known or "".join(n + u for n, u in parts) != compact.replace(" ", ""):
        raise ValueError(f"{text!r} is not a duration; write it like 90s, 10m, 1h30m or 7d")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in parts)


def format_size(count: int) -> str:
    """Bytes as a short decimal figure of three digits: ``"1.23 GB"``, ``"412 MB"``, ``"0 B"``."""
    sign, value = ("-", -count) if count < 0 else ("", count)
    if value < 1000:
        return f"{sign}{value} B"
    units = ["PB", "TB", "GB", "MB", "kB"]
    scaled = value / 1000
    while scaled >= 999.5 and len(units) > 1:
        scaled /= 1000
        units.pop()
    digits = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
    return f"{sign}{scaled:.{digits}f} {units[-1]}"


def format_duration(seconds: float) -> str:
    """Seconds as their largest one or two units: ``"45 s"``, ``"10 min"``, ``"2 h 5 min"``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes = whole // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"


_DAY = 24 * 60
_TIME = "([01][0-9]|2[0-3]):([0-5][0-9])"


def clock(minute: int) -> str:
    """A minute of the day as ``22:00``."""
    return f"{minute // 60:02}:{minute % 60:02}"


class Window(NamedTuple):
    """From and to in minutes since midnight, local time; one that begins as it ends is all day."""

    begins: int
    ends: int

    def holds(self, minute: int) -> bool:
        """Whether this minute of the day lies in the window."""
        return (minute - self.begins) % _DAY < ((self.ends - self.begins) % _DAY or _DAY)

    def __str__(self) -> str:
        return f"{clock(self.begins)}-{clock(self.ends)}"


def parse_window(text: str) -> Window:
    """The window written as ``"22:00-06:00"``. Raises ValueError."""
    match = re.fullmatch(f" *{_TIME} *- *{_TIME} *", text)
    if match is None:
        raise ValueError(f"{text!r} is not a window; write it like 22:00-06:00")
    hours, minutes, last_hours, last_minutes = map(int, match.groups())
    return Window(hours * 60 + minutes, last_hours * 60 + last_minutes)

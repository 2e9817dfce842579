"""The kinds of values in ``holystone.toml``: how each is read, written and described to an editor.

A kind's ``schema`` is the form JSON Schema has for it. Texts are checked against its ``pattern``,
so that an editor and holystone accept the same; what the pattern cannot say ``read`` checks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, NamedTuple

from holystone.planner.policy import Budget, Mark
from holystone.planner.reference import parse_pattern
from holystone.planner.units import parse_duration, parse_size, parse_window

_LARGEST = 10**18
_CENTURY = 36525 * 86400.0
_MOST = 1_000_000
_LONGEST_SHOWN = 60
_SHARE = r"[0-9]{1,3}(\.[0-9]{1,6})? ?%"
_SIZE = r"[0-9]{1,15}(\.[0-9]{1,9})? ?([kKmMgGtTpP](i?[bB])?|[bB])"
_DURATION = r"(0|([0-9]{1,12}(\.[0-9]{1,9})?[smhdw] ?)+)"
_SIZES = {
    f"{unit}{infix}B": base**power
    for infix, base in (("", 1000), ("i", 1024))
    for power, unit in ((5, "P"), (4, "T"), (3, "G"), (2, "M"), (1, "K" if infix else "k"))
}


class Kind(NamedTuple):
    """A kind of value."""

    name: str
    """As the documentation calls it: ``duration``."""
    like: str
    """What to write, for the mend: ``a duration in quotes, like "30d"``."""
    schema: Mapping[str, Any]
    read: Callable[[Any], Any]
    """The value as the policy has it. Raises ValueError with what is wrong and its mend."""
    write: Callable[[Any], Any] = lambda value: value
    """A value of the policy as TOML and JSON have it; not asked for None."""
    each: Kind | None = None
    """What the elements of a list are; ``read`` then takes the list of the elements read."""


def shown(value: Any) -> str:
    """A value from a file as an error calls it, on one line and not long."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and abs(value) > _LARGEST:
        return "a huge number"
    text = repr(value) if isinstance(value, (str, int, float)) else f"the date or time {value}"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def toml(value: Any) -> str:
    """A written value (text, number, flag or list of these) as TOML."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _texts(
    name: str,
    like: str,
    pattern: str,
    parse: Callable[[str], Any] = str,
    write: Callable[[Any], Any] = lambda value: value,
) -> Kind:
    """A kind that is written as text of this form."""

    def read(value: Any) -> Any:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            raise ValueError(f"{shown(value)} is not {like}")
        return parse(value)

    return Kind(name, like, {"type": "string", "pattern": pattern}, read, write)


def _list_of(each: Kind, name: str, like: str, read: Callable[[Any], Any] = tuple) -> Kind:
    def write(values: Sequence[Any]) -> list[Any]:
        return [each.write(value) for value in values]

    return Kind(name, like, {"type": "array", "items": each.schema}, read, write, each)


def _whole(name: str, high: int, like: str, mend: str) -> Kind:
    """A whole number from 0 on."""

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= high:
            raise ValueError(f"{shown(value)} is not {mend}")
        return value

    return Kind(name, like, {"type": "integer", "minimum": 0, "maximum": high}, read)


def choice(*words: str) -> Kind:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in words or not isinstance(value, str):
            near = get_close_matches(value, words, 1) if isinstance(value, str) else ()
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ValueError(f"{shown(value)} is not {like}{hint}")
        return value

    quoted = [f'"{word}"' for word in words]
    like = f"{', '.join(quoted[:-1])} or {quoted[-1]}"
    return Kind(" / ".join(words), like, {"enum": list(words)}, read)


def choices(*words: str) -> Kind:
    """Any of some words."""
    quoted = ", ".join(f'"{word}"' for word in words)
    return _list_of(choice(*words), "names", f"a list of any of {quoted}")


def _size(text: str) -> int:
    count = parse_size(text.removesuffix("free"))
    if count > _LARGEST:
        raise ValueError(f"{shown(text)} is more than any disk has")
    return count


def _duration(text: str) -> float:
    seconds = parse_duration(text)
    if seconds > _CENTURY:
        raise ValueError(f"{shown(text)} is longer than a century")
    return seconds


def _share(text: str) -> float:
    share = float(text.removesuffix("used").strip().removesuffix("%")) / 100
    if share > 1:
        raise ValueError(f"{shown(text)} is more than all of it; a share goes up to 100%")
    return share


def _size_text(count: int) -> str:
    for unit, factor in _SIZES.items():
        if count and count % factor == 0:
            return f"{count // factor}{unit}"
    return f"{count}B"


def _duration_text(seconds: float) -> str:
    whole = int(seconds)
    if whole != seconds:
        return f"{seconds:f}".rstrip("0").rstrip(".") + "s"
    text = ""
    for unit, factor in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, whole = divmod(whole, factor)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _share_text(share: float) -> str:
    return f"{share * 100:.8g}%"


def _mark(text: str) -> Mark:
    if "%" not in text:
        return Mark(free_bytes=_size(text))
    share = _share(text)
    if share <= 0:
        raise ValueError(f"{shown(text)}: no disk is as empty as that; write it like 85%")
    return Mark(used_share=share)


def _mark_text(mark: Mark) -> str:
    if mark.free_bytes is not None:
        return f"{_size_text(mark.free_bytes)} free"
    return _share_text(mark.used_share or 0.0)


def _pattern_budget(text: str) -> Budget:
    pattern, _, size = text.rpartition("=")
    return Budget(pattern, _size(size))


def _address(text: str) -> str:
    if int(text.rpartition(":")[2]) > 65535:
        raise ValueError(f"{shown(text)}: ports go up to 65535")
    return text


_NAMED_CRON = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
}


_CRON_FIELDS = {
    "minute": ("first", "0 to 59, lists, ranges and steps like */15"),
    "hour": ("second", "0 to 23, lists, ranges and steps like */6"),
    "day-of-month": ("third", "1 to 31, or L for the last day, and only days that the month has"),
    "month": ("fourth", "1 to 12, or names like JAN"),
    "day-of-week": ("fifth", "0 to 7, where 0 and 7 are Sunday, or names like SUN"),
}
"""The fields of a cron expression by the names that cronsim gives them: place, and values."""


def _cron(text: str) -> str | None:
    """A cron expression of five fields. Without cronsim (no extra agent) its form has to do."""
    if text == "never":
        return None
    text = _NAMED_CRON.get(text, text)
    with suppress(ImportError):
        from cronsim import CronSim, CronSimError

        try:
            next(CronSim(text, datetime(2001, 1, 1, tzinfo=UTC)))
        except CronSimError as error:
            raise ValueError(f"{shown(text)} is no cron expression: {_cron_fault(error)}") from None
        except StopIteration:
            raise ValueError(f"{shown(text)} names a day that never comes") from None
    return text


def _cron_fault(error: Exception) -> str:
    """What is wrong with a cron expression; cronsim names the field."""
    field = str(error).removeprefix("Bad ")
    for name, (place, values) in _CRON_FIELDS.items():
        if field == name:
            return f"its {place} field ({name.replace('-', ' ')}) takes {values}"
    return 'it takes five fields, like "30 3 * * 0": minute, hour, day of month, month, day of week'


def _zone(text: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{shown(text)} is no time zone that this machine knows") from None
    return text


def _flag(value: Any) -> bool:
    if value is True or value is False:
        return bool(value)
    raise ValueError(f"{shown(value)} is not true or false, without quotes")


def _image_pattern(text: str) -> str:
    parse_pattern(text.removeprefix("!"))
    return text


def _kept(text: str) -> str:
    by, _, pattern = text.partition("=")
    return f"image={_image_pattern(pattern)}" if by == "image" else text


def _image_patterns(patterns: Sequence[str]) -> tuple[str, ...]:
    if patterns and patterns[0].startswith("!"):
        raise ValueError(
            f"{shown(patterns[0])} stands first, with nothing before it that it could except; "
            "put it after a pattern that covers it"
        )
    return tuple(patterns)


# fmt: off
FLAG = Kind("true / false", "true or false", {"type": "boolean"}, _flag)
COUNT = _whole("number", _MOST, "a whole number, 0 or more",
               f"a whole number from 0 to {_MOST}, without quotes")
TEXT = _texts("text", "a name in quotes: letters, digits, '-', '_' and '.'",
              r"^[A-Za-z0-9_.-]{1,64}$")
SIZE = _texts("size", 'a size in quotes with its unit, like "500MB" or "40GB"',
              f"^(0|{_SIZE})$", _size, _size_text)
DURATION = _texts("duration", 'a duration in quotes, like "90s", "12h" or "30d"',
                  f"^{_DURATION}$", _duration, _duration_text)
DURATION_OR_NEVER = _texts(
    'duration / "never"', 'a duration in quotes, like "12h" or "30d", or "never"',
    f"^({_DURATION}|never)$",
    lambda text: None if text == "never" else _duration(text), _duration_text,
)
SHARE = _texts("share", 'a share in quotes, like "85%"', f"^{_SHARE}$", _share, _share_text)
BUDGET = _texts(
    "size / share", 'a size or a share of the disk in quotes, like "20GB" or "10%"',
    f"^(0|{_SIZE}|{_SHARE})$",
    lambda text: _share(text) if "%" in text else _size(text),
    lambda value: _size_text(value) if isinstance(value, int) else _share_text(value),
)
MARK = _texts(
    "watermark", 'a share in use or bytes free in quotes, like "85%" or "20GB free"',
    f"^({_SHARE}( used)?|{_SIZE}( free)?)$", _mark, _mark_text,
)
PATH = _texts("path", 'an absolute path in quotes, like "/etc/holystone/tokens"', r"^/[^\x00]*$")
# node_exporter reads no file with another ending.
METRICS_FILE = _texts(
    "path", 'an absolute path that ends in .prom, in quotes, like "/var/lib/node/holystone.prom"',
    r"^/[^\x00]*[^\x00/]\.prom$",
)
URL = _texts("address", 'an address in quotes, like "https://example.com/hook"',
             r"^https?://[^\s/]+[^\s]*$")
ADDRESS = _texts(
    "host:port", 'a host and a port in quotes, like "127.0.0.1:9469" or "[::1]:9469"',
    r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}$", _address,
)
CRON = _texts(
    'cron expression / "never"', 'a cron expression in quotes, like "30 3 * * 0", or "never"',
    r"^(never|@(hourly|daily|weekly|monthly)|\S+( \S+){4})$", _cron,
    lambda text: "never" if text is None else text,
)
ZONE = _texts("time zone", 'a time zone in quotes, like "Europe/Berlin"',
              r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$", _zone)
WINDOW = _texts(
    "times of day", 'two times of day in quotes, like "22:00-06:00"',
    "^([01][0-9]|2[0-3]):[0-5][0-9]-([01][0-9]|2[0-3]):[0-5][0-9]$", parse_window, str,
)
_PATTERN = 'an image pattern in quotes, like "python:*-slim"'
IMAGES = _list_of(
    _texts("pattern", _PATTERN, r"^!?[^\s!]+$", _image_pattern),
    "image patterns", 'a list of image patterns, like ["python:*-slim"]', _image_patterns,
)
IMAGES_ALONE = _list_of(
    _texts("pattern", _PATTERN, r"^[^\s!]+$", _image_pattern),
    "image patterns", 'a list of image patterns without "!", like ["python:*-slim"]',
)
"""Patterns that nothing takes back."""
LABELS = _list_of(
    _texts("label", 'a label in quotes, like "keep" or "stage=prod*"', r"^[^\s=][^=]*(=.*)?$"),
    "labels", 'a list of labels, like ["keep", "stage=prod*"]',
)
NAMES = _list_of(
    _texts("pattern", "a pattern in quotes of letters, digits, '_', '.', '-', '*' and '?'",
           r"^[A-Za-z0-9_.*?-]+$"),
    "name patterns", 'a list of patterns of names, like ["cache-*"]',
)
KEPT = _list_of(
    _texts(
        "label=, name= or image=",
        'a text in quotes like "label=com.example.lab", "name=lab-*" or "image=example/lab"',
        r"^(label=[^\s=][^=]*(=.*)?|name=[A-Za-z0-9_.*?-]+|image=[^\s!=]+)$", _kept,
    ),
    "labels, names and images",
    'a list like ["label=com.example.lab", "name=lab-*", "image=example/lab"]',
)
BUDGETS = _list_of(
    _texts(
        "pattern=size", 'a pattern of names and a size in quotes, like "ci-*=50GB"',
        rf"^[A-Za-z0-9_.*?-]+=(0|{_SIZE})$", _pattern_budget,
        lambda budget: f"{budget.pattern}={_size_text(budget.size)}",
    ),
    "pattern=size", 'a list of patterns of names with their sizes, like ["ci-*=50GB"]',
)
EXIT_CODES = _list_of(
    _whole("exit code", 255, "an exit code", "an exit code, from 0 to 255 without quotes"),
    "exit codes", "a list of exit codes, like [0, 137]",
)
# fmt: on

"""The agent's log: one line for each entry, as text (``key=value``) or JSON, without secrets.

Every part takes ``log`` from here, and names what it tells: ``log.info("removed", images=3)``. What
comes from outside needs no cleaning first; it is done here for all.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, TextIO

from holystone.agent.lean import without
from holystone.outside.text import safe, safe_json
from holystone.planner.units import format_size

with without("rich.console", "rich.pretty"):
    # It would load them for colours and frames, which this log does not use: 5 MB.
    import structlog

HIDDEN = "(hidden)"
_SECRETS = {"authorization", "cookie", "credentials", "password", "secret", "signature", "token"}
_ADDRESSES = {"url", "urls", "webhook"}
_WORD = re.compile(r"[a-z]+")
# The password of an address, and what follows the name of a scheme in a header.
_PASSWORD = re.compile(r"(://[^\s/:@]*):[^\s/@]*@")
_BEARER = re.compile(r"\b((?i:bearer)(?=\s+\S)|Basic(?=\s+\S{8}))\s+\S+")
_BARE = re.compile(r"[^\s\"'=\\]+")
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_FRAMES = 5
"""How many of the innermost calls are told of an exception."""
_DEEPEST = 4
_SIZE = "_bytes"
"""The end of the name of a size: JSON has the number, text what people read, ``free="18.0 GB"``."""
_ALWAYS = ("time", "level", "message")

log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
"""What every part writes to; safe to use from several threads."""


def set_up(form: str = "text", stream: TextIO | None = None) -> None:
    """Write entries as ``text`` or ``json`` to a stream, or (None) to standard error from now on.

    What the libraries log by way of ``logging`` is written the same way, from warnings on.
    """
    render = _json if form == "json" else _text
    structlog.configure(
        processors=[_entry, render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    if not any(isinstance(each, _Forward) for each in root.handlers):
        root.addHandler(_Forward(logging.WARNING))


def host_of(address: str) -> str:
    """An address without what may be secret in it: ``https://hooks.example.com/...``.

    In addresses of Apprise the host may be a token, so that of those the scheme alone is left.
    """
    match = _ADDRESS.match(address)
    if match is None:
        return HIDDEN
    scheme, host = match[1].lower(), match[2].rpartition("@")[2]
    return safe(f"{scheme}://{host}/..." if scheme in ("http", "https") else f"{scheme}://...", 300)


def without_passwords(text: str) -> str:
    """The text, with the passwords of the addresses in it hidden."""
    return _PASSWORD.sub(rf"\1:{HIDDEN}@", text)


class _Lines:
    """Writes finished lines. A stream that cannot be written to does not stop the agent."""

    _one_at_a_time = threading.Lock()

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        stream = self._stream or sys.stderr
        with self._one_at_a_time, suppress(OSError, ValueError):
            stream.write(f"{line}\n")
            stream.flush()

    debug = info = warning = error = critical = msg


class _Forward(logging.Handler):
    """Takes what libraries log."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(TypeError, ValueError):  # arguments that do not fit the message
            tell = log.error if record.levelno >= logging.ERROR else log.warning
            tell(record.getMessage(), by=record.name, exc_info=record.exc_info)


def _entry(_: Any, level: str, told: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The entry, made safe: time, level and message first, then the other fields."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    message = _cleaned("message", told.pop("event", ""))
    error = _exception(told.pop("exc_info", None))
    # A field must not replace the time, level or message.
    rest = {f"{key}_" if key in _ALWAYS else key: value for key, value in told.items()}
    more = {safe(key, 100): _cleaned(key, value) for key, value in (rest | error).items()}
    return {"time": at, "level": level, "message": message} | more


def _exception(info: Any) -> dict[str, str]:
    """The fields of an exception: its text, and the calls that led to it, the innermost first."""
    found: tuple[Any, BaseException | None, TracebackType | None] | None = None
    if isinstance(info, BaseException):
        found = type(info), info, info.__traceback__
    elif isinstance(info, tuple):
        found = info
    elif info:
        found = sys.exc_info()
    if not found or found[1] is None:
        return {}
    frames = traceback.extract_tb(found[2])[-_FRAMES:]
    calls = [f"{each.filename.rpartition('/')[2]}:{each.lineno} {each.name}" for each in frames]
    return {"error": f"{type(found[1]).__name__}: {found[1]}", "at": " < ".join(reversed(calls))}


def _cleaned(key: str, value: Any, depth: int = 0) -> Any:
    """A value on one line that a log may have, as JSON knows it."""
    words = set(_WORD.findall(key.lower()))
    # A path is no secret, and says which file to mend.
    if words & _SECRETS and not words & {"file", "path"}:
        return HIDDEN if value else ""
    if isinstance(value, (list, tuple, set, frozenset)) and depth < _DEEPEST:
        return [_cleaned(key, each, depth + 1) for each in value]
    if words & _ADDRESSES and not words & {"file", "path"}:
        return host_of(str(value)) if value else ""
    if value is None or (isinstance(value, int) and value.bit_length() <= 64):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return round(value, 3)
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {
            safe(str(name), 100): _cleaned(str(name), each, depth + 1)
            for name, each in value.items()
        }
    text = without_passwords("a huge number" if isinstance(value, int) else str(value))
    return safe(_BEARER.sub(rf"\1 {HIDDEN}", text))


def _text(_: Any, __: str, entry: Mapping[str, Any]) -> str:
    rest = (_readable(key, value) for key, value in entry.items() if key not in _ALWAYS)
    told = "".join(f" {key}={_value(value)}" for key, value in rest)
    # Once more: a command to a CI system could stand where two values meet.
    return safe(f"{entry['time']} {entry['level']} {entry['message']}{told}", 100_000)


def _readable(key: str, value: Any) -> tuple[str, Any]:
    """A size in the units that people read, under its name without the unit."""
    if not key.endswith(_SIZE) or not isinstance(value, int) or isinstance(value, bool):
        return key, value
    return key.removesuffix(_SIZE), format_size(value)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if _BARE.fullmatch(value) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def _json(_: Any, __: str, entry: Mapping[str, Any]) -> str:
    return safe_json(json.dumps(entry))


set_up()

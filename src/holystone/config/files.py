"""The content of the files that were found, made settings: every fault of every file at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holystone.config.errors import ConfigError, Fault
from holystone.config.places import Lines, syntax
from holystone.config.reading import Found, Reading, read
from holystone.config.settings import Settings, contradictions, merged
from holystone.config.toml_text import loads

_LOCATED = 1000
"""Faults of a file whose line is looked for: to find each of 90,000 takes too long."""


def read_all(
    files: Sequence[tuple[str, bytes]], faults: Sequence[Fault] = (), *, here: str = ""
) -> Settings:
    """What files with this content say together, the nearest first.

    ``here`` is the path of the one that was found in the current folder, if it is among them.
    ``faults`` are known already. Raises ConfigError with them and all others.
    """
    found = list(faults)
    readings: list[tuple[str, Reading]] = []
    texts: dict[str, str] = {}
    for path, content in files:
        try:
            texts[path], tables = _parsed(path, content)
        except ConfigError as error:
            found += error.faults
            continue
        reading = read(tables)
        readings.append((path, reading))
        if reading.faults:
            found += _located(path, texts[path], tables, reading.faults)
    full = [(path, reading) for path, reading in readings if path != here]
    settings = merged(full, next((each for each in readings if each[0] == here), None))
    lines: dict[str, Lines] = {}
    if not found:
        found = [_placed(fault, texts, lines) for fault in contradictions(settings)]
    if found:
        raise ConfigError(found)
    vain = tuple(_placed(fault, texts, lines) for fault in settings.without_effect)
    return settings._replace(without_effect=vain)


def _parsed(path: str, content: bytes) -> tuple[str, dict[str, Any]]:
    """The text of a file and its tables. Raises ConfigError."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = content[: error.start].count(b"\n") + 1
        raise ConfigError([Fault("it is not UTF-8; save it as that", path, "", at)]) from None
    try:
        return text, loads(text)
    except (ValueError, RecursionError) as error:
        problem, line = syntax(error, text)
        mend = "'holystone config init --print' shows how it is written"
        raise ConfigError([Fault(f"not valid TOML: {problem}; {mend}", path, "", line)]) from None


def _located(path: str, text: str, tables: dict[str, Any], faults: Sequence[Found]) -> list[Fault]:
    lines = Lines(text)
    told = []
    for fault in faults[:_LOCATED]:
        element = _at(tables, fault.path) if isinstance(fault.path[-1], int) else ""
        line = lines.of(fault.path, element if isinstance(element, str) else "")
        told.append(fault.told(path, line))
    told.sort(key=lambda fault: fault.line or 0)
    return told + [fault.told(path, None) for fault in faults[_LOCATED:]]


def _at(content: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        content = content[part]
    return content


def _placed(fault: Fault, texts: dict[str, str], lines: dict[str, Lines]) -> Fault:
    if fault.file not in lines:
        lines[fault.file] = Lines(texts[fault.file])

    parts = fault.key.replace("[", ".").replace("]", "").split(".")
    path = [int(part) if part.isdecimal() else part for part in parts]
    return fault._replace(line=lines[fault.file].of(path))

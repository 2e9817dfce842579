"""Words for what is in the engine's data folder beside its objects: logs and orphans."""

from __future__ import annotations

from holystone.outside.text import safe
from holystone.planner.totals import Beside, Log, Orphan
from holystone.planner.units import format_size

_NAMED = 3
"""Logs and orphans named in a row. The JSON document has all of them."""
_LIMITS = {True: "limited", False: "no limit", None: ""}


def limit(log: Log) -> str:
    """Whether a log has a limit: ``limited`` or ``no limit``; empty where that is not known."""
    return _LIMITS[log.limited]


def folder(orphan: Orphan) -> str:
    """The store and the beginning of the name: as much of the ID as docker shows, and its end.

    X and X-removing are two folders.
    """
    *_, store, name = orphan.path.split("/")
    identifier, dash, rest = name.partition("-")
    return safe(f"{store}/{identifier[:12]}{dash}{rest[:12]}")


def logs_named(beside: Beside) -> str:
    """The largest logs by name, with how many more there are; empty where there are none."""
    said = []
    for log in beside.logs:
        limited = f" ({limit(log)})" if limit(log) else ""
        said.append(f"{safe(log.name)} {format_size(log.size)}{limited}")
    return _first(said)


def orphans_named(beside: Beside) -> str:
    """The largest orphans by name, with how many more there are; empty where there are none."""
    return _first([f"{folder(each)} {format_size(each.size)}" for each in beside.orphans])


def _first(said: list[str]) -> str:
    more = f" and {len(said) - _NAMED} more" if len(said) > _NAMED else ""
    return f"{', '.join(said[:_NAMED])}{more}"

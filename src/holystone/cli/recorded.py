"""The options of a run that differ from their defaults, as its history records them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from holystone.cli.words import long_name

_LEFT_OUT = frozenset(
    (
        "context", "dry_run", "force", "help", "host", "json", "color", "level", "max_plan_age",
        "only", "report", "state", "timeout", "verbose", "version", "wait", "yes",
    )
)  # fmt: skip
"""What changes nothing of what goes, or is recorded by itself: the level, the engine, the
selection."""
_SECONDS = (("w", 7 * 86400), ("d", 86400), ("h", 3600), ("m", 60))
_BYTES = (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def recorded(
    parser: argparse.ArgumentParser, options: argparse.Namespace, environ: Mapping[str, str]
) -> tuple[str, ...]:
    """Each option as on a command line, like ``--min-age 1h``, in the order of the help text."""
    told = []
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list options
        value = getattr(options, action.dest, None)
        if not action.option_strings or action.dest in _LEFT_OUT or value == action.default:
            continue
        name = long_name(action)
        if action.nargs == 0:
            # Else another option gave this value.
            told += [name] if value == action.const else []
        elif action.nargs == "?":
            told.append(name if value == action.const else f"{name}={_word(action, value)}")
        else:
            told.append(f"{name} {_word(action, value)}")
    if not getattr(options, "config", None) and environ.get("HOLYSTONE_CONFIG"):
        told.append(f"HOLYSTONE_CONFIG={environ['HOLYSTONE_CONFIG']}")
    return tuple(told)


def _word(action: argparse.Action, value: object) -> str:
    """A value as it would be given: ``90m``, ``40GB``, ``70%``."""
    if action.metavar == "PERCENT" and isinstance(value, float):
        return f"{value * 100:.10g}%"
    if isinstance(value, (int, float)) and action.metavar in ("TIME", "SIZE"):
        units = _SECONDS if action.metavar == "TIME" else _BYTES
        for unit, factor in units:
            if value and value % factor == 0:
                return f"{int(value // factor)}{unit}"
        return f"{value:.10g}s" if action.metavar == "TIME" else f"{int(value)}B"
    if action.metavar == "FILE":
        return os.path.abspath(str(value))
    return str(value)

"""Rows that complete the account of a disk: logs, orphans, the engine's own files, all the rest."""

from __future__ import annotations

from holystone.planner.inventory import Inventory
from holystone.planner.totals import Beside
from holystone.planner.units import format_size
from holystone.present import figures
from holystone.present.format import safe
from holystone.present.table import Row

_NAMED = 3
"""Logs and orphans named in a row. The JSON document has all of them."""


def rows(inventory: Inventory, beside: Beside) -> list[Row]:
    """A row for each part of the used disk that no list of the engine has.

    Kind, count, bytes and what it is. None where the disk is not in sight.
    """
    told = figures.account_of(inventory, beside)
    if told is None:
        return []
    made: list[Row] = []
    if beside.logs:
        made.append(("logs", str(len(beside.logs)), format_size(told.logs), _logs(beside)))
    if beside.orphans:
        count = str(len(beside.orphans))
        made.append(("orphans", count, format_size(told.orphans), _orphans(beside)))
    if told.own:
        made.append(("engine", "", format_size(told.own), "its own files"))
    made.append(("other", "", format_size(max(0, told.other)), _other(told.other, beside)))
    return made


def _logs(beside: Beside) -> str:
    limits = {True: " (limited)", False: " (no limit)", None: ""}
    named = [
        f"{safe(log.name)} {format_size(log.size)}{limits[log.limited]}"
        for log in beside.logs[:_NAMED]
    ]
    return ", ".join(named) + _more(len(beside.logs))


def _orphans(beside: Beside) -> str:
    named = [
        f"{safe(_short(orphan.path))} {format_size(orphan.size)}"
        for orphan in beside.orphans[:_NAMED]
    ]
    return f"no layer has this folder: {', '.join(named)}{_more(len(beside.orphans))}"


def _short(path: str) -> str:
    """The folder within the engine's, with as much of its name as docker shows of an ID."""
    *_, store, name = path.split("/")
    return f"{store}/{name[:12]}"


def _more(count: int) -> str:
    return f" and {count - _NAMED} more" if count > _NAMED else ""


def _other(size: int, beside: Beside) -> str:
    if size < 0:
        return f"the engine counts {format_size(-size)} more than is used"
    said = "files of others, or not reported by the engine"
    if not beside.read:
        said += "; includes container logs, which only root can read"
    if beside.elsewhere:
        said += f"; the engine's {' and '.join(beside.elsewhere)} are on another disk"
    return said

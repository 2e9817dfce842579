"""``holystone history``: past runs, and what each removed and freed; or past uses, exported."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.listing import Listing, add_listing, asks, refuse_listing
from holystone.cli.options import Parser, add_output, add_state, path, value_of
from holystone.cli.session import Failure, answer, open_ledger
from holystone.present import terminal
from holystone.present.format import safe

if TYPE_CHECKING:
    from holystone.present.lists.runs import Row
    from holystone.store.records import RunSummary
    from holystone.store.store import Store

EXPORT = "export"
"""In place of a run's number: write the uses that are known as a trace."""
_SHOWN = 20
_LARGEST = 2**63 - 1


def parser() -> argparse.ArgumentParser:
    """The options of ``history``."""
    made = Parser(
        prog="holystone history",
        description="List past runs, the newest first: what was planned, what was freed, and how "
        "each ended. With the number of a run: everything it removed. `history export` writes "
        "which images were used when, as a trace that can be replayed.",
        examples=[
            ("holystone history", "the last runs"),
            ("holystone history --filter 'freed>10GB' --sort -freed", "the runs that freed most"),
            ("holystone history --since 7d", "the runs of the last seven days"),
            ("holystone history 12", "everything run 12 removed"),
            (
                "holystone history export uses.jsonl.gz",
                "which images were used when, for holystone replay",
            ),
        ],
    )
    made.add_argument(
        "number",
        nargs="?",
        metavar="RUN",
        type=value_of(_run),
        help="the number of a run, or export",
    )
    made.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        type=path,
        help="export: where to; compressed where the name ends in .gz (default: -, to standard "
        "output)",
    )
    made.add_argument(
        "--engine",
        metavar="ENGINE",
        help="export: the name of the host, or the engine's ID, where several are known",
    )
    made.add_argument(
        "--limit",
        metavar="N",
        type=value_of(_number),
        help=f"how many runs to list (default {_SHOWN}; with --since all)",
    )
    made.add_argument(
        "--since",
        metavar="WHEN",
        type=value_of(_moment),
        help="only runs that started since then: 7d and 12h count back from now; 2026-11-20 and "
        "2026-11-20T14:00 are UTC, unless an offset like +01:00 follows",
    )
    made.add_argument(
        "-H",
        "--host",
        metavar="URL",
        help="only runs on the engine reached there: unix:///path, tcp://host:port, "
        "ssh://user@host, or demo: for the built-in host",
    )
    add_listing(made, "runs", what="list of runs", whole="cut no name")
    add_state(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Read the ledger and show. Raises Failure."""
    for name in ("limit", "since"):
        if options.number is not None and getattr(options, name) is not None:
            raise Failure(f"--{name} is for the list of runs, not for one run", exit_codes.USAGE)
    if options.number is not None:
        refuse_listing(options, "these are for the list of runs")
    listing = _listing(options)
    if options.number == EXPORT:
        from holystone.cli.history_export import export

        return export(options)
    if options.file is not None or options.engine is not None:
        raise Failure("FILE and --engine go with history export", exit_codes.USAGE)
    from holystone.engine.transport.endpoint import resolve

    endpoint = resolve(options.host, None, os.environ) if options.host is not None else None
    if endpoint is None or endpoint.scheme != "demo":
        with closing(open_ledger(options)) as ledger:
            return _show(ledger, "" if endpoint is None else endpoint.url, options, listing)
    from holystone.cli import demo

    with demo.opened(options, past=True) as (_, ledger):
        return _show(ledger, endpoint.url, options, listing)


def _show(
    ledger: Store, endpoint: str, options: argparse.Namespace, listing: Listing[Row] | None
) -> int:
    from holystone.present import document
    from holystone.present.report import history as report
    from holystone.store.folder import StoreError

    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    look, rows = output.look, None
    try:
        if options.number is None:
            # A period is listed whole: its end would say nothing of the rest.
            limit = options.limit or (_SHOWN if options.since is None else None)
            runs = ledger.runs.list(None if listing else limit, options.since, endpoint)
            if listing is not None:
                rows = _rows(runs, listing, limit)
                runs, look = [row.run for row in rows], listing.look(look)
            count = ledger.runs.count(options.since, endpoint)
            listed = report.Listed(runs, count, options.since, listing is not None, endpoint)
            told = report.document(listed)
            text = report.table(listed, look)
        else:
            found = ledger.runs.get(options.number)
            if found is None:
                raise Failure(f"there is no run {options.number}; `holystone history` lists them")
            if endpoint not in ("", found.endpoint):
                where = safe(found.endpoint) or "another engine"
                raise Failure(f"run {found.id} was made on {where}, not on {options.host}")
            removals = ledger.runs.removed(options.number)
            told = report.document_of(found, removals)
            text = report.render(found, removals, output.look)
    except StoreError as error:
        raise Failure(str(error)) from None
    if listing is not None and rows is not None and listing.formats:
        listing.write(output, rows, lambda row: str(row.run.id))
    else:
        answer(output, document.dump(told, indent=output.interactive) if options.json else text)
    return exit_codes.DONE


def _listing(options: argparse.Namespace) -> Listing[Row] | None:
    """What was asked of the list; None where it is wanted as it is. Raises Failure."""
    if not asks(options):
        return None
    from holystone.present.lists.runs import TABLE

    return Listing(options, TABLE)


def _rows(runs: Sequence[RunSummary], listing: Listing[Row], limit: int | None) -> list[Row]:
    """The runs that are wanted: of those the filters leave the newest, then sorted."""
    from holystone.present.lists import runs as list_of

    now = time.time()
    every = [list_of.Row(run, now) for run in runs]
    kept = listing.filtered(every)[:limit]
    return listing.sorted(kept)


def _run(text: str) -> int | str:
    return text if text == EXPORT else _number(text)


def _moment(text: str) -> float:
    """UTC seconds: so long ago, or a date with or without a time of day. Raises ValueError."""
    from datetime import UTC, datetime

    from holystone.planner.units import AmbiguousDuration, parse_duration

    now = time.time()
    try:
        moment = now - parse_duration(text)
    except AmbiguousDuration:
        raise
    except ValueError:
        try:
            date = datetime.fromisoformat(text.strip().removesuffix("UTC").strip())
        except ValueError:
            message = f"{text!r} is no time; write it like 7d, 12h, 2026-11-20 or 2026-11-20T14:00"
            raise ValueError(message) from None
        moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    if moment > now:
        raise ValueError(f"{text!r} is in the future")
    if moment < 0:
        raise ValueError(f"{text!r} is before any run there can be; leave it out to list them all")
    return moment


def _number(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= _LARGEST:
        raise ValueError(f"{text!r} is not a number from 1 on")
    return int(text)

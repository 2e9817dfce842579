"""``holystone history``: past runs, and what each removed and freed; or past uses, exported."""

from __future__ import annotations

import argparse
import gzip
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.cli.ledger import is_demo, remembered
from holystone.cli.listing import Listing, add_listing, asks, refuse_listing
from holystone.cli.options import Parser, add_output, add_state, path, value_of
from holystone.cli.session import Failure, warn
from holystone.cli.show import show
from holystone.cli.streams import stdout
from holystone.engine.transport.endpoint import resolve
from holystone.outside.text import safe, words_of
from holystone.outside.writing import writing
from holystone.planner.units import AmbiguousDuration, parse_duration
from holystone.present.lists.runs import TABLE, Row
from holystone.present.report import history as report
from holystone.replay.export import export
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
        type=value_of(lambda text: text if text == EXPORT else _number(text)),
        help="the number of a run, or export",
    )
    made.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        type=path,
        help="export: the file to write, compressed if its name ends in .gz (default: -, standard "
        "output)",
    )
    made.add_argument(
        "--engine",
        metavar="ENGINE",
        help="export: the name or UUID of the host, or the engine's ID, if the ledger has several",
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
        help="only runs on the engine at this address: unix:///path, tcp://host:port, "
        "ssh://user@host, or demo: for the built-in host",
    )
    add_listing(made, "runs", what="list of runs", whole="cut no name")
    add_state(made)
    add_output(made)
    return made


_STDOUT = "-"


def run(options: argparse.Namespace) -> int:
    """Show runs, or export uses. Raises StoreError, Failure."""
    if options.number is not None:
        for name in ("limit", "since"):
            if getattr(options, name) is not None:
                message = f"--{name} is for the list of runs, not for one run"
                raise Failure(message, exit_codes.USAGE)
        refuse_listing(options, "these are for the list of runs")
    listing = Listing(options, TABLE) if asks(options) else None
    if options.number == EXPORT:
        _export(options)
        return exit_codes.DONE
    if options.file is not None or options.engine is not None:
        raise Failure("FILE and --engine go with history export", exit_codes.USAGE)
    endpoint = resolve(options.host, None, os.environ).url if options.host is not None else ""
    with remembered(options, past=True) as (store, _):
        if options.number is not None:
            _show_run(store, endpoint, options)
        else:
            _list(store, endpoint, options, listing)
    return exit_codes.DONE


def _list(
    store: Store, endpoint: str, options: argparse.Namespace, listing: Listing[Row] | None
) -> None:
    # A period is listed whole: its end would say nothing of the rest.
    limit = options.limit or (_SHOWN if options.since is None else None)
    runs = store.runs.list(None if listing else limit, options.since, endpoint)
    if listing is not None:
        now = time.time()
        # Of those that the filters leave the newest, then sorted.
        rows = listing.sorted(listing.filtered([Row(run, now) for run in runs])[:limit])
        if listing.formats:
            listing.write(stdout(options), rows, lambda row: str(row.run.id))
            return
        runs = [row.run for row in rows]
    count = store.runs.count(options.since, endpoint)
    listed = report.Listed(runs, count, options.since, listing is not None, endpoint)
    show(
        options,
        lambda: report.document(listed),
        lambda look: report.table(listed, listing.look(look) if listing else look),
    )


def _show_run(store: Store, endpoint: str, options: argparse.Namespace) -> None:
    found = store.runs.get(options.number)
    if found is None:
        raise Failure(f"there is no run {options.number}; `holystone history` lists them")
    if endpoint not in ("", found.endpoint):
        where = safe(found.endpoint) or "another engine"
        raise Failure(f"run {found.id} was made on {where}, not on {options.host}")
    removals = store.runs.removed(options.number)
    show(
        options,
        lambda: report.document_of(found, removals),
        lambda look: report.render(found, removals, look),
    )


def _export(options: argparse.Namespace) -> None:
    """Write the trace, and tell what is in it. Raises OperationError, StoreError, Failure."""
    path = options.file or _STDOUT
    if options.json and path == _STDOUT:
        raise Failure(
            "--json describes a trace in a file: name one. Its lines are JSON in any case.",
            exit_codes.USAGE,
        )
    if options.host and not is_demo(options):
        raise Failure("history export takes --engine, not --host", exit_codes.USAGE)
    with remembered(options) as (store, demo):
        engine = options.engine
        if demo is not None:
            # The past of the demo host is built in, and comes into a store when it is asked for.
            inventory = demo.observe()
            demo.keep_uses(inventory)
            engine = inventory.engine.key
        with _opened(path) as put:
            written = export(store, engine, put)
    if path == _STDOUT:
        # Standard output has the trace.
        warn(report.exported("standard output", written))
        return
    show(
        options,
        lambda: report.document_of_export(path, written),
        lambda _: report.exported(path, written),
    )


@contextmanager
def _opened(path: str) -> Iterator[Callable[[str], object]]:
    """What takes the lines; a file is there whole or not at all. Raises Failure."""
    if path == _STDOUT:
        yield _put
        return
    try:
        with writing(path) as file:
            packs = path.endswith(".gz")
            with gzip.GzipFile(fileobj=file, mode="wb") if packs else nullcontext(file) as target:
                yield lambda line: target.write(line.encode("ascii"))
    except (OSError, ValueError) as error:
        said = words_of(error)
        raise Failure(f"cannot write the trace to {safe(path)}: {said}") from None


def _put(line: str) -> None:
    """Write a line to standard output. Raises Failure."""
    if trouble := tell(sys.stdout.write, line):
        raise Failure(trouble)


def _moment(text: str) -> float:
    """UTC seconds: so long ago, or a date with or without a time of day. Raises ValueError."""
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

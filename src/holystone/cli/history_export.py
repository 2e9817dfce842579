"""``holystone history export``: which images were used when, as a trace."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.cli.session import Failure, answer, open_ledger, warn
from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.ledger.trace import Written

_STDOUT = "-"


def export(options: argparse.Namespace) -> int:
    """Write the trace, and tell what is in it. Raises Failure."""
    from holystone.ledger import past, trace
    from holystone.ledger.database import LedgerError

    path = options.file or _STDOUT
    if options.json and path == _STDOUT:
        raise Failure(
            "--json tells of a trace in a file: name one. Its lines are JSON in any case.",
            exit_codes.USAGE,
        )
    ledger = open_ledger(options)

    def write(database: sqlite3.Connection) -> Written:
        engine = _chosen(past.engines(database), options.engine)
        with _opened(path) as put:
            return trace.write(database, engine, put)

    try:
        if not ledger.exists():
            raise Failure(_NOTHING)
        written = ledger.read(write)
    except LedgerError as error:
        raise Failure(str(error)) from None
    finally:
        ledger.close()
    _tell(path, written, options)
    return exit_codes.DONE


_NOTHING = (
    "no use is known yet: holystone observe remembers it, and so does every command that looks "
    "at a host"
)


def _chosen(engines: list[tuple[str, str]], wanted: str | None) -> str:
    """The engine to export. Raises Failure where it is not clear which."""
    if not engines:
        raise Failure(_NOTHING)
    meant = [key for key, name in engines if wanted in (None, name, key, key.rpartition("/")[0])]
    if len(meant) == 1:
        return meant[0]
    known = "\n".join(f"  {key.rpartition('/')[0]}  {name}" for key, name in engines)
    if wanted is None or meant:
        raise Failure(f"uses of several engines are known; say which with --engine ID:\n{known}")
    raise Failure(f"no use is known of an engine {wanted!r}; known are:\n{known}")


@contextmanager
def _opened(path: str) -> Iterator[Callable[[str], object]]:
    """What takes the lines; a file is there whole or not at all. Raises Failure."""
    if path == _STDOUT:
        yield _put
        return
    beside = f"{path}.{os.getpid()}.part"
    try:
        try:
            if path.endswith(".gz"):
                import gzip

                with gzip.open(beside, "wt", encoding="ascii") as compressed:
                    yield compressed.write
            else:
                with open(beside, "w", encoding="ascii") as plain:
                    yield plain.write
            os.replace(beside, path)
        finally:
            if os.path.exists(beside):
                os.remove(beside)
    except OSError as error:
        raise Failure(f"cannot write the trace to {path}: {error.strerror}") from None


def _put(line: str) -> None:
    """Write a line to standard output. Raises Failure."""
    if trouble := tell(sys.stdout.write, line):
        raise Failure(trouble)


def _tell(path: str, written: Written, options: argparse.Namespace) -> None:
    from holystone.present.report import history as report

    if path == _STDOUT:
        # Standard output has the trace.
        warn(report.exported("standard output", written))
        return
    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    if options.json:
        from holystone.present import document

        told = report.document_of_export(path, written)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        answer(output, report.exported(path, written))

"""``holystone history export``: which images were used when, as a trace."""

from __future__ import annotations

import argparse
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.cli.session import Failure, answer, open_ledger, warn
from holystone.cli.writing import writing
from holystone.outside.text import safe
from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.present.report.history_export import Exported
    from holystone.store.store import Store

_STDOUT = "-"
_DIGITS = 16
"""So many digits of a layer's chain ID name it: 64 bits, which no two have in common."""


def export(options: argparse.Namespace) -> int:
    """Write the trace, and tell what is in it. Raises Failure."""
    path = options.file or _STDOUT
    if options.json and path == _STDOUT:
        raise Failure(
            "--json tells of a trace in a file: name one. Its lines are JSON in any case.",
            exit_codes.USAGE,
        )
    from holystone.engine.transport.endpoint import resolve

    if options.host and resolve(options.host, None, os.environ).scheme == "demo":
        from holystone.cli import demo

        with demo.opened(options) as (host, ledger):
            # The past of the demo host is built in, and comes into a ledger when it is asked for.
            host.keep_uses(host.observe())
            return _export(ledger, path, host.key, options)
    if options.host:
        raise Failure("history export takes --engine, not --host", exit_codes.USAGE)
    with closing(open_ledger(options)) as ledger:
        return _export(ledger, path, options.engine, options)


def _export(ledger: Store, path: str, wanted: str | None, options: argparse.Namespace) -> int:
    from holystone.store import use_log as past
    from holystone.store.folder import StoreError

    def write(database: sqlite3.Connection) -> Exported:
        engine = _chosen(past.engines(database), wanted)
        with _opened(path) as put:
            return write_trace(database, engine, put)

    try:
        written = ledger.read(write, None)
    except StoreError as error:
        raise Failure(str(error)) from None
    if written is None:
        raise Failure(_NOTHING)
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
    ids = [key.rpartition("/")[0] for key, _ in engines]
    # An engine has uses of two image stores where it was given the other one.
    told = [i if ids.count(i) == 1 else key for i, (key, _) in zip(ids, engines, strict=True)]
    known = "\n".join(f"  {i}  {name}" for i, (_, name) in zip(told, engines, strict=True))
    if wanted is None or meant:
        raise Failure(f"uses of several engines are known; say which with --engine ID:\n{known}")
    raise Failure(f"no use is known of an engine {wanted!r}; known are:\n{known}")


@contextmanager
def _opened(path: str) -> Iterator[Callable[[str], object]]:
    """What takes the lines; a file is there whole or not at all. Raises Failure."""
    if path == _STDOUT:
        yield _put
        return
    try:
        with writing(path) as file:
            if path.endswith(".gz"):
                import gzip

                with gzip.open(file, "wb") as compressed:
                    yield lambda line: compressed.write(line.encode("ascii"))
            else:
                yield lambda line: file.write(line.encode("ascii"))
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise Failure(f"cannot write the trace to {safe(path)}: {said}") from None


def write_trace(
    database: sqlite3.Connection, engine: str, put: Callable[[str], object]
) -> Exported:
    """Write all that is known of the uses on an engine. Raises DamagedStoreError, Failure."""
    from functools import cache

    from holystone.planner.names import familiar
    from holystone.present.report.history_export import Exported
    from holystone.replay.trace import written
    from holystone.store import use_log as past

    images = past.images(database, engine)
    tally = Exported()
    references, used = set(), set()

    def told() -> Iterator[tuple[float, str, str, bool]]:
        nonlocal tally
        name = cache(familiar)
        for use in past.uses(database, engine):
            references.add(use.reference)
            used.add(use.image)
            first = use.at if tally.first is None else tally.first
            tally = Exported(tally.uses + 1, 0, 0, tally.pulls + use.pulled, first, use.at)
            yield int(use.at), name(use.reference), str(use.image), use.pulled

    layers = {
        str(number): [
            (chain_id.rpartition(":")[2][:_DIGITS], size) for chain_id, size in each.layers
        ]
        for number, each in images.items()
    }
    created = {str(number): int(each.created) for number, each in images.items() if each.created}
    for line in written(layers, told(), created):
        put(f"{line}\n")
    return tally._replace(references=len(references), images=len(used))


def _put(line: str) -> None:
    """Write a line to standard output. Raises Failure."""
    if trouble := tell(sys.stdout.write, line):
        raise Failure(trouble)


def _tell(path: str, written: Exported, options: argparse.Namespace) -> None:
    from holystone.present.report import history_export as report

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

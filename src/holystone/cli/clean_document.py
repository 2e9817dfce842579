"""The JSON document of ``holystone clean``: the answer to ``--json``, and the report file."""

from __future__ import annotations

import argparse

from holystone.cli.session import answer, warn
from holystone.operations.clean import Cleaned
from holystone.outside.text import words_of
from holystone.outside.writing import write
from holystone.present import document
from holystone.present.terminal import Output


def tell_document(options: argparse.Namespace, output: Output, done: Cleaned, level: str) -> None:
    """Write the document into the report file, to standard output, or both.

    Raises Failure if standard output does not take it.
    """
    told = document.configured(_told(done, level), options.configuration)
    if options.report:
        try:
            write(options.report, f"{document.dump(told)}\n")
        except (OSError, ValueError) as error:
            # The removed objects are reported in any case.
            warn(f"cannot write the report to {options.report!r}: {words_of(error)}")
    if options.json:
        answer(output, document.dump(told, indent=output.interactive))


def _told(done: Cleaned, level: str) -> document.Document:
    if done.plan is not None:
        return document.clean(done.plan, done.outcome, disk_after=done.disk, rounds=done.rounds)
    last = done.done_by
    assert last is not None  # noqa: S101 - there is no plan only then
    return document.coalesced(done.inventory, level, last.id, done.disk)

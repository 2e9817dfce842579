"""The document of ``holystone clean``: for ``--json``, and for the file of ``--report``."""

from __future__ import annotations

import argparse

from holystone.cli.session import answer, warn
from holystone.operations.clean import Cleaned
from holystone.outside.text import words_of
from holystone.outside.writing import write
from holystone.present import document
from holystone.present.terminal import Output


def tell_document(options: argparse.Namespace, output: Output, done: Cleaned, level: str) -> None:
    """Answer with the document, write it into the file it was asked for in, or both.

    Raises Failure where nothing takes the answer.
    """
    told = document.configured(_told(done, level), options.configuration)
    if options.report:
        try:
            write(options.report, f"{document.dump(told)}\n")
        except (OSError, ValueError) as error:
            # What was removed is removed: that is told in any case.
            warn(f"cannot write the report to {options.report!r}: {words_of(error)}")
    if options.json:
        answer(output, document.dump(told, indent=output.interactive))


def _told(done: Cleaned, level: str) -> document.Document:
    if done.plan is not None:
        return document.clean(done.plan, done.outcome, disk_after=done.disk, rounds=done.rounds)
    last = done.done_by
    assert last is not None  # noqa: S101 - there is no plan only then
    return document.coalesced(done.inventory, level, last.id, done.disk)

"""``holystone containers``: every container with what it wrote, its log, and its verdict."""

from __future__ import annotations

import argparse

from holystone.cli.object_list import ObjectList, list_parser, run_list
from holystone.present.list_documents import containers
from holystone.present.lists.containers import TABLE, rows
from holystone.present.report.containers import render

LIST = ObjectList("container", TABLE, rows, render, containers, "containers", sizes=True, logs=True)


def parser() -> argparse.ArgumentParser:
    """The options of ``containers``."""
    return list_parser(
        "containers",
        description="List the containers, stopped ones too: image, state, bytes written, log, "
        "verdict. The engine measures them first.",
        names="a name, a pattern like 'runner-*', or the start of an ID",
        quiet="only the IDs, for xargs",
        examples=[
            ("holystone containers", "every container, the largest first"),
            ("holystone containers 'runner-*'", "those whose name begins with runner-"),
            (
                "holystone containers -f status=exited -f 'size>100MB'",
                "those that have ended and hold more than 100 MB",
            ),
            (
                "holystone containers --sort -log --filter 'log>100MB'",
                "the largest logs",
            ),
        ],
        hints=dict.fromkeys(("-a", "--all"), "all containers are listed anyway"),
    )


def run(options: argparse.Namespace) -> int:
    """Observe with sizes, plan, show. Raises EngineError, OperationError, Failure."""
    return run_list(options, LIST)

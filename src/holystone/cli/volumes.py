"""``holystone volumes``: every volume with its size, who uses it, and its verdict."""

from __future__ import annotations

import argparse

from holystone.cli.object_list import ObjectList, list_parser, run_list
from holystone.present.list_documents import volumes
from holystone.present.lists.volumes import TABLE, rows
from holystone.present.report.volumes import render

LIST = ObjectList("volume", TABLE, rows, render, volumes, "volumes", sizes=True)


def parser() -> argparse.ArgumentParser:
    """The options of ``volumes``."""
    return list_parser(
        "volumes",
        description="List the volumes: size, age, last used, containers, verdict. The engine "
        "measures them first, which takes it time if they hold many files.",
        names="a name, a pattern like 'cache-*', or the start of an anonymous volume's name",
        quiet="only the names, for xargs",
        examples=[
            ("holystone volumes", "every volume, the largest first"),
            (
                "holystone volumes --filter dangling=true --sort -used",
                "those that no container mounts, the longest unused first",
            ),
            ("holystone volumes --level weekly", "with the verdicts of a weekly clean"),
            ("holystone volumes -q --filter 'size>1GB'", "the names of those above 1 GB"),
        ],
        hints=dict.fromkeys(("-a", "--all"), "all volumes are listed anyway"),
    )


def run(options: argparse.Namespace) -> int:
    """Observe with sizes, plan, show. Raises EngineError, OperationError, Failure."""
    return run_list(options, LIST)

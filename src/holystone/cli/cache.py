"""``holystone cache``: every build cache record with what comes free with it, and its verdict."""

from __future__ import annotations

import argparse

from holystone.cli.object_list import ObjectList, list_parser, run_list
from holystone.present.list_documents import cache
from holystone.present.lists.cache import TABLE, rows
from holystone.present.report.cache import render

LIST = ObjectList("cache", TABLE, rows, render, cache, "cache", layers=True)


def parser() -> argparse.ArgumentParser:
    """The options of ``cache``."""
    return list_parser(
        "cache",
        description="List the build cache: step, bytes that no image holds, bytes that images "
        "hold as well, last used, verdict.",
        names="an ID, or its start",
        quiet="only the IDs in full, for xargs",
        every="list every record; otherwise the largest of them stand for the rest",
        examples=[
            ("holystone cache", "the build cache, what frees most first"),
            (
                "holystone cache --filter 'used>7d' --sort -unique",
                "records that no build used for a week",
            ),
            ("holystone cache --filter description='*npm*'", "the steps that run npm"),
            ("holystone cache --filter type=exec.cachemount", "the cache mounts of builds"),
        ],
    )


def run(options: argparse.Namespace) -> int:
    """Observe with layers, plan, show. Raises EngineError, OperationError, Failure."""
    return run_list(options, LIST)

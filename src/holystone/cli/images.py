"""``holystone images``: every image with what it shares, what it alone holds, and its verdict."""

from __future__ import annotations

import argparse

from holystone.cli.object_list import ObjectList, list_parser, run_list
from holystone.present import document
from holystone.present.lists.images import TABLE, is_step, resolved, rows
from holystone.present.report.images import render

LIST = ObjectList(
    "image",
    TABLE,
    rows,
    render,
    lambda seen: document.images(seen.inventory, seen.plan),
    "images",
    layers=True,
    hidden=is_step,
    terms=lambda terms, inventory: resolved(terms, inventory.images),
)


def parser() -> argparse.ArgumentParser:
    """The options of ``images``."""
    return list_parser(
        "images",
        description="List the images: repository, tag, size, shared, unique, last used, verdict.",
        names="a tag, a repository, a pattern like 'team/*', the end of a name, a digest, or the "
        "start of an ID",
        quiet="only the IDs, each once, for xargs",
        every="list the steps of classic builds as well",
        examples=[
            ("holystone images", "every image, the largest first"),
            ("holystone images '*node*'", "those whose name contains node"),
            (
                "holystone images --filter 'unique>1GB' --sort -used",
                "those that alone hold more than 1 GB, the longest unused first",
            ),
            (
                "holystone images --format '{{.Name}} {{.UniqueSize}}'",
                "names, and what each alone holds",
            ),
        ],
    )


def run(options: argparse.Namespace) -> int:
    """Observe with layers, plan, show. Raises EngineError, OperationError, Failure."""
    return run_list(options, LIST)

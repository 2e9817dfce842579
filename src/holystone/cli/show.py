"""Show the result of a command: as a JSON document, or as text."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from holystone.cli.session import answer
from holystone.cli.streams import stdout
from holystone.present.document import dump
from holystone.present.terminal import Look


def show(
    options: argparse.Namespace,
    document: Callable[[], dict[str, Any]],
    text: Callable[[Look], str],
) -> None:
    """Write the JSON document where ``--json`` asks for it, else the text. Raises Failure."""
    output = stdout(options)
    if not options.json:
        answer(output, text(output.look))
        return
    answer(output, dump(document(), indent=output.interactive))

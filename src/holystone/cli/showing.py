"""How a command's result gets to the user: an object or text, progress, and a yes or no."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from holystone.cli.session import answer, open_ledger, warn
from holystone.engine.transport.endpoint import resolve
from holystone.operations.connect import connect
from holystone.present import terminal
from holystone.present.terminal import Look, Output

if TYPE_CHECKING:
    from holystone.engine.host import Host
    from holystone.store.store import Store


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
    from holystone.present.document import dump

    answer(output, dump(document(), indent=output.interactive))


def stdout(options: argparse.Namespace) -> Output:
    """Standard output, coloured as the options say."""
    return terminal.open_output(sys.stdout, os.environ, color=options.color)


def stderr(options: argparse.Namespace) -> Output:
    """Standard error, coloured as the options say."""
    return terminal.open_output(sys.stderr, os.environ, color=options.color)


def can_ask(options: argparse.Namespace) -> bool:
    """Whether a person can be asked: at a terminal, and not where a program reads JSON."""
    at_terminal = sys.stdin is not None and sys.stdin.isatty()
    return at_terminal and stderr(options).interactive and not options.json


def agreed(question: str) -> bool:
    """Ask a person at the terminal; whether they say yes."""
    sys.stderr.write(f"{question} ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def is_demo(options: argparse.Namespace) -> bool:
    """Whether ``--host`` names the demo host. Raises EngineError."""
    if options.host is None:
        return False
    return resolve(options.host, None, os.environ).scheme == "demo"


@contextmanager
def remembered(
    options: argparse.Namespace, *, past: bool = False
) -> Iterator[tuple[Store, Host | None]]:
    """The store that the options name, without its engine; the demo host comes with its own.

    ``past``: see ``open_demo``. Raises EngineError.
    """
    if not is_demo(options):
        store = open_ledger(options)
        try:
            yield store, None
        finally:
            store.close()
        return
    with connect(options.host, state=options.state, warn=warn, past=past) as session:
        yield session.ledger, session.host

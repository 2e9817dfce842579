"""``holystone restore``: bring back what a run removed, as far as registries still have it."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output
from holystone.cli.session import Failure, answer, open_ledger
from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.operations.bring_back import Restoring, Undone
    from holystone.planner.inventory import Inventory
    from holystone.registry.pull import Images
    from holystone.store.store import Store


def parser() -> argparse.ArgumentParser:
    """The options of ``restore``."""
    made = Parser(
        prog="holystone restore",
        description="Pull the images that a run removed again, by digest, and put their tags back. "
        "A tag that is another image by now stays where it is. Containers, volumes, networks and "
        "build cache cannot come back, nor images that no registry has.",
        examples=[
            (
                "holystone restore --dry-run",
                "what could be brought back of the latest run that removed an image",
            ),
            ("holystone restore 12 python:3.12-slim", "one image that run 12 removed"),
        ],
    )
    made.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="the number of the run (default: the latest on this engine that removed an image, "
        "but for a repair whose images are all here again)",
    )
    made.add_argument(
        "references",
        nargs="*",
        default=[],
        metavar="REFERENCE",
        help="only this: a tag, a repository, a pattern like 'team/*', the end of a name, a "
        "digest, or the start of an ID (one of digits alone is written sha256:1234)",
    )
    made.add_argument(
        "-n", "--dry-run", action="store_true", help="pull nothing, only tell what would be"
    )
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Find the run, decide, pull, tell. Raises EngineError, Failure."""
    number, references = _asked(options)
    from holystone.engine.transport.endpoint import resolve

    endpoint = resolve(options.host, options.context, os.environ)
    if endpoint.scheme == "demo":
        return _restore_demo(number, references, options)
    from holystone.engine.client import Client
    from holystone.engine.observe import Lists, read_lists
    from holystone.engine.transport.connection import connect
    from holystone.registry.credentials import Credentials
    from holystone.registry.pull import Puller

    client = Client(endpoint, options.timeout, connect)
    try:
        now = client.clock.now
        lists = Lists(client, sizes=False)
        inventory = read_lists(lists, now())
        ledger = open_ledger(options)
        try:
            # Also after a run that was killed, and before any other run looks at the engine.
            ledger.settle_open(inventory, lists.begun)
            puller = Puller(client, Credentials(os.environ))
            return _restore(inventory, puller, ledger, now, number, references, options)
        finally:
            ledger.close()
    finally:
        client.close()


def _restore_demo(
    number: int | None, references: Sequence[str], options: argparse.Namespace
) -> int:
    from holystone.cli import demo
    from holystone.demo.pulls import DemoPuller

    with demo.opened(options, past=True) as (host, ledger):
        inventory = host.observe()
        return _restore(inventory, DemoPuller(host), ledger, time.time, number, references, options)


def _asked(options: argparse.Namespace) -> tuple[int | None, Sequence[str]]:
    """The run's number, where one was given, and the references."""
    first: str | None = options.run
    if first is None:
        return None, ()
    if first.isdecimal() and first.isascii() and len(first) < 19:
        return int(first), options.references
    return None, [first, *options.references]


def _restore(
    inventory: Inventory,
    puller: Images,
    ledger: Store,
    now: Callable[[], float],
    number: int | None,
    references: Sequence[str],
    options: argparse.Namespace,
) -> int:
    from holystone.operations import restore
    from holystone.operations.digests import keep_names
    from holystone.store.folder import StoreError

    try:
        summary = restore.resolve(ledger.runs, inventory, number)
        plan = restore.plan_restore(inventory, ledger.runs.removed(summary.id), references)
        undone = None
        if not options.dry_run:
            names = [name for item in plan for name in item.removed.tags + item.removed.digests]
            with ledger.own_pulls(summary.engine, names, now):
                undone = _carry_out(plan, puller, options)
            if inventory.engine.store == "classic":
                keep_names(ledger, summary.engine, undone.named, now())
    except (restore.RestoreError, StoreError) as error:
        raise Failure(str(error)) from None
    from holystone.present.report import restore as report

    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    results = undone.results if undone else [None] * len(plan)
    entries = [
        report.Entry(item.removed, item.action, detail=item.detail, image_id=item.image_id)
        if done is None
        else report.Entry(item.removed, item.action, done.result, done.detail, done.image_id)
        for item, done in zip(plan, results, strict=True)
    ]
    seconds = undone.seconds if undone else None
    interrupted = undone.interrupted if undone else ""
    if options.json:
        from holystone.present import document

        told = report.document(summary, entries, seconds=seconds, interrupted=interrupted)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        text = report.render(
            summary, entries, output.look, seconds=seconds, interrupted=interrupted
        )
        answer(output, text)
    return _code(plan, undone)


def _carry_out(plan: Sequence[Restoring], puller: Images, options: argparse.Namespace) -> Undone:
    from holystone.operations.bring_back import PULL, carry_out
    from holystone.present.progress import PullProgress

    pulls = {place for place, item in enumerate(plan) if item.action == PULL}
    errors = terminal.open_output(sys.stderr, os.environ, color=options.color)
    with PullProgress(pulls, errors) as line:
        return carry_out(plan, puller, line)


def _code(plan: Sequence[Restoring], undone: Undone | None) -> int:
    """3 where something failed, or cannot come back though it was asked for by name."""
    if undone is None:
        return exit_codes.DONE
    if undone.interrupted:
        return exit_codes.INTERRUPTED
    from holystone.operations.bring_back import LOST

    missed = any(item.named and item.action == LOST for item in plan)
    return exit_codes.STEPS_FAILED if missed or undone.counts["failed"] else exit_codes.DONE

"""``holystone restore``: bring back what a run removed, as far as registries still have it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output
from holystone.cli.session import opened
from holystone.cli.show import show
from holystone.cli.streams import stderr
from holystone.operations.restore import restore
from holystone.present.progress import PullProgress
from holystone.present.report import restore as report


def parser() -> argparse.ArgumentParser:
    """The options of ``restore``."""
    made = Parser(
        prog="holystone restore",
        description="Pull the images that a run removed, by digest, and restore their tags. A tag "
        "that now means another image stays there. Containers, volumes, networks and build cache "
        "cannot be restored, and images only if a registry has them.",
        examples=[
            (
                "holystone restore --dry-run",
                "which images of the latest run could be restored",
            ),
            ("holystone restore 12 python:3.12-slim", "one image that run 12 removed"),
        ],
    )
    made.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="the number of the run (default: the latest on this engine that removed an image, "
        "except a repair whose images are all here again)",
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
        "-n", "--dry-run", action="store_true", help="pull nothing, only show what would be pulled"
    )
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Restore, and tell. Raises EngineError, OperationError, StoreError."""
    number, references = _asked(options)
    with opened(options, past=True) as session:
        done = restore(
            session,
            number,
            references,
            dry_run=options.dry_run,
            watch=lambda pulls: PullProgress(pulls, stderr(options)),
        )
    show(options, lambda: report.document(done), lambda look: report.render(done, look))
    if done.interrupted:
        return exit_codes.INTERRUPTED
    return exit_codes.STEPS_FAILED if done.failed else exit_codes.DONE


def _asked(options: argparse.Namespace) -> tuple[int | None, Sequence[str]]:
    """The run's number, where one was given, and the references."""
    first: str | None = options.run
    if first is None:
        return None, ()
    if first.isdecimal() and first.isascii() and len(first) < 19:
        return int(first), options.references
    return None, [first, *options.references]

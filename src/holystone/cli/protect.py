"""``holystone protect``: find the images a repository needs, and protect them."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_output, path
from holystone.cli.session import Failure, warn
from holystone.cli.show import show
from holystone.config.edit import block
from holystone.operations.protect import protect
from holystone.present.report import protect as report
from holystone.present.terminal import Look
from holystone.scan.proposal import learn


def parser() -> argparse.ArgumentParser:
    """The options of ``protect``."""
    made = Parser(
        prog="holystone protect",
        description="Find the images that a repository needs, in its Dockerfiles, compose files, "
        "GitLab pipelines and GitHub workflows, and propose entries for [protect] of "
        "holystone.toml. It only reads files: it runs, downloads and guesses nothing.",
        hints={
            "": "holystone protect --from PATH reads a repository. An image of your own "
            "choice belongs under [protect] images in holystone.toml, which takes patterns like "
            "'team/*'; holystone lease keeps one for a time"
        },
        examples=[
            ("holystone protect --from .", "the images that this repository needs"),
            (
                "holystone protect --from . --write holystone.toml",
                "add what is missing to the configuration",
            ),
        ],
    )
    made.add_argument(
        "--from",
        dest="paths",
        metavar="PATH",
        type=path,
        action="append",
        required=True,
        help="a file, or a repository's folder, which is walked; may be given several times",
    )
    made.add_argument(
        "--write",
        metavar="FILE",
        type=path,
        help="add what is missing to this holystone.toml, or create it; the rest of it stays",
    )
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Learn, tell, and write where that is asked for. Raises OperationError, Failure."""
    proposal = learn(options.paths)
    unread = [f"{fault.place}: {fault.why}" for fault in proposal.unread]
    if len(unread) == len(options.paths):
        raise Failure("\n".join(unread))
    references = [image.reference for image in proposal.images]
    written = None if options.write is None else protect(options.write, references)

    def text(look: Look) -> str:
        if written is not None:
            return report.written(proposal, written, look, every=options.verbose)
        return report.proposed(proposal, block(references), look, every=options.verbose)

    show(options, lambda: report.document(proposal, written), text)
    for told in unread:
        warn(told)
    return exit_codes.ERROR if unread else exit_codes.DONE

"""``holystone protect``: learn which images a repository is built on, and protect them."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_output, path
from holystone.cli.session import Failure, answer, warn
from holystone.present import terminal
from holystone.scan.proposal import Proposal, learn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from holystone.present.report.protect import Written


def parser() -> argparse.ArgumentParser:
    """The options of ``protect``."""
    made = Parser(
        prog="holystone protect",
        description="Read which images a repository is built on and runs in, from its Dockerfiles, "
        "compose files, GitLab pipelines and GitHub workflows, and propose what [protect] "
        "of holystone.toml should name. Nothing is run or downloaded, and nothing guessed.",
        hints={
            "": "holystone protect --from PATH reads a repository. An image of your own "
            "choice belongs under [protect] images in holystone.toml, which takes patterns like "
            "'team/*'; holystone lease keeps one for a time"
        },
        examples=[
            ("holystone protect --from .", "what this repository is built on"),
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
        help="add what is missing to this holystone.toml, or begin it; all else in it stays",
    )
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Learn, tell, and write where that is asked for. Raises Failure."""
    from holystone.present.report import protect as report

    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    proposal = learn(options.paths)
    unread = [f"{fault.place}: {fault.why}" for fault in proposal.unread]
    if len(unread) == len(options.paths):
        raise Failure("\n".join(unread))
    written = None if options.write is None else _write(options.write, proposal)
    if options.json:
        from holystone.present.document import dump

        document = report.document(proposal, written)
        answer(output, dump(document, indent=output.interactive))
    elif written is not None:
        answer(output, report.written(proposal, written, output.look, every=options.verbose))
    else:
        from holystone.config.adding import block

        table = block([image.reference for image in proposal.images])
        answer(output, report.proposed(proposal, table, output.look, every=options.verbose))
    for told in unread:
        warn(told)
    return exit_codes.ERROR if unread else exit_codes.DONE


def _write(path: str, proposal: Proposal) -> Written:
    """Add what is missing to a file. Raises Failure, and then the file is as it was."""
    from holystone.cli.writing import create, rewrite
    from holystone.config.adding import CannotAdd, add

    references = [image.reference for image in proposal.images]
    text = _text(path)
    told = _compared(path, text, references)
    if not told.added:
        return told
    try:
        changed = add(text or "", told.added)
    except CannotAdd as error:
        from holystone.config.places import Lines

        line = Lines(text or "").of(["protect", "images"])
        listing = ", ".join(f'"{each}"' for each in told.added)
        raise Failure(
            f"{path}:{line or 1}: {error}. Nothing was written; add by hand: {listing}"
        ) from None
    try:
        if text is None:
            create(path, changed)
        else:
            rewrite(path, changed)
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise Failure(f"cannot write {path!r}: {said.lower()}. Name another file.") from None
    return told


def _text(path: str) -> str | None:
    """The text of a file that is right; None where there is none. Raises Failure."""
    from holystone.config.errors import ConfigError
    from holystone.config.files import read_all
    from holystone.config.load import LARGEST
    from holystone.outside.regular_file import NotRegular, read_regular

    try:
        content = read_regular(path, LARGEST)
    except FileNotFoundError:
        return None
    except NotRegular as error:
        said = f"is no file that can be written to: {error}. Name another."
        raise Failure(f"{path!r} {said}") from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise Failure(f"cannot read {path!r}: {said.lower()}. Name another file.") from None
    try:
        read_all([(path, content)])
    except ConfigError as error:
        from holystone.present.format import safe

        told = "\n".join(safe(line) for line in str(error).split("\n"))
        raise Failure(f"{told}\nMend that first; nothing was written.") from None
    return content.decode("utf-8")


def _compared(path: str, text: str | None, references: Sequence[str]) -> Written:
    """What a file has of these references already, and what it lacks."""
    from holystone.planner.patterns import covers
    from holystone.present.report.protect import Written

    patterns = _patterns(text or "")
    added, covered, excepted = [], [], []
    for reference in references:
        against = [each for each in patterns if each[0] == "!" and covers([each[1:]], reference)]
        if pattern := covers(patterns, reference):
            covered.append((reference, pattern))
        elif against:
            excepted.append((reference, against[-1]))
        else:
            added.append(reference)
    return Written(
        path, text is None and bool(added), tuple(added), tuple(covered), tuple(excepted)
    )


def _patterns(text: str) -> list[str]:
    from holystone.config.toml_text import loads

    table = loads(text.removeprefix("\ufeff")).get("protect", {})
    return list(table.get("images", ()))

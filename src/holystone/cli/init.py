"""``holystone init``: write the files that make it part of a CI system or a host."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Sequence

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.cli.options import Parser, add_output, path
from holystone.cli.session import Failure, answer
from holystone.cli.show import show
from holystone.cli.streams import agreed, can_ask, stderr, stdout
from holystone.operations.ci_targets import TARGETS, Target, home, text, used
from holystone.operations.init import (
    REPLACE,
    Beside,
    Change,
    changes,
    look_beside,
    replace_prunes,
    write,
)
from holystone.outside.text import safe
from holystone.present.format import counted
from holystone.present.report import init as report
from holystone.scan.proposal import learn

_PLAIN = re.compile(r"[\w./@+:=-]+( [\w./@+:=-]+)*", re.ASCII)
"""Commands that mean the same in YAML, sh, make, Groovy and systemd."""


def parser() -> argparse.ArgumentParser:
    """The options of ``init``."""
    made = Parser(
        prog="holystone init",
        description="Write the files that add holystone to a CI system or a host. Without a "
        "target: show what this repository uses and what would be written.",
        examples=[
            ("holystone init", "what this repository uses, and what would be written"),
            ("holystone init gitlab --print", "the files for GitLab, to standard output"),
        ],
    )
    made.add_argument(
        "target", nargs="?", choices=TARGETS, metavar="TARGET", help=", ".join(TARGETS)
    )
    made.add_argument(
        "--print", action="store_true", help="write to standard output, not into files"
    )
    made.add_argument(
        "--into",
        metavar="DIR",
        type=path,
        help="the folder to write to (default: this one; for docker-plugin and systemd the folder "
        "where docker or systemd looks)",
    )
    made.add_argument(
        "--command",
        metavar="COMMAND",
        help='how the files call holystone, like "python3 /opt/holystone.pyz" (default: '
        "holystone on PATH; for docker-plugin and systemd the program that runs now)",
    )
    made.add_argument("--force", action="store_true", help="replace files without asking")
    made.add_argument(
        "--replace-prune",
        action="store_true",
        help="also replace commands in this repository that prune the host, like docker "
        "system prune, by holystone clean; by default it shows them, and asks on a "
        "terminal",
    )
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Write, print or tell. Raises OperationError, Failure."""
    if options.command is not None and not _PLAIN.fullmatch(options.command):
        raise Failure(
            f"--command {options.command!r}: only letters, digits and ./@+:=- mean the same in all "
            "these files. Give the program a plain path.",
            exit_codes.USAGE,
        )
    if options.target is None:
        for name in ("print", "force", "replace-prune"):
            if getattr(options, name.replace("-", "_")):
                why = f"--{name}: name the target: {', '.join(TARGETS)}"
                raise Failure(why, exit_codes.USAGE)
        _tell(options)
        return exit_codes.DONE
    target = TARGETS[options.target]
    if options.replace_prune and target.home:
        raise Failure(
            f"--replace-prune changes files of a repository, and {target.name} is for a host",
            exit_codes.USAGE,
        )
    if options.print:
        if options.json or options.force or options.replace_prune:
            raise Failure(
                "--print: the files alone; not with --json, --force or --replace-prune",
                exit_codes.USAGE,
            )
        command = _command(target, options)
        texts = [(file.path, text(target, file, command)) for file in target.files]
        named = [f"==> {path} <==\n{body}" for path, body in texts]
        answer(stdout(options), "\n".join(named) if len(named) > 1 else texts[0][1])
        return exit_codes.DONE
    folder = home(target, os.environ) if options.into is None else options.into
    if folder is None:
        raise Failure(
            "there is no home folder to write to: HOME has no absolute path, and the user has no "
            "entry in the passwd database. Name a folder with --into.",
            exit_codes.USAGE,
        )
    _write(target, folder, options)
    return exit_codes.DONE


def _write(target: Target, folder: str, options: argparse.Namespace) -> None:
    """Write the files of a target, with a yes where one is needed. Raises OperationError, Failure.

    Their result is shown before the question about prunes.
    """
    found, command = used(target, folder), _command(target, options)
    made = changes(target, folder, command)
    _agree(made, options)
    write(made)
    beside = look_beside([target], folder, command)
    if not options.json:
        answer(stdout(options), report.done(target, made, command))
    if beside.changeable and (options.replace_prune or _agree_to_prunes(beside, options)):
        beside = replace_prunes(beside, target, folder, command)
    more = report.beside_lines(beside, target.name)
    if options.json or more:
        told = [report.Told(target, found, made)]
        show(options, lambda: report.document(told, beside), lambda _: "\n".join(more))


def _agree(made: Sequence[Change], options: argparse.Namespace) -> None:
    """Ask before files are replaced. Raises Failure without a yes."""
    paths = [change.path for change in made if change.action == REPLACE]
    if not paths or options.force:
        return
    names = ", ".join(map(repr, paths))
    if not can_ask(options):
        exists, it = ("exists and is", "it") if len(paths) == 1 else ("exist and are", "them")
        raise Failure(f"{names} {exists} different. Nothing was written; --force replaces {it}.")
    if not agreed(f"Replace {safe(names)}? [y/N]"):
        raise Failure("nothing was written")


def _agree_to_prunes(beside: Beside, options: argparse.Namespace) -> bool:
    """Whether somebody at a terminal says yes to the change, which is shown first."""
    if not can_ask(options):
        return False
    differences = [line for file in beside.changeable for line in report.difference(file)]
    tell(stderr(options).write, "\n".join([*differences, *report.notes(beside), ""]))
    count = counted(sum(len(file.replaced) for file in beside.changeable), "command")
    return agreed(f"Replace {count} that prune the host by holystone's clean? [y/N]")


def _command(target: Target, options: argparse.Namespace) -> str:
    """How the files call holystone. Raises Failure where that cannot be written into them."""
    if options.command is not None:
        return str(options.command)
    if not target.home:
        return "holystone"
    program = os.path.abspath(sys.argv[0])
    if os.path.basename(program) == "__main__.py":
        command = f"{sys.executable} -m holystone"
    else:
        command = program if os.access(program, os.X_OK) else f"{sys.executable} {program}"
    if not _PLAIN.fullmatch(command):
        raise Failure(f"{command!r} cannot be written into these files; name another: --command")
    return command


def _tell(options: argparse.Namespace) -> None:
    """Show what the repository uses, and what each target would do there; writes nothing."""
    folder = options.into or ""
    told = [
        report.Told(target, mark, changes(target, folder, _command(target, options)))
        for target in TARGETS.values()
        if (mark := used(target, folder))
    ]
    proposal = learn([folder or "."])
    command = options.command or "holystone"
    beside = look_beside([each.target for each in told], folder, command)
    images = [image.reference for image in proposal.images]
    show(
        options,
        lambda: report.document(told, beside, base_images=images),
        lambda look: report.found(told, beside, proposal, folder, look),
    )

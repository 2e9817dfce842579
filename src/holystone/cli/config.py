"""``holystone config``: show and check the configuration; print the schema; write a sample."""

from __future__ import annotations

import argparse
import os

from holystone.cli import exit_codes
from holystone.cli.actions import check_options
from holystone.cli.options import (
    Parser,
    add_config,
    add_engine,
    add_output,
    configuration,
    path,
)
from holystone.cli.session import Failure, answer, opened
from holystone.cli.show import show
from holystone.cli.streams import stdout
from holystone.config.effective import effective
from holystone.config.lint import remarks, without_match
from holystone.config.load import NAME, SYSTEM
from holystone.config.sample import sample, schema
from holystone.engine.errors import EngineError
from holystone.outside.text import said
from holystone.present.document import dump
from holystone.present.report import config as report

_FILE_MODE = 0o666


def parser() -> argparse.ArgumentParser:
    """The options of ``config``."""
    made = Parser(
        prog="holystone config",
        description="Show the configuration and the file that each value comes from, check "
        "it, or create a file.",
        examples=[
            ("holystone config show", "every value, and the file that sets it"),
            ("holystone config check", "show errors, and patterns that match nothing on this host"),
            ("holystone config init", "create a commented holystone.toml"),
        ],
    )
    made.add_argument(
        "action",
        choices=("show", "check", "schema", "init"),
        metavar="ACTION",
        help="show: every value and where it comes from. check: errors, and patterns that "
        "match nothing on this host. schema: JSON Schema for editors. init: write a commented "
        "sample",
    )
    made.add_argument(
        "file",
        nargs="?",
        metavar="FILE",
        type=path,
        help=f"init: where to write it (default {NAME})",
    )
    made.add_argument("--print", action="store_true", help="init: to standard output, not a file")
    add_config(made.add_argument_group("policy"))
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Do one of the four. Raises Failure."""
    _refuse_what_does_not_apply(options)
    if options.action == "schema":
        answer(stdout(options), dump(schema(), indent=True))
    elif options.action == "init":
        _init(options)
    elif options.action == "show":
        found = configuration(options, quiet=True)
        values = effective(found)
        show(
            options,
            lambda: report.document_of_values(found.places, values),
            lambda look: report.show(found.places, values, look),
        )
    else:
        _check(options)
    return exit_codes.DONE


_ONLY_FOR = {
    "file": ("init",),
    "print": ("init",),
    "config": ("show", "check"),
    "json": ("show", "check", "schema"),
    **dict.fromkeys(("host", "context", "state", "timeout"), ("check",)),
}


def _refuse_what_does_not_apply(options: argparse.Namespace) -> None:
    check_options(options, "config", options.action, _ONLY_FOR)
    if options.print and options.file is not None:
        raise Failure("config init: give either a FILE or --print", exit_codes.USAGE)


def _check(options: argparse.Namespace) -> None:
    """Report settings without effect, and patterns without a match on the host, if it answers."""
    found = configuration(options, quiet=True)
    said = remarks(found)
    host, trouble = "", ""
    try:
        with opened(options) as session:
            inventory = session.host.observe()
        said += without_match(found, inventory)
        host = inventory.engine.name
    except EngineError as error:
        trouble = str(error)
    compared = f"Compared with what is on {host} now."
    compared = compared if host else f"Not compared with what is on a host: {trouble}"
    show(
        options,
        lambda: report.document_of_check(found.places, said, host),
        lambda look: report.check(found.places, said, compared, look),
    )


def _init(options: argparse.Namespace) -> None:
    output = stdout(options)
    if options.print:
        answer(output, sample())
        return
    path = NAME if options.file is None else options.file
    try:
        # Exclusive: what somebody else writes in this moment stays as well.
        number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _FILE_MODE)
        with open(number, "w", encoding="utf-8") as file:
            file.write(sample())
    except FileExistsError:
        mend = "It is left as it is; name another file, or use --print."
        raise Failure(f"{path!r} exists. {mend}") from None
    except (OSError, ValueError) as error:
        raise Failure(f"cannot write {path!r}: {said(error)}. Name another file.") from None
    answer(
        output,
        f"Wrote {path}. Every key in it is commented out: take the # away to change one.\n"
        f"Policy goes into {SYSTEM}, or --config names the file: one that is found in the current "
        "folder can only protect more.",
    )

"""``holystone config``: what is configured and where, checked; the schema; a sample."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING, Any

from holystone.cli import exit_codes
from holystone.cli.options import (
    Parser,
    add_config,
    add_engine,
    add_output,
    configuration,
    path,
)
from holystone.cli.session import Failure, answer, opened
from holystone.config.load import NAME, SYSTEM, Configuration
from holystone.engine.errors import EngineError
from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.config.lint import Remark
    from holystone.present.terminal import Output

_FILE_MODE = 0o666


def parser() -> argparse.ArgumentParser:
    """The options of ``config``."""
    made = Parser(
        prog="holystone config",
        description="Show the configuration and the file that each value comes from, check "
        "it, or create a file.",
        examples=[
            ("holystone config show", "every value, and which file says so"),
            ("holystone config check", "show errors, and patterns that match nothing on this host"),
            ("holystone config init", "create a commented holystone.toml"),
        ],
    )
    made.add_argument(
        "action",
        choices=("show", "check", "schema", "init"),
        metavar="ACTION",
        help="show: every value and where it comes from. check: the errors, and what matches "
        "nothing on this host. schema: JSON Schema for editors. init: write a commented sample",
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
    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    if options.action == "schema":
        from holystone.config.schema import schema
        from holystone.present.document import dump

        answer(output, dump(schema(), indent=True))
    elif options.action == "init":
        _init(options, output)
    elif options.action == "show":
        _show(options, output)
    else:
        _check(options, output)
    return exit_codes.DONE


def _refuse_what_does_not_apply(options: argparse.Namespace) -> None:
    action = options.action
    for name, given, actions in (
        ("FILE", options.file is not None, ("init",)),
        ("--print", options.print, ("init",)),
        ("--config", options.config is not None, ("show", "check")),
        ("--json", options.json, ("show", "check", "schema")),
        ("--host", options.host is not None, ("check",)),
        ("--context", options.context is not None, ("check",)),
        ("--state", options.state is not None, ("check",)),
        ("--timeout", options.timeout != parser().get_default("timeout"), ("check",)),
    ):
        if given and action not in actions:
            wanted = " and ".join(f"config {each}" for each in actions)
            raise Failure(f"config {action}: {name} is for {wanted}", exit_codes.USAGE)
    if options.print and options.file is not None:
        raise Failure("config init: give either a FILE or --print", exit_codes.USAGE)


def _show(options: argparse.Namespace, output: Output) -> None:
    from holystone.config.effective import effective

    found = configuration(options, quiet=True)
    values = effective(found)
    if options.json:
        told = [
            {
                "key": f"{value.table}.{value.name}" if value.table else value.name,
                "value": value.value,
                "source": value.source,
                "note": value.note,
            }
            for value in values
        ]
        _answer_json(output, {"schema": 1, "files": _files(found), "values": told})
    else:
        from holystone.present.report.config import show

        answer(output, show(found.places, values, output.look))


def _check(options: argparse.Namespace, output: Output) -> None:
    from holystone.config.lint import remarks

    found = configuration(options, quiet=True)
    said = remarks(found)
    host, trouble = "", ""
    try:
        host = _compare(options, found, said)
    except EngineError as error:
        trouble = str(error)
    if options.json:
        document = {
            "schema": 1,
            "files": _files(found),
            "warnings": [remark._asdict() for remark in said],
            "compared_with": host or None,
        }
        _answer_json(output, document)
    else:
        from holystone.present.report.config import check

        compared = f"Compared with what is on {host} now."
        if not host:
            compared = f"Not compared with what is on a host: {trouble}"
        answer(output, check(found.places, said, compared, output.look))


def _compare(options: argparse.Namespace, found: Configuration, said: list[Remark]) -> str:
    """Add what matches nothing on the host; answers its name. Raises EngineError."""
    from holystone.config.lint import without_match

    with opened(options) as session:
        inventory = session.host.observe()
    said += without_match(found, inventory)
    return inventory.engine.name


def _init(options: argparse.Namespace, output: Output) -> None:
    from holystone.config.sample import sample

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
        said = getattr(error, "strerror", None) or str(error)
        raise Failure(f"cannot write {path!r}: {said.lower()}. Name another file.") from None
    answer(
        output,
        f"Wrote {path}. Every key in it is commented out: take the # away to change one.\n"
        f"Policy goes into {SYSTEM}, or --config names the file: one that is found in the current "
        "folder can only protect more.",
    )


def _files(found: Configuration) -> list[dict[str, Any]]:
    return [
        {"path": place.path, "found": place.found, "only_protects": place.only_protects}
        for place in found.places
    ]


def _answer_json(output: Output, document: dict[str, Any]) -> None:
    from holystone.present.document import dump

    answer(output, dump(document, indent=output.interactive))

"""``holystone init``: write the files that make it part of a CI system or a host."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_output
from holystone.cli.session import Failure, answer
from holystone.cli.writing import create, replace
from holystone.core.outside import safe
from holystone.present import terminal
from holystone.regular_file import NotRegular, read_regular
from holystone.upkeep.integration import TARGETS, File, Target, filled, home, text, used

if TYPE_CHECKING:
    from holystone.present.terminal import Output

WRITE = "write"
REPLACE = "replace"
UNCHANGED = "unchanged"
_LARGEST = 10_000_000
"""Bytes of a file that is there already."""
LEAVE = "leave"
"""The repository has one of its own, and that stays as it is."""

_PLAIN = re.compile(r"[\w./@+:=-]+( [\w./@+:=-]+)*", re.ASCII)
"""Commands that mean the same in YAML, sh, make, Groovy and systemd."""
_TOLD = {
    WRITE: ("would write", "wrote"),
    REPLACE: ("would replace, and asks before", "replaced"),
    UNCHANGED: ("is there already", "is there already"),
    LEAVE: ("stays as it is", "stays as it is"),
}


class Change(NamedTuple):
    """What becomes of one file."""

    file: File
    path: str
    action: str
    text: str


def parser() -> argparse.ArgumentParser:
    """The options of ``init``."""
    made = Parser(
        prog="holystone init",
        description="Write the files that make holystone part of a CI system or a host. Without "
        "a target: tell what this repository uses and what would be written.",
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
        help="the folder to write to (default: this one; for docker-plugin and systemd where "
        "docker and systemd look)",
    )
    made.add_argument(
        "--command",
        metavar="COMMAND",
        help='how the files call holystone, like "python3 /opt/holystone.pyz" (default: '
        "holystone on PATH; for docker-plugin and systemd the program that runs now)",
    )
    made.add_argument("--force", action="store_true", help="replace files without asking")
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Write, print or tell. Raises Failure."""
    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    if options.command is not None and not _PLAIN.fullmatch(options.command):
        raise Failure(
            f"--command {options.command!r}: only letters, digits and ./@+:=- mean the same in all "
            "these files. Give the program a plain path.",
            exit_codes.USAGE,
        )
    if options.target is None:
        _refuse_without_target(options)
        _tell(options, output)
        return exit_codes.DONE
    target = TARGETS[options.target]
    if options.print:
        if options.json or options.force:
            raise Failure("--print: the files alone; not with --json or --force", exit_codes.USAGE)
        answer(output, _printed(target, options))
        return exit_codes.DONE
    folder = home(target, os.environ) if options.into is None else options.into
    if folder is None:
        raise Failure(
            "there is no home folder to write to: HOME has no absolute path, and the user has no "
            "entry in the passwd database. Name a folder with --into.",
            exit_codes.USAGE,
        )
    found = used(target, folder)
    changes = _changes(target, folder, options)
    _agree(changes, options)
    for change in changes:
        if change.action in (WRITE, REPLACE):
            _write(change)
    if options.json:
        _answer_json(output, [(target, found, changes)])
    else:
        answer(output, _done(target, changes, _command(target, options)))
    return exit_codes.DONE


def _refuse_without_target(options: argparse.Namespace) -> None:
    for name in ("print", "force"):
        if getattr(options, name):
            raise Failure(
                f"--{name}: name the target: {', '.join(TARGETS)}",
                exit_codes.USAGE,
            )


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


def _printed(target: Target, options: argparse.Namespace) -> str:
    command = _command(target, options)
    texts = [(file.path, text(target, file, command)) for file in target.files]
    if len(texts) == 1:
        return texts[0][1]
    return "\n".join(f"==> {path} <==\n{body}" for path, body in texts)


def _changes(target: Target, folder: str, options: argparse.Namespace) -> list[Change]:
    """What becomes of each file. Raises Failure."""
    command = _command(target, options)
    mark = used(target, folder)
    changes = []
    for file in target.files:
        path = os.path.join(folder, file.path)
        body = text(target, file, command)
        if file.example and mark and not os.path.lexists(path):
            action, path = LEAVE, os.path.join(folder, mark)
        elif not os.path.lexists(path):
            action = WRITE
        elif _read(path) == body:
            action = UNCHANGED
        else:
            action = LEAVE if file.example else REPLACE
        changes.append(Change(file, path, action, body))
    return changes


def _read(path: str) -> str | None:
    """What is in a file; None where that is no text. Raises Failure where it cannot be read."""
    try:
        return read_regular(path, _LARGEST).decode("utf-8")
    except UnicodeDecodeError:
        return None
    except NotRegular as error:
        raise Failure(f"cannot read {path!r}: {error}. Nothing was written.") from None
    except FileNotFoundError:
        return None  # A link that leads nowhere: replacing it is for the user to say.
    except OSError as error:
        raise _cannot("read", path, error) from None


def _agree(changes: list[Change], options: argparse.Namespace) -> None:
    """Ask before files are replaced. Raises Failure without a yes."""
    paths = [change.path for change in changes if change.action == REPLACE]
    if not paths or options.force:
        return
    errors = terminal.open_output(sys.stderr, os.environ, color=options.color)
    asks = sys.stdin is not None and sys.stdin.isatty() and errors.interactive
    names = ", ".join(map(repr, paths))
    if options.json or not asks:
        raise Failure(
            f"{names} exists and is different. Nothing was written; --force replaces it."
            if len(paths) == 1
            else f"{names} exist and are different. Nothing was written; --force replaces them."
        )
    sys.stderr.write(f"Replace {safe(names)}? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Failure("nothing was written")


def _write(change: Change) -> None:
    """Write one file, whole or not at all. Raises Failure."""
    write = replace if change.action == REPLACE else create
    try:
        write(change.path, change.text, executable=change.file.executable)
    except (OSError, ValueError) as error:
        raise _cannot("write", change.path, error) from None


def _cannot(verb: str, path: str, error: Exception) -> Failure:
    said = getattr(error, "strerror", None) or str(error)
    return Failure(f"cannot {verb} {path!r}: {said.lower()}. Name another folder with --into.")


def _done(target: Target, changes: list[Change], command: str) -> str:
    lines = [_line(change, done=True) for change in changes]
    if any(change.action == LEAVE for change in changes):
        lines += ["", "Add there:", ""]
        lines += [f"  {line}".rstrip() for line in filled(target.addition, command).splitlines()]
    if target.next:
        lines += ["", f"Next: {target.next}"]
    return "\n".join(lines)


def _line(change: Change, *, done: bool) -> str:
    told = _TOLD[change.action][done]
    if change.action in (WRITE, REPLACE):
        return f"{told[0].upper()}{told[1:]} {change.path}"
    return f"{change.path} {told}"


def _tell(options: argparse.Namespace, output: Output) -> None:
    """What the repository uses, and what each target would do there; nothing is written."""
    from holystone.learn.proposal import learn
    from holystone.present.report.protect import in_short

    folder = options.into or ""
    found = [target for target in TARGETS.values() if used(target, folder)]
    proposal = learn([folder or "."])
    if options.json:
        _answer_json(
            output,
            [(target, used(target, folder), _changes(target, folder, options)) for target in found],
            {"base_images": [image.reference for image in proposal.images]},
        )
        return
    lines = []
    for target in found:
        lines.append(f"{target.about} ({used(target, folder)}): holystone init {target.name}")
        for change in _changes(target, folder, options):
            told = _TOLD[change.action][0]
            is_verb = change.action in (WRITE, REPLACE)
            lines.append(f"  {told} {change.path}" if is_verb else f"  {change.path} {told}")
        lines.append("")
    if proposal.images:
        lines += [*in_short(proposal, folder or ".", output.look), ""]
    others = [target for target in TARGETS.values() if target not in found]
    if not found:
        lines += ["Nothing here tells which CI system this repository uses.", ""]
    lines.append("Also:" if found else "There are:")
    width = max(len(target.name) for target in others)
    lines += [f"  holystone init {target.name:<{width}}  {target.about}" for target in others]
    lines += ["", "Nothing was written."]
    answer(output, "\n".join(lines))


def _answer_json(
    output: Output,
    told: list[tuple[Target, str | None, list[Change]]],
    more: dict[str, Any] | None = None,
) -> None:
    from holystone.present.document import dump

    document: dict[str, Any] = {
        "schema": 1,
        "targets": [
            {
                "target": target.name,
                "found": mark,
                "files": [{"path": each.path, "action": each.action} for each in changes],
            }
            for target, mark, changes in told
        ],
        **(more or {}),
    }
    answer(output, dump(document, indent=output.interactive))

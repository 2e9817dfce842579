"""``holystone init``: write the files that make it part of a CI system or a host."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import TYPE_CHECKING, Any

from holystone.cli import exit_codes, init_repository
from holystone.cli.ci_files import TARGETS, Target, filled, home, text, used
from holystone.cli.init_files import LEAVE, REPLACE, UNCHANGED, WRITE, Change, agree, write
from holystone.cli.init_files import changes as changes_of
from holystone.cli.options import Parser, add_output, path
from holystone.cli.session import Failure, answer
from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.present.terminal import Output

_PLAIN = re.compile(r"[\w./@+:=-]+( [\w./@+:=-]+)*", re.ASCII)
"""Commands that mean the same in YAML, sh, make, Groovy and systemd."""
_TOLD = {
    WRITE: ("would write", "wrote"),
    REPLACE: ("would replace, and asks before", "replaced"),
    UNCHANGED: ("is there already", "is there already"),
    LEAVE: ("stays as it is", "stays as it is"),
}


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
        type=path,
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
    made.add_argument(
        "--replace-prune",
        action="store_true",
        help="also replace commands of this repository that prune the host, like docker system "
        "prune, by holystone's clean; without it they are shown, and at a terminal it asks",
    )
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
    changes = changes_of(target, folder, _command(target, options))
    agree(changes, options)
    for change in changes:
        if change.action in (WRITE, REPLACE):
            write(change)
    beside = init_repository.look([target], folder, _command(target, options))
    if not options.json:
        answer(output, _done(target, changes, _command(target, options)))
    replaced = init_repository.replace(beside, options)
    if replaced:
        own = init_repository.look([target], folder, _command(target, options)).own
        beside = beside._replace(own=own)
    if options.json:
        _answer_json(output, [(target, found, changes)], beside, replaced=replaced)
    else:
        init_repository.say(output, beside, target.name, replaced=replaced)
    return exit_codes.DONE


def _refuse_without_target(options: argparse.Namespace) -> None:
    for name in ("print", "force", "replace-prune"):
        if getattr(options, name.replace("-", "_")):
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


def _done(target: Target, changes: list[Change], command: str) -> str:
    lines = [_line(change, done=True) for change in changes]
    if any(change.action == LEAVE for change in changes):
        lines += ["", "Add there:", ""]
        lines += [f"  {line}".rstrip() for line in filled(target.addition, command).splitlines()]
    if target.next:
        first, *more = filled(target.next, command).splitlines()
        lines += ["", f"Next: {first}", *more]
    return "\n".join(lines)


def _line(change: Change, *, done: bool) -> str:
    told = _TOLD[change.action][done]
    if change.action in (WRITE, REPLACE):
        return f"{told[0].upper()}{told[1:]} {change.path}"
    return f"{change.path} {told}"


def _tell(options: argparse.Namespace, output: Output) -> None:
    """What the repository uses, and what each target would do there; nothing is written."""
    from holystone.present.report.protect import in_short
    from holystone.scan.proposal import learn

    folder = options.into or ""
    found = [target for target in TARGETS.values() if used(target, folder)]
    proposal = learn([folder or "."])
    beside = init_repository.look(found, folder, options.command or "holystone")
    if options.json:
        _answer_json(
            output,
            [
                (
                    target,
                    used(target, folder),
                    changes_of(target, folder, _command(target, options)),
                )
                for target in found
            ],
            beside,
            more={"base_images": [image.reference for image in proposal.images]},
        )
        return
    lines = []
    for target in found:
        lines.append(f"{target.about} ({used(target, folder)}): holystone init {target.name}")
        for change in changes_of(target, folder, _command(target, options)):
            told = _TOLD[change.action][0]
            is_verb = change.action in (WRITE, REPLACE)
            lines.append(f"  {told} {change.path}" if is_verb else f"  {change.path} {told}")
        lines.append("")
    if proposal.images:
        lines += [*in_short(proposal, folder or ".", output.look), ""]
    if found:
        name = found[0].name
        more = [*init_repository.warnings(beside), *init_repository.prunes(beside, name)]
        lines += [*more[1:], ""] if more else []
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
    beside: init_repository.Found,
    *,
    replaced: bool = False,
    more: dict[str, Any] | None = None,
) -> None:
    from holystone.present.document import dump

    warnings, prunes = init_repository.documents(beside, replaced=replaced)
    document: dict[str, Any] = {
        "schema": 1,
        "targets": [
            {
                "target": target.name,
                "found": mark,
                "files": [{"path": each.path, "action": each.action} for each in changes],
                "warnings": warnings if target.name == "gitlab" else [],
            }
            for target, mark, changes in told
        ],
        "prunes": prunes,
        **(more or {}),
    }
    answer(output, dump(document, indent=output.interactive))

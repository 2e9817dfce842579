"""What a repository has that does not go well with the files of ``init``: prunes, own scripts."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

from holystone.cli.answer import tell
from holystone.cli.ci_files import Target
from holystone.cli.session import Failure, answer
from holystone.cli.writing import rewrite
from holystone.outside.regular_file import read_regular
from holystone.outside.text import safe, safe_lines
from holystone.present import terminal
from holystone.present.format import counted
from holystone.present.terminal import Output
from holystone.scan.after_scripts import OwnScript, own_after_scripts
from holystone.scan.prune_commands import PruneLine
from holystone.scan.prune_lines import LARGEST, PruneFile, find

_SHARED = ".holystone-clean"
_TEMPLATE = os.path.join("templates", "holystone-clean.yml")
REFERENCE = f"- !reference [{_SHARED}, after_script]"
LEFT, REPLACED, LINK, BY_HAND = "left", "replaced", "link", "by hand"
"""What becomes of a line that prunes: a file behind a link is left to its owner."""


class Found(NamedTuple):
    """What was found beside the files of a target."""

    own: tuple[OwnScript, ...] = ()
    """Jobs with an ``after_script`` of their own."""
    prunes: tuple[PruneFile, ...] = ()

    @property
    def changeable(self) -> list[PruneFile]:
        """The files whose prunes can be replaced."""
        return [file for file in self.prunes if file.replaced]


def look(targets: Sequence[Target], folder: str, command: str) -> Found:
    """What a repository has of these."""
    own: list[OwnScript] = []
    path = os.path.join(folder, ".gitlab-ci.yml")
    if any(target.name == "gitlab" for target in targets) and os.path.isfile(path):
        own = own_after_scripts(path, os.path.join(folder, _TEMPLATE), _SHARED, f"{command} clean")
    in_repository = any(not target.home for target in targets)
    return Found(tuple(own), tuple(find(folder, command)) if in_repository else ())


def warnings(found: Found) -> list[str]:
    """The jobs whose own ``after_script`` takes the place of the clean, and the mend."""
    if not found.own:
        return []
    lines = [
        "",
        "Warning: an after_script of a job's own takes the place of the clean's. These have one:",
        "",
    ]
    places = [safe(str(each.place)) for each in found.own]
    width = max(map(len, places))
    for place, each in zip(places, found.own, strict=True):
        lines.append(f"  {place:<{width}}  {_called(each.job)}")
    lines += ["", "Where such a job is to end in the clean, add this line to its after_script:", ""]
    lines.append(f"    {REFERENCE}")
    if any(each.job == "default" for each in found.own):
        lines += [
            "",
            f"Jobs that extend {_SHARED} do not run the after_script of default. With the line",
            "in default, each job that has none of its own ends in the clean, and extends nothing.",
        ]
    return lines


def _called(job: str) -> str:
    if job == "default":
        return "default, for all jobs"
    return f"template {safe(job)}" if job.startswith(".") else f"job {safe(job)}"


def prunes(found: Found, target: str, *, replaced: bool = False) -> list[str]:
    """The lines that prune, as a change that replaces them."""
    if not found.prunes:
        return []
    count = counted(sum(len(file.lines) for file in found.prunes), "command")
    lines = [
        "",
        f"{count} of this repository prune the host, and take what the next job needs:",
        "",
    ]
    for file in found.prunes:
        if file.is_link:
            places = (f"{safe(file.path)}:{each.line}  {safe(each.text)}" for each in file.lines)
            lines += [f"  {place}  (a link: change it by hand)" for place in places]
        elif file.replaced:
            lines += difference(file)
    lines += [*_notes(found), *_by_hand(found)]
    if found.changeable:
        lines.append("")
        lines.append(
            "Replaced."
            if replaced
            else f"Left as they are: holystone init {target} --replace-prune replaces them."
        )
    return lines


def _notes(found: Found) -> list[str]:
    """What the commands took that the clean in their place does not."""
    noted = [
        line
        for file in found.changeable
        for each in file.replaced
        if each.note
        for line in (f"  {_place(each)}", f"    {each.note}")
    ]
    return ["", "What the clean there does not take:", "", *noted] if noted else []


def _by_hand(found: Found) -> list[str]:
    """The commands that no clean can take the place of as they stand."""
    lines: list[str] = []
    for file in found.prunes:
        for each in file.lines if not file.is_link else ():
            if each.by_hand:
                lines += [
                    f"  {_place(each)}  {safe(each.text)}",
                    f"    {safe(each.by_hand)}; instead: {safe(each.suggestion)}",
                    *([f"    {each.note}"] if each.note else []),
                ]
    return ["", "Replace by hand:", "", *lines] if lines else []


def _place(line: PruneLine) -> str:
    return f"{safe(line.path.removeprefix('./'))}:{line.line}"


def difference(file: PruneFile) -> list[str]:
    """The change of a file, as ``diff -u`` shows it."""
    path = file.path.removeprefix("./")
    changes = difflib.unified_diff(
        file.before.splitlines(),
        file.after.splitlines(),
        f"a/{path}",
        f"b/{path}",
        n=1,
        lineterm="",
    )
    return [safe_lines(line) for line in changes]


def replace(found: Found, options: argparse.Namespace) -> bool:
    """Replace the prunes where that was asked for, or somebody says yes. Raises Failure."""
    if not found.changeable or not (options.replace_prune or _agreed(found, options)):
        return False
    for file in found.changeable:
        try:
            if read_regular(file.path, LARGEST).decode() != file.before:
                raise Failure(f"{file.path!r} was changed meanwhile; run this again")
            rewrite(file.path, file.after)
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or str(error)
            raise Failure(f"cannot write {file.path!r}: {said.lower()}") from None
    return True


def _agreed(found: Found, options: argparse.Namespace) -> bool:
    """Whether somebody at a terminal says yes to the change, which is shown first."""
    errors = terminal.open_output(sys.stderr, os.environ, color=options.color)
    if options.json or sys.stdin is None or not (sys.stdin.isatty() and errors.interactive):
        return False
    for file in found.changeable:
        tell(errors.write, "\n".join([*difference(file), ""]))
    tell(errors.write, "\n".join([*_notes(found), ""]))
    count = counted(sum(len(file.replaced) for file in found.changeable), "command")
    sys.stderr.write(f"Replace {count} that prune the host by holystone's clean? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def say(output: Output, found: Found, target: str, *, replaced: bool) -> None:
    """Tell what was found, below what was written."""
    lines = [*warnings(found), *prunes(found, target, replaced=replaced)]
    if lines:
        answer(output, "\n".join(lines))


def documents(found: Found, *, replaced: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Warnings and prunes as JSON has them."""
    own = [
        {
            "file": each.place.file,
            "line": each.place.line,
            "job": each.job,
            "text": f"its after_script takes the place of the clean's; add: {REFERENCE}",
        }
        for each in found.own
    ]
    lines = [
        {
            "file": file.path,
            "line": each.line,
            "text": each.text,
            "level": each.level,
            "action": LINK
            if file.is_link
            else BY_HAND
            if each.by_hand
            else REPLACED
            if replaced
            else LEFT,
            "reason": each.by_hand or None,
            "suggestion": each.suggestion or None,
            "note": each.note or None,
        }
        for file in found.prunes
        for each in file.lines
    ]
    return own, lines

"""``holystone init``: the files that were or would be written, and conflicts in the repository."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any, NamedTuple

from holystone.operations.ci_targets import TARGETS, Target, filled
from holystone.operations.init import LEAVE, REPLACE, SHARED, UNCHANGED, WRITE, Beside, Change
from holystone.outside.text import safe, safe_lines
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import counted
from holystone.present.report.protect import in_short
from holystone.present.terminal import Look
from holystone.scan.proposal import Proposal
from holystone.scan.prune_lines import PruneFile, PruneLine

_REFERENCE = f"- !reference [{SHARED}, after_script]"
_TOLD = {
    WRITE: ("would write", "wrote"),
    REPLACE: ("would replace, and asks before", "replaced"),
    UNCHANGED: ("is there already", "is there already"),
    LEAVE: ("stays as it is", "stays as it is"),
}


class Told(NamedTuple):
    """A target, the file that shows its use, and what happens to its files."""

    target: Target
    found: str | None
    changes: Sequence[Change]


def document(told: Sequence[Told], beside: Beside, **more: Any) -> Document:
    """The document of ``init --json``; ``more`` are further fields."""
    text = f"its after_script takes the place of the clean's; add: {_REFERENCE}"
    job = "file=place.file line=place.line job"
    warnings = [fields(each, job) | {"text": text} for each in beside.own]
    targets = [
        {
            "target": target.name,
            "found": mark,
            "files": [fields(each, "path action") for each in changes],
            "warnings": warnings if target.name == "gitlab" else [],
        }
        for target, mark, changes in told
    ]
    done = "replaced" if beside.replaced else "left"
    prunes = [
        {
            "file": file.path,
            **fields(each, "line text level"),
            "action": "link" if file.is_link else "by hand" if each.by_hand else done,
            **fields(each, "reason?=by_hand suggestion? note?"),
        }
        for file in beside.prunes
        for each in file.lines
    ]
    return {"schema": SCHEMA, "targets": targets, "prunes": prunes, **more}


def found(told: Sequence[Told], beside: Beside, proposal: Proposal, folder: str, look: Look) -> str:
    """What a repository uses, and what each target would do there; nothing was written."""
    lines = []
    for target, mark, changes in told:
        lines.append(f"{target.about} ({mark}): holystone init {target.name}")
        lines += [f"  {_line(change, is_done=False)}" for change in changes]
        lines.append("")
    if proposal.images:
        lines += [*in_short(proposal, folder or ".", look), ""]
    if told:
        more = beside_lines(beside, told[0].target.name)
        lines += [*more[1:], ""] if more else []
    else:
        lines += ["Cannot tell from these files which CI system this repository uses.", ""]
    used = [each.target for each in told]
    others = [target for target in TARGETS.values() if target not in used]
    lines.append("Also:" if told else "There are:")
    width = max(len(target.name) for target in others)
    lines += [f"  holystone init {target.name:<{width}}  {target.about}" for target in others]
    return "\n".join([*lines, "", "Nothing was written."])


def done(target: Target, changes: Sequence[Change], command: str) -> str:
    """What was written, and what is left to do."""
    lines = [_line(change, is_done=True) for change in changes]
    if any(change.action == LEAVE for change in changes):
        lines += ["", "Add there:", ""]
        lines += [f"  {line}".rstrip() for line in filled(target.addition, command).splitlines()]
    if target.next:
        first, *more = filled(target.next, command).splitlines()
        lines += ["", f"Next: {first}", *more]
    return "\n".join(lines)


def _line(change: Change, *, is_done: bool) -> str:
    told = _TOLD[change.action][is_done]
    if change.action in (WRITE, REPLACE):
        return f"{told[0].upper()}{told[1:]} {change.path}"
    return f"{change.path} {told}"


def beside_lines(beside: Beside, target: str) -> list[str]:
    """What was found beside, to stand below what was written; begins with an empty line."""
    lines = _warnings(beside)
    if not beside.prunes:
        return lines
    count = counted(sum(len(file.lines) for file in beside.prunes), "command")
    lines += [
        "",
        f"{count} of this repository prune the host, and take what the next job needs:",
        "",
    ]
    by_hand: list[str] = []
    for file in beside.prunes:
        if file.is_link:
            places = (f"{safe(file.path)}:{each.line}  {safe(each.text)}" for each in file.lines)
            lines += [f"  {place}  (a link: change it by hand)" for place in places]
            continue
        if file.replaced:
            lines += difference(file)
        for each in file.lines:
            if each.by_hand:
                by_hand.append(f"  {_place(each)}  {safe(each.text)}")
                by_hand.append(f"    {safe(each.by_hand)}; instead: {safe(each.suggestion)}")
                by_hand += [f"    {each.note}"] if each.note else []
    lines += notes(beside)
    lines += ["", "Replace by hand:", "", *by_hand] if by_hand else []
    if beside.changeable:
        left = f"Left as they are: holystone init {target} --replace-prune replaces them."
        lines += ["", "Replaced." if beside.replaced else left]
    return lines


def _warnings(found: Beside) -> list[str]:
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
        what = "template" if each.job.startswith(".") else "job"
        called = f"{what} {safe(each.job)}"
        called = "default, for all jobs" if each.job == "default" else called
        lines.append(f"  {place:<{width}}  {called}")
    lines += ["", "To end such a job with the clean, add this line to its after_script:", ""]
    lines.append(f"    {_REFERENCE}")
    if any(each.job == "default" for each in found.own):
        lines += [
            "",
            f"Jobs that extend {SHARED} do not run the after_script of default. With the line",
            "in default, each job without its own after_script ends with the clean: it need not",
            f"extend {SHARED}.",
        ]
    return lines


def notes(found: Beside) -> list[str]:
    """What the commands took that the clean in their place does not."""
    lines = [each for file in found.changeable for each in file.replaced if each.note]
    noted = [text for each in lines for text in (f"  {_place(each)}", f"    {each.note}")]
    return ["", "What the clean there does not take:", "", *noted] if noted else []


def _place(line: PruneLine) -> str:
    return f"{safe(line.path.removeprefix('./'))}:{line.line}"


def difference(file: PruneFile) -> list[str]:
    """The change of a file, as ``diff -u`` shows it."""
    path = file.path.removeprefix("./")
    before, after = file.before.splitlines(), file.after.splitlines()
    changes = difflib.unified_diff(before, after, f"a/{path}", f"b/{path}", n=1, lineterm="")
    return [safe_lines(line) for line in changes]

"""``holystone protect``: the images a repository needs, their places, and what was left out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from shlex import join

from holystone.operations.protect import Written
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import counted, listed, safe
from holystone.present.report.parts import DETAIL, NAME, section
from holystone.present.table import Cell, Column, paragraph, render
from holystone.present.terminal import Look
from holystone.scan.findings import Place
from holystone.scan.proposal import Image, Proposal

_PLACES_SHOWN = 3
_NAMED = 3
"""Images that one line names."""
_COLUMNS = (NAME, DETAIL)
_LEFT_OUT = (
    Column("what", gives_way=True, least=16),
    Column("where", gives_way=True, least=24),
    DETAIL,
)


def document(proposal: Proposal, written: Written | None) -> Document:
    """The document of ``protect --json``."""
    place = "file=place.file line?=place.line"
    unread = (*proposal.unread, *proposal.troubles)
    told = None
    if written is not None:
        told = fields(written, "path created added")
        for name, pairs in (("covered", written.covered), ("excepted", written.excepted)):
            told[name] = [{"reference": each, "pattern": pattern} for each, pattern in pairs]
    return {
        "schema": SCHEMA,
        "files": proposal.files,
        "images": [
            {
                "reference": image.reference,
                "found": [fields(use, f"{place} written") for use in image.uses],
            }
            for image in proposal.images
        ],
        "left_out": [fields(left, f"{place} written rule why") for left in proposal.left_out],
        "unread": [fields(trouble, f"{place} why") for trouble in unread],
        "written": told,
    }


def proposed(proposal: Proposal, block: str, look: Look, *, every: bool = False) -> str:
    """What was learned, with the table to paste; ``every``: all places of each."""
    lines = [*paragraph(_summary(proposal), look), ""]
    if proposal.images:
        lines += [*block.splitlines(), "", look.paint("Where they are used", "heading")]
        lines += [*_uses(proposal.images, look, every=every), ""]
    lines += _rest(proposal, look, every=every)
    if proposal.images:
        lines += paragraph("Nothing was written: --write holystone.toml adds them there.", look)
    return "\n".join(lines).rstrip("\n")


def written(proposal: Proposal, told: Written, look: Look, *, every: bool = False) -> str:
    """What was added to a file, what it had already, and what was left out."""
    path = safe(told.path)
    lines = paragraph(_summary(proposal), look)
    if told.added:
        verb = "Wrote" if told.created else "Changed"
        count = counted(len(told.added), "image")
        lines += paragraph(f"{verb} {path}: {count} added to [protect].", look)
        added = [image for image in proposal.images if image.reference in told.added]
        lines += _uses(added, look, every=every)
    elif proposal.images:
        lines += paragraph(f"There is none to add to {path}, which stays as it is.", look)
    for heading, pairs in (
        ("Protected there already", told.covered),
        ("Not added, since the file takes them back", told.excepted),
    ):
        rows = [(safe(reference), f"by {safe(pattern)}") for reference, pattern in pairs]
        lines += ["", *section(heading, _COLUMNS, rows, look)] if rows else []
    rest = _rest(proposal, look, every=every)
    return "\n".join([*lines, "", *rest] if rest else lines).rstrip("\n")


def in_short(proposal: Proposal, folder: str, look: Look) -> list[str]:
    """What ``init`` says of a folder's images: some of their names, and how to protect them."""
    names = [safe(image.reference) for image in proposal.images]
    if len(names) > _NAMED + 1:
        names = [*names[:_NAMED], f"{len(names) - _NAMED} more"]
    file = os.path.normpath(os.path.join(folder, "holystone.toml"))
    command = join(["holystone", "protect", "--from", folder, "--write", file])
    return [*paragraph(f"Base images: {listed(names)}", look), f"  protect them: {safe(command)}"]


def _summary(proposal: Proposal) -> str:
    files = counted(proposal.files, "file")
    if proposal.images:
        return f"{counted(len(proposal.images), 'base image')} in {files}."
    return (
        f"No base images in {files}. Dockerfiles, compose files, GitLab pipelines and GitHub "
        "workflows are read."
    )


def _rest(proposal: Proposal, look: Look, *, every: bool) -> list[str]:
    lines: list[str] = []
    grouped: dict[tuple[str, str], list[Place]] = {}
    for left in proposal.left_out:
        grouped.setdefault((left.written, left.why), []).append(left.place)
    left_out = [
        (safe(what), safe(_places(places, every=every)), safe(why))
        for (what, why), places in grouped.items()
    ]
    unread = [
        (Cell(safe(str(trouble.place)), "yellow"), safe(trouble.why))
        for trouble in (*proposal.unread, *proposal.troubles)
    ]
    if left_out:
        lines += [*section("Left out", _LEFT_OUT, left_out, look), ""]
    if unread:
        lines += [*section("Could not be read", _COLUMNS, unread, look), ""]
    return lines


def _uses(images: Sequence[Image], look: Look, *, every: bool) -> list[str]:
    rows = [
        (safe(image.reference), safe(_places((use.place for use in image.uses), every=every)))
        for image in images
    ]
    return render(_COLUMNS, rows, look, header=False)


def _places(places: Iterable[Place], *, every: bool) -> str:
    told = list(dict.fromkeys(map(str, places)))
    if every or len(told) <= _PLACES_SHOWN + 1:
        return ", ".join(told)
    return f"{', '.join(told[:_PLACES_SHOWN])} and {len(told) - _PLACES_SHOWN} more"

"""Render notes: facts that the engine did not report. The one place for their words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from holystone.planner.inventory import Note
from holystone.present.format import counted, listed, plural, safe, short_id, short_reference
from holystone.present.table import paragraph
from holystone.present.terminal import Look

_SHOWN = 3
"""Objects of one problem that are named, and the length of its longest answer that is shown."""

_PROBLEMS: Mapping[str, str] = {
    "layers": "the engine does not report the layers of {}, so the bytes are bounded",
    "inspection": "the engine does not answer an inspection of {}",
    "entry": "the engine's entry for {} is invalid: left alone",
    "builder": "{} cannot be asked",
    "usage": "the engine does not report the size of the {}",
}


def text(note: Note) -> str:
    """One note as a sentence. Raises KeyError for an unknown problem."""
    return _sentence(note.problem, [note])


def lines(notes: Iterable[Note], look: Look) -> list[str]:
    """A line for each problem with the objects that have it, the first few by name.

    Builders share a line only where they cannot be asked for the same reason.
    """
    groups: dict[tuple[str, str, str], list[Note]] = {}
    for note in notes:
        reason = note.said if note.problem == "builder" else ""
        groups.setdefault((note.problem, note.kind, reason), []).append(note)
    found = []
    for (problem, _, _), group in groups.items():
        found += paragraph(f"Note: {_sentence(problem, group)}.", look, style="yellow")
    return found


def _sentence(problem: str, group: Sequence[Note]) -> str:
    what = plural(group[0].kind)
    if problem != "usage":
        names = [_name(note) for note in group[:_SHOWN]]
        if len(group) > _SHOWN:
            names.append(f"{len(group) - _SHOWN} more")
        kind = group[0].kind if len(group) == 1 else plural(group[0].kind)
        what = f"{kind} {listed(names)}" if any(names) else counted(len(group), group[0].kind)
    said = next((note.said for note in group if note.said), "")
    because = f" (it answers {safe(said)!r})" if said else ""
    if problem == "builder":
        what = f"builder{'s' if len(group) > 1 else ''} {listed(names)}"
        keeps = "it keeps" if len(group) == 1 else "they keep"
        because = f" what {keeps}" + (f": {safe(said)}" if said else "")
    return f"{_PROBLEMS[problem].format(what)}{because}"


def _name(note: Note) -> str:
    return short_reference(note.name) if note.name else short_id(note.id)

"""``holystone verify``: which images are whole, which are damaged, and what that affects."""

from __future__ import annotations

from collections import Counter

from holystone.operations.digest_check import Damage
from holystone.operations.verifier import Entry
from holystone.operations.verify import Verification
from holystone.planner.units import format_size
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import count_of, listed, safe, short_id, short_reference
from holystone.present.report.parts import DETAIL, NAME, SIZE, names
from holystone.present.table import Cell, Column, Row, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look

_RESULTS = {
    "ok": ("ok", "green"),
    "damaged": ("damaged", "red"),
    "unchecked": ("not checked", "yellow"),
}
_MEND = (
    "`holystone verify --repair` removes a damaged image and pulls it again, where its registry "
    "has all of it and no container uses it."
)


def document(done: Verification) -> Document:
    """The document of ``verify --json``."""
    counts = Counter(entry.result for entry in done.entries)
    repairs = Counter(entry.repair for entry in done.entries)
    outcome = {name: counts[name] for name in _RESULTS}
    outcome |= {name: repairs[name] for name in ("repaired", "failed")}
    affected = "not_checked=notes also_affected=also containers"
    repair = "repair? repair_detail repair_cure?"
    return {
        "schema": SCHEMA,
        "outcome": outcome | fields(done, "bytes_read seconds interrupted?"),
        "images": [
            {
                **fields(entry.image, "id tags digests"),
                "result": entry.result,
                "damages": [fields(each, "part expected? found? words") for each in entry.damages],
                **fields(entry, f"{affected} {repair}"),
            }
            for entry in done.entries
        ],
    }


def render(done: Verification, look: Look, *, every: bool) -> str:
    """A row for each image that is not whole, with ``every`` for all of them, and the sum.

    Where nothing was to be repaired it ends with how to mend the damage.
    """
    told = [entry for entry in done.entries if every or entry.result != "ok"]
    calls = names(("image", each.image.id, each.image.tags or each.image.digests) for each in told)
    rows = [_row(entry, call) for entry, call in zip(told, calls, strict=True)]
    lines = render_table((NAME, SIZE, Column("result"), DETAIL), rows, look, header=False)
    if lines:
        lines.append("")
    lines += paragraph(_sum(done), look)
    if not done.repairing and any(entry.result == "damaged" for entry in done.entries):
        lines += paragraph(_MEND, look)
    return "\n".join(lines)


def cache_question(count: int, size: int) -> str:
    """What a repair asks before it takes build cache along."""
    holds = "holds" if count == 1 else "hold"
    return (
        f"{count_of(count, 'build cache record')} ({format_size(size)}) {holds} the damage as "
        "well; the engine would use it and not pull again. Remove the build cache too? [y/N]"
    )


def _row(entry: Entry, name: str) -> Row:
    cell = Cell("repaired", "green")
    if entry.repair != "repaired":
        cell = Cell(*_RESULTS[entry.result])
    parts = [_damage(damage) for damage in entry.damages]
    if entry.result == "damaged" and entry.also:
        parts.append(f"also in {', '.join(map(short_reference, entry.also))}")
    if entry.containers:
        parts.append(f"affects container {', '.join(map(safe, entry.containers))}")
    if entry.notes:
        unchecked = "; ".join(map(safe, entry.notes))
        parts.append(unchecked if entry.result == "unchecked" else f"not checked: {unchecked}")
    if entry.repair == "failed":
        parts.append(f"not repaired: {safe(entry.repair_detail)}")
        if entry.repair_cure:
            parts.append(safe(entry.repair_cure).removesuffix("."))
    elif entry.repair_detail:
        parts.append(safe(entry.repair_detail))
    return (name, format_size(entry.image.size), cell, ". ".join(parts))


def _damage(damage: Damage) -> str:
    said = damage.part
    if damage.expected:
        said += f" {short_id(damage.expected)}"
    if damage.found:
        said = f"the content of {said} is damaged (its digest is {short_id(damage.found)})"
    return f"{said}: {safe(damage.words)}" if damage.words else said


def _sum(done: Verification) -> str:
    counts = Counter(entry.result for entry in done.entries)
    parts = [f"{counts[name]} {word}" for name, (word, _) in _RESULTS.items() if counts[name]]
    said = f"Verified {count_of(len(done.entries), 'image')} in {done.seconds:.1f} s"
    said += f", {format_size(done.bytes_read)} read: {listed(parts) or 'nothing to do'}."
    repairs = Counter(entry.repair for entry in done.entries)
    if repairs["repaired"] or repairs["failed"]:
        failed = f", {repairs['failed']} not" if repairs["failed"] else ""
        said += f" Repaired {repairs['repaired']}{failed}."
    return said

"""``holystone verify``: which images are whole, which are damaged, and whom that affects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from holystone.operations.digest_check import Damage
from holystone.operations.verifier import Entry
from holystone.operations.verify import Verification
from holystone.planner.units import format_size
from holystone.planner.verdict import Verdict
from holystone.present.apart import names_of
from holystone.present.document import SCHEMA, Document
from holystone.present.format import count_of, listed, safe, short_id, short_reference
from holystone.present.table import Cell, Column, Row, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look

_STYLES = {"ok": "green", "damaged": "red", "unchecked": "yellow"}
_RESULTS = {"ok": "ok", "damaged": "damaged", "unchecked": "not checked"}
_COLUMNS = (
    Column("name", gives_way=True, least=20),
    Column("size", right=True),
    Column("result"),
    Column("detail", prose=True, style="dim"),
)


_MEND = (
    "`holystone verify --repair` removes a damaged image and pulls it again, where its registry "
    "has all of it and no container uses it."
)


def document(done: Verification) -> Document:
    """The document of ``verify --json``."""
    entries = done.entries
    counts = Counter(entry.result for entry in entries)
    repairs = Counter(entry.repair for entry in entries)
    return {
        "schema": SCHEMA,
        "outcome": {
            "ok": counts["ok"],
            "damaged": counts["damaged"],
            "unchecked": counts["unchecked"],
            "repaired": repairs["repaired"],
            "failed": repairs["failed"],
            "bytes_read": done.bytes_read,
            "seconds": round(done.seconds, 3),
            "interrupted": done.interrupted or None,
        },
        "images": [
            {
                "id": entry.image.id,
                "tags": list(entry.image.tags),
                "digests": list(entry.image.digests),
                "result": entry.result,
                "damages": [
                    {
                        "part": damage.part,
                        "expected": damage.expected or None,
                        "found": damage.found or None,
                        "words": damage.words,
                    }
                    for damage in entry.damages
                ],
                "not_checked": list(entry.notes),
                "also_affected": list(entry.also),
                "containers": list(entry.containers),
                "repair": entry.repair or None,
                "repair_detail": entry.repair_detail,
                "repair_cure": entry.repair_cure or None,
            }
            for entry in entries
        ],
    }


def render(done: Verification, look: Look, *, every: bool) -> str:
    """A row for each image that is not whole, with ``every`` for all of them, and the sum.

    Where nothing was to be repaired it ends with how to mend the damage.
    """
    entries = done.entries
    told = [entry for entry in entries if every or entry.result != "ok"]
    name = names_of(map(_verdict, told))
    rows = [_row(entry, name(_verdict(entry))) for entry in told]
    lines = render_table(_COLUMNS, rows, look, header=False)
    if lines:
        lines.append("")
    lines += paragraph(_sum(entries, done.bytes_read, done.seconds), look)
    if not done.repairing and any(entry.result == "damaged" for entry in entries):
        lines += paragraph(_MEND, look)
    return "\n".join(lines)


def cache_question(count: int, size: int) -> str:
    """What a repair asks before it takes build cache along."""
    holds = "holds" if count == 1 else "hold"
    return (
        f"{count_of(count, 'build cache record')} ({format_size(size)}) {holds} what is damaged as "
        "well, and the engine fetches nothing anew that it has. Remove the build cache too? [y/N]"
    )


def _verdict(entry: Entry) -> Verdict:
    image = entry.image
    return Verdict("image", image.id, image.tags or image.digests, remove=False, reasons=())


def _row(entry: Entry, name: str) -> Row:
    image = entry.image
    cell = Cell(_RESULTS[entry.result], _STYLES[entry.result])
    if entry.repair == "repaired":
        cell = Cell("repaired", "green")
    return (name, format_size(image.size), cell, _detail(entry))


def _detail(entry: Entry) -> str:
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
    return ". ".join(parts)


def _damage(damage: Damage) -> str:
    said = damage.part
    if damage.expected:
        said += f" {short_id(damage.expected)}"
    if damage.found:
        said = f"the content of {said} is damaged (its digest is {short_id(damage.found)})"
    return f"{said}: {safe(damage.words)}" if damage.words else said


def _sum(entries: Sequence[Entry], bytes_read: int, seconds: float) -> str:
    counts = Counter(entry.result for entry in entries)
    parts = [f"{counts[r]} {_RESULTS[r]}" for r in ("ok", "damaged", "unchecked") if counts[r]]
    said = f"Verified {count_of(len(entries), 'image')} in {seconds:.1f} s"
    said += f", {format_size(bytes_read)} read: {listed(parts) or 'nothing to do'}."
    repairs = Counter(entry.repair for entry in entries)
    if repairs["repaired"] or repairs["failed"]:
        failed = f", {repairs['failed']} not" if repairs["failed"] else ""
        said += f" Repaired {repairs['repaired']}{failed}."
    return said

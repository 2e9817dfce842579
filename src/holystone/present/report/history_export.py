"""``holystone history export``: what was written into a trace."""

from __future__ import annotations

from holystone.present.document import SCHEMA, Document
from holystone.present.format import counted, safe, timestamp
from holystone.replay.export import Exported


def document_of_export(path: str, written: Exported) -> Document:
    """The document of ``history export FILE --json``."""
    return {
        "schema": SCHEMA,
        "file": path,
        "uses": written.uses,
        "references": written.references,
        "images": written.images,
        "pulls": written.pulls,
        "first_at": None if written.first is None else timestamp(written.first),
        "last_at": None if written.last is None else timestamp(written.last),
    }


def exported(where: str, written: Exported) -> str:
    """What was written, in a sentence."""
    told = [
        counted(written.uses, "use"),
        counted(written.references, "reference"),
        counted(written.images, "image"),
    ]
    times = ""
    if written.first is not None and written.last is not None:
        times = f", from {timestamp(written.first)} to {timestamp(written.last)}"
    return (
        f"Wrote {told[0]} of {told[1]} and {told[2]}{times}, to {safe(where)}. "
        f"{counted(written.pulls, 'use')} had to pull the image."
    )

"""``holystone config show`` and ``check``: values with their files, and what has no effect."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from holystone.config.effective import DEFAULT, Value
from holystone.config.keys import RULES
from holystone.config.kinds import toml
from holystone.config.lint import Remark
from holystone.config.load import HERE, MEND_HERE, Place
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import safe
from holystone.present.report.parts import section
from holystone.present.table import INDENT, Cell, Column, Row, paragraph
from holystone.present.terminal import Look

_COLUMNS = (Column("key"), Column("value", gives_way=True, least=16), Column("from", prose=True))
_STRICTEST = (
    "[protect] merges all files: the strictest value counts, lists add up. For every other "
    "key the value of the nearest file counts."
)
_HERE = f"{HERE} was found in the current folder: it can only protect more; {MEND_HERE}."


def show(places: Sequence[Place], values: Sequence[Value], look: Look) -> str:
    """The files that were looked for, the nearest first, and every value with its source."""
    files = [
        (safe(place.path), Cell("read" if place.found else "not there", "dim")) for place in places
    ]
    columns = (Column("file"), Column("state"))
    lines = section("Files, the nearest first", columns, files, look)
    if sum(place.found for place in places) > 1:
        lines += paragraph(_STRICTEST, look, indent=INDENT, style="dim")
    if any(place.found and place.only_protects for place in places):
        lines += paragraph(_HERE, look, indent=INDENT, style="dim")
    for table, group in groupby(values, lambda value: value.table):
        heading = f"[{table}]" if table else "The docker command's configuration"
        if table.startswith(RULES):
            heading = f"[[{RULES}]]"
        told: list[Row] = []
        for value in group:
            source = safe(value.source + (f" ({value.note})" if value.note else ""))
            written = "—" if value.value is None else safe(toml(value.value))
            style = "dim" if value.source == DEFAULT else ""
            told.append((value.name, written, Cell(source, style)))
        lines += ["", *section(heading, _COLUMNS, told, look)]
    return "\n".join(lines)


def check(places: Sequence[Place], remarks: Sequence[Remark], compared: str, look: Look) -> str:
    """That nothing is wrong, and what has no effect; ``compared`` says with which host."""
    found = [safe(place.path) for place in places if place.found]
    lines = [look.paint(f"{path}: no errors", "green") for path in found]
    if not found:
        lines += paragraph("No holystone.toml found; using the defaults. Looked for:", look)
        lines += [f"{' ' * INDENT}{safe(place.path)}" for place in places]
    for remark in remarks:
        where = ": ".join(part for part in (remark.file, remark.key) if part)
        warning = look.paint("warning:", "yellow")
        lines.append(f"{warning} {safe(where)}: {safe(remark.text)}")
    return "\n".join([*lines, *paragraph(compared, look)])


def document_of_values(places: Sequence[Place], values: Sequence[Value]) -> Document:
    """The document of ``config show --json``."""
    told = [
        {"key": f"{value.table}.{value.name}" if value.table else value.name}
        | fields(value, "value source note")
        for value in values
    ]
    return {"schema": SCHEMA, "files": _files(places), "values": told}


def document_of_check(places: Sequence[Place], said: Sequence[Remark], host: str) -> Document:
    """The document of ``config check --json``; ``host`` is empty where none was compared with."""
    return {
        "schema": SCHEMA,
        "files": _files(places),
        "warnings": [remark._asdict() for remark in said],
        "compared_with": host or None,
    }


def _files(places: Sequence[Place]) -> list[Document]:
    return [fields(place, "path found only_protects") for place in places]

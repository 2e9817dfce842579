"""The table of tools in docs/kept-containers.md, which ``make examples`` writes."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from holystone.core.kept_containers import TABLE
from tests.docs.tracked import ROOT

DOCUMENT = "docs/kept-containers.md"
HEADING = "## The table"


def table() -> str:
    """Everything below the heading."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("", "| tool | told by | what it is | source |", "|---|---|---|---|")
    for row in TABLE:
        told = [f"label `{each}`" for each in row.labels]
        told += [f"name `{each}`" for each in row.names]
        told += [f"image `{each}`" for each in row.images]
        yield f"| `{row.name}` | {', '.join(told)} | {row.what} | [source]({row.source}) |"


def rewritten(text: str) -> str:
    """The document with the table as it should be."""
    before, heading, _ = text.partition(f"{HEADING}\n")
    return before + heading + table()


def main() -> None:
    """Bring the table up to date."""
    path = ROOT / DOCUMENT
    text = path.read_text(encoding="utf-8")
    if rewritten(text) != text:
        path.write_text(rewritten(text), encoding="utf-8")
        sys.stdout.write(f"rewritten: {DOCUMENT}\n")


if __name__ == "__main__":
    main()

"""The tables of docs/reference/lists.md: what each list can be asked for (``make examples``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

from holystone.present.lists.table import Table
from tests.docs.generated import below, bring_up_to_date

DOCUMENT = "docs/reference/lists.md"
HEADING = "## What each list has"
LISTS = {
    "images": "holystone images",
    "volumes": "holystone volumes",
    "containers": "holystone containers",
    "cache": "holystone cache",
    "audit": "holystone audit",
    "plan": "holystone plan",
    "runs": "holystone history",
    "uses": "holystone observe",
    "leases": "holystone lease list",
}
"""The module of each list, and the command that makes it."""


def table_of(name: str) -> Table[Any]:
    """What the list of this module can be asked for."""
    table: Table[Any] = import_module(f"holystone.present.lists.{name}").TABLE
    return table


def content() -> str:
    """Everything below the heading."""
    return "\n".join(line for name in LISTS for line in _lines(name)) + "\n"


def _lines(name: str) -> Iterator[str]:
    table = table_of(name)
    yield from ("", f"### {LISTS[name]}", "")
    yield f"`--sort`: {', '.join(f'`{key}`' for key in table.orders)}."
    yield from ("", "| `--filter` | |", "|---|---|")
    for each in table.filters:
        yield f"| `{each.name}` | {marked(each.told)} |"
    yield from ("", "| `--format` | |", "|---|---|")
    for field in table.fields:
        yield f"| `.{field.name}` | {marked(field.told)} |"


_EXAMPLE = re.compile(r"(?<!\w)'[^']+'(?!\w)")
"""An example in quotes; the apostrophe of a possessive begins none."""


def marked(told: str) -> str:
    """A text whose examples in quotes stand as code."""
    return _EXAMPLE.sub(r"`\g<0>`", told).replace("<none>", "`<none>`")


def rewritten(text: str) -> str:
    """The document with the tables as they should be."""
    return below(text, HEADING, content())


def main() -> None:
    """Bring the tables up to date."""
    bring_up_to_date(DOCUMENT, rewritten)


if __name__ == "__main__":
    main()

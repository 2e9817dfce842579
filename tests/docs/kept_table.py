"""The table of tools in docs/reference/kept-containers.md, which ``make examples`` writes."""

from __future__ import annotations

from collections.abc import Iterator

from holystone.planner.kept_containers import TABLE
from tests.docs.generated import below, bring_up_to_date

DOCUMENT = "docs/reference/kept-containers.md"
HEADING = "## The table"


def table() -> str:
    """Everything below the heading."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("", "| tool | recognised by | what it is | source |", "|---|---|---|---|")
    for row in TABLE:
        told = [f"label `{each}`" for each in row.labels]
        told += [f"name `{each}`" for each in row.names]
        told += [f"image `{each}`" for each in row.images]
        yield f"| `{row.name}` | {', '.join(told)} | {row.what} | [source]({row.source}) |"


def rewritten(text: str) -> str:
    """The document with the table as it should be."""
    return below(text, HEADING, table())


def main() -> None:
    """Bring the table up to date."""
    bring_up_to_date(DOCUMENT, rewritten)


if __name__ == "__main__":
    main()

"""The table of docs/reference/metrics.md: every metric of the agent (``make examples``)."""

from __future__ import annotations

from collections.abc import Iterator

from holystone.agent.metric_table import METRICS
from tests.docs.generated import below, bring_up_to_date

DOCUMENT = "docs/reference/metrics.md"
HEADING = "## All metrics"


def table() -> str:
    """Everything below the heading."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("", "| metric | type | labels | what it is |", "|---|---|---|---|")
    for metric in METRICS:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        yield f"| `{metric.name}` | {metric.type} | {labels} | {metric.told} |"


def rewritten(text: str) -> str:
    """The document with the table as it should be."""
    return below(text, HEADING, table())


def main() -> None:
    """Bring the table up to date."""
    bring_up_to_date(DOCUMENT, rewritten)


if __name__ == "__main__":
    main()

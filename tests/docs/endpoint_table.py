"""The endpoints in docs/reference/agent-endpoints.md, which ``make examples`` writes."""

from __future__ import annotations

from collections.abc import Iterator

from holystone.agent.endpoints import ENDPOINTS, VERSION
from tests.docs.generated import below, bring_up_to_date

DOCUMENT = "docs/reference/agent-endpoints.md"
HEADING = "## The list"


def table() -> str:
    """Everything below the heading."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield from ("", "| request | needed by | for |", "|---|---|---|")
    for each in ENDPOINTS:
        yield f"| `{each.method} {each.path}` | {each.jobs} | {each.purpose} |"
    yield from (
        "",
        "A version like `/v1.43` stands before each path. As regular expressions for whole paths",
        "without the query:",
        "",
        "```text",
    )
    for method in dict.fromkeys(each.method for each in ENDPOINTS):
        patterns = (each.pattern for each in ENDPOINTS if each.method == method)
        yield from (method, *(f"  {VERSION}{pattern}" for pattern in patterns))
    yield "```"


def rewritten(text: str) -> str:
    """The document with the list as it should be."""
    return below(text, HEADING, table())


def main() -> None:
    """Bring the list up to date."""
    bring_up_to_date(DOCUMENT, rewritten)


if __name__ == "__main__":
    main()

"""The reference of keys in docs/reference/policy.md, which ``make examples`` writes."""

from __future__ import annotations

from collections.abc import Iterator

from holystone.config.keys import KEYS, RULE_KEYS, RULES, RULES_DOC, TABLES, Key, rule_default
from holystone.config.kinds import toml
from tests.docs.generated import below, bring_up_to_date

DOCUMENT = "docs/reference/policy.md"
HEADING = "## Every key"
COLUMNS = ("key", "value", "default", "example", "a file in a repository can", "")


def reference() -> str:
    """Everything below the heading: a table of keys for each table of the file."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    for table, doc in TABLES.items():
        yield from _section(f"[{table}]", doc, [key for key in KEYS if key.table == table])
        if RULES.startswith(f"{table}."):
            yield from _section(f"[[{RULES}]]", RULES_DOC, list(RULE_KEYS), rule=True)


def _section(title: str, doc: str, keys: list[Key], *, rule: bool = False) -> Iterator[str]:
    yield from ("", f"### {title}", "", doc, "", f"| {' | '.join(COLUMNS)} |")
    yield "|---|---|---|---|---|---|"
    for key in keys:
        default = rule_default(key) if rule else key.default
        written = "" if default is None else f"`{toml(key.kind.write(default))}`"
        example, can = f"`{toml(key.example)}`", key.direction.name
        cells = (f"`{key.name}`", key.kind.name, written, example, can, key.doc)
        yield f"| {' | '.join(cells)} |"


def rewritten(text: str) -> str:
    """The document with the reference as it should be."""
    return below(text, HEADING, reference())


def main() -> None:
    """Bring the reference up to date."""
    bring_up_to_date(DOCUMENT, rewritten)


if __name__ == "__main__":
    main()

"""Schema, sample and documentation say what the reader does: they come from one table of keys."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from holystone.config.agent_settings import AgentSettings
from holystone.config.errors import ConfigError
from holystone.config.keys import KEYS, RULE_KEYS
from holystone.config.reading import policy_from, read
from holystone.config.sample import sample, schema
from holystone.config.settings import merged
from holystone.planner.policy import LEVELS, TAKES, Policy
from tests.config.key_table import DOCUMENT, rewritten
from tests.config.test_reading import WRONG
from tests.docs.tracked import texts

SCHEMA = schema()
SAID_BY_NO_SCHEMA = (
    "more than any disk",
    "century",
    "more than all",
    "pattern of references",
    "1kB/s at least",
)
"""What of the errors a schema has no words for, and what depends on several keys."""
DEPENDS = (
    "nothing says when",
    "do nothing",
    "choose another",
    "as well",
    "stands first",
    "no disk is",
)


def accepts(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value is as the schema says, as far as this schema's keywords go."""
    types: dict[str, type | tuple[type, ...]] = {
        "object": dict, "array": list, "string": str, "boolean": bool, "integer": int,
    }  # fmt: skip
    wanted = schema.get("type")
    if wanted and (
        not isinstance(value, types[wanted]) or (wanted == "integer" and isinstance(value, bool))
    ):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        return False
    if wanted == "integer" and not schema["minimum"] <= value <= schema["maximum"]:
        return False
    if isinstance(value, list):
        return all(accepts(schema["items"], each) for each in value)
    if isinstance(value, dict):
        known = schema["properties"]
        return set(schema.get("required", ())) <= set(value) <= set(known) and all(
            accepts(known[name], each) for name, each in value.items()
        )
    return True


def of(path: str) -> dict[str, Any]:
    """The part of the schema for a dotted path."""
    at: dict[str, Any] = SCHEMA
    for name in path.split("."):
        at = at.get("items", at)["properties"][name]
    return at


@pytest.mark.parametrize("key", [*KEYS, *RULE_KEYS], ids=lambda key: key.path)
def test_schema_has_every_key(key: Any) -> None:
    told = of(key.path)
    assert told["description"] == key.doc
    assert all(accepts(told, value) for value in told["examples"])
    if "default" in told:
        assert accepts(told, told["default"])


@pytest.mark.parametrize(("table", "key", "value", "words"), WRONG)
def test_schema_refuses_what_the_reader_refuses(
    table: str, key: str, value: Any, words: str
) -> None:
    beyond = any(each in words for each in (*SAID_BY_NO_SCHEMA, *DEPENDS))
    assert accepts(SCHEMA, {table: {key: value}}) == beyond


def test_sample_is_the_defaults() -> None:
    for level in LEVELS:
        assert policy_from(tomllib.loads(sample()), level) == Policy(level, TAKES[level])


def test_sample_with_its_keys_in_force_differs_only_where_there_is_no_default() -> None:
    text = re.sub(r"^#(\w+ = |\[\[)", r"\1", sample(), flags=re.MULTILINE)
    written = tomllib.loads(text)
    (rule,) = written["images"].pop("rules")
    assert set(rule) == {key.name for key in RULE_KEYS}
    for key in KEYS:
        table = written
        for name in key.table.split("."):
            table = table[name]
        value = table.pop(key.name)
        assert value == (key.example if key.default is None else key.kind.write(key.default))
        assert key.doc[:40] in text.replace("\n# ", " ")
    assert [table for table in written.values() if table] == [
        {level: {} for level in LEVELS}
    ]  # fmt: skip


def test_sample_lines_fit() -> None:
    assert max(map(len, sample().splitlines())) <= 100


def test_documentation_has_every_key() -> None:
    text = texts()[DOCUMENT]
    assert rewritten(text) == text, "`make examples` writes the reference of keys anew"


TOML = re.findall(r"^```toml\n(.*?)^```", texts()[DOCUMENT], re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", TOML, ids=range(len(TOML)))
def test_examples_in_the_documentation_hold(example: str) -> None:
    reading, wrong = read(tomllib.loads(example))
    assert not wrong
    settings = merged([("", reading)])
    changed = [each for each in LEVELS if settings.policy(each) != Policy(each, TAKES[each])]
    assert changed or settings.agent() != AgentSettings(), "this example changes nothing"


def test_every_table_has_an_example_in_the_documentation() -> None:
    shown = " ".join(TOML)
    for key in KEYS:
        table = key.table if not key.table.startswith("levels.") else "levels."
        assert f"[{table}" in shown, key.table
    assert "[[images.rules]]" in shown


def test_an_example_that_is_wrong_would_be_found() -> None:
    with pytest.raises(ConfigError):
        policy_from(tomllib.loads('[protect]\nimages = "python"'), "routine")

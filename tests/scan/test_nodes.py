"""YAML values: lines, anchors, merge keys, what is a text; and limits."""

from __future__ import annotations

import re

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from holystone.scan.findings import Unreadable
from holystone.scan.yaml_nodes import DEEPEST, Items, Scalar, Table, Value, documents


def table(text: str, *, as_ruby: bool = False) -> Table:
    (found,) = documents(text, "x.yml", as_ruby=as_ruby)
    assert isinstance(found, Table)
    return found


def plain(value: Value | None) -> object:
    """A value as Python has it; of what is no certain text its kind in brackets."""
    if isinstance(value, Table):
        return {key: plain(each) for key, each in value.values.items()}
    if isinstance(value, Items):
        return [plain(each) for each in value.values]
    assert isinstance(value, Scalar)
    return f"<{value.kind}>" if value.plain is None else value.plain


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("3.12", "3.12"), ("3.10", "3.1"), ("3.0", "<float>"), ("1e3", "1e3"), ("'3.10'", "3.10"),
        ("18", "18"), ("010", "<int>"), ("0x10", "<int>"), ("1_000", "<int>"), ("-1", "-1"),
        ("yes", "<bool>"), ("~", "<null>"), ("", "<null>"), ("a b # c", "a b"), ("!!str 1", "1"),
        ("redis:7", "redis:7"), ("1:30", "<int>"), ("2024-01-01", "<timestamp>"), ("!x 1", "<!x>"),
        ("{{ a }}", "<template>"), ("[a, {b: c}]", ["a", {"b": "c"}]), ("|\n  a\n", "a\n"),
    ],
)  # fmt: skip
def test_what_is_a_text(written: str, read: object) -> None:
    assert plain(table(f"a: {written}").get("a")) == read


def test_lines() -> None:
    found = table("# c\na: 1\n\nb:\n  - c\n  - d: e\n")
    assert found.get("a") == Scalar("1", "int", found.get("a").place)  # type: ignore[union-attr]
    listing = found.get("b")
    assert isinstance(listing, Items)
    assert [each.place.line for each in listing.values] == [5, 6]
    assert str(listing.values[1].place) == "x.yml:6"


def test_anchors_and_merge_keys() -> None:
    found = table("""
one: &one {a: 1, b: 1}
two: &two {b: 2, c: 2}
both: {<<: [*one, *two], c: 3}
again: &one {z: 1}
last: {<<: *one, <<: *two}
quoted: {"<<": 1}
list: *two
""")
    assert plain(found.get("both")) == {"a": "1", "b": "1", "c": "3"}
    assert plain(found.get("last")) == {"z": "1", "b": "2", "c": "2"}
    text = "a: &a {x: 1, y: 1}\nb: {x: 2, <<: *a, y: 2}"
    assert plain(table(text).get("b")) == {"x": "2", "y": "2"}
    assert plain(table(text, as_ruby=True).get("b")) == {"x": "1", "y": "2"}
    assert plain(found.get("list")) == {"b": "2", "c": "2"}
    assert plain(found.get("quoted")) == {"<<": "1"}


def test_tags_are_kept_and_nothing_is_made_of_them() -> None:
    found = table("a: !reference [b, c]\nd: !!python/object/apply:os.system [x]\n")
    reference, call = found.get("a"), found.get("d")
    assert isinstance(reference, Items)
    assert isinstance(call, Items)
    assert (reference.tag, call.tag) == ("!reference", "python/object/apply:os.system")


def test_documents() -> None:
    assert len(documents("a: 1\n---\nb: 2\n...\n", "x")) == 2
    assert documents("", "x") == []


keys = st.text("abc<", min_size=1, max_size=3)
data = st.recursive(
    st.text("ab1.: #-'\"\n", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)


@given(st.dictionaries(keys, data, max_size=4), st.booleans())
def test_reads_what_yaml_reads(value: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow)
    (read,) = documents(text, "x")
    assert plain(read) == value


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n"
    for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
)
MERGES = "a: &a0 {x: 1}\n" + "".join(
    f"b{i}: &a{i + 1} {{<<: [*a{i}, *a{i}, *a{i}, *a{i}, *a{i}], y{i}: 1}}\n" for i in range(2000)
)


def test_a_billion_laughs_are_eleven_values() -> None:
    assert len(table(LAUGHS).values) == 11


@pytest.mark.parametrize(
    ("text", "why", "line"),
    [
        ("a: [1,\nb", "it is no YAML: ", 2),
        ("a: &x [1, *x]", "the anchor &x holds itself", 1),
        ("a: 1\nb: &x {c: {d: *x}}", "the anchor &x holds itself", 2),
        ("a: *x", "no anchor &x", 1),
        ("a: &x 1\n---\nb: *x\n", "no anchor &x", 3),
        ("a: 1\nb: \x07", "character", 2),
        ("a:\n\tb: 1", "cannot start any token", 2),
        ("[" * 200, f"more than {DEEPEST} levels", 1),
        ("".join(f"{' ' * i}a:\n" for i in range(200)), f"more than {DEEPEST} levels", 101),
        ("a: [" + "1," * 200_001 + "]", "more than 200000 values", 1),
        (MERGES, "more than 200000 values", 282),
        ("a: 1\n{% if x %}\nb: 2", "a template, with {%", 2),
        ("%TAG ! tag:x\n%TAG ! tag:y\n---\na", "it is no YAML", 2),
    ],
)  # fmt: skip
def test_what_is_not_read(text: str, why: str, line: int) -> None:
    with pytest.raises(Unreadable, match=re.escape(why)) as caught:
        documents(text, "x")
    assert caught.value.line == line
    assert "\n" not in str(caught.value)

"""Whatever is in a file, it becomes a policy or a ConfigError: never another exception."""

from __future__ import annotations

import contextlib
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holystone.config.effective import effective
from holystone.config.errors import ConfigError, Fault
from holystone.config.keys import KEYS, RULE_KEYS, TABLES, Key
from holystone.config.kinds import toml
from holystone.config.lint import remarks, without_match
from holystone.config.load import Configuration, Docker, read_docker
from holystone.config.reading import policy_from, read, read_all
from holystone.config.settings import merged
from holystone.planner.inventory import Container, Disk, Engine, Image, Inventory, Volume
from holystone.planner.policy import LEVELS, Policy

levels = st.sampled_from(LEVELS)
examples = [key.example for key in (*KEYS, *RULE_KEYS)] + [
    key.kind.write(key.default) for key in KEYS if key.default is not None
]
ODD = (
    "never",
    "!a",
    "a:*",
    "**",
    "x@sha256:*",
    "0",
    "1e9%",
    "nan%",
    "5 GB free",
    "1h30m",
    "٣%",
    "=",
)
texts = st.text(max_size=20) | st.sampled_from([*ODD, "\0"])
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | texts | st.dates() | st.times()
)  # fmt: skip
values = st.recursive(
    scalars | st.sampled_from(examples),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted({part for table in TABLES for part in table.split(".")} | {key.name for key in KEYS})
names = st.sampled_from([*NAMES, "rules", "name"]) | texts
tables = st.recursive(
    st.dictionaries(names, values, max_size=5),
    lambda inner: st.dictionaries(names, inner | values | st.lists(inner, max_size=2), max_size=5),
    max_leaves=10,
)


def _right(key: Key) -> st.SearchStrategy[Any]:
    written = [] if key.default is None else [key.kind.write(key.default)]
    return st.sampled_from([key.example, *written])


right = st.fixed_dictionaries(
    {},
    optional={
        table: st.fixed_dictionaries(
            {}, optional={key.name: _right(key) for key in KEYS if key.table == table}
        )
        for table in TABLES
        if "." not in table
    },
)
"""Tables that are right key by key."""
lines = st.sampled_from(
    ["[protect]", "[[images.rules]]", "[levels.weekly]", "[disk", "images = [", "]", '"a",', '"""']
) | st.builds(
    lambda key, value: f"{key.name} = {toml(value)}",
    st.sampled_from([*KEYS, *RULE_KEYS]),
    st.sampled_from(examples),
)


@given(tables, levels)
def test_any_tables(written: dict[str, Any], level: str) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(policy_from(written, level), Policy)


@given(st.lists(lines | st.text(max_size=30), max_size=20))
def test_any_text(written: list[str]) -> None:
    text = "\n".join(written)
    try:
        content = text.encode()
    except UnicodeEncodeError:
        content = text.encode("utf-8", "surrogatepass")
    _shown(content)


@given(st.binary(max_size=60))
def test_any_bytes(content: bytes) -> None:
    _shown(content)
    assert read_docker("config.json", content).prune_filters == ()
    read_docker("config.json", b'{"pruneFilters": [' + content)


def _shown(content: bytes) -> None:
    """Read a file with this content, and what comes of it shown and checked in every way."""
    faults: tuple[Fault, ...] = ()
    try:
        settings = read_all([("holystone.toml", content), ("second.toml", content)])
    except ConfigError as error:
        faults = error.faults
    else:
        found = Configuration((), settings, Docker(""))
        assert effective(found)
        assert len([*remarks(found), *without_match(found, HOST)]) < 1000
    assert all(str(each).startswith(("holystone.toml", "second.toml")) for each in faults)


HOST = Inventory(
    Engine("e", "e", "28", "1.51", "overlay2"), 0.0,
    images=(Image("i", ("python:3.12-slim", "Odd/REF:x"), labels={"keep": "1"}),),
    containers=(Container("c", "c", "i", "python", "exited"),),
    volumes=(Volume("v"),),
    disk=Disk(10**11, 10**10),
)  # fmt: skip


@given(right, right, levels)
def test_right_tables_of_two_files_protect_at_least_what_each_does(
    near: dict[str, Any], far: dict[str, Any], level: str
) -> None:
    together = merged([("near", read(near)[0]), ("far", read(far)[0])])
    found = Configuration((), together, Docker(""))
    assert effective(found)
    assert len([*remarks(found), *without_match(found, HOST)]) < 100
    both = together.policy(level).protect
    for each in (near, far):
        alone = merged([("file", read(each)[0])]).policy(level).protect
        assert set(alone.labels) <= set(both.labels)
        assert alone.official <= both.official
        assert alone.local <= both.local
        assert alone.newest <= both.newest
        assert alone.images in (both.images, *both.other_images) or not alone.images
        assert (alone.used_within or 0) <= (both.used_within or 0)
        assert (alone.min_age or 0) <= (both.min_age or 0)
        assert (both.larger_than or 10**18) <= (alone.larger_than or 10**18)

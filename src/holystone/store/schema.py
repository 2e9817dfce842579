"""Which rows make sense: what each column can hold, by its declared type and by ``RULES``.

A reader asks for its tables once (``check``). A row that makes no sense costs itself and nothing
else: see ``unsound``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from holystone.store.folder import StoreError
from holystone.store.migrations import MIGRATIONS

_FIRST_MOMENT = -62135596800
"""The year 1, which engines write where they know no date."""
_LAST_MOMENT = 4102444800
"""The year 2100."""
_MOST = 2**60
_LONGEST_TEXT = 4_000_000

LOST = {
    "image": "what was known of {}",
    "layer": "the sizes of {}",
    "lease": "{}",
    "run": "parts of {} in the history",
    "removal": "parts of what is known of {}",
    "pull": "the speed of {}",
    "watch": "how far the past of {} was read",
    "used": "the last use of {}",
    "company": "what was used together with {}",
    "own_pull": "when holystone itself pulled {}",
    "past_reference": "{} in the log of uses",
    "past_image": "{} in the log of uses",
    "past_use": "{} in the log",
    "registry_word": "what registries said of {}",
    "ended": "the date at which {} stopped",
    "engine": "the description of {}",
}
"""What is lost with a row of each table; ``{}`` stands for how many of what."""
ARRAY = (
    "CASE WHEN json_valid({0}) THEN json_type({0}) = 'array' AND NOT EXISTS"
    " (SELECT 1 FROM json_each({0}) AS e WHERE e.type != 'text') ELSE 0 END"
)
_LABELS = ARRAY.replace("'array'", "'object'")
_WEIGHTS = (
    "CASE WHEN json_valid({0}) THEN json_type({0}) = 'object' AND NOT EXISTS"
    " (SELECT 1 FROM json_each({0}) AS e WHERE e.type NOT IN ('integer', 'real')"
    " OR e.value NOT BETWEEN 0 AND 1e12) ELSE 0 END"
)
_LAYERS = (
    "CASE WHEN json_valid({0}) THEN json_type({0}) = 'array' AND NOT EXISTS"
    " (SELECT 1 FROM json_each({0}) AS e WHERE e.type != 'array'"
    " OR json_array_length(e.value) != 2 OR json_type(e.value, '$[0]') != 'text'"
    " OR json_type(e.value, '$[1]') != 'integer'"
    " OR json_extract(e.value, '$[1]') NOT BETWEEN 0 AND 1152921504606846976) ELSE 0 END"
)
_REASONS = (
    "CASE WHEN json_valid({0}) THEN json_type({0}) = 'array' AND NOT EXISTS"
    " (SELECT 1 FROM json_each({0}) AS e WHERE e.type != 'array'"
    " OR json_array_length(e.value) != 2 OR json_type(e.value, '$[0]') != 'text'"
    " OR json_type(e.value, '$[1]') != 'object') ELSE 0 END"
)
_INFO = "CASE WHEN json_valid({0}) THEN json_type({0}) = 'object' ELSE 0 END"
_DIGEST = "{0} GLOB '*:*'"
RULES = {
    ("layer", "chain_id"): _DIGEST,
    ("layer", "diff_id"): _DIGEST,
    ("layer", "below"): "{0} < id",
    ("company", "followers"): _WEIGHTS,
    ("engine", "info"): _INFO,
    ("past_image", "layers"): _LAYERS,
    ("removal", "names"): ARRAY,
    ("removal", "tags"): ARRAY,
    ("removal", "digests"): ARRAY,
    ("removal", "platforms"): ARRAY,
    ("removal", "labels"): _LABELS,
    ("removal", "reasons"): _REASONS,
    ("removal", "lost"): ARRAY,
    ("run", "options"): ARRAY,
    ("lease", "reference"): "{0} != ''",
}
"""What a value must be beyond its type."""
_BOUNDS = {
    ("watch", "events"): (0, _LAST_MOMENT * 10**9),
    ("run", "look_until"): (_FIRST_MOMENT, 1e16),
    ("pull", "seconds"): (1e-9, 1e9),
    ("pull", "size"): (0, _MOST),
    ("layer", "size"): (0, _MOST),
    ("past_image", "size"): (0, _MOST),
    ("used", "gap"): (0, 1e11),
    ("used", "count"): (0, _MOST),
    ("company", "uses"): (0, 1e12),
    ("past_image", "created"): (-1e11, 1e12),
}


class SpoiledError(StoreError):
    """A row of a table makes no sense."""


class Connection(sqlite3.Connection):
    """A connection that knows which of its tables were looked at."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.sound: set[str] = set()


class Column(NamedTuple):
    """A column as ``PRAGMA table_info`` tells of it."""

    name: str
    type: str
    empty: bool
    """Whether it may hold nothing."""


def check(
    database: sqlite3.Connection,
    table: str,
    where: str = "1",
    values: Sequence[object] = (),
) -> None:
    """Raise SpoiledError where a row of the table, of those that are asked for, makes no sense.

    A whole table is looked at once on a connection.
    """
    looked_at = database.sound if where == "1" and isinstance(database, Connection) else None
    if looked_at is not None and table in looked_at:
        return
    sound = sound_row(table, columns_of(table), texts=False)
    found = database.execute(
        f"SELECT 1 FROM {table} WHERE ({where}) AND NOT ({sound}) LIMIT 1",  # noqa: S608 - our own
        values,
    ).fetchone()
    if found or (table in CHAINS and database.execute(CHAINS[table]).fetchone()):
        raise SpoiledError(f"a row of the table {table} makes no sense")
    if looked_at is not None:
        looked_at.add(table)


@contextmanager
def decoding(database: sqlite3.Connection | None = None, *tables: str) -> Iterator[None]:
    """Around reading rows, with these tables looked at before. Raises SpoiledError."""
    if database is not None:
        for table in tables:
            check(database, table)
    try:
        yield
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise SpoiledError(f"a record makes no sense ({error})") from None


CHAINS = {
    "layer": "SELECT 1 FROM layer AS l WHERE l.below IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM layer AS b WHERE b.id = l.below AND b.engine = l.engine) LIMIT 1",
    "image": "SELECT 1 FROM image AS i WHERE i.top IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM layer AS t WHERE t.id = i.top AND t.engine = i.engine) LIMIT 1",
}
"""Rows that name another one which is not there."""


@cache
def columns_of(table: str) -> tuple[Column, ...]:
    """The columns as the migrations make them: those in a file may no longer say what they hold."""
    rows = _schema().execute(f"PRAGMA table_info({table})")
    return tuple(
        Column(name, kind.upper(), not (notnull or key)) for _, name, kind, notnull, _, key in rows
    )


@cache
def _schema() -> sqlite3.Connection:
    """An empty ledger."""
    empty = sqlite3.connect(":memory:", check_same_thread=False)
    for script in MIGRATIONS:
        empty.executescript(script)
    return empty


def sound_row(table: str, columns: Sequence[Column], *, texts: bool) -> str:
    """Whether a row makes sense, in SQL; never NULL."""
    return " AND ".join(sound_value(table, each, texts=texts) for each in columns)


def sound_value(table: str, column: Column, *, texts: bool) -> str:
    """Whether a column makes sense, in SQL; never NULL."""
    name, key = column.name, (table, column.name)
    if column.type == "TEXT":
        told = f"typeof({name}) = 'text' AND length({name}) <= {_LONGEST_TEXT}"
        if texts:
            told += f" AND is_utf8(CAST({name} AS BLOB))"
    elif column.type == "REAL":
        least, most = _BOUNDS.get(key, (_FIRST_MOMENT, _LAST_MOMENT))
        told = f"typeof({name}) IN ('real', 'integer') AND {name} BETWEEN {least} AND {most}"
    else:
        least, most = _BOUNDS.get(key, (-_MOST, _MOST))
        told = f"typeof({name}) = 'integer' AND {name} BETWEEN {least} AND {most}"
    if key in RULES:
        told += f" AND {RULES[key].format(name)}"
    return f"(typeof({name}) = 'null' OR ({told}))" if column.empty else f"({told})"

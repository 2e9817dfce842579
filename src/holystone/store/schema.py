"""Which rows of the ledger make sense: a row that does not costs itself and nothing else.

What a column can hold follows from its declared type, and from ``_RULES`` where that is not enough.
A reader asks for its tables once (``check``). Where a row makes no sense ``mend`` removes it; of a
run, and of what it removed, it keeps the row with the columns that can be read.
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
_NAMES = {
    "image": "image", "layer": "layer", "lease": "lease", "run": "run", "removal": "removal",
    "pull": "pull", "watch": "engine", "used": "object", "company": "reference",
    "own_pull": "image", "past_reference": "reference", "past_image": "image", "past_use": "use",
    "registry_word": "image", "ended": "container", "engine": "engine",
}  # fmt: skip

_ARRAY = (
    "CASE WHEN json_valid({0}) THEN json_type({0}) = 'array' AND NOT EXISTS"
    " (SELECT 1 FROM json_each({0}) AS e WHERE e.type != 'text') ELSE 0 END"
)
_LABELS = _ARRAY.replace("'array'", "'object'")
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
_RULES = {
    ("layer", "chain_id"): _DIGEST,
    ("layer", "diff_id"): _DIGEST,
    ("layer", "below"): "{0} < id",
    ("company", "followers"): _WEIGHTS,
    ("engine", "info"): _INFO,
    ("past_image", "layers"): _LAYERS,
    ("removal", "names"): _ARRAY,
    ("removal", "tags"): _ARRAY,
    ("removal", "digests"): _ARRAY,
    ("removal", "platforms"): _ARRAY,
    ("removal", "labels"): _LABELS,
    ("removal", "reasons"): _REASONS,
    ("removal", "lost"): _ARRAY,
    ("run", "options"): _ARRAY,
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
_KEPT = ("run", "removal")
"""Tables of which a row stays with what can be read of it."""
_NEEDED = {
    ("run", "id"),
    ("removal", "kind"),
    ("removal", "id"),
    ("removal", "run"),
    ("removal", "place"),
}
"""Without these a row of them says nothing."""
_INSTEAD = {
    ("removal", "labels"): "'{}'",
    ("removal", "result"): "'unknown'",
    # It is looked at once more.
    ("run", "look_until"): "9e15",
    # Most ledgers have one engine of a name.
    ("run", "engine"): "coalesce((SELECT o.engine FROM main.run AS o WHERE o.id != run.id"
    " AND typeof(o.engine) = 'text' AND o.engine_name = run.engine_name"
    " ORDER BY o.id DESC LIMIT 1), '')",
    ("run", "state"): "'killed'",
    ("run", "started"): "coalesce(CASE WHEN typeof(ended) = 'real' THEN ended END,"
    " CAST(strftime('%s', 'now') AS REAL))",
}
"""What stands in for a value that cannot be read, where it is not nothing."""


class SpoiledError(StoreError):
    """A row of a table makes no sense."""


class Connection(sqlite3.Connection):
    """A connection that knows which of its tables were looked at."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.sound: set[str] = set()


class Mended(NamedTuple):
    """What was mended in one table."""

    table: str
    rows: int


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
    sound = _sound_row(table, _columns(table), texts=False)
    found = database.execute(
        f"SELECT 1 FROM {table} WHERE ({where}) AND NOT ({sound}) LIMIT 1",  # noqa: S608 - our own
        values,
    ).fetchone()
    if found or (table in _CHAINS and database.execute(_CHAINS[table]).fetchone()):
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


def _wrong_tables(
    database: sqlite3.Connection, *, texts: bool
) -> Iterator[tuple[str, tuple[Column, ...], str, int]]:
    """Each table with rows that make no sense: its columns, the test of a sound row, how many."""
    database.create_function("is_utf8", 1, _is_utf8, deterministic=True)
    for table in _tables(database):
        columns = _columns(table)
        sound = _sound_row(table, columns, texts=texts)
        (wrong,) = database.execute(
            f"SELECT count(*) FROM main.{table} WHERE NOT ({sound})"  # noqa: S608 - our own
        ).fetchone()
        if wrong:
            yield table, columns, sound, wrong


def mend(database: sqlite3.Connection, *, texts: bool) -> list[Mended]:
    """Within a transaction: remove or mend every row that makes no sense; answers what it did.

    ``texts``: look also for text that is not UTF-8, which takes longer.
    """
    done = []
    for table, columns, sound, wrong in _wrong_tables(database, texts=texts):
        if table in _KEPT:
            for column in columns:
                rule = _sound(table, column, texts=texts)
                if (table, column.name) not in _NEEDED:
                    database.execute(
                        f"UPDATE {table} SET {column.name} = {_instead(table, column)}"  # noqa: S608
                        f" WHERE NOT ({rule})"
                    )
        database.execute(f"DELETE FROM {table} WHERE NOT ({sound})")  # noqa: S608 - our own
        done.append(Mended(table, wrong))
    return done + _mend_chains(database)


def pass_over(database: sqlite3.Connection, *, texts: bool) -> list[Mended]:
    """As ``mend``, where nothing can be written: this connection no longer sees such rows."""
    database.execute("PRAGMA temp_store = MEMORY")
    done = []
    for table, columns, _, wrong in _wrong_tables(database, texts=texts):
        seen = ", ".join(
            f"CASE WHEN {_sound(table, each, texts=texts)} THEN {each.name}"
            f" ELSE {_instead(table, each)} END AS {each.name}"
            if table in _KEPT and (table, each.name) not in _NEEDED
            else each.name
            for each in columns
        )
        needed = " AND ".join(
            _sound(table, each, texts=texts)
            for each in columns
            if table not in _KEPT or (table, each.name) in _NEEDED
        )
        database.execute(
            f"CREATE TEMP VIEW {table} AS SELECT {seen} FROM main.{table}"  # noqa: S608 - our own
            f" WHERE {needed or '1'}"
        )
        done.append(Mended(table, wrong))
    return done


def in_words(mended: Sequence[Mended]) -> str:
    """What was lost, table by table."""
    told = []
    for each in mended:
        name = _NAMES.get(each.table, "row")
        what = f"{each.rows} {name}{'' if each.rows == 1 else 's'}"
        told.append(f"{each.table} ({LOST.get(each.table, '{}').format(what)})")
    return ", ".join(told)


_CHAINS = {
    "layer": "SELECT 1 FROM layer AS l WHERE l.below IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM layer AS b WHERE b.id = l.below AND b.engine = l.engine) LIMIT 1",
    "image": "SELECT 1 FROM image AS i WHERE i.top IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM layer AS t WHERE t.id = i.top AND t.engine = i.engine) LIMIT 1",
}
"""Rows that name another one which is not there."""
_ORPHANS = {
    "removal": "run NOT IN (SELECT id FROM run)",
    "past_image": "watch NOT IN (SELECT id FROM watch)",
    "past_reference": "watch NOT IN (SELECT id FROM watch)"
    " OR image NOT IN (SELECT id FROM past_image)",
    "past_use": "reference NOT IN (SELECT id FROM past_reference)"
    " OR image NOT IN (SELECT id FROM past_image)",
}
"""Rows that mean nothing without another one: a new one may take its number."""


def _mend_chains(database: sqlite3.Connection) -> list[Mended]:
    """Forget layers without the one below, and of images the layers that are not there."""
    forgotten = 0
    while True:
        gone = database.execute(
            "DELETE FROM layer WHERE below IS NOT NULL AND NOT EXISTS"
            " (SELECT 1 FROM layer AS b WHERE b.id = layer.below AND b.engine = layer.engine)"
        ).rowcount
        if not gone:
            break
        forgotten += gone
    for table, orphan in _ORPHANS.items():
        database.execute(f"DELETE FROM {table} WHERE {orphan}")  # noqa: S608 - our own
    images = database.execute(
        "UPDATE image SET top = NULL, depth = NULL, exact = 1 WHERE top IS NOT NULL AND NOT EXISTS"
        " (SELECT 1 FROM layer AS t WHERE t.id = image.top AND t.engine = image.engine)"
    ).rowcount
    told = [Mended("layer", forgotten)] if forgotten else []
    return told + ([Mended("image", images)] if images else [])


def _tables(database: sqlite3.Connection) -> list[str]:
    rows = database.execute(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    return [name for (name,) in rows if name in LOST]


@cache
def _columns(table: str) -> tuple[Column, ...]:
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


def _sound_row(table: str, columns: Sequence[Column], *, texts: bool) -> str:
    return " AND ".join(_sound(table, each, texts=texts) for each in columns)


def _sound(table: str, column: Column, *, texts: bool) -> str:
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
    if key in _RULES:
        told += f" AND {_RULES[key].format(name)}"
    return f"(typeof({name}) = 'null' OR ({told}))" if column.empty else f"({told})"


def _instead(table: str, column: Column) -> str:
    """What stands in for a value that makes no sense, in SQL."""
    if (told := _INSTEAD.get((table, column.name))) is not None:
        return told
    if column.empty:
        return "NULL"
    if _RULES.get((table, column.name)) is _ARRAY:
        return "'[]'"
    return {"TEXT": "''", "REAL": "0.0"}.get(column.type, "0")


def _is_utf8(content: object) -> bool:
    try:
        return isinstance(content, bytes) and content.decode() is not None
    except UnicodeDecodeError:
        return False

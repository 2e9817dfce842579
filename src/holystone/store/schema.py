"""Check the rows of the database, and continue without invalid ones.

What each column can hold follows from its declared type and ``RULES``. A reader asks for its tables
once (``check``). Only an invalid row itself is lost: it is removed, or ignored if nothing can be
written. A row of a run or of a removal stays with its readable columns.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple, TypeVar

from holystone.store import DamagedStoreError, StoreError
from holystone.store.migrations import MIGRATIONS

T = TypeVar("T")
_FIRST_MOMENT = -62135596800
"""The year 1, which engines write where they know no date."""
_LAST_MOMENT = 4102444800
"""The year 2100."""
_MOST = 2**60
_LONGEST_TEXT = 4_000_000

LOST = {
    "image": "what was known of {} image{}",
    "layer": "the sizes of {} layer{}",
    "lease": "{} lease{}",
    "run": "parts of {} run{} in the history",
    "removal": "parts of what is known of {} removal{}",
    "pull": "the speed of {} pull{}",
    "watch": "how far the past of {} engine{} was read",
    "used": "the last use of {} object{}",
    "company": "what was used together with {} reference{}",
    "own_pull": "when holystone itself pulled {} image{}",
    "past_reference": "{} reference{} in the log of uses",
    "past_image": "{} image{} in the log of uses",
    "past_use": "{} use{} in the log",
    "registry_word": "what registries said of {} image{}",
    "ended": "the date at which {} container{} stopped",
    "engine": "the description of {} engine{}",
    "host": "what tells {} host{} from others",
    "sample": "{} sample{} of the disk",
    "scheduled": "when {} job{} of the schedule last began",
    "success": "when {} job{} last ended well",
    "audit": "the sum of {} audit{}",
}
"""What is lost with rows of each table: how many, and the ending of the plural."""


def _json(kind: str, wrong: str = "0") -> str:
    """Whether a text is JSON of this kind, none of whose elements ``e`` is wrong, in SQL."""
    elements = f"SELECT 1 FROM json_each({{0}}) AS e WHERE {wrong}"  # noqa: S608 - our own
    right = f"json_type({{0}}) = '{kind}' AND NOT EXISTS ({elements})"
    return f"CASE WHEN json_valid({{0}}) THEN {right} ELSE 0 END"


_NO_TEXT = "e.type != 'text'"
_NO_WEIGHT = "e.type NOT IN ('integer', 'real') OR e.value NOT BETWEEN 0 AND 1e12"
_NO_PAIR = (
    "e.type != 'array' OR json_array_length(e.value) != 2 OR json_type(e.value, '$[0]') != 'text'"
    " OR json_type(e.value, '$[1]') != "
)
_SIZE = f"'integer' OR json_extract(e.value, '$[1]') NOT BETWEEN 0 AND {_MOST}"
_ARRAY = _json("array", _NO_TEXT)
_DIGEST = "{0} GLOB '*:*'"
_RULES = {
    ("layer", "chain_id"): _DIGEST,
    ("layer", "diff_id"): _DIGEST,
    ("layer", "below"): "{0} < id",
    ("company", "followers"): _json("object", _NO_WEIGHT),
    ("engine", "info"): _json("object"),
    ("host", "endpoints"): _ARRAY,
    ("past_image", "layers"): _json("array", _NO_PAIR + _SIZE),
    ("removal", "names"): _ARRAY,
    ("removal", "tags"): _ARRAY,
    ("removal", "digests"): _ARRAY,
    ("removal", "platforms"): _ARRAY,
    ("removal", "labels"): _json("object", _NO_TEXT),
    ("removal", "reasons"): _json("array", f"{_NO_PAIR}'object'"),
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
_DANGLING = {
    "layer": "layer.below IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM layer AS b WHERE b.id = layer.below AND b.engine = layer.engine)",
    "image": "image.top IS NOT NULL AND NOT EXISTS"
    " (SELECT 1 FROM layer AS t WHERE t.id = image.top AND t.engine = image.engine)",
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
_NEEDED = {
    "run": {"id"},
    "removal": {"kind", "id", "run", "place"},
    "host": {"uuid"},
}
"""Tables of which a row stays with what can be read of it, and without what it says nothing."""
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
    """A connection that knows which of its tables were looked at, and SQL's ``is_utf8``."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.sound: set[str] = set()
        self.create_function("is_utf8", 1, _is_utf8, deterministic=True)


class _Column(NamedTuple):
    """A column as ``PRAGMA table_info`` tells of it."""

    table: str
    name: str
    type: str
    empty: bool
    """Whether it may hold nothing."""

    def sound(self, *, texts: bool) -> str:
        """Whether its value makes sense, in SQL; never NULL."""
        name, key = self.name, (self.table, self.name)
        if self.type == "TEXT":
            told = f"typeof({name}) = 'text' AND length({name}) <= {_LONGEST_TEXT}"
            if texts:
                told += f" AND is_utf8(CAST({name} AS BLOB))"
        else:
            real = self.type == "REAL"
            usual = (_FIRST_MOMENT, _LAST_MOMENT) if real else (-_MOST, _MOST)
            least, most = _BOUNDS.get(key, usual)
            types = "IN ('real', 'integer')" if real else "= 'integer'"
            told = f"typeof({name}) {types} AND {name} BETWEEN {least} AND {most}"
        if key in _RULES:
            told += f" AND {_RULES[key].format(name)}"
        return f"(typeof({name}) = 'null' OR ({told}))" if self.empty else f"({told})"

    def instead(self) -> str:
        """What stands in for a value that makes no sense, in SQL."""
        key = (self.table, self.name)
        if key in _INSTEAD or self.empty:
            return _INSTEAD.get(key, "NULL")
        if _RULES.get(key) is _ARRAY:
            return "'[]'"
        return {"TEXT": "''", "REAL": "0.0"}.get(self.type, "0")


@cache
def _columns(table: str) -> tuple[_Column, ...]:
    """The columns as the migrations make them: those in a file may no longer say what they hold."""
    return tuple(
        _Column(table, name, kind.upper(), not (notnull or key))
        for _, name, kind, notnull, _, key in _empty().execute(f"PRAGMA table_info({table})")
    )


@cache
def _empty() -> sqlite3.Connection:
    """An empty ledger."""
    empty = sqlite3.connect(":memory:", check_same_thread=False)
    for script in MIGRATIONS:
        empty.executescript(script)
    return empty


def _sound_row(columns: Iterable[_Column], *, texts: bool) -> str:
    """Whether a row makes sense, in SQL; never NULL."""
    return " AND ".join(each.sound(texts=texts) for each in columns)


def check(
    database: sqlite3.Connection, table: str, where: str = "1", values: Sequence[object] = ()
) -> None:
    """Raise SpoiledError where a row of the table, of those that are asked for, makes no sense.

    A whole table is looked at once on a connection.
    """
    looked_at = database.sound if where == "1" and isinstance(database, Connection) else set()
    if table in looked_at:
        return
    wrong = f"({where}) AND NOT ({_sound_row(_columns(table), texts=False)})"
    if _any(database, table, wrong, values) or (
        table in _DANGLING and _any(database, table, _DANGLING[table])
    ):
        raise SpoiledError(f"a row of the table {table} makes no sense")
    looked_at.add(table)


def _any(
    database: sqlite3.Connection, table: str, where: str, values: Sequence[object] = ()
) -> bool:
    sql = f"SELECT 1 FROM {table} WHERE {where} LIMIT 1"  # noqa: S608 - our own
    return database.execute(sql, values).fetchone() is not None


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


_READERS: dict[str, Callable[[Any], object]] = {
    "int": int,
    "float": float,
    "bool": bool,
    "str": str,
    "tuple[str, ...]": lambda text: tuple(map(str, json.loads(text))),
    "Mapping[str, str]": lambda text: dict(json.loads(text)),
}
"""How a column becomes a field, by the field's type."""


@cache
def _readers(kind: Callable[..., object]) -> tuple[Callable[[Any], object], ...]:
    """What reads each field of a record."""
    types = [str(getattr(each, "__forward_arg__", each)) for each in kind.__annotations__.values()]
    return tuple(_reader(each) for each in types)


def _reader(kind: str) -> Callable[[Any], object]:
    read: Callable[[Any], object] = _READERS.get(kind.removesuffix(" | None"), lambda value: value)

    def optional(value: object) -> object:
        return None if value is None else read(value)

    return optional if "| None" in kind else read


def record(kind: Callable[..., T], row: Iterable[Any]) -> T:
    """A record of these columns, in the order of its first fields. To be called ``decoding``."""
    return kind(*[read(value) for read, value in zip(_readers(kind), row, strict=False)])


def _wrong_tables(
    database: sqlite3.Connection, *, texts: bool
) -> Iterator[tuple[str, tuple[_Column, ...], int]]:
    """Each table with rows that make no sense: its columns, and how many rows."""
    tables = "SELECT name FROM main.sqlite_schema WHERE type = 'table'"
    for table in [name for (name,) in database.execute(tables) if name in LOST]:
        columns = _columns(table)
        (wrong,) = database.execute(
            f"SELECT count(*) FROM main.{table}"  # noqa: S608 - our own
            f" WHERE NOT ({_sound_row(columns, texts=texts)})"
        ).fetchone()
        if wrong:
            yield table, columns, wrong


def mend(database: sqlite3.Connection, *, texts: bool) -> dict[str, int]:
    """Within a transaction: remove or mend every row that makes no sense; how many by table.

    ``texts``: look also for text that is not UTF-8, which takes longer. Raises DamagedStoreError if
    a row cannot be removed: it stands in another place of its table than its key says.
    """
    done = {}
    for table, columns, wrong in _wrong_tables(database, texts=texts):
        for column in columns if table in _NEEDED else ():
            if column.name not in _NEEDED[table]:
                database.execute(
                    f"UPDATE {table} SET {column.name} = {column.instead()}"  # noqa: S608 - our own
                    f" WHERE NOT ({column.sound(texts=texts)})"
                )
        sound = _sound_row(columns, texts=texts)
        database.execute(f"DELETE FROM {table} WHERE NOT ({sound})")  # noqa: S608 - our own
        done[table] = wrong
    layers = f"DELETE FROM layer WHERE {_DANGLING['layer']}"  # noqa: S608 - our own
    while gone := database.execute(layers).rowcount:
        done["layer"] = done.get("layer", 0) + gone
    for table, orphan in _ORPHANS.items():
        database.execute(f"DELETE FROM {table} WHERE {orphan}")  # noqa: S608 - our own
    images = f"UPDATE image SET top = NULL, depth = NULL, exact = 1 WHERE {_DANGLING['image']}"  # noqa: S608
    if bare := database.execute(images).rowcount:
        done["image"] = done.get("image", 0) + bare
    for table, _, _ in _wrong_tables(database, texts=texts) if done else ():
        raise DamagedStoreError(f"a row of the table {table} makes no sense and cannot be removed")
    return done


def pass_over(database: sqlite3.Connection) -> dict[str, int]:
    """As ``mend``, where nothing can be written: this connection no longer sees such rows."""
    database.execute("PRAGMA temp_store = MEMORY")
    done = {}
    for table, columns, wrong in _wrong_tables(database, texts=True):
        needed = [each for each in columns if each.name in _NEEDED.get(table, {each.name})]
        seen = ", ".join(
            each.name
            if each in needed
            else f"CASE WHEN {each.sound(texts=True)} THEN {each.name}"
            f" ELSE {each.instead()} END AS {each.name}"
            for each in columns
        )
        database.execute(
            f"CREATE TEMP VIEW {table} AS SELECT {seen} FROM main.{table}"  # noqa: S608 - our own
            f" WHERE {_sound_row(needed, texts=True)}"
        )
        done[table] = wrong
    return done


def in_words(lost: Mapping[str, int]) -> str:
    """What was lost, table by table."""
    return ", ".join(
        f"{table} ({LOST[table].format(rows, '' if rows == 1 else 's')})"
        for table, rows in lost.items()
    )


def _is_utf8(content: object) -> bool:
    try:
        return isinstance(content, bytes) and content.decode() is not None
    except UnicodeDecodeError:
        return False

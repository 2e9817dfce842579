"""Go on without the rows that make no sense: remove them, or pass them over; tell what was lost.

Of a run, and of what it removed, the row stays with the columns that can be read.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from holystone.store.schema import (
    ARRAY,
    LOST,
    RULES,
    Column,
    columns_of,
    sound_row,
    sound_value,
)

_NAMES = {
    "image": "image", "layer": "layer", "lease": "lease", "run": "run", "removal": "removal",
    "pull": "pull", "watch": "engine", "used": "object", "company": "reference",
    "own_pull": "image", "past_reference": "reference", "past_image": "image", "past_use": "use",
    "registry_word": "image", "ended": "container", "engine": "engine",
}  # fmt: skip
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


class Mended(NamedTuple):
    """What was mended in one table."""

    table: str
    rows: int


def _wrong_tables(
    database: sqlite3.Connection, *, texts: bool
) -> Iterator[tuple[str, tuple[Column, ...], str, int]]:
    """Each table with rows that make no sense: its columns, the test of a sound row, how many."""
    database.create_function("is_utf8", 1, _is_utf8, deterministic=True)
    for table in _tables(database):
        columns = columns_of(table)
        sound = sound_row(table, columns, texts=texts)
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
                rule = sound_value(table, column, texts=texts)
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
            f"CASE WHEN {sound_value(table, each, texts=texts)} THEN {each.name}"
            f" ELSE {_instead(table, each)} END AS {each.name}"
            if table in _KEPT and (table, each.name) not in _NEEDED
            else each.name
            for each in columns
        )
        needed = " AND ".join(
            sound_value(table, each, texts=texts)
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


def _instead(table: str, column: Column) -> str:
    """What stands in for a value that makes no sense, in SQL."""
    if (told := _INSTEAD.get((table, column.name))) is not None:
        return told
    if column.empty:
        return "NULL"
    if RULES.get((table, column.name)) is ARRAY:
        return "'[]'"
    return {"TEXT": "''", "REAL": "0.0"}.get(column.type, "0")


def _is_utf8(content: object) -> bool:
    try:
        return isinstance(content, bytes) and content.decode() is not None
    except UnicodeDecodeError:
        return False

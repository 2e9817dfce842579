"""Which host an engine runs on: a UUID made once for each, by which the ledger keeps its data.

Machines that were made from one template share the engine's ID, so the host's name and address
count too. A host that only got another name is the same host. Where that is in doubt it counts as
another one: what is remembered of one host must not decide what goes on another.

Two hosts that share the engine's ID and the name cannot be told apart.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from holystone.outside.machine import Machine, this_machine
from holystone.planner.inventory import Engine
from holystone.store.database import Database
from holystone.store.run import insertion, printable
from holystone.store.schema import check, decoding, record

LENGTH = 36
"""Characters of a UUID."""
STORES = ("classic", "containerd", "podman")
_BY_HOST = (
    "SELECT s.name FROM main.sqlite_schema AS s JOIN pragma_table_info(s.name) AS c"
    " WHERE s.type = 'table' AND c.name = 'engine'"
)
"""The tables that keep rows by host and image store, in the column ``engine``."""
_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_MOST_ADDRESSES = 8
_LONGEST_NAME = 256
_NOTED_EACH = 3600.0
"""Seconds after which it is noted again that a host was seen: most looks write nothing."""


class Seen(NamedTuple):
    """An engine as it answered."""

    engine_id: str
    name: str
    """What it calls its host."""
    endpoint: str
    at: float
    """UTC seconds."""
    machine: Machine | None
    """This machine where the address means something else on every machine, else None."""


class Host(NamedTuple):
    """A host as it is remembered."""

    uuid: str
    name: str
    endpoints: tuple[str, ...]
    """Where it was reached, the newest address first."""
    machine: str
    """``Machine.id`` of the last look at it over an address of its own machine; else empty."""
    boot: str
    last_seen: float


def identify(store: Database, engine: Engine, endpoint: str, now: float) -> str:
    """The UUID of the host that this engine is on, made where it is a new one.

    Empty, with a warning, where the ledger fails: then the engine's ID alone counts.
    """
    machine = this_machine(now) if is_local(endpoint) else None
    name = printable(engine.name)[:_LONGEST_NAME]
    seen = Seen(printable(engine.id), name, printable(endpoint), now, machine)
    known = store.try_read(lambda database: _chosen(_hosts(database, seen), seen), None)
    if known is not None and _is_current(known, seen):
        return known.uuid
    return store.try_write(lambda database: enter(database, seen)) or (known.uuid if known else "")


def is_local(endpoint: str) -> bool:
    """Whether an address means something else on every machine."""
    scheme, _, address = endpoint.partition("://")
    loopback = address.rpartition(":")[0].strip("[]") in _LOOPBACK
    return scheme == "unix" or (scheme == "tcp" and loopback)


def is_same(host: Host, seen: Seen) -> bool:
    """Whether this is the host; both have the engine's ID in common."""
    if host.name in ("", seen.name):
        return True
    if seen.endpoint not in host.endpoints:
        return False
    here = seen.machine
    if here is None or (here.boot and here.boot == host.boot):
        return True  # It was renamed.
    # It may have been renamed and booted. One that was seen while this machine was up is another.
    return bool(here.id) and here.id == host.machine and host.last_seen < here.booted


def enter(database: sqlite3.Connection, seen: Seen) -> str:
    """Note that an engine was seen; the UUID of its host, which a new one gets."""
    hosts = _hosts(database, seen)
    host = _chosen(hosts, seen) or _added(database, hosts, seen)
    here = seen.machine or Machine()
    database.execute(
        "UPDATE host SET engine_id = ?, name = ?, endpoints = ?, machine = ?, boot = ?,"
        " last_seen = ? WHERE uuid = ?",
        (
            seen.engine_id,
            seen.name,
            _text(dict.fromkeys((seen.endpoint, *host.endpoints))),
            here.id or host.machine,
            here.boot or host.boot,
            seen.at,
            host.uuid,
        ),
    )
    for other in hosts if seen.machine is None else ():
        # Such an address is that of one host at a time.
        if other.uuid != host.uuid and seen.endpoint in other.endpoints:
            left = _text(each for each in other.endpoints if each != seen.endpoint)
            database.execute("UPDATE host SET endpoints = ? WHERE uuid = ?", (left, other.uuid))
    return host.uuid


def _added(database: sqlite3.Connection, hosts: Sequence[Host], seen: Seen) -> Host:
    """A new host, with what earlier versions and wrong guesses kept of it."""
    from uuid import uuid4  # Most runs know their host.

    new = Host(str(uuid4()), seen.name, (), "", "", seen.at)
    row = {**new._asdict(), "engine_id": seen.engine_id, "endpoints": "[]", "first_seen": seen.at}
    database.execute(insertion("host", row), row)
    fits = is_same(_without_host(database, seen.engine_id), seen)
    tables = [table for (table,) in database.execute(_BY_HOST)] if fits else []
    for store in STORES:
        key, old = f"{new.uuid}/{store}", f"{seen.engine_id}/{store}"
        for table in tables:
            sql = f"UPDATE OR IGNORE {table} SET engine = ? WHERE engine = ?"  # noqa: S608 - our own
            database.execute(sql, (key, old))
        # A run has the name of its host, also where it was taken for one of another host.
        sql = "UPDATE run SET engine = ? WHERE engine = ? AND engine_name = ?"
        others = (old, *(f"{each.uuid}/{store}" for each in hosts))
        database.executemany(sql, ((key, other, seen.name) for other in others))
    return new


def _without_host(database: sqlite3.Connection, engine_id: str) -> Host:
    """The host of what is kept by the engine's ID: earlier versions knew no other key.

    Its name is that of the last look; empty, which any host may be, where none was recorded.
    """
    some = "engine IN (" + ", ".join(f"?1 || '/{store}'" for store in STORES) + ")"
    check(database, "run", some, (engine_id,))
    with decoding(database, "watch"):
        rows = database.execute(
            f"SELECT * FROM (SELECT name, '' FROM watch WHERE {some} ORDER BY looked DESC LIMIT 1)"  # noqa: S608 - our own
            " UNION ALL SELECT * FROM"
            f" (SELECT engine_name, endpoint FROM run WHERE {some} ORDER BY id DESC)",
            (engine_id,),
        ).fetchall()
    name = str(rows[0][0]) if rows else ""
    endpoints = dict.fromkeys(str(endpoint) for of, endpoint in rows if of == name and endpoint)
    return Host("", name, tuple(endpoints), "", "", 0.0)


def _hosts(database: sqlite3.Connection, seen: Seen) -> list[Host]:
    # Of a damaged row the engine's ID may be lost; then the name has to do.
    rows = database.execute(
        f"SELECT {', '.join(Host._fields)} FROM host"  # noqa: S608 - our own
        " WHERE engine_id = ?1 OR (engine_id = '' AND name = ?2)",
        (seen.engine_id, seen.name),
    ).fetchall()
    # Only now: text that cannot be decoded takes a slower look at the whole file.
    with decoding(database, "host"):
        return [record(Host, row) for row in rows]


def _chosen(hosts: Iterable[Host], seen: Seen) -> Host | None:
    """The host that was seen; of several that fit, the one of that name, then of that address."""
    return max(
        (host for host in hosts if is_same(host, seen)),
        key=lambda host: (host.name == seen.name, seen.endpoint in host.endpoints, host.last_seen),
        default=None,
    )


def _is_current(host: Host, seen: Seen) -> bool:
    """Whether nothing of it is worth writing down."""
    here = seen.machine or Machine()
    moved = here.id not in ("", host.machine) or here.boot not in ("", host.boot)
    known = host.name == seen.name and seen.endpoint in host.endpoints and not moved
    return known and abs(seen.at - host.last_seen) < _NOTED_EACH


def _text(endpoints: Iterable[str]) -> str:
    return json.dumps([*endpoints][:_MOST_ADDRESSES])

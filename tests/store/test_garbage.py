"""A row of garbage costs that row: the rest is known as before, and a note names the loss."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import pytest

from holystone.planner.inventory import CacheRecord, Layer, chain_ids
from holystone.store import opening, samples
from holystone.store import use_log as past
from holystone.store.audits import AuditSum
from holystone.store.engine_facts import Pulled
from holystone.store.folder import FILE
from holystone.store.hosts import identify
from holystone.store.schema import LOST
from holystone.store.store import Store
from holystone.usage.sighting import Sighting
from holystone.usage.store_port import ImageFacts, RegistryWord
from tests.store.examples import KEY, NOW, host, opened, plan_of, seen

COUNT = 4
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
IDS = [image.id for image in host(COUNT).images]
DIFF_IDS = tuple(f"sha256:{n:064x}" for n in range(3))
LAYERS = tuple(Layer(chain, 7) for chain in chain_ids(DIFF_IDS))
FACTS = {each: ImageFacts(NOW, layers=LAYERS, diff_ids=DIFF_IDS) for each in IDS}
ANYWHERE = {"nothing": "NULL", "bytes": "x'00ff00'"}
GARBAGE = {
    "REAL": {
        "infinite": "9e999",
        "endless past": "-9e999",
        "year 9999": "253402300799.0",
        "text": "'garbage'",
    },
    "INTEGER": {"huge": "4611686018427387904", "half": "0.5", "text": "'garbage'"},
    "TEXT": {"not UTF-8": "CAST(x'fffe41' AS TEXT)", "escape": "char(27) || '[2J'", "empty": "''"},
    "JSON": {
        "broken": """'{"a": ['""",
        "nested": "'[[[[1]]]]'",
        "numbers": "'[1, null]'",
        "other": """'{"a": "b"}'""",
        "infinite": """'{"a": 1e999}'""",
        "not UTF-8": "CAST(x'fffe41' AS TEXT)",
    },
}
"""By what a column holds."""
JSON = {"followers", "info", "layers", "names", "tags", "digests", "labels", "platforms",
    "reasons", "options", "lost", "endpoints"}  # fmt: skip


def fill(ledger: Store) -> None:
    """Something in every table, in several rows."""
    inventory = host(COUNT)
    for _ in range(2):
        run = ledger.runs.begin(plan_of(inventory), inventory, endpoint="e", options=["--yes"])
        assert run is not None
        run.settle("volume", "data", "removed")
        run.end(freed_bytes=0, freed={}, removed=1, skipped=0, failed=0)
    assert ledger.runs.begin(plan_of(inventory), inventory, endpoint="e") is not None
    for name in ("runner", "other"):
        identify(ledger, inventory.engine._replace(name=name), f"tcp://{name}:2375", NOW)
    ledger.remember(KEY, FACTS, IDS)
    uses = [Sighting(NOW + 30 * n, f"docker.io/library/app:{n}", i) for n, i in enumerate(IDS)]
    ledger.fold(KEY, seen(*uses, cache=(CacheRecord("r", created=NOW),)))
    ledger.leases.add(["python", "node"], until=NOW + 60, job="7", now=NOW)
    ledger.remember_pulls(KEY, [Pulled("docker.io", 100, 1.0), Pulled("docker.io", 200, 1.0)])
    ledger.remember_engine("mark", {"Name": "runner"}, NOW)
    ledger.remember_ends(KEY, {"c1": NOW, "c2": NOW})
    for at in (NOW, NOW + 60):
        sample = samples.Sample(at, 1000, 900, 1, 2, 3, 4)
        ledger.write(partial(samples.remember, engine=KEY, sample=sample))
    ledger.remember_schedule(KEY, "routine", NOW, NOW)
    ledger.remember_schedule(KEY, "weekly", NOW - 60, NOW)
    ledger.remember_success(KEY, "routine", NOW)
    ledger.remember_success(KEY, "weekly", NOW - 60)
    for engine in (KEY, "another"):
        ledger.remember_audit(engine, AuditSum(NOW, 1000, 990, 10))
    ledger.remember_registry(KEY, {"a@sha256:1": RegistryWord(True, "", NOW, NOW)}, {"a@sha256:1"})
    with ledger.own_pulls(KEY, ["app:1"]):
        pass


def look(ledger: Store) -> None:
    """All that reads the ledger."""
    identify(ledger, host(0).engine, "tcp://runner:2375", NOW)
    for layers in (False, True):
        ledger.recall(KEY, layers=layers)
    ledger.recall_uses(KEY)
    ledger.recall_bookmark(KEY)
    ledger.recall_company(KEY)
    ledger.recall_absent(KEY)
    ledger.recall_speeds(KEY)
    ledger.recall_ends(KEY)
    ledger.recall_schedule(KEY)
    ledger.recall_successes(KEY)
    ledger.recall_audit(KEY)
    ledger.recall_registry(KEY)
    ledger.recall_engine("mark", NOW + 1)
    for kind in ("reference", "image", "cache"):
        ledger.recall_summaries(KEY, kind)
    ledger.recall_leases(NOW)
    ledger.leases.list(NOW)
    for summary in ledger.runs.list():
        ledger.runs.get(summary.id)
        ledger.runs.removed(summary.id)
    ledger.runs.last_ended(KEY)
    ledger.read(partial(samples.recall, engine=KEY, span=samples.MINUTE))
    ledger.read(past.engines)
    ledger.read(lambda opened: past.images(opened, KEY))
    ledger.read(lambda opened: list(past.uses(opened, KEY)))


@cache
def template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="holystone-garbage-", dir=MEMORY))
    with opened(folder) as ledger:
        fill(ledger)
    return folder


@pytest.fixture(scope="module", autouse=True)
def _template() -> Iterator[None]:
    yield
    shutil.rmtree(template())
    template.cache_clear()


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder in which nothing waits for a disk."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        yield Path(folder)


@contextmanager
def written(folder: Path) -> Iterator[sqlite3.Connection]:
    """The database, without what it demands of its columns."""
    with sqlite3.connect(folder / FILE) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, ' NOT NULL', '') WHERE type = 'table'"
        )
    connection.close()
    with sqlite3.connect(folder / FILE) as connection:
        yield connection
    connection.close()


def columns(table: str) -> dict[str, str]:
    """The columns of a table, and what each holds."""
    with sqlite3.connect(template() / FILE) as connection:
        rows = connection.execute(f"PRAGMA table_info({table})").fetchall()
    connection.close()
    return {row[1]: "JSON" if row[1] in JSON else row[2] for row in rows}


def cases(table: str) -> Iterator[tuple[str, str, str]]:
    """Each column of a table with what can go wrong in it: its name, and the value in SQL."""
    for column, holds in columns(table).items():
        for name, value in (ANYWHERE | GARBAGE[holds]).items():
            yield column, name, value


def counts(folder: Path) -> dict[str, int]:
    with sqlite3.connect(folder / FILE) as connection:
        found = {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in LOST
        }
    connection.close()
    return found


def test_every_table_is_known_and_filled() -> None:
    """What is not in the list would not be looked at."""
    with sqlite3.connect(template() / FILE) as connection:
        tables = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
    connection.close()
    assert {name for (name,) in tables} == set(LOST)
    assert min(counts(template()).values()) > 0


def spoil(folder: Path, table: str, column: str, value: str) -> bool:
    """Put garbage into a column of one row; False where SQLite does not take it."""
    try:
        with written(folder) as connection:
            keys = [
                row[1] for row in connection.execute(f"PRAGMA table_info({table})") if row[5]
            ] or ["rowid"]
            row = connection.execute(
                f"SELECT {', '.join(keys)} FROM {table} ORDER BY 1 LIMIT 1"
            ).fetchone()
            where = " AND ".join(f"{key} IS ?" for key in keys)
            connection.execute(f"UPDATE {table} SET {column} = {value} WHERE {where}", row)
    except sqlite3.IntegrityError:
        return False
    return True


GOES_WITH = {
    "layer": {"image"},
    "watch": {"past_image", "past_reference", "past_use"},
    "past_image": {"past_reference", "past_use"},
    "past_reference": {"past_use"},
    "run": {"removal"},
}
"""Rows that mean nothing without a row of the table."""


@pytest.mark.parametrize("table", LOST)
def test_garbage_in_one_row(table: str, place: Path) -> None:
    """In each column in turn: no exception, no other row lost, one note that names the table."""
    noted = 0
    for column, name, value in cases(table):
        case = f"{column} {name}"
        folder = place / case
        shutil.copytree(template(), folder)
        if not spoil(folder, table, column, value):
            continue
        before = counts(folder)
        told: list[str] = []
        ledger = Store(str(folder), told.append)
        look(ledger)
        if name == "bytes":
            fill(ledger)
        else:
            for other, count in counts(folder).items():
                lost = before[other] - count
                if other == table and table not in ("layer", "run"):
                    assert lost <= 1, (case, other, told)
                elif other not in {table, *GOES_WITH.get(table, ())}:
                    assert lost == 0, (case, other, told)
        ledger.close()
        assert not list(folder.glob("*.damaged-*")), (case, told)
        assert len(told) <= 1, (case, told)
        if told:
            noted += 1
            assert f"{table} (" in told[0], (case, told)
            assert told[0].isprintable()
            with opened(folder) as again:
                look(again)
        shutil.rmtree(folder)
    assert noted > len(columns(table)), "hardly anything was noticed"


def test_leases_that_are_garbage_are_put_back(tmp_path: Path) -> None:
    """The file beside the database still knows them."""
    for column in columns("lease"):
        folder = tmp_path / column
        shutil.copytree(template(), folder)
        with sqlite3.connect(folder / FILE) as connection:
            connection.execute("UPDATE lease SET until = until + 1e9")
        connection.close()
        kept = folder / "leases.json"
        kept.write_text(kept.read_text().replace(str(NOW + 60), str(NOW + 60 + 1e9)))
        assert spoil(folder, "lease", column, "x'00'")
        told: list[str] = []
        ledger = Store(str(folder), told.append)
        assert {each.reference for each in ledger.leases.list(NOW)} == {"python", "node"}
        ledger.close()
        assert "Leases put back from leases.json: " in told[0]


def test_a_run_stays_with_what_can_be_read_of_it(tmp_path: Path) -> None:
    """What it removed can be restored all the same."""
    folder = tmp_path / "state"
    shutil.copytree(template(), folder)
    for column in ("started", "freed_bytes", "engine_name", "state", "options", "target_free"):
        assert spoil(folder, "run", column, "x'00'")
    for column in ("labels", "names", "size", "result", "reasons", "planned_bytes"):
        assert spoil(folder, "removal", column, "'{broken'")
    told: list[str] = []
    ledger = Store(str(folder), told.append)
    assert [each.id for each in ledger.runs.list()] == [3, 2, 1]
    removed = ledger.runs.removed(1)
    ledger.close()
    assert len(removed) == COUNT + 1
    assert removed[0].digests == (f"app@sha256:{0:064x}",)
    assert (removed[0].labels, removed[0].names) == ({}, ())
    (note,) = told
    assert "run (parts of 1 run in the history)" in note
    assert "removal (parts of what is known of 1 removal)" in note


def test_where_nothing_can_be_written_it_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told of in each run, until one can mend it."""
    folder = tmp_path / "state"
    shutil.copytree(template(), folder)
    for table in ("image", "used", "lease", "run", "removal"):
        assert spoil(folder, table, list(columns(table))[-2], "x'00'")
    before = (folder / FILE).read_bytes()

    def full(place: object, found: object) -> object:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(opening, "open_to_write", full)
    for _ in range(2):
        told: list[str] = []
        ledger = Store(str(folder), told.append)
        assert len(ledger.recall(KEY)) == COUNT - 1
        assert len(ledger.leases.list(NOW)) == 1
        assert len(ledger.runs.list()) == 3
        assert len(ledger.runs.removed(1)) == COUNT + 1
        ledger.close()
        assert "goes on without them" in told[0]
    assert (folder / FILE).read_bytes() == before


def test_the_rest_of_a_damaged_file_is_rescued(tmp_path: Path) -> None:
    """A page of noise in one table: the others are copied, the history of runs among them."""
    for table in ("used", "image", "company", "run_of_engine"):
        folder = tmp_path / table
        shutil.copytree(template(), folder)
        with sqlite3.connect(folder / FILE) as connection:
            (page,) = connection.execute(
                "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
            ).fetchone()
        connection.close()
        with (folder / FILE).open("r+b") as file:
            file.seek((page - 1) * 4096)
            file.write(b"\xff" * 4096)
        told: list[str] = []
        ledger = Store(str(folder), told.append)
        ledger.recall(KEY)
        ledger.recall_uses(KEY)
        ledger.recall_company(KEY)
        ledger.runs.last_ended(KEY)
        assert [each.id for each in ledger.runs.list()] == [3, 2, 1]
        assert len(ledger.runs.removed(2)) == COUNT + 1
        assert {each.reference for each in ledger.leases.list(NOW)} == {"python", "node"}
        fill(ledger)
        ledger.close()
        assert len(told) == 1
        assert "Rows rescued, by table: " in told[0]
        assert "removal 15" in told[0]

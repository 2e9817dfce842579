"""The ledger's file: where it is, how it is made, and why it may not be usable."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holystone.planner.inventory import Layer
from holystone.store import database
from holystone.store.database import FILE, StoreError, default_folder, open_database
from holystone.store.schema import MIGRATIONS
from holystone.store.store import Store
from holystone.usage.store_port import ImageFacts


def sqlite_file(folder: Path, *statements: str) -> str:
    """A database with the ledger's name, made by these statements."""
    folder.mkdir()
    connection = sqlite3.connect(folder / FILE)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return str(folder)


def a_file_as_folder(folder: Path) -> str:
    folder.write_text("not a folder")
    return str(folder)


def a_folder_below_a_file(folder: Path) -> str:
    folder.write_text("not a folder")
    return str(folder / "state")


def a_folder_nobody_can_make(folder: Path) -> str:
    return "/proc/holystone"


def a_folder_as_file(folder: Path) -> str:
    (folder / FILE).mkdir(parents=True)
    return str(folder)


def of_a_newer_version(folder: Path) -> str:
    return sqlite_file(folder, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def of_another_program(folder: Path) -> str:
    return sqlite_file(folder, "CREATE TABLE image (name TEXT)")


def without_its_tables(folder: Path) -> str:
    return sqlite_file(folder, f"PRAGMA user_version = {len(MIGRATIONS)}")


UNUSABLE = [
    a_file_as_folder,
    a_folder_below_a_file,
    a_folder_nobody_can_make,
    a_folder_as_file,
    of_a_newer_version,
    of_another_program,
    without_its_tables,
]


@pytest.mark.parametrize("make", UNUSABLE, ids=lambda make: make.__name__)
def test_an_unusable_ledger_warns_once_and_fails_nothing(
    tmp_path: Path, make: Callable[[Path], str]
) -> None:
    """The warning says where, why and what to do; after that there is just no memory."""
    folder = make(tmp_path / "state")
    warnings: list[str] = []
    memory = Store(folder, warnings.append)
    assert memory.recall("engine") == {}
    memory.remember("engine", {"1": ImageFacts(first_seen=5.0)}, {"1"})
    assert memory.recall("engine") == {}
    memory.close()
    (warning,) = warnings
    assert folder in warning
    assert "--state" in warning
    assert warning.endswith(". Going on without memory of earlier runs.")
    assert "\n" not in warning


def test_a_file_that_was_refused_is_left_as_it_was(tmp_path: Path) -> None:
    """Another program's data, or a newer holystone's, are not touched."""
    for number, make in enumerate((of_another_program, of_a_newer_version)):
        folder = make(tmp_path / str(number))
        before = Path(folder, FILE).read_bytes()
        with pytest.raises(StoreError):
            open_database(folder)
        if make is not of_another_program:
            assert Path(folder, FILE).read_bytes() == before
    connection = sqlite3.connect(tmp_path / "0" / FILE)
    assert connection.execute("SELECT sql FROM sqlite_master").fetchall() == [
        ("CREATE TABLE image (name TEXT)",)
    ]
    connection.close()


def test_a_new_ledger_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Folders above it are made as well; what jobs run is nobody else's business."""
    folder = tmp_path / "a" / "b"
    connection = open_database(str(folder)).database
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()
    assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700


def test_many_can_make_the_same_ledger_at_once(tmp_path: Path) -> None:
    """The first jobs of a new runner start together: each waits for the one that makes it."""
    together = threading.Barrier(6)

    def make(folder: str) -> None:
        together.wait(10)
        open_database(folder).database.close()

    with ThreadPoolExecutor(6) as pool:
        for number in range(60):
            for made in [pool.submit(make, str(tmp_path / str(number))) for _ in range(6)]:
                made.result()


def test_a_ledger_of_the_first_version_keeps_what_it_knows(tmp_path: Path) -> None:
    """The first holystone's file, brought up to date with its images and layers in it."""
    first = [statement for statement in MIGRATIONS[0].split(";") if statement.strip()]
    folder = sqlite_file(
        tmp_path / "state",
        *first,
        "INSERT INTO layer VALUES (1, 'engine', 'sha256:c', 'sha256:d', NULL, 7)",
        "INSERT INTO image VALUES ('engine', 'sha256:i', 5.0, 6.0, 1, 1, 1, 1, 1)",
        "PRAGMA user_version = 1",
    )
    warnings: list[str] = []
    ledger = Store(folder, warnings.append)
    assert ledger.recall("engine") == {
        "sha256:i": ImageFacts(
            5.0, 6.0, True, True, (Layer("sha256:c", 7),), diff_ids=("sha256:d",)
        )
    }
    assert ledger.runs.list() == []
    ledger.leases.add(["python"], until=9.0, job="", now=5.0)
    ledger.close()
    assert warnings == []
    connection = open_database(folder).database
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    connection.close()


def test_a_migration_that_fails_leaves_the_version_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a version or nothing; the next holystone that can does it."""
    open_database(str(tmp_path)).database.close()
    broken = (*MIGRATIONS, "CREATE TABLE extra (a TEXT); CREATE TABLE image (b TEXT)")
    monkeypatch.setattr(database, "MIGRATIONS", broken)
    with pytest.raises(StoreError, match="image already exists"):
        open_database(str(tmp_path))
    whole = (*MIGRATIONS, "CREATE TABLE extra (a TEXT); CREATE TABLE more (b TEXT)")
    monkeypatch.setattr(database, "MIGRATIONS", whole)
    connection = open_database(str(tmp_path)).database
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    assert connection.execute("SELECT * FROM extra, more").fetchall() == []
    connection.close()


def test_a_writer_that_takes_too_long_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readers go on meanwhile; a second writer gives up, with a warning."""
    monkeypatch.setattr(database, "_WAIT_SECONDS", 0.1)
    fact = {"1": ImageFacts(first_seen=5.0)}
    warnings: list[str] = []
    memory = Store(str(tmp_path), warnings.append)
    memory.remember("engine", fact, fact)
    other = open_database(str(tmp_path)).database
    other.execute("BEGIN IMMEDIATE")
    assert memory.recall("engine") == fact
    memory.remember("engine", {"2": fact["1"]}, {"1", "2"})
    other.execute("ROLLBACK")
    other.close()
    memory.close()
    assert len(warnings) == 1
    assert "locked" in warnings[0]


@pytest.mark.parametrize(
    ("environment", "root", "folder"),
    [
        ({"HOLYSTONE_STATE": "/x", "XDG_STATE_HOME": "/y"}, True, "/x"),
        ({"HOLYSTONE_STATE": "", "XDG_STATE_HOME": "/y", "HOME": "/h"}, True, "/var/lib/holystone"),
        ({"XDG_STATE_HOME": "/y", "HOME": "/h"}, False, "/y/holystone"),
        ({"XDG_STATE_HOME": "", "HOME": "/h"}, False, "/h/.local/state/holystone"),
        ({"XDG_STATE_HOME": "y", "HOME": "/h"}, False, "/h/.local/state/holystone"),
        ({"HOME": "/h"}, False, "/h/.local/state/holystone"),
    ],
)
def test_where_the_ledger_is(
    environment: dict[str, str], root: bool, folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One place for every job of a runner; a user's own state folder; or where one says."""
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    assert default_folder(environment) == folder

"""The ledger's file: where it is, how it is made, and why it may not be usable."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from holystone.planner.inventory import Layer
from holystone.store import StoreError, database, opening
from holystone.store.folder import FILE, default_folder
from holystone.store.migrations import MIGRATIONS
from holystone.store.opening import open_database
from holystone.store.store import Store
from holystone.usage.store_port import ImageFacts
from tests.store.examples import KEY, NOW, host, opened, plan_of


def sqlite_file(folder: Path, *statements: str) -> str:
    """A database with the ledger's name, made by these statements."""
    folder.mkdir()
    connection = sqlite3.connect(folder / FILE)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return str(folder)


def a_file(path: Path) -> str:
    path.write_text("not a folder")
    return str(path)


def a_folder_below_a_file(path: Path) -> str:
    return f"{a_file(path)}/below"


def a_folder_nobody_can_make(_: Path) -> str:
    return "/proc/holystone"


def a_folder_as_file(folder: Path) -> str:
    (folder / FILE).mkdir(parents=True)
    return str(folder)


def of_another_program(folder: Path) -> str:
    return sqlite_file(folder, "CREATE TABLE image (name TEXT)")


def of_a_newer_version(folder: Path) -> str:
    return sqlite_file(folder, f"PRAGMA user_version = {len(MIGRATIONS) + 1}")


def without_its_tables(folder: Path) -> str:
    return sqlite_file(folder, f"PRAGMA user_version = {len(MIGRATIONS)}")


FAULTS = [a_folder_as_file, of_a_newer_version, of_another_program, without_its_tables]
UNUSABLE = [a_file, a_folder_below_a_file, a_folder_nobody_can_make, *FAULTS]


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
    inventory = host(1)
    assert memory.runs.begin(plan_of(inventory), inventory, endpoint="e") is None
    assert memory.runs.last_ended("engine") is None
    assert memory.recall_leases(NOW) == ()
    memory.close()
    (warning,) = warnings
    assert folder in warning
    assert "--state" in warning
    assert warning.endswith(". Going on without memory of earlier runs.")
    assert "\n" not in warning


@pytest.mark.parametrize("make", FAULTS, ids=lambda make: make.__name__)
def test_a_ledger_that_can_be_used_again_is_used_again(
    tmp_path: Path, make: Callable[[Path], str]
) -> None:
    """A daemon outlives the fault: each call tries anew, and the same fault is told once."""
    fact = {"1": ImageFacts(first_seen=5.0)}
    folder = make(tmp_path / "state")
    warnings: list[str] = []
    memory = Store(folder, warnings.append)
    for _ in range(3):
        assert memory.recall("engine") == {}
        memory.remember("engine", fact, fact)
        assert memory.recall_leases(1.0) == ()
    assert len(warnings) == 1
    assert str(tmp_path) in memory.leases_unread()
    for each in (tmp_path / "state").iterdir():
        each.rmdir() if each.is_dir() else each.unlink()
    memory.remember("engine", fact, fact)
    assert memory.recall("engine") == fact
    memory.leases.add(["python"], until=9.0, job="", now=1.0)
    memory.close()
    with opened(tmp_path / "state") as again:
        assert again.recall("engine") == fact
        assert [each.reference for each in again.recall_leases(1.0)] == ["python"]
    assert len(warnings) == 1


def test_a_file_that_was_removed_or_replaced_is_begun_anew(tmp_path: Path) -> None:
    """A daemon has it open, and somebody cleans up."""
    fact = {"1": ImageFacts(first_seen=5.0)}
    with opened(tmp_path) as memory:
        memory.remember("engine", fact, fact)
        for each in tmp_path.glob(f"{FILE}*"):
            each.unlink()
        memory.remember("engine", {"2": fact["1"]}, {"2"})
        assert set(memory.recall("engine")) == {"2"}
    with opened(tmp_path) as again:
        assert set(again.recall("engine")) == {"2"}


def test_leases_that_could_not_be_read_count_as_unread_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one thread could not read must not look readable to it a moment later."""
    folder = without_its_tables(tmp_path / "state")
    memory = Store(folder, lambda _: None)
    assert memory.recall_leases(1.0) == ()
    (tmp_path / "state" / FILE).unlink()
    memory.close()
    assert folder in memory.leases_unread()
    memory.leases.add(["python"], until=9.0, job="", now=1.0)
    assert folder in memory.leases_unread()
    monkeypatch.setattr(memory, "_unread_until", 0.0)
    assert memory.leases_unread() == ""
    memory.close()


def test_a_fault_that_took_long_is_not_tried_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of removals must not wait for somebody who writes all the time, each anew.

    Readers go on meanwhile.
    """
    monkeypatch.setattr(opening, "_WAIT_SECONDS", 0.1)
    monkeypatch.setattr(database, "_SLOW_SECONDS", 0.05)
    fact = {"1": ImageFacts(first_seen=5.0)}
    warnings: list[str] = []
    memory = Store(str(tmp_path), warnings.append)
    memory.remember("engine", fact, fact)
    other = open_database(str(tmp_path)).connection
    other.execute("BEGIN IMMEDIATE")
    assert memory.recall("engine") == fact
    began = time.monotonic()
    for _ in range(50):
        memory.remember("engine", {"2": fact["1"]}, {"1", "2"})
    assert time.monotonic() - began < 2
    other.execute("ROLLBACK")
    other.close()
    memory.remember("engine", {"2": fact["1"]}, {"1", "2"})
    assert set(memory.recall("engine")) == {"1"}
    monkeypatch.setitem(memory._rest_until, "write", 0.0)
    memory.remember("engine", {"2": fact["1"]}, {"1", "2"})
    assert set(memory.recall("engine")) == {"1", "2"}
    memory.close()
    (warning,) = warnings
    assert "locked" in warning


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


def test_a_new_ledger_has_the_newest_version_and_a_log(tmp_path: Path) -> None:
    connection = open_database(str(tmp_path / "a" / "b")).connection
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_many_can_make_the_same_ledger_at_once(tmp_path: Path) -> None:
    """The first jobs of a new runner start together: each waits for the one that makes it."""
    together = threading.Barrier(6)

    def make(folder: str) -> None:
        together.wait(10)
        open_database(folder).connection.close()

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
    connection = open_database(folder).connection
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    connection.close()


def test_a_migration_that_fails_leaves_the_version_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a version or nothing; the next holystone that can does it."""
    open_database(str(tmp_path)).connection.close()
    broken = (*MIGRATIONS, "CREATE TABLE extra (a TEXT); CREATE TABLE image (b TEXT)")
    monkeypatch.setattr(opening, "MIGRATIONS", broken)
    with pytest.raises(StoreError, match="image already exists"):
        open_database(str(tmp_path))
    whole = (*MIGRATIONS, "CREATE TABLE extra (a TEXT); CREATE TABLE more (b TEXT)")
    monkeypatch.setattr(opening, "MIGRATIONS", whole)
    connection = open_database(str(tmp_path)).connection
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    assert connection.execute("SELECT * FROM extra, more").fetchall() == []
    connection.close()


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


def test_its_size_is_that_of_its_files(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        assert ledger.size() is None
        ledger.remember_schedule(KEY, "routine", NOW, NOW)
        files = [each for each in tmp_path.iterdir() if each.name.startswith(FILE)]
        assert tmp_path / f"{FILE}-wal" in files
        assert ledger.size() == sum(each.stat().st_size for each in files)
    assert ledger.size() == (tmp_path / FILE).stat().st_size


def test_without_a_folder_it_has_no_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).write_text("of somebody else")
    monkeypatch.chdir(tmp_path)
    assert Store("", print).size() is None

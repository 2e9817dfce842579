"""Leases of other users count where they can be read, whatever their files hold."""

from __future__ import annotations

import json
import os
import pwd
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holystone.planner import reference  # noqa: F401 - needed by the users whom a test plays
from holystone.planner.inventory import Image, Inventory
from holystone.planner.plan import plan
from holystone.planner.policy import Grace, Policy
from holystone.planner.usage import Lease, Usage
from holystone.present.reasons import text
from holystone.store import lease_file
from holystone.store.folder import OF_A_USER
from holystone.store.store import Store
from tests.store.examples import NOW, host, opened
from tests.users import STRANGER, as_user, folder_for_all, needs_root

pytestmark = needs_root
NAME = "leases.json"


def user(name: str, uid: int, home: Path) -> pwd.struct_passwd:
    return pwd.struct_passwd((name, "x", uid, uid, "", str(home), "/bin/sh"))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The home folder of a user whom the passwd database lists."""
    with folder_for_all() as place:
        folder = place / "ci"
        folder.mkdir()
        os.chown(folder, STRANGER, STRANGER)
        known = user("ci", STRANGER, folder)
        monkeypatch.setattr(pwd, "getpwall", lambda: [user("root", 0, Path("/root")), known])
        by_number = pwd.getpwuid
        monkeypatch.setattr(
            pwd, "getpwuid", lambda uid: known if uid == STRANGER else by_number(uid)
        )
        yield folder


def lease_of_theirs(home: Path, *references: str, until: float = NOW + 60) -> Path:
    """Let the user give leases; answers the file that they are in."""
    folder = home / OF_A_USER

    def give() -> None:
        with opened(folder) as ledger:
            ledger.leases.add(references, until=until, job="7", now=NOW)

    as_user(STRANGER, give)
    return folder / NAME


def test_they_count_and_say_whose_they_are(home: Path, tmp_path: Path) -> None:
    """Also where this user has no ledger; and no longer where they are released."""
    file = lease_of_theirs(home, "python", "node")
    theirs = {Lease(each, NOW + 60, "7", "ci") for each in ("python", "node")}
    with opened(tmp_path / "state") as ledger:
        assert set(ledger.leases.list(NOW)) == theirs
        assert set(ledger.recall_leases(NOW)) == theirs
        assert ledger.recall_leases(NOW + 60) == ()
        ledger.leases.add(["mine"], until=NOW + 30, job="", now=NOW)
        assert ledger.leases.list(NOW)[0] == Lease("mine", NOW + 30)
        assert ledger.leases.release((), job=None, now=NOW) == [Lease("mine", NOW + 30)]

        def release() -> None:
            with opened(file.parent) as own:
                own.leases.release(["python"], job=None, now=NOW)

        as_user(STRANGER, release)
        assert [each.reference for each in ledger.recall_leases(NOW)] == ["node"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_plan_keeps_what_they_are_on(home: Path, tmp_path: Path) -> None:
    lease_of_theirs(home, "python:3.12")
    inventory = Inventory(host(0).engine, NOW, (Image("sha256:1", tags=("python:3.12",)),))
    with opened(tmp_path / "state") as ledger:
        usage = Usage(leases=ledger.recall_leases(NOW))
    policy = Policy(level="deep", grace=Grace(0, 0, 0, 0))
    (verdict,) = plan(inventory, usage, policy, NOW).verdicts
    assert not verdict.remove
    assert text(verdict.reasons[0]).startswith("leased by job 7 of user ci until")


def test_a_user_does_not_read_what_is_not_for_others(home: Path, tmp_path: Path) -> None:
    lease_of_theirs(home, "python")

    def another() -> None:
        with opened(tmp_path / "x") as ledger:
            assert ledger.leases.others.current(NOW) == ()

    as_user(STRANGER + 1, another)


def entry(**values: Any) -> dict[str, Any]:
    return {"key": "k", "job": "7", "written": "app", "until": NOW + 60, **values}


def told(*entries: Any, **more: Any) -> bytes:
    return json.dumps({"format": 1, "leases": list(entries), **more}).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is not JSON"),
        (b"[" * 100_000, "it is not JSON"),
        (b"\xff\xfe", "it is not JSON"),
        (b"[]", "not written as this holystone knows it"),
        (told(format=2), "not written as this holystone knows it"),
        (b'{"format": 1, "leases": {}}', "not written as this holystone knows it"),
        (b" " * 8_000_001, "it is larger than 8 MB"),
        (told(None), "1 of the leases"),
        (told(entry(until="1")), "1 of the leases"),
        (told(entry(until=float("inf"))), "1 of the leases"),
        (told(entry(until=float("nan"))), "1 of the leases"),
        (told(entry(until=True)), "1 of the leases"),
        (told(entry(until=NOW + 32 * 86400)), "1 of the leases"),
        (told(entry(written="a\x1b[2J")), "1 of the leases"),
        (told(entry(written="a" * 1025)), "1 of the leases"),
        (told(entry(written=5)), "1 of the leases"),
        (told({"key": "k"}), "1 of the leases"),
    ],
)
def test_a_file_that_makes_no_sense_does_not_count(
    home: Path, tmp_path: Path, content: bytes, words: str
) -> None:
    """A note says so once; what is here counts all the same."""
    lease_of_theirs(home, "python").write_bytes(content)
    notes: list[str] = []
    ledger = Store(str(tmp_path / "state"), notes.append)
    ledger.leases.add(["mine"], until=NOW + 30, job="", now=NOW)
    for _ in range(3):
        assert ledger.recall_leases(NOW) == (Lease("mine", NOW + 30),)
    ledger.close()
    (note,) = notes
    assert words in note
    assert str(home) in note
    assert note.isprintable()


def test_what_a_job_is_called_is_printable(home: Path, tmp_path: Path) -> None:
    lease_of_theirs(home, "python").write_bytes(told(entry(job="\x1b[31m::add-mask::x\n")))
    with opened(tmp_path / "state") as ledger:
        (lease,) = ledger.recall_leases(NOW)
    assert lease.job.isprintable()


def a_link(file: Path, target: Path) -> None:
    file.symlink_to(target)


def a_fifo(file: Path, _: Path) -> None:
    os.mkfifo(file)
    os.chown(file, STRANGER, STRANGER)


def a_folder(file: Path, _: Path) -> None:
    file.mkdir()
    os.chown(file, STRANGER, STRANGER)


def a_file_of_somebody_else(file: Path, _: Path) -> None:
    file.write_bytes(told(entry()))


def a_device(file: Path, _: Path) -> None:
    os.mknod(file, stat.S_IFCHR | 0o666, os.makedev(1, 5))
    os.chown(file, STRANGER, STRANGER)


@pytest.mark.parametrize(
    "make", [a_link, a_fifo, a_folder, a_device, a_file_of_somebody_else],
    ids=lambda make: make.__name__,
)  # fmt: skip
def test_what_is_no_file_of_that_user_is_not_read(
    home: Path, tmp_path: Path, make: Callable[[Path, Path], None]
) -> None:
    """Nor waited for."""
    file = lease_of_theirs(home, "python")
    file.unlink()
    secret = tmp_path / "secret"
    secret.write_bytes(told(entry()))
    make(file, secret)
    notes: list[str] = []
    ledger = Store(str(tmp_path / "state"), notes.append)
    started = time.monotonic()
    assert ledger.recall_leases(NOW) == ()
    assert time.monotonic() - started < 2
    assert len(notes) == 1


def test_their_database_is_neither_opened_nor_written(home: Path, tmp_path: Path) -> None:
    folder = lease_of_theirs(home, "python").parent
    before = {each: each.stat() for each in folder.iterdir()}
    with opened(tmp_path / "state") as ledger:
        assert len(ledger.recall_leases(NOW)) == 1
    assert {each: each.stat().st_mtime_ns for each in folder.iterdir()} == {
        each: known.st_mtime_ns for each, known in before.items()
    }
    (folder / "holystone.db").write_bytes(b"no database")
    with opened(tmp_path / "state") as ledger:
        assert len(ledger.recall_leases(NOW)) == 1


def test_a_folder_that_does_not_answer_holds_nothing_up(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one on a server that is gone: it costs its time once."""
    lease_of_theirs(home, "python")
    answer = threading.Event()
    monkeypatch.setattr(lease_file, "_PATIENCE", 0.2)
    monkeypatch.setattr(lease_file, "files", lambda _: answer.wait(30) and ())
    notes: list[str] = []
    ledger = Store(str(tmp_path / "state"), notes.append)
    started = time.monotonic()
    for _ in range(5):
        assert ledger.recall_leases(NOW) == ()
    assert time.monotonic() - started < 2
    answer.set()
    assert notes == ["the leases of other users take too long to read and may not all count."]


def test_leases_outlive_a_damaged_ledger(tmp_path: Path) -> None:
    """They are read from the file beside it where nothing is left of the database."""
    with opened(tmp_path) as ledger:
        given = ledger.leases.add(["python", "node"], until=NOW + 60, job="7", now=NOW)
    (tmp_path / "holystone.db").write_bytes(b"no database at all " * 100)
    warnings: list[str] = []
    for _ in range(2):
        ledger = Store(str(tmp_path), warnings.append)
        assert set(ledger.recall_leases(NOW)) == set(given)
        assert ledger.leases_unread() == ""
        ledger.close()
    assert len(warnings) == 1
    assert "may be lost" not in warnings[0]


def test_leases_that_are_lost_are_told(tmp_path: Path) -> None:
    """Where neither can be read: the run that finds it takes no image."""
    with opened(tmp_path) as ledger:
        ledger.leases.add(["python"], until=NOW + 60, job="7", now=NOW)
    for name in ("holystone.db", NAME):
        (tmp_path / name).write_bytes(b"no database at all " * 100)
    warnings: list[str] = []
    ledger = Store(str(tmp_path), warnings.append)
    assert ledger.recall_leases(NOW) == ()
    assert f"cannot read {tmp_path / NAME}: it is not JSON" in ledger.leases_unread()
    ledger.close()
    assert warnings[0].endswith(" Leases that were in it may be lost.")

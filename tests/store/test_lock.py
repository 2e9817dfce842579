"""One run at a time on an engine, and nobody waits for a holder that is dead."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holystone.store import LockHeld
from holystone.store.lock import Holder, HostLock, ci_job, coalesced
from holystone.store.records import RunSummary
from tests.engines.places import REPOSITORY
from tests.store.examples import KEY, NOW, no_warning

HOLD = """
import sys, time
from holystone.store.lock import HostLock
from tests.store.examples import KEY, no_warning
with HostLock(sys.argv[1], KEY, no_warning).acquire("clean weekly", job="4711"):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def another_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """One that holds the lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, folder],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def lock(folder: Path, engine: str = KEY) -> HostLock:
    return HostLock(str(folder), engine, no_warning)


def test_it_names_its_holder(tmp_path: Path) -> None:
    started = time.time()
    with another_process(tmp_path) as other:
        with pytest.raises(LockHeld) as held:
            lock(tmp_path).acquire("clean routine")
        me = pwd.getpwuid(os.geteuid()).pw_name
        assert held.value.holder._replace(since=0) == (other.pid, me, "clean weekly", "4711", 0)
        assert started <= held.value.holder.since <= time.time()
        assert str(held.value) == (
            f"holystone clean weekly (process {other.pid}, user {me}, job 4711) "
            "holds the lock of this host"
        )
        assert lock(tmp_path).holder() == held.value.holder
        lock(tmp_path, "another/engine").acquire("clean routine").release()


def test_it_is_waited_for(tmp_path: Path) -> None:
    """As long as one says, and with word of who has it, once."""
    waiting: list[Holder] = []
    with another_process(tmp_path) as other:
        assert other.stdin is not None
        with pytest.raises(LockHeld):
            lock(tmp_path).acquire("clean", wait_seconds=0.3, on_wait=waiting.append)
        threading.Timer(0.3, other.stdin.close).start()
        with lock(tmp_path).acquire("clean", wait_seconds=30, on_wait=waiting.append) as held:
            assert held.locked
            assert 0.2 < held.waited < 30
        assert [holder.pid for holder in waiting] == [other.pid] * 2
    with lock(tmp_path).acquire("clean", wait_seconds=30, on_wait=waiting.append) as held:
        assert held.waited == 0
    assert len(waiting) == 2


def test_a_holder_that_was_killed_blocks_nobody(tmp_path: Path) -> None:
    """What it wrote is still in the file, and means nothing any more."""
    with another_process(tmp_path) as other:
        other.kill()
        other.wait()
        (file,) = tmp_path.glob("*.lock")
        assert str(other.pid) in file.read_text()
        assert lock(tmp_path).holder() is None
        with lock(tmp_path).acquire("clean") as held:
            assert (held.locked, held.waited) == (True, 0)
            holder = lock(tmp_path).holder()
            assert holder is not None
            assert holder.pid == os.getpid()
    assert lock(tmp_path).holder() is None


def test_a_folder_that_takes_no_lock_stops_nobody(tmp_path: Path) -> None:
    warnings: list[str] = []
    (tmp_path / "file").touch()
    with HostLock(str(tmp_path / "file"), KEY, warnings.append).acquire("clean") as held:
        assert not held.locked
    (warning,) = warnings
    assert warning.startswith(f"cannot lock {tmp_path / 'file'}/")
    assert "Going on without" in warning


SUMMARY = RunSummary(
    1, KEY, "runner", "e", "routine", "", NOW - 5, NOW + 5, "done", "", 1, 1, False, 1, 1, 0, 0,
    None, None,
)  # fmt: skip


@pytest.mark.parametrize(
    ("last", "level", "waited_since", "answer"),
    [
        (SUMMARY, "routine", NOW, True),
        (SUMMARY._replace(level="deep"), "routine", NOW, True),
        (SUMMARY._replace(level="repair"), "routine", NOW, False),
        (SUMMARY._replace(options=("--only image",)), "routine", NOW, False),
        (SUMMARY, "weekly", NOW, False),
        (SUMMARY, "routine", None, False),
        (SUMMARY, "routine", NOW + 6, False),
        (SUMMARY._replace(failed=1), "routine", NOW, False),
        (SUMMARY._replace(state="interrupted"), "routine", NOW, False),
        (None, "routine", NOW, False),
    ],
)
def test_a_routine_run_that_waited_for_another_has_nothing_left_to_do(
    last: RunSummary | None, level: str, waited_since: float | None, answer: bool
) -> None:
    assert coalesced(last, level=level, waited_since=waited_since) is answer


def test_the_job_is_the_one_the_ci_system_names() -> None:
    assert ci_job({}) == ci_job({"CI_JOB_ID": ""}) == ""
    assert ci_job({"CI_JOB_ID": "7", "BUILD_TAG": "x"}) == "7"
    assert ci_job({"GITHUB_RUN_ID": "8"}) == "8"
    assert ci_job({"BUILD_TAG": "jenkins-app-9"}) == "jenkins-app-9"

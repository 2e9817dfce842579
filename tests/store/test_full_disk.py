"""A disk with no room left: a clean is needed most then, and leases must still be honoured."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from holystone.planner.usage import Lease
from holystone.store import StoreError
from holystone.store.lock import HostLock
from holystone.store.store import Store
from holystone.usage.store_port import ImageFacts
from tests.store.examples import KEY, NOW, host, opened, plan_of

FACTS = {"sha256:1": ImageFacts(first_seen=NOW)}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 and os.environ.get("CI", "").lower() not in ("true", "1"):
        pytest.skip("only root can mount a small file system")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "small", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> None:
    with (folder / "full").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass


def test_what_is_known_is_read_and_nothing_is_written(small: Path) -> None:
    with opened(small) as ledger:
        ledger.remember(KEY, FACTS, FACTS)
        ledger.leases.add(["python"], until=NOW + 60, job="", now=NOW)
    fill(small)
    warnings: list[str] = []
    ledger = Store(str(small), warnings.append)
    assert ledger.recall(KEY) == FACTS
    assert ledger.recall_leases(NOW) == (Lease("python", NOW + 60, ""),)
    inventory = host(3)
    assert ledger.runs.begin(plan_of(inventory), inventory, endpoint="e") is None
    ledger.remember(KEY, {"sha256:2": FACTS["sha256:1"]}, FACTS)
    assert ledger.recall(KEY) == FACTS
    with pytest.raises(StoreError, match="the disk is full"):
        ledger.leases.add(["node"], until=NOW + 60, job="", now=NOW)
    ledger.close()
    (warning,) = warnings
    assert warning == (
        f"cannot use the ledger {small}/holystone.db: the disk is full. Pass another --state "
        "folder, or set HOLYSTONE_STATE. Going on; nothing of this run is remembered."
    )
    os.remove(small / "full")
    with opened(small) as again:
        assert again.recall(KEY) == FACTS
        assert again.runs.list() == []


def test_it_fills_up_in_the_middle_of_a_run(small: Path) -> None:
    """What was planned stays on record; what became of it is told as far as it could be written."""
    warnings: list[str] = []
    ledger = Store(str(small), warnings.append)
    inventory = host(300)
    run = ledger.runs.begin(plan_of(inventory), inventory, endpoint="e")
    assert run is not None
    fill(small)
    for image in inventory.images:
        run.settle("image", image.id, "removed", "a detail that needs room " * 100)
    run.end(freed_bytes=0, freed={}, removed=300, skipped=0, failed=0)
    assert ledger.recall(KEY) == {}
    ledger.close()
    (warning,) = warnings
    assert "is full" in warning
    os.remove(small / "full")
    with opened(small) as again:
        assert [each.state for each in again.runs.list()] == ["killed"]
        assert len(again.runs.removed(1)) == 301


def test_there_is_no_room_for_a_new_one(small: Path) -> None:
    fill(small)
    warnings: list[str] = []
    ledger = Store(str(small), warnings.append)
    assert ledger.recall(KEY) == {}
    ledger.remember(KEY, FACTS, FACTS)
    ledger.close()
    (warning,) = warnings
    assert warning.endswith("Going on without memory of earlier runs.")
    with HostLock(str(small), KEY, warnings.append).acquire("clean") as held:
        assert held.locked or len(warnings) == 2

"""A damaged ledger is set aside, told of, and rebuilt; whatever was being done goes on."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holystone.planner.inventory import CacheRecord
from holystone.store import use_log as past
from holystone.store.folder import FILE
from holystone.store.store import Store
from holystone.usage.sighting import Sighting
from holystone.usage.store_port import ImageFacts
from tests.engines.places import REPOSITORY
from tests.store.examples import KEY, NOW, host, opened, plan_of, seen

IDS = [image.id for image in host(120).images]


@cache
def written() -> bytes:
    """A ledger with something in every table."""
    with tempfile.TemporaryDirectory() as folder:
        with opened(Path(folder)) as ledger:
            use(ledger)
        return Path(folder, FILE).read_bytes()


def use(ledger: Store) -> None:
    """All that a clean does with a ledger."""
    ledger.recall(KEY)
    ledger.recall_uses(KEY)
    ledger.recall_bookmark(KEY)
    ledger.recall_leases(NOW)
    ledger.runs.last_ended(KEY)
    inventory = host(len(IDS))
    run = ledger.runs.begin(plan_of(inventory), inventory, endpoint="e")
    if run is not None:
        run.settle("volume", "data", "removed")
        run.end(freed_bytes=0, freed={}, removed=1, skipped=0, failed=0)
    ledger.remember(KEY, {image: ImageFacts(NOW) for image in IDS}, IDS)
    uses = [Sighting(NOW + 700 * n, f"docker.io/library/app:{n}", i) for n, i in enumerate(IDS)]
    ledger.fold(KEY, seen(*uses, cache=(CacheRecord("r", created=NOW),)))
    ledger.recall_summaries(KEY, "reference")
    ledger.recall_company(KEY)
    ledger.recall_absent(KEY)
    ledger.try_read(lambda database: len(past.images(database, KEY)), 0)
    ledger.try_read(lambda database: len(list(past.uses(database, KEY))), 0)
    with ledger.own_pulls(KEY, ["app:1"]):
        pass


GARBAGE = b"no database at all " * 100


@pytest.mark.parametrize(
    "damaged",
    [lambda: GARBAGE, lambda: written()[:10_000], lambda: written()[:80],
     lambda: b"SQLite format 3\0" + b"\1" * 4080],
    ids=["garbage", "cut off", "cut off in its head", "broken after its head"],
)  # fmt: skip
def test_it_is_set_aside_and_a_new_one_begun(tmp_path: Path, damaged: Callable[[], bytes]) -> None:
    """One warning says so; the file is kept, and the new one works at once."""
    content = damaged()
    (tmp_path / FILE).write_bytes(content)
    warnings: list[str] = []
    ledger = Store(str(tmp_path), warnings.append)
    use(ledger)
    assert set(ledger.recall(KEY)) == set(IDS)
    assert [run.state for run in ledger.runs.list()] == ["done"]
    ledger.close()
    (warning,) = warnings
    (aside,) = tmp_path.glob(f"{FILE}.damaged-*Z")
    assert aside.read_bytes() == content
    assert f"the ledger {tmp_path / FILE} is damaged: " in warning
    assert f"It is now {aside.name}, and a new one is begun." in warning
    with opened(tmp_path) as again:
        use(again)


def overwritten(page: int) -> bytes:
    """The ledger with one of its pages full of noise."""
    content = bytearray(written())
    content[page * 4096 : (page + 1) * 4096] = random.Random(page).randbytes(4096)
    return bytes(content)


@settings(deadline=None)
@given(st.data())
def test_no_damage_ends_a_run(data: st.DataObject) -> None:
    """A page of noise, or flipped bits: no exception, and at most one warning for each fault."""
    size, faults = len(written()), 0
    if data.draw(st.booleans()):
        content, faults = overwritten(data.draw(st.integers(0, size // 4096 - 1))), 1
    else:
        flipped = bytearray(written())
        for at in data.draw(st.lists(st.integers(0, size - 1), min_size=1, max_size=5)):
            flipped[at] ^= 1 << data.draw(st.integers(0, 7))
            faults += 1
        content = bytes(flipped)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, FILE).write_bytes(content)
        warnings: list[str] = []
        ledger = Store(folder, warnings.append)
        use(ledger)
        use(ledger)
        ledger.close()
        assert len(warnings) <= faults, warnings
        assert len(set(warnings)) == len(warnings)
        assert all(warning.isprintable() for warning in warnings)


def test_a_row_in_the_wrong_place_is_told_of_once(tmp_path: Path) -> None:
    """A key with a flipped bit: SQLite finds its row, and cannot delete it."""
    content = written()
    told = []
    for at in [each.start() for each in re.finditer(rb"docker\.io/library/app:7", content)]:
        folder = tmp_path / str(at)
        folder.mkdir()
        (folder / FILE).write_bytes(content[:at] + b"\xe4" + content[at + 1 :])
        warnings: list[str] = []
        ledger = Store(str(folder), warnings.append)
        use(ledger)
        use(ledger)
        ledger.close()
        assert len(warnings) <= 1, warnings
        told += warnings
    assert any("cannot be removed. It is now" in warning for warning in told)


def test_noise_in_the_table_of_images_is_noticed(tmp_path: Path) -> None:
    """The property above would hold as well if nothing were ever found."""
    noticed = 0
    pages = len(written()) // 4096
    for page in range(pages):
        folder = tmp_path / str(page)
        folder.mkdir()
        (folder / FILE).write_bytes(overwritten(page))
        warnings: list[str] = []
        ledger = Store(str(folder), warnings.append)
        use(ledger)
        ledger.close()
        noticed += len(list(folder.glob("*.damaged-*")))
    assert noticed > pages / 2


USER = """
import sys
from holystone.store.store import Store
from tests.store.test_damage import KEY, use
warnings = []
ledger = Store(sys.argv[1], warnings.append)
sys.stdin.readline()
ledger.recall(KEY)
use(ledger)
ledger.close()
print(len(warnings))
"""


def test_many_that_find_it_at_once_set_aside_one_file(tmp_path: Path) -> None:
    """The others take the new one: it must not be taken for the damaged one."""
    (tmp_path / FILE).write_bytes(GARBAGE)
    users = [
        subprocess.Popen(
            [sys.executable, "-c", USER, tmp_path],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    told = [user.communicate("go\n", timeout=60)[0] for user in users]
    assert sorted(told) == ["0\n"] * 3 + ["1\n"]
    assert len(list(tmp_path.glob(f"{FILE}.damaged-*"))) == 1
    with opened(tmp_path) as ledger:
        assert len(ledger.runs.list()) == 4


def test_files_set_aside_do_not_pile_up(tmp_path: Path) -> None:
    """A failing disk would have one in every run."""
    for number in range(6):
        (tmp_path / FILE).write_bytes(GARBAGE + bytes([number]))
        warnings: list[str] = []
        ledger = Store(str(tmp_path), warnings.append)
        ledger.recall(KEY)
        ledger.close()
        assert len(warnings) == 1
    assert len(list(tmp_path.glob(f"{FILE}.damaged-*"))) == 3

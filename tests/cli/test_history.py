"""``holystone history``: past runs, from the ledger alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.ledger.lock import HostLock
from tests.cli.command import Command
from tests.docs.test_reference import codes, fields, first_cells, section
from tests.ledger.examples import KEY, host, opened, plan_of


def done_run(folder: Path, level: str = "routine") -> None:
    """A run that removed two images, skipped one and could not remove a volume."""
    inventory = host(3)
    with opened(folder) as ledger:
        run = ledger.runs.begin(
            plan_of(inventory, level), inventory, endpoint="unix:///run/docker.sock", job="4711"
        )
        assert run is not None
        first, second, third = (image.id for image in inventory.images)
        run.settle("image", first, "removed")
        run.settle("image", second, "removed")
        run.settle("image", third, "skipped", "used since planned")
        run.settle("volume", "data", "failed", "the engine answered 500: \x1b[31mno")
        run.end(
            freed_bytes=15_000_000, freed={("image", first): 15_000_000, ("image", second): 0},
            removed=2, skipped=1, failed=1, disk_free_after=16_000_000,
        )  # fmt: skip


def test_no_runs_yet(holystone: Command) -> None:
    done = holystone("history")
    assert done == (
        0, "There are no runs yet: every clean is written here before it removes anything.\n", ""
    )  # fmt: skip
    assert holystone("history", "--json").json == {"schema": 1, "runs": []}
    assert not holystone.state.exists(), "looking makes no ledger"


def test_runs_are_listed_newest_first(holystone: Command) -> None:
    for level in ("routine", "weekly", "deep"):
        done_run(holystone.state, level)
    done = holystone("history")
    assert (done.code, done.err) == (0, "")
    header, *rows = (line.split() for line in done.lines)
    assert header == [
        "RUN", "WHEN", "LEVEL", "ENGINE", "PLANNED", "FREED", "REMOVED", "SKIPPED", "FAILED",
        "TOOK", "ENDED",
    ]  # fmt: skip
    assert [row[0] for row in rows] == ["3", "2", "1"]
    assert [row[4] for row in rows] == ["deep", "weekly", "routine"]
    assert rows[0][5:] == ["runner", "30", "B", "15.0", "MB", "2", "1", "1", "0.0", "s", "done"]
    two = holystone("history", "--limit", "2", "--json").json["runs"]
    assert [run["id"] for run in two] == [3, 2]


def test_one_run_whole(holystone: Command) -> None:
    """Each object with what it freed, and why it stayed; nothing in it moves the cursor."""
    done_run(holystone.state)
    done = holystone("history", "1")
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    text = " ".join(done.out.split())
    assert text.startswith("Run 1: routine clean of runner engine unix:///run/docker.sock job 4711")
    for words in (
        "planned 30 B freed 15.0 MB removed 2 images skipped 1 failed 1",
        "app:0 15.0 MB removed",
        "app:2 skipped used since planned",
        "data failed the engine answered 500: ?[31mno",
    ):
        assert words in text
    removals = holystone("history", "1", "--json").json["removals"]
    assert [(each["result"], each["freed_bytes"]) for each in removals] == [
        ("removed", 15_000_000), ("removed", 0), ("skipped", None), ("failed", None),
    ]  # fmt: skip
    assert removals[0]["tags"] == ["app:0"]
    assert removals[0]["labels"] == {"n": "0"}


def test_a_run_that_never_ended(holystone: Command) -> None:
    """Running while its process holds the lock, else killed."""
    inventory = host(2)
    with opened(holystone.state) as ledger:
        run = ledger.runs.begin(plan_of(inventory), inventory, endpoint="e")
        assert run is not None
        with HostLock(str(holystone.state), KEY).acquire("clean routine"):
            assert holystone("history").lines[1].endswith("  running")
        assert holystone("history").lines[1].endswith("  killed")
        (told,) = holystone("history", "--json").json["runs"]
        assert (told["state"], told["removed"]) == ("killed", 0)
        assert "not told" in holystone("history", "1").out


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["7"], 1, "there is no run 7; `holystone history` lists them"),
        (["last"], 64, "argument RUN: 'last' is not a number from 1 on"),
        (["0"], 64, "'0' is not a number"),
        (["--limit", "0"], 64, "argument --limit: '0' is not a number"),
        (["--limit", str(2**70)], 64, "is not a number from 1 on"),
        (["1", "--limit", "5"], 64, "--limit is for the list of runs"),
    ],
)
def test_errors(holystone: Command, arguments: list[str], code: int, words: str) -> None:
    assert words in holystone("history", *arguments).failed(code)


def test_a_ledger_that_cannot_be_read_is_an_error(holystone: Command) -> None:
    (holystone.state / "holystone.db").mkdir(parents=True)
    assert "cannot use the ledger" in holystone("history").failed(1)


def test_every_field_is_documented(holystone: Command) -> None:
    done_run(holystone.state)
    told = fields(holystone("history", "--json").json)
    one = holystone("history", "1", "--json").json
    for removal in one["removals"]:
        removal["labels"] = "…"
        removal["names"] = removal["tags"] = removal["digests"] = ["…"]
    told |= fields(one)
    documented = codes(first_cells(section("docs/json.md", "history --json")))
    assert told == documented | {"schema"}

"""``holystone history``: past runs, from the ledger alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from holystone.cli import clean
from holystone.cli.recorded import recorded
from holystone.planner.verdict import Fact, Reason, Rule
from holystone.store.lock import HostLock
from holystone.store.migrations import MIGRATIONS
from tests.cli.command import Command, Done
from tests.docs.test_reference import codes, fields, first_cells, section
from tests.store.examples import LOCK, host, opened, plan_of


def done_run(folder: Path, level: str = "routine") -> None:
    """A run that removed two images, skipped one and could not remove a volume."""
    inventory = host(3)
    first, second, third = (image.id for image in inventory.images)
    where = {"endpoint": "unix:///run/docker.sock", "job": "4711"}
    with opened(folder) as ledger:
        run = ledger.runs.begin(plan_of(inventory, level), inventory, **where)
        assert run is not None
        run.settle("image", first, "removed")
        run.settle("image", second, "removed")
        run.settle("image", third, "skipped", "used since planned")
        run.settle("volume", "data", "failed", "the engine answered 500: \x1b[31mno")
        run.end(
            freed_bytes=15_000_000, freed={("image", first): 15_000_000, ("image", second): 0},
            removed=2, skipped=1, failed=1, disk_free_after=16_000_000,
        )  # fmt: skip


def one_line(done: Done) -> str:
    return " ".join(done.out.split())


def test_no_runs_yet(holystone: Command) -> None:
    said = "No runs yet. Every clean is recorded here before it removes anything.\n"
    assert holystone("history") == (0, said, "")
    told = holystone("history", "--json").json
    assert (told["runs"], told["since_at"], told["totals"]["runs"]) == ([], None, 0)
    assert not holystone.state.exists(), "looking makes no ledger"


def test_runs_are_listed_newest_first(holystone: Command) -> None:
    for level in ("routine", "weekly", "deep"):
        done_run(holystone.state, level)
    done = holystone("history")
    assert (done.code, done.err) == (0, "")
    header, *rows, empty, totals = (line.split() for line in done.lines)
    assert header == [
        "RUN", "WHEN", "LEVEL", "ENGINE", "PLANNED", "FREED", "REMOVED", "SKIPPED", "FAILED",
        "TOOK", "ENDED", "NOTES",
    ]  # fmt: skip
    assert empty == []
    assert " ".join(totals) == "3 runs: 6 objects removed, 45.0 MB freed."
    assert [row[0] for row in rows] == ["3", "2", "1"]
    assert [row[4] for row in rows] == ["deep", "weekly", "routine"]
    took = rows[0].pop(-6)
    assert float(took) < 60
    assert rows[0][5:] == [
        "runner", "30", "B", "15.0", "MB", "2", "1", "1", "s", "done", "2", "tagged", "images",
    ]  # fmt: skip
    two = holystone("history", "--limit", "2", "--json").json["runs"]
    assert [run["id"] for run in two] == [3, 2]
    cut = holystone("history", "--limit", "2").lines[-1]
    assert cut == "The newest 2 of 3 runs: 4 objects removed, 30.0 MB freed."


def pressed_run(folder: Path) -> None:
    """A run for space that removed two tagged images, one of which the level takes as well."""
    inventory = host(2)
    made = replace(plan_of(inventory), target_free=40 * 10**9)
    idle = 3 * 86400.0
    facts: dict[str, Fact] = {"least_free": 40 * 10**9, "idle": idle, "sign": "last used"}
    reasons = (
        Reason(Rule.PRESSURE, facts | {"frees": 10}),
        Reason("from-the-future", {"x": 1}),  # type: ignore[arg-type]
        Reason(Rule.UNUSED),
    )
    verdicts = [replace(v, reasons=(r,)) for v, r in zip(made.verdicts, reasons, strict=True)]
    made = replace(made, verdicts=tuple(verdicts))
    with opened(folder) as ledger:
        options = ("--until-free 40GB", "--no-check-registry")
        run = ledger.runs.begin(made, inventory, endpoint="e", options=options)
        assert run is not None
        for step in made.steps[:2]:
            run.settle(step.kind, step.id, "removed")
        run.settle("volume", "data", "unknown", "the engine went away")
        run.end(freed_bytes=20, freed={}, removed=2, skipped=0, failed=0)


def test_pressure_options_and_reasons(holystone: Command) -> None:
    """A run that took tagged images for space says so, and each object why it went."""
    pressed_run(holystone.state)
    row, _, totals = holystone("history").lines[1:]
    assert " routine " in row
    assert " until 40.0 GB free" in row
    assert row.endswith("2 tagged images, 1 under pressure; --no-check-registry")
    assert totals.endswith(" 1 tagged image went under pressure.")
    one = holystone("history", "1")
    text = one_line(one)
    assert text.startswith("Run 1: routine clean until 40.0 GB free of runner ")
    for words in (
        "options --until-free 40GB --no-check-registry",
        "removed 2 images (2 tagged images, 1 under pressure)",
        "removed the disk needs 40.0 GB free; last used 3 days ago, frees 10 B",
        "removed from-the-future",
        "unknown the engine went away; unused",
    ):
        assert words in text
    told = holystone("history", "1", "--json").json
    assert told["run"]["options"] == ["--until-free 40GB", "--no-check-registry"]
    first, second, third = told["removals"]
    assert first["reasons"][0]["rule"] == "pressure"
    assert first["reasons"][0]["facts"]["least_free"] == 40 * 10**9
    assert second["reasons"] == [
        {"rule": "from-the-future", "facts": {"x": 1}, "text": "from-the-future"}
    ]
    assert third["result"] == "unknown"


def test_a_plan_in_a_file_made_for_space(holystone: Command, tmp_path: Path) -> None:
    """Its run says which images went for space, and for how much of it."""
    plan = tmp_path / "plan.json"
    on = ("--host", "demo:")
    assert holystone("plan", "--until-free", "130GB", "--out", plan, *on).code in (0, 4)
    assert holystone("clean", "--plan", plan, *on).code == 0
    (run,) = holystone("history", "--json").json["runs"]
    assert run["options"] == ["--until-free 130GB", f"--plan {plan}"]
    assert 0 < run["tagged_under_pressure"] == run["tagged_removed"]
    row = holystone("history").lines[1]
    assert f"tagged images, under pressure; --until-free 130GB --plan {plan}" in row
    one = holystone("history", str(run["id"])).out
    assert "in the plan that was agreed on; the disk needs 130 GB free" in one


def test_what_an_earlier_version_did_not_record(holystone: Command) -> None:
    """Its runs are told as before, and what they lack is said to be not recorded."""
    folder = holystone.state
    folder.mkdir()
    with closing(sqlite3.connect(folder / "holystone.db")) as database:
        for script in MIGRATIONS[:12]:
            database.executescript(script)
        database.execute(
            "INSERT INTO run VALUES (1, 'e/classic', 'old', 'e', 'routine', '', 1, 1e9, 1e9,"
            " 'done', '', 1, 10, 0, 10, 1, 0, 0, NULL, NULL, 40000000000)"
        )
        database.execute(
            "INSERT INTO removal VALUES (1, 0, 'image', 'sha256:1', '[\"a:1\"]', '[\"a:1\"]', '[]',"
            " '{}', 10, 10, 10, 'removed', '', 1e9, '[]')"
        )
        database.execute("PRAGMA user_version = 12")
        database.commit()
    row = holystone("history").lines[1]
    assert row.endswith(" 1 tagged image, reasons not recorded")
    text = one_line(holystone("history", "1"))
    assert "options not recorded" in text
    assert "a:1 10 B removed reason not recorded" in text
    told = holystone("history", "1", "--json").json
    assert (told["run"]["options"], told["run"]["tagged_under_pressure"]) == (None, None)
    assert told["removals"][0]["reasons"] is None


def test_what_a_run_of_an_earlier_version_never_tried(holystone: Command) -> None:
    """It counted as failed."""
    folder = holystone.state
    folder.mkdir()
    before = next(n for n, script in enumerate(MIGRATIONS) if "'not_tried'" in script)
    with closing(sqlite3.connect(folder / "holystone.db")) as database:
        for script in MIGRATIONS[:before]:
            database.executescript(script)
        database.execute(
            "INSERT INTO run (id, engine, engine_name, endpoint, level, job, pid, started, ended,"
            " state, interrupted, steps, planned_bytes, estimated, freed_bytes, removed, skipped,"
            " failed) VALUES (1, 'e/classic', 'old', 'e', 'routine', '', 1, 1e9, 1e9, 'killed',"
            " 'killed', 4, 40, 0, 10, 1, 0, 3)"
        )
        results = [
            ("removed", "", 0),
            ("failed", "the engine answered 500: no", 0),
            ("failed", "not tried: the run was killed", 0),
            ("failed", "not tried: the run was killed", 0),
        ]
        for place, (result, detail, looked) in enumerate(results):
            database.execute(
                "INSERT INTO removal (run, place, kind, id, names, tags, digests, labels,"
                " planned_bytes, result, detail, looked)"
                f" VALUES (1, {place}, 'image', 'sha256:{place}', '[]', '[]', '[]', '{{}}', 10,"
                " ?, ?, ?)",
                (result, detail, looked),
            )
        database.execute(f"PRAGMA user_version = {before}")
        database.commit()
    told = holystone("history", "1", "--json").json
    counted = {name: told["run"][name] for name in ("removed", "skipped", "failed", "not_tried")}
    assert counted == {"removed": 1, "skipped": 0, "failed": 1, "not_tried": 2}
    ways = [each["result"] for each in told["removals"]]
    assert ways == ["removed", "failed", "not_tried", "not_tried"]
    assert "killed, 2 not tried" in one_line(holystone("history"))
    text = one_line(holystone("history", "1"))
    assert "failed 1" in text
    assert "not tried 2" in text
    assert "not tried the run was killed" in text
    assert holystone("history", "--filter", "not-tried>1", "--json").json["runs"]
    assert not holystone("history", "--filter", "failed>1", "--json").json["runs"]


def test_since(holystone: Command) -> None:
    """A period is listed whole, by how long ago it began or by its date."""
    for _ in range(22):
        done_run(holystone.state)
    assert len(holystone("history", "--json").json["runs"]) == 20
    for when in ("1h", "2020-01-01", "2020-01-01T10:00", "2020-01-01 10:00:00+02:00"):
        told = holystone("history", "--since", when, "--json").json
        assert (len(told["runs"]), told["totals"]["removed"]) == (22, 44)
    assert told["since_at"] == "2020-01-01T08:00:00Z"
    said = holystone("history", "--since", "2020-01-01", "--limit", "3").lines[-1]
    assert said.startswith("The newest 3 of 22 runs since 2020-01-01 00:00 UTC: 6 objects removed")
    none = holystone("history", "--since", "0s")
    assert none.out.startswith("No run has started since 20")


def test_options_are_recorded_as_they_are_given() -> None:
    def of(*arguments: str, **environ: str) -> tuple[str, ...]:
        return recorded(clean.parser(), clean.parser().parse_args(arguments), environ)

    assert of() == of("routine", "--json", "-H", "demo:", "--wait", "5s") == ()
    assert of("deep", "-y", "--include-local", "--volumes") == ("--include-local", "--volumes")
    assert of("deep", "--volumes=named", "--no-check-registry") == (
        "--no-check-registry", "--volumes=named",
    )  # fmt: skip
    assert of("--check-registry", "--watermarks") == ("--watermarks", "--check-registry")
    assert of("--min-age", "90m", "--cache-budget", "1.5GB", "--until-used", "70%") == (
        "--min-age 90m", "--cache-budget 1500MB", "--until-used 70%",
    )  # fmt: skip
    assert of("--min-age", "0s", "--cache-budget", "0") == ("--min-age 0s", "--cache-budget 0B")
    assert of("--plan", "/x/p.json") == ("--plan /x/p.json",)
    assert of(HOLYSTONE_CONFIG="/x.toml") == ("HOLYSTONE_CONFIG=/x.toml",)
    assert of("--config", "/y.toml", HOLYSTONE_CONFIG="/x.toml") == ("--config /y.toml",)


def test_one_run_whole(holystone: Command) -> None:
    """Each object with what it freed, and why it stayed; nothing in it moves the cursor."""
    done_run(holystone.state)
    done = holystone("history", "1")
    assert (done.code, done.err) == (0, "")
    assert "\x1b" not in done.out
    text = one_line(done)
    assert text.startswith("Run 1: routine clean of runner engine unix:///run/docker.sock job 4711")
    for words in (
        "planned 30 B freed 15.0 MB removed 2 images (2 tagged images) skipped 1 failed 1",
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
        with HostLock(str(holystone.state), LOCK).acquire("clean routine"):
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
        (["1", "--since", "5d"], 64, "--since is for the list of runs"),
        (["--since", "yesterday"], 64, "'yesterday' is no time; write it like 7d, 12h, 20"),
        (["--since", "2999-01-01"], 64, "'2999-01-01' is in the future"),
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
        removal["reasons"] = [{"rule": "…", "facts": "…", "text": "…"}]
        removal["labels"] = "…"
        removal["names"] = removal["tags"] = removal["digests"] = ["…"]
    told |= fields(one)
    documented = codes(first_cells(section("docs/reference/json.md", "history --json")))
    assert told == documented | {"schema"}

"""``holystone advise``: what it tells of a trace, of a host, and where it cannot."""

from __future__ import annotations

import time
from pathlib import Path
from sqlite3 import connect

import pytest

from holystone.planner.policy import HEADROOM
from holystone.replay.trace import written
from tests.cli.command import Command
from tests.docs.test_reference import codes, fields, first_cells, section
from tests.engines import Engine
from tests.engines.images import ImageToLoad, layer, load

DAY = 86_400.0


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    images = {f"i{n}": [(f"layer {n}", 10**9)] for n in range(3)}
    uses = [
        (1.7e9 + day * DAY + 3600 * n, f"team/app{n}:1", f"i{n}")
        for day in range(30)
        for n in range(3)
    ]
    path = tmp_path / "past.jsonl"
    path.write_text("".join(f"{line}\n" for line in written(images, uses)))
    return path


def test_text(holystone: Command, trace: Path) -> None:
    done = holystone("advise", trace)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0] == f"Advice for {trace}"
    assert "  from    90 uses of 3 references in 29 days" in done.lines
    (ours,) = [line.split() for line in done.lines if "with this" in line]
    assert ours == ["with", "this", "0", "B", "0", "0", "s"]
    (each,) = [line for line in done.lines if "after each job" in line]
    assert "22.0 GB" in each
    assert "[disk]" not in done.out


def test_json(holystone: Command, trace: Path) -> None:
    """Every field is documented, but for watermarks, which a trace has none of."""
    told = holystone("advise", trace, "--bandwidth", "10MB/s", "--json").json
    documented = codes(first_cells(section("docs/reference/json.md", "advise --json"))) | {"schema"}
    marks = {name for name in documented if name.startswith("watermarks.")}
    assert fields(told) == documented - marks | {"watermarks"}
    (prune,) = [each for each in told["week"]["against"] if each["order"] == "prune-all"]
    assert prune["pulled_bytes"] == prune["saved_bytes"] == 22 * 10**9
    assert prune["waited_seconds"] == prune["saved_seconds"] == pytest.approx(22 * (100 + 3.2))
    assert 3 * 10**9 <= told["budget_bytes"] == told["wanted_bytes"] < 3.3 * 10**9


def test_standard_input(holystone: Command, trace: Path) -> None:
    done = holystone.shell(f"holystone advise - --json < {trace}")
    assert done.json["trace"]["name"] == "standard input"


def test_what_cannot_be_told(holystone: Command, trace: Path) -> None:
    short = trace.with_name("short.jsonl")
    short.write_text("".join(trace.read_text().splitlines(keepends=True)[:6]))
    assert "advice needs 20 uses and a day at least" in holystone("advise", short).failed(1)
    trace.write_text(trace.read_text() + "nonsense\n")
    assert f"{trace}:94: is no JSON" in holystone("advise", trace).failed(1)
    assert "no such file" in holystone("advise", "/nowhere").failed(1).lower()
    assert "--bandwidth" in holystone("advise", trace, "--bandwidth", "x").failed(64)


@pytest.mark.engine("docker20")
def test_a_host_of_which_nothing_is_known(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    load(fresh_engine, ImageToLoad([layer(unique)], [f"{unique}:1"]))
    said = holystone("advise", "-H", fresh_engine.host).failed(1)
    assert "holystone observe" in said


@pytest.mark.engine("docker20", "docker28c")
def test_a_host_by_its_own_past(
    fresh_engine: Engine, holystone: Command, unique: str, tmp_path: Path
) -> None:
    """Its watermarks leave images the budget: with the containerd store that is more disk."""
    names = [f"{unique}:{number}" for number in range(3)]
    for name in names:
        load(fresh_engine, ImageToLoad([layer(name)], [name]))
    host = ("-H", fresh_engine.host, "--state", tmp_path)
    assert holystone("observe", *host).code == 0
    for name in names:
        fresh_engine.docker("tag", name, name)
    assert holystone("observe", *host).code == 0
    with connect(tmp_path / "holystone.db") as ledger:
        known = ledger.execute("SELECT id, image FROM past_reference").fetchall()
        now = time.time()
        uses = [
            (now - day * DAY - place * 3600, reference, image, 0)
            for day in range(20)
            for place, (reference, image) in enumerate(known)
        ]
        ledger.executemany(
            "INSERT INTO past_use (at, reference, image, pulled) VALUES (?, ?, ?, ?)", uses
        )
    told = holystone("advise", *host, "--json").json
    documented = codes(first_cells(section("docs/reference/json.md", "advise --json"))) | {"schema"}
    assert fields(told) == documented
    assert told["trace"]["references"] == 3
    marks = told["watermarks"]
    assert marks["low_free_bytes"] == marks["high_free_bytes"] + HEADROOM
    disk = holystone("status", *host, "--json").json["disk"]
    taken = marks["images_bytes"] + marks["other_bytes"] + marks["low_free_bytes"]
    assert taken == disk["total_bytes"]
    more = marks["images_bytes"] > told["budget_bytes"]
    assert more is (fresh_engine.store == "containerd")

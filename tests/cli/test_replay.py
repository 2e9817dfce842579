"""``holystone replay``: what it prints, draws and refuses, and how it ends."""

from __future__ import annotations

import signal
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from holystone.replay.orders import DEFAULT, ORDERS
from holystone.replay.running import Job, run_job
from tests.cli.command import Command, ended, interrupt, wait_until
from tests.docs.test_reference import codes, fields, first_cells, section
from tests.replay.recorded import SMALL, recorded

SVG = "{http://www.w3.org/2000/svg}"


def results(document: dict[str, Any]) -> dict[tuple[str, int], dict[str, Any]]:
    return {(each["order"], each["budget_bytes"]): each for each in document["results"]}


def test_json_has_what_was_asked_for(holystone: Command) -> None:
    done = holystone("replay", SMALL, "--budget", "1GB,50%", "--order", "oracle,lru", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith('{"schema":1,')
    document = done.json
    layers = document["trace"]["layers_bytes"]
    jobs = [Job(o, b) for b in (10**9, layers // 2) for o in ("oracle", "lru")]
    expected = [run_job(recorded("small"), None, job)._asdict() for job in jobs]
    for each in expected:
        waited = each["pulled_bytes"] / 12_500_000 + 3.2 * each["stalls"]
        each["waited_seconds"] = round(waited, 1)
    assert document["results"] == expected
    assert [each["budget_bytes"] for each in document["bounds"]] == [10**9, layers // 2]
    assert document["bandwidth_bytes_per_second"] == 12_500_000
    assert document["flattens"] is None
    assert document["trace"] == {
        "name": str(SMALL),
        "uses": 240,
        "references": 8,
        "images": 47,
        "layers_bytes": 5_079_612_293,
        "largest_image_bytes": 1_131_821_961,
        "working_set_bytes": 1_954_121_451,
        "first_use_at": "2024-10-27T03:33:40Z",
        "last_use_at": "2024-11-09T07:40:00Z",
    }


def test_every_field_is_documented_and_without_a_budget_the_curve_is_found_too(
    holystone: Command,
) -> None:
    documented = codes(first_cells(section("docs/reference/json.md", "replay --json")))
    groups = {"flattens[].order", "flattens[].budget_bytes"}
    document = holystone("replay", SMALL, "--json").json
    assert fields(document) == documented
    assert {each["order"] for each in document["results"]} == set(DEFAULT)
    assert {each["budget_bytes"] for each in document["results"]} == {12 * 10**8, 2 * 10**9}
    bounded = {"lru", "kubelet", "drone-gc", "oracle"} | ({"ours"} & set(DEFAULT))
    assert {each["order"] for each in document["flattens"]} == bounded
    asked = holystone("replay", SMALL, "--json", "--budget", "1GB").json
    assert fields(asked) == documented - groups | {"flattens"}


def test_every_order_is_documented() -> None:
    assert codes(first_cells(section("docs/explanation/replay.md", "Eviction policies"))) == set(
        ORDERS
    )
    options = section("docs/reference/commands.md", "holystone replay")
    assert ", ".join(f"`{order}`" for order in ORDERS) in options
    assert f"`{','.join(DEFAULT)}`" in options


def test_workers_change_nothing(holystone: Command) -> None:
    line = ["replay", SMALL, "--order", "all", "--budget", "1GB,2GB,10%", "--json"]
    usual = holystone(*line)
    assert [holystone(*line, "--parallel", workers) for workers in (1, 2, 7)] == [usual] * 3


def test_text(holystone: Command) -> None:
    done = holystone("replay", SMALL, "--budget", "1.5GB", "--order", "all", "--bandwidth", "8MB/s")
    assert (done.code, done.err) == (0, "")
    lines = done.lines
    assert lines[0] == f"Replay of {SMALL}"
    assert "Budget 1.50 GB  30% of all layers" in lines
    found = results(
        holystone("replay", SMALL, "--budget", "1.5GB", "--order", "all", "--json").json
    )
    table = lines[lines.index("Budget 1.50 GB  30% of all layers") + 2 :]
    rows = {line.split()[0]: line for line in table[: len(ORDERS) + 1]}
    assert set(rows) == set(ORDERS) | {"lower"}
    lru = found["lru", 15 * 10**8]
    daily = found["prune-daily", 15 * 10**8]
    more = daily["pulled_bytes"] / lru["pulled_bytes"] - 1
    assert f"  {more:+.1%}  " in rows["prune-daily"]
    assert f" {daily['stalls']} " in rows["prune-daily"]
    share = f"{lru['stalls'] / 240:.0%}"
    assert rows["lru"].split()[3:5] == [str(lru["stalls"]), share]  # and no comparison with itself
    assert "at 8.00 MB a second (--bandwidth) and 3.2 s a pull" in done.out
    assert "prune-all, prune-daily, until-created know no budget" in " ".join(lines)
    assert "The curve of an order flattens where" in done.out


def test_lru_is_compared_with_where_it_is_not_shown(holystone: Command) -> None:
    done = holystone("replay", SMALL, "--budget", "1GB", "--order", "prune-daily")
    assert "  lru" not in done.out
    both = holystone("replay", SMALL, "--budget", "1GB", "--order", "lru,prune-daily")
    (row,) = [line for line in done.lines if line.startswith("  prune-daily")]
    assert row.split() in [line.split() for line in both.lines]


def test_standard_input(holystone: Command) -> None:
    done = holystone.shell(
        f"gzip -c {SMALL} | holystone replay - --budget 1GB --order lru --json",
        PATH="/usr/bin:/bin",
    )
    assert done.json["trace"]["name"] == "standard input"
    direct = holystone("replay", SMALL, "--budget", "1GB", "--order", "lru", "--json").json
    assert done.json["results"] == direct["results"]


def test_it_fits_the_terminal(holystone: Command) -> None:
    for columns in (40, 80):
        done = holystone.on_terminal("replay", SMALL, "--order", "all", columns=columns)
        assert done.code == 0
        assert max(map(len, done.lines[1:])) <= columns


def test_the_picture(holystone: Command, tmp_path: Path) -> None:
    file = tmp_path / "replay.svg"
    done = holystone("replay", SMALL, "--order", "all", "--plot", file)
    assert (done.code, done.err) == (0, "")
    picture = ET.parse(file).getroot()
    titles = [title.text for title in picture.iter(f"{SVG}title")]
    texts = [text.text or "" for text in picture.iter(f"{SVG}text")]
    above = ("prune-all", "prune-daily")
    assert titles == [*(order for order in ORDERS if order not in above), "lower bound"]
    for order in ORDERS:
        assert any(text.startswith(order) for text in texts)
    assert "prune-all: 30.0 GB, above" in texts
    assert "GB pulled, against the budget" in texts
    assert "2 GB" in texts
    groups = {group[0].text: group for group in picture.iter(f"{SVG}g")}
    assert len(groups["lru"].findall(f"{SVG}circle")) > 10
    assert len(groups["until-created"].findall(f"{SVG}line")) == 1
    for line in picture.iter(f"{SVG}line"):
        for name in ("x1", "y1", "x2", "y2"):
            assert 0 <= float(line.attrib[name]) <= 820


def test_a_picture_with_a_strange_name_and_one_that_cannot_be_written(
    holystone: Command, tmp_path: Path
) -> None:
    trace = tmp_path / "a<b>&c.jsonl"
    trace.write_bytes(SMALL.read_bytes())
    file = tmp_path / "p.svg"
    assert holystone("replay", trace, "--order", "prune-all", "--plot", file).code == 0
    assert f"{trace}" in [text.text for text in ET.parse(file).getroot().iter(f"{SVG}text")]
    done = holystone("replay", SMALL, "--order", "lru", "--plot", tmp_path / "no" / "p.svg")
    assert (done.code, done.out[:10]) == (1, "Replay of ")
    assert done.err.startswith(f"holystone: cannot write the picture to {tmp_path}/no/p.svg: No")


def test_a_single_use(holystone: Command, tmp_path: Path) -> None:
    """Neither a span of time nor a budget to speak of."""
    trace = tmp_path / "t"
    trace.write_text(
        '{"kind":"image","id":0,"layers":[["a",0]]}\n{"kind":"use","time":0,"ref":"a","image":0}\n'
    )
    for extra in (["--json"], ["--plot", tmp_path / "p.svg"], ["--budget", "1%"]):
        done = holystone("replay", trace, "--order", "all", *extra)
        assert (done.code, done.err) == (0, "")


def test_traces_that_are_wrong(holystone: Command, tmp_path: Path) -> None:
    """What else can be wrong with one: ``tests/replay/test_trace.py``."""
    trace = tmp_path / "t.jsonl"
    assert "cannot read the trace" in holystone("replay", trace).failed(1)
    trace.write_text("")
    assert f"{trace}: is empty" in holystone("replay", trace).failed(1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "the following arguments are required: TRACE"),
        (["t", "--budget", "5"], "'5' is not a budget; write it like 500MB, 40GB or 25%"),
        (["t", "--budget", "0GB"], "'0GB' is not a budget"),
        (["t", "--budget", "5GB,"], "'' is not a size"),
        (["t", "--budget", "0%"], "'0%' is not a share of all layers; write it like 25%"),
        (["t", "--budget", "101%"], "'101%' is not a share of all layers"),
        (["t", "--budget", "many%"], "'many%' is not a share of all layers"),
        (["t", "--order", "lru,oracel"], "there is no order 'oracel'; did you mean oracle?"),
        (["t", "--order", "zzz"], "there is no order 'zzz'; there are lru, docuum, kubelet"),
        (["t", "--bandwidth", "100"], "'100' is not a rate"),
        (["t", "--parallel", "0"], "'0' is not a number from 1 to 256"),
    ],
)
def test_usage(holystone: Command, arguments: list[str], words: str) -> None:
    assert words in holystone("replay", *arguments).failed(64)


@pytest.fixture
def long_trace(tmp_path: Path) -> Path:
    """Enough uses for a replay to be met at work."""
    lines = SMALL.read_text().splitlines()
    images = [line for line in lines if '"image","id"' in line]
    uses = [line for line in lines if '"use"' in line]
    path = tmp_path / "long.jsonl"
    moment = '"time":1800000000'
    same = [f"{a}{moment}{b[b.index(',') :]}" for a, b in (u.split('"time":', 1) for u in uses)]
    path.write_text("\n".join([*images, *(same * 1500)]) + "\n")
    return path


def running(path: Path) -> list[str]:
    """The processes that have this path on their command line."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(path).encode() in each.read_bytes():
                found.append(each.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_interrupted_or_killed(
    holystone: Command, long_trace: Path, number: signal.Signals
) -> None:
    """Its workers do not outlive it."""
    line = ("replay", long_trace, "--order", "all", "--budget", "1GB,2GB,3GB", "--parallel", 2)
    with holystone.started(*line) as process:
        wait_until(lambda: len(running(long_trace)) == 3)
        if number == signal.SIGKILL:
            process.kill()
            process.wait()
            wait_until(lambda: running(long_trace) == [])
            return
        interrupt(process, number)
        done = ended(process)
    assert done == (130, "", "holystone: interrupted\n")
    assert running(long_trace) == []

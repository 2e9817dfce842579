"""``holystone observe`` remembers what was used; ``history export`` writes it as a trace."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from holystone.planner.inventory import Image
from holystone.store.hosts import identify
from holystone.usage.sighting import Sighting
from tests.cli.command import POWERLESS, Command, ended
from tests.cli.contract import check_head
from tests.cli.faulty import EMPTY
from tests.docs.test_reference import codes, fields, first_cells, section
from tests.engine_client.misbehaving import answers, misbehaving, refuses
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load
from tests.store.examples import KEY, NOW, host, opened, seen

NODE = "docker.io/library/node:18-alpine"


def documented(heading: str) -> set[str]:
    head = codes(first_cells(section("docs/reference/json.md", "Every document")))
    return codes(first_cells(section("docs/reference/json.md", heading))) | (
        head if heading.startswith("observe") else set()
    )


def test_the_demo_host_has_been_used(holystone: Command) -> None:
    done = holystone("observe", "--host", "demo:", HOLYSTONE_STATE=None)
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith("Use of ci-runner-07 (simulated) (Docker 28.5.1, overlay2): ")
    (python,) = [line for line in done.lines if "python:3.12-slim" in line]
    assert " 6 min ago " in python
    assert " 20 min " in python
    assert done.lines[-1] == "4 uses of 4 references; 22 references known by now."
    told = holystone("observe", "--host", "demo:", "--json", HOLYSTONE_STATE=None).json
    check_head(told)
    inner = {name for name in documented("observe --json") if name == "references[]"}
    # The demo host has nothing that is odd.
    noted = {name for name in documented("observe --json") if name.startswith("notes[]")}
    assert (documented("observe --json") - inner - noted) | {"notes[]"} == fields(told)


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_jobs_of_a_real_engine(
    fresh_engine: Engine, holystone: Command, unique: str, tmp_path: Path
) -> None:
    """Looked at by two at once; then written as a trace with the layers of what was used."""
    reference = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer(), layer(unique, 20_000)], [reference]))
    fresh_engine.docker("run", "--rm", "--network", "none", reference, "true")
    time.sleep(0.5)
    looks = ("observe", "--json", "--host", fresh_engine.host)
    with holystone.started(*looks) as one, holystone.started(*looks) as two:
        told = [ended(one), ended(two)]
    assert [(done.code, done.err) for done in told] == [(0, ""), (0, "")]
    seen = [each for done in told for each in done.json["references"]]
    assert [each["uses"] for each in seen if each["reference"] == reference] == [1]
    again = holystone(*looks).json
    assert (again["uses"], again["references"], again["missed"]) == (0, [], [])
    assert again["since_at"] is not None
    fresh_engine.docker("rmi", reference)

    path = tmp_path / "trace.jsonl.gz"
    wrote = holystone("history", "export", path)
    assert (wrote.code, wrote.err) == (0, "")
    assert wrote.out.startswith("Wrote ")
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    (use,) = [line for line in lines if line.get("ref") == reference]
    (image,) = [line for line in lines if line["kind"] == "image" and line["id"] == use["image"]]
    assert abs(use["time"] - time.time()) < 60
    assert len(image["layers"]) == 2
    assert image["layers"][1][1] >= 20_000


def test_the_first_look_tells_so_and_later_ones_since_when(holystone: Command) -> None:
    began = time.time() - 900
    started = [
        {"Type": "container", "Action": "create", "timeNano": int((began + n) * 1e9),
         "Actor": {"ID": f"c{n}", "Attributes": {"image": "redis:7"}}}
        for n in (0, 600)
    ]  # fmt: skip
    script = {**EMPTY, "GET /events?past": answers(started[0])}
    with misbehaving(script) as host:
        first = holystone("observe", "--host", host)
        assert (first.code, first.err) == (0, "")
        assert first.lines[0].endswith(": first look")
        assert first.lines[-1] == "1 use of 1 reference; 1 reference known by now."
    with misbehaving({**EMPTY, "GET /events?past": answers(started[1])}) as host:
        second = holystone("observe", "--host", host)
        (redis,) = [line.split() for line in second.lines if "redis" in line]
        assert redis[:3] == ["redis:7", "1", "2"]
        assert redis[-3:] == ["10", "min", "—"]
        assert "since 2" in second.lines[0]
        assert second.lines[-1] == (
            "There may have been more: the engine's events begin later: it was restarted. Run "
            "holystone observe more often."
        )


def test_where_nothing_can_be_kept_it_fails(holystone: Command) -> None:
    """What was seen is told all the same."""
    holystone("lease", "node", "--for", "1h")
    for file in holystone.state.iterdir():
        file.chmod(0o400)
    holystone.state.chmod(0o500)
    with misbehaving(EMPTY) as host:
        done = holystone.under(POWERLESS, "observe", "--host", host)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"holystone: cannot use the ledger {holystone.state}/holystone.db")
    assert done.lines[-1].startswith("There may have been more: the engine refuses to tell")


def uses(folder: Path, count: int = 3, engine: str = KEY) -> None:
    sightings = [Sighting(NOW + 600 * n, NODE, "i", pulled=n == 0) for n in range(count)]
    with opened(folder) as ledger:
        ledger.fold(engine, seen(*sightings, images={"i": Image("i", size=5, created=7.0)}))


TRACE: list[dict[str, Any]] = [
    {"kind": "image", "id": 0, "layers": [["i", 5]], "created": 7},
    {"kind": "use", "time": int(NOW), "ref": "node:18-alpine", "image": 0, "pulled": True},
    {"kind": "use", "time": int(NOW) + 600, "ref": "node:18-alpine", "image": 0},
    {"kind": "use", "time": int(NOW) + 1200, "ref": "node:18-alpine", "image": 0},
]
SENTENCE = (
    "Wrote 3 uses of 1 reference and 1 image, from 2025-06-15T15:06:40Z to 2025-06-15T15:26:40Z,"
)


def test_a_trace_goes_to_standard_output_or_into_a_file(holystone: Command, tmp_path: Path) -> None:
    uses(holystone.state)
    pulled = "1 use had to pull the image.\n"
    for name in ((), ("-",)):
        done = holystone("history", "export", *name)
        assert (done.code, done.err) == (0, f"holystone: {SENTENCE} to standard output. {pulled}")
        assert [json.loads(line) for line in done.out.splitlines()] == TRACE
    for path, unpacked in (
        (tmp_path / "t.jsonl", bytes),
        (tmp_path / "t.jsonl.gz", gzip.decompress),
    ):
        done = holystone("history", "export", path)
        assert done == (0, f"{SENTENCE} to {path}. {pulled}", "")
        assert [json.loads(line) for line in unpacked(path.read_bytes()).splitlines()] == TRACE
    told = holystone("history", "export", tmp_path / "t.jsonl", "--json").json
    assert told["uses"] == 3
    assert fields(told) == documented("history export --json")
    assert sorted(each.name for each in tmp_path.glob("t.*")) == ["t.jsonl", "t.jsonl.gz"]
    missing = tmp_path / "none" / "t.jsonl"
    said = holystone("history", "export", missing).failed(1)
    assert said == f"holystone: cannot write the trace to {missing}: No such file or directory\n"
    done = holystone.shell("holystone history export > /dev/full")
    assert done.code == 1
    assert "cannot write to standard output: No space left on device" in done.err
    assert holystone.shell("holystone history export | head -1").code == 0


def test_several_engines_are_told_apart(holystone: Command) -> None:
    assert "no usage is recorded yet" in holystone("history", "export").failed(1)
    with opened(holystone.state) as ledger:
        ledger.fold(KEY, seen())
    assert "no usage is recorded yet" in holystone("history", "export").failed(1)
    uses(holystone.state)
    uses(holystone.state, 1, "other/podman")
    several = holystone("history", "export")
    assert (several.code, several.out) == (1, "")
    assert several.err.startswith("holystone: uses of several engines are known; say which with ")
    assert "\n  other  runner\n" in several.err
    assert len(holystone("history", "export", "--engine", "other").out.splitlines()) == 2
    unknown = holystone("history", "export", "--engine", "nobody")
    assert (unknown.code, unknown.out) == (1, "")
    assert "no use is known of an engine 'nobody'" in unknown.err
    with opened(holystone.state) as ledger:
        engine = host(0).engine
        ids = [identify(ledger, engine._replace(name=n), f"tcp://{n}:1", NOW) for n in "ab"]
    for number, uuid in enumerate(ids):
        uses(holystone.state, 4 + number, f"{uuid}/classic")
    hosts = holystone("history", "export", "--engine", "engine")
    assert {f"  {known}  runner" for known in (*ids, KEY)} < set(hosts.err.splitlines())
    for known, lines in (*zip(ids, (5, 6), strict=True), (KEY, 4)):
        assert len(holystone("history", "export", "--engine", known).out.splitlines()) == lines
    uses(holystone.state, 2, "other/containerd")
    stores = holystone("history", "export", "--engine", "other")
    assert {"  other/podman  runner", "  other/containerd  runner"} < set(stores.err.splitlines())
    chosen = holystone("history", "export", "--engine", "other/podman")
    assert len(chosen.out.splitlines()) == 2


def test_what_makes_no_sense_together(holystone: Command) -> None:
    for line in ("export --json", "export - --json", "1 file", "--engine e", "export --limit 3"):
        holystone("history", *line.split()).failed(64)


def test_an_engine_that_tells_no_events_is_observed_all_the_same(holystone: Command) -> None:
    container = {"Id": "c1", "ImageID": "sha256:1", "Image": "redis:7", "State": "running",
                 "Created": int(time.time()) - 30}  # fmt: skip
    script = {
        **EMPTY,
        "GET /containers/json": answers([container]),
        "GET /events?past": refuses(403, "blocked"),
    }
    with misbehaving(script) as host:
        done = holystone("observe", "--host", host, "--json")
    assert done.code == 0
    assert [each["reference"] for each in done.json["references"]] == ["redis:7"]
    assert done.json["missed"] == ["the engine refuses to tell its events"]

"""The metrics: complete, right, cheap, and nobody outside can make series."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from prometheus_client import REGISTRY
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_open_metrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from holystone.agent import metric_values
from holystone.agent.metric_table import COUNTER, METRICS, SUMMARY
from holystone.agent.metric_values import ALL_JOBS, RESULTS
from holystone.agent.metrics import render
from holystone.agent.state import DOWN, OK, UP, JobResult, State
from holystone.planner.inventory import Disk, Inventory
from holystone.planner.policy import LEVELS, Mark, Watermarks
from holystone.planner.verdict import KINDS
from tests.agent.metrics_state import (
    DAY,
    EXPECTED,
    GB,
    HOUR,
    NOON,
    demo_snapshot,
    demo_state,
    exposition,
    set_free,
)

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def series(state: State, clock: float = NOON) -> Series:
    text = render(state, clock=clock)[0].decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in parse(text)
        for sample in family.samples
    }


def value(state: State, name: str, /, **labels: str) -> float | None:
    """The value of a series; None where there is none."""
    return series(state).get((f"holystone_{name}", frozenset(labels.items())))


def test_the_demo_host_in_full() -> None:
    """``python -m tests.agent.metrics_state`` writes the file anew."""
    assert exposition().decode() == EXPECTED.read_text()


def test_openmetrics_for_who_takes_it() -> None:
    state = demo_state()
    body, content_type = render(state, "application/openmetrics-text;version=1.0.0,*/*;q=0.1")
    assert content_type.startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")
    names = {family.name for family in parse_open_metrics(body.decode())}  # type: ignore[no-untyped-call]
    assert {metric.name.removesuffix("_total") for metric in METRICS} <= names


@pytest.mark.parametrize("accept", ["", "*/*", "text/html", "application/json;q=\udcff", ",;=,"])
def test_text_for_everybody_else(accept: str) -> None:
    body, content_type = render(demo_state(), accept)
    assert content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert b"\n# TYPE holystone_disk_bytes gauge\n" in body


def test_the_process_is_told_only_where_asked() -> None:
    assert b"process_resident_memory_bytes" in render(demo_state())[0]
    text = render(demo_state(), process=False)[0].decode()
    assert all(line.split()[2].startswith("holystone_") for line in comments(text))


def comments(text: str) -> Iterator[str]:
    return (line for line in text.splitlines() if line.startswith("#"))


def test_nothing_in_the_global_registry() -> None:
    render(demo_state())
    assert not [name for name in REGISTRY._names_to_collectors if name.startswith("holystone")]


def test_an_agent_that_has_only_begun() -> None:
    state = State("demo:")
    assert value(state, "engine_up") == 0
    assert value(state, "disk_state", state="unseen") == 1
    assert value(state, "disk_state", state="ok") == 0
    assert value(state, "objects", kind="image") is None
    assert value(state, "disk_bytes") is None
    assert value(state, "disk_mark_bytes", mark="high") is None
    assert value(state, "disk_full_seconds") is None
    assert value(state, "ledger_bytes") is None
    assert value(state, "inventory_age_seconds") is None


def test_counters_are_there_from_the_start() -> None:
    empty = series(State("demo:"))
    for kind in KINDS:
        for level in (*LEVELS, "level"):
            labels = frozenset({("level", level), ("kind", kind)})
            assert empty["holystone_removed_objects_total", labels] == 0
            assert empty["holystone_freed_bytes_total", labels] == 0
        assert empty["holystone_evictions_total", frozenset({("kind", kind)})] == 0
        assert empty["holystone_spared_objects_total", frozenset({("kind", kind)})] == 0
    for job in ALL_JOBS:
        assert empty["holystone_run_duration_seconds_count", frozenset({("level", job)})] == 0
        for result in RESULTS:
            labels = frozenset({("level", job), ("result", result)})
            assert empty["holystone_runs_total", labels] == 0
    counters = {family for family in empty if family[0].endswith("_total")}
    assert counters == {each for each in series(demo_state()) if each[0].endswith("_total")}


def test_counters_grow() -> None:
    state = demo_state()
    state.removed["deep", "volume"] += 2
    state.ended(JobResult("deep", NOON, NOON + 30, OK))
    assert value(state, "removed_objects_total", level="deep", kind="volume") == 2
    assert value(state, "runs_total", level="deep", result="ok") == 2
    assert value(state, "run_duration_seconds_sum", level="deep") == 930
    assert value(state, "last_success_timestamp_seconds", level="deep") == NOON + 30


def test_successes_of_earlier_agents_are_told_until_there_is_a_newer_one() -> None:
    state = State("demo:")
    state.ended(JobResult("weekly", NOON, NOON + 30, OK))
    state.recall({"weekly": NOON - DAY, "deep": NOON - 20 * DAY}, {})
    name = "last_success_timestamp_seconds"
    assert value(state, name, level="weekly") == NOON + 30
    assert value(state, name, level="deep") == NOON - 20 * DAY
    assert value(state, name, level="routine") is None
    assert value(state, "runs_total", level="deep", result="ok") == 0


def test_nobody_outside_makes_series() -> None:
    state = demo_state()
    before = set(series(state))
    for number in range(50):
        state.events[f'image"}} evil{number}\n'] += 1
        state.removed[f"level{number}", "image"] += 1
        state.spared[f"kind{number}"] += 1
        state.runs[f"job{number}", "ok"] += 1
        state.set(
            next={**state.now.next, f"job{number}": NOON},
            alerts={**state.now.alerts, f"alert{number}": f"severity{number}"},
        )
        state.reclaimable = {**state.reclaimable, f"level{number}": (1, 1)}
    new = set(series(state)) - before
    assert {name for name, _ in new} == {
        "holystone_events_total",
        "holystone_removed_objects_total",
        "holystone_spared_objects_total",
        "holystone_runs_total",
    }
    assert len(new) == 4
    assert value(state, "events_total", kind="other") == 50


@pytest.mark.parametrize(
    ("free", "mark"), [(100 * GB, "ok"), (20 * GB, "high"), (5 * GB, "critical")]
)
def test_the_disk_is_in_one_state(free: int, mark: str) -> None:
    state = demo_state()
    set_free(state, free)
    states = {name: value(state, "disk_state", state=name) for name in metric_values.DISK_STATES}
    assert {name for name, is_in in states.items() if is_in} == {mark}
    assert sum(each or 0 for each in states.values()) == 1


def test_marks_are_those_of_the_policy() -> None:
    state = demo_state()
    total = state.now.disk.total_bytes or 0
    assert value(state, "disk_mark_bytes", mark="high") == total - int(total * 0.85)
    state.set(
        marks=Watermarks(high=Mark(free_bytes=40 * GB), low=Mark(used_share=0.5), inodes=0.75)
    )
    assert value(state, "disk_mark_bytes", mark="high") == 40 * GB
    assert value(state, "disk_mark_bytes", mark="low") == total - total // 2
    assert value(state, "disk_mark_inodes") == 3_000_000
    set_free(state, 39 * GB)
    assert value(state, "disk_state", state="high") == 1


def test_the_forecast_is_infinite_where_the_disk_is_not_filling() -> None:
    state = demo_state()
    assert value(state, "disk_full_seconds") == 9 * HOUR
    state.set(full_in=None)
    assert value(state, "disk_full_seconds") == math.inf
    state.set(disk=Disk(unseen="elsewhere"))
    assert value(state, "disk_full_seconds") is None


def test_inventory_age_survives_a_clock_that_jumps_back() -> None:
    state = demo_state()
    assert series(state, NOON + 30)["holystone_inventory_age_seconds", frozenset()] == 90
    assert series(state, NOON - DAY)["holystone_inventory_age_seconds", frozenset()] == 0


def test_volumes_of_unknown_size_have_no_bytes() -> None:
    state = demo_state()
    snapshot = demo_snapshot()
    unmeasured = tuple(each._replace(size=None) for each in snapshot.inventory.volumes)
    inventory = snapshot.inventory._replace(volumes=unmeasured)
    state.set(snapshot=replace(snapshot, inventory=inventory))
    assert value(state, "object_bytes", kind="volume") is None
    assert value(state, "objects", kind="volume") == len(unmeasured)


def test_bytes_are_worked_out_once_for_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    real = metric_values.bytes_by_kind

    def noted(inventory: Inventory) -> Mapping[str, float | None]:
        seen.append(inventory)
        return real(inventory)

    monkeypatch.setattr(metric_values, "bytes_by_kind", noted)
    state = demo_state()
    for _ in range(5):
        render(state)
    assert len(seen) == 1
    before = value(state, "object_bytes", kind="container")
    snapshot = demo_snapshot()
    state.set(snapshot=replace(snapshot, inventory=snapshot.inventory._replace(containers=())))
    assert before
    assert value(state, "object_bytes", kind="container") == 0
    assert len(seen) == 2


def test_old_snapshots_are_not_kept() -> None:
    state = State("demo:")
    known = len(metric_values._BYTES)
    for _ in range(3):
        state.set(snapshot=demo_snapshot())
        render(state)
    assert len(metric_values._BYTES) == known + 1


def test_engine_ledger_and_configuration_that_fail() -> None:
    state = demo_state()
    names = ("engine_up", "ledger_usable", "config_valid")
    assert [value(state, name) for name in names] == [1, 1, 1]
    state.set(engine=DOWN, ledger_said="locked", config_said="line 3")
    assert [value(state, name) for name in names] == [0, 0, 0]
    state.set(engine=UP)
    assert value(state, "engine_up") == 1


def test_a_scrape_while_the_worker_counts() -> None:
    state = State("demo:")
    over = threading.Event()

    def work() -> None:
        number = 0
        while not over.is_set():
            number = (number + 1) % 300
            state.events[f"kind{number}"] += 1
            state.removed[f"level{number}", "image"] += 1
            state.ended(JobResult(f"job{number}", 0, 1, OK))
            if number == 0:
                # So that each turn adds keys again.
                for each in (state.events, state.removed, state.runs, state.durations):
                    each.clear()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(50):
            render(state, process=False)
    finally:
        over.set()
        worker.join()


def test_every_metric_is_well_named_and_told() -> None:
    for metric in METRICS:
        assert metric.name.startswith("holystone_")
        assert metric.name.endswith("_total") == (metric.type == COUNTER)
        assert metric.told.endswith(".")
        assert (metric.times is not None) == (metric.type == SUMMARY)
    assert len({metric.name for metric in METRICS}) == len(METRICS)

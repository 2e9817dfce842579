"""A real Prometheus scrapes the agent, its rules fire, and the alerts arrive by Alertmanager."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from holystone.agent.metric_table import METRICS
from holystone.agent.state import DOWN, FAILED, OK, UP, JobResult
from tests.agent.dashboard import PATH
from tests.agent.metrics_state import GB, HOUR, set_free
from tests.agent.monitoring import Monitoring, monitoring, wait_for

pytestmark = pytest.mark.xdist_group("prometheus")


@pytest.fixture(scope="module")
def watched(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]
) -> Iterator[Monitoring]:
    folder: Path = tmp_path_factory.mktemp("monitoring")
    with monitoring(folder, program) as started:
        yield started


def test_every_metric_arrives(watched: Monitoring) -> None:
    watched.until('up{job="holystone"} == 1')
    names = {each["metric"]["__name__"] for each in watched.until('{__name__=~"holystone_.+"}')}
    expected = {metric.name for metric in METRICS if metric.times is None} | {
        f"{metric.name}_{part}" for metric in METRICS if metric.times for part in ("count", "sum")
    }
    assert names == expected
    (free,) = watched.ask("holystone_disk_free_bytes")
    assert float(free["value"][1]) == watched.state.now.disk.free_bytes
    # The labels of no metric clash with those that Prometheus adds.
    assert watched.ask('{__name__=~"holystone_.+", exported_job!=""}') == []
    assert watched.ask('{__name__=~"holystone_.+", exported_instance!=""}') == []


def test_every_panel_has_data(watched: Monitoring) -> None:
    state = watched.state
    state.set(full_in=9 * HOUR, running="routine")
    set_free(state, 18 * GB)
    watched.until("count_over_time(holystone_disk_bytes[5m]) > 2")
    state.ended(JobResult("weekly", 0, 30, OK))
    watched.until('increase(holystone_runs_total{level="weekly", result="ok"}[5m]) > 0')
    watched.until("holystone_disk_full_seconds < Inf")
    dashboard = json.loads(PATH.read_text())
    (source, instance) = dashboard["templating"]["list"]
    assert (source["name"], instance["name"]) == ("datasource", "instance")
    empty = []
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$instance", ".+").replace("$__rate_interval", "5m")
            assert "$" not in query
            if not watched.ask(query):
                empty.append(f"{panel['title']}: {query}")
    assert empty == []


def test_a_disk_that_fills_up_and_is_cleaned(watched: Monitoring) -> None:
    state = watched.state
    state.set(full_in=None, short_bytes=0)
    set_free(state, 100 * GB)
    watched.until('holystone_disk_state{state="ok"} == 1')
    no_alert = 'count(ALERTS{alertname=~"HolystoneDisk.+"}) or vector(0)'
    wait_for(lambda: watched.ask(f"({no_alert}) == 0"), "no alert of the disk")

    set_free(state, 20 * GB)
    fired = watched.hear("/team", "HolystoneDiskHigh", "firing")
    assert fired["labels"]["severity"] == "warning"
    assert fired["labels"]["instance"] == watched.agent
    assert watched.agent in fired["annotations"]["summary"]

    set_free(state, 5 * GB)
    fired = watched.hear("/on-call", "HolystoneDiskCritical", "firing")
    assert fired["annotations"]["description"].startswith("5GB are free.")

    set_free(state, 100 * GB)
    watched.hear("/on-call", "HolystoneDiskCritical", "resolved")


def test_an_engine_that_goes_and_a_run_that_fails(watched: Monitoring) -> None:
    state = watched.state
    watched.until('holystone_runs_total{level="refresh", result="failed"} == 0')
    state.ended(JobResult("refresh", 0, 1, FAILED, "no registry"))
    fired = watched.hear("/team", "HolystoneRunFailed", "firing")
    assert fired["labels"]["level"] == "refresh"
    state.set(engine=DOWN, engine_said="connection refused")
    watched.hear("/on-call", "HolystoneEngineDown", "firing")
    state.set(engine=UP, engine_said="")
    watched.hear("/on-call", "HolystoneEngineDown", "resolved")

"""Prometheus' own tools: the metrics, the rules and the examples are right, and each rule fires."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from holystone.agent.metrics import render
from holystone.agent.state import State
from tests.agent.metrics_state import demo_state
from tests.docs.tracked import ROOT

FOLDER = ROOT / "integrations/prometheus"
Program = Callable[[str], str]
HOST = 'instance="runner"'
JOB = 'job="holystone"'


class Case(NamedTuple):
    """What makes an alert fire: series, when it is quiet yet, and when it fires."""

    alert: str
    series: dict[str, str]
    quiet: str
    fires: str
    summary: str
    labels: dict[str, str]
    """More than those of the host and how severe it is."""
    description: str = ""
    """Where it is not as the rule has it."""
    step: str = "1m"
    """The time from one value to the next."""


def gauge(name: str, **labels: str) -> str:
    more = "".join(f', {label}="{value}"' for label, value in labels.items())
    return f"holystone_{name}{{{JOB}, {HOST}{more}}}"


_DAYS = 24
"""Steps in a day of the cases that take days."""
CASES = (
    Case("HolystoneAgentDown", {f"up{{{JOB}, {HOST}}}": "1x10 0x30"}, "12m", "20m",
         "The holystone agent on runner does not answer", {}),
    Case("HolystoneTextfileStale",
         {f'node_textfile_mtime_seconds{{job="node", {HOST}, file="/var/x/holystone.prom"}}':
          "0+60x10 600x30"}, "20m", "30m", "The metrics of holystone on runner are 20m 0s old",
         {"job": "node", "file": "/var/x/holystone.prom"}),
    Case("HolystoneAgentRestarting", {gauge("started_timestamp_seconds"): "1 2 3 4 5 5x30"},
         "3m", "6m", "The holystone agent on runner began 4 times within an hour", {}),
    Case("HolystoneEngineDown", {gauge("engine_up"): "1x10 0x30"}, "12m", "14m",
         "The container engine on runner does not answer", {}),
    Case("HolystoneDiskCritical",
         {gauge("disk_state", state="critical"): "0x10 1x30", gauge("disk_free_bytes"): "5e9x40"},
         "10m", "13m", "The engine's disk on runner is above its critical mark",
         {"state": "critical"}, "5GB are free. The agent could not make enough space. holystone "
         "agent status says what holds it."),
    Case("HolystoneDiskHigh", {gauge("disk_state", state="high"): "0x10 1x30"}, "20m", "30m",
         "The engine's disk on runner stays above its high mark", {"state": "high"}),
    Case("HolystoneDiskInodes", {gauge("disk_state", state="inodes"): "0x10 1x30"}, "20m", "30m",
         "The engine's disk on runner has too few free inodes", {"state": "inodes"}),
    Case("HolystoneDiskUnseen", {gauge("disk_state", state="unseen"): "0x10 1x30"}, "20m", "30m",
         "The holystone agent does not see the engine's disk on runner", {"state": "unseen"}),
    Case("HolystoneDiskFilling", {gauge("disk_full_seconds"): "1e9x10 7200x60"}, "30m", "50m",
         "The engine's disk on runner is full in about 2h 0m 0s", {}),
    Case("HolystoneTargetNotReached", {gauge("target_missing_bytes"): "0x10 3e9x60"}, "20m", "30m",
         "A clean for space on runner is 3GB short of the low mark", {}),
    Case("HolystoneRunFailed",
         {gauge("runs_total", level="verify", result="failed"): "0x10 1x30"}, "9m", "15m",
         "A run of verify failed on runner", {"level": "verify", "result": "failed"}),
    Case("HolystoneNoRoutine",
         {gauge("last_success_timestamp_seconds", level="routine"): f"0x{2 * _DAYS}",
          gauge("next_run_timestamp_seconds", level="routine"): f"1x{2 * _DAYS}",
          gauge("started_timestamp_seconds"): f"0x{2 * _DAYS}"}, "24h", "26h",
         "No run of routine on runner has ended well for 1d 2h 0m 0s", {"level": "routine"},
         step="1h"),
    Case("HolystoneNoWeekly",
         {gauge("last_success_timestamp_seconds", level="weekly"): f"0x{9 * _DAYS}",
          gauge("next_run_timestamp_seconds", level="weekly"): f"1x{9 * _DAYS}"}, "8d", "8d2h",
         "No run of weekly on runner has ended well for 8d 2h 0m 0s", {"level": "weekly"},
         step="1h"),
    # One that never ended well counts from when the agent began.
    Case("HolystoneNoDeep",
         {gauge("started_timestamp_seconds"): f"0x{33 * _DAYS}",
          gauge("next_run_timestamp_seconds", level="deep"): f"1x{33 * _DAYS}"}, "32d", "32d2h",
         "No run of deep on runner has ended well for 32d 2h 0m 0s", {"level": "deep"},
         step="1h"),
    Case("HolystoneInventoryOld",
         {gauge("inventory_age_seconds"): "0+600x60", gauge("engine_up"): "1x60"}, "18m", "40m",
         "The holystone agent last looked at runner 6h 40m 0s ago", {}),
    Case("HolystoneEventsBreak", {gauge("event_stream_breaks_total"): "0+1x60"}, "8m", "20m",
         "The engine's events on runner break off again and again", {}),
    Case("HolystoneLedgerUnusable", {gauge("ledger_usable"): "1x10 0x30"}, "13m", "20m",
         "The holystone agent on runner cannot use its ledger", {}),
    Case("HolystoneConfigRefused", {gauge("config_valid"): "1x10 0x30"}, "13m", "20m",
         "The configuration of the holystone agent on runner is wrong", {}),
)  # fmt: skip


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((FOLDER / "holystone.rules.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def ran(*command: str, **more: Any) -> str:
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more
    )
    assert done.returncode == 0, done.stdout
    said: str = done.stdout
    return said


def run_cases(promtool: str, tmp_path: Path, tests: list[dict[str, Any]]) -> str:
    shutil.copy(FOLDER / "holystone.rules.yml", tmp_path)
    document = {
        "rule_files": ["holystone.rules.yml"],
        "evaluation_interval": tests[0]["interval"],
        "tests": tests,
    }
    (tmp_path / "tests.yml").write_text(yaml.safe_dump(document))
    return ran(promtool, "test", "rules", "tests.yml", cwd=tmp_path)


def series_of(case: Case) -> list[dict[str, str]]:
    return [{"series": name, "values": values} for name, values in case.series.items()]


def test_every_rule_has_a_case() -> None:
    assert [case.alert for case in CASES] == list(rules())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.alert)
def test_each_rule_fires(case: Case, program: Program, tmp_path: Path) -> None:
    rule = rules()[case.alert]
    expected = {
        "exp_labels": {
            "instance": "runner", "job": "holystone", **rule["labels"], **case.labels,
        },
        "exp_annotations": {
            "summary": case.summary,
            "description": case.description or rule["annotations"]["description"],
        },
    }  # fmt: skip
    told = [
        {"eval_time": case.quiet, "alertname": case.alert},
        {"eval_time": case.fires, "alertname": case.alert, "exp_alerts": [expected]},
    ]
    tests = [{"interval": case.step, "input_series": series_of(case), "alert_rule_test": told}]
    assert "SUCCESS" in run_cases(program("promtool"), tmp_path, tests)


def test_a_job_without_a_schedule_is_not_missed(program: Program, tmp_path: Path) -> None:
    started = {"series": gauge("started_timestamp_seconds"), "values": f"0x{40 * _DAYS}"}
    names = ("HolystoneNoRoutine", "HolystoneNoWeekly", "HolystoneNoDeep")
    quiet = [{"eval_time": "40d", "alertname": name} for name in names]
    tests = [{"interval": "1h", "input_series": [started], "alert_rule_test": quiet}]
    assert "SUCCESS" in run_cases(program("promtool"), tmp_path, tests)


def test_promtool_checks_the_rules(program: Program) -> None:
    said = ran(program("promtool"), "check", "rules", str(FOLDER / "holystone.rules.yml"))
    assert f"SUCCESS: {len(rules())} rules found" in said


@pytest.mark.parametrize("state", [demo_state, lambda: State("demo:")], ids=["busy", "new"])
def test_promtool_checks_the_metrics(program: Program, state: Callable[[], State]) -> None:
    body = render(state())[0]
    said = ran(program("promtool"), "check", "metrics", input=body.decode())
    assert said == ""


def test_promtool_checks_the_scrape_example(program: Program) -> None:
    said = ran(program("promtool"), "check", "config", str(FOLDER / "prometheus.yml"))
    assert "1 rule files found" in said


def test_the_scrape_example_for_other_machines(program: Program, tmp_path: Path) -> None:
    """It stands there as a comment."""
    lines = (FOLDER / "prometheus.yml").read_text().splitlines()
    begin = lines.index("  # - job_name: holystone")
    end = lines.index("", begin)
    job = "\n".join(line.replace("  # ", "  ", 1) for line in lines[begin:end])
    for name in ("holystone-ca.crt", "holystone.token"):
        (tmp_path / name).touch()
        job = job.replace(f"/etc/prometheus/{name}", str(tmp_path / name))
    (tmp_path / "prometheus.yml").write_text(f"scrape_configs:\n{job}\n")
    said = ran(program("promtool"), "check", "config", str(tmp_path / "prometheus.yml"))
    assert "SUCCESS" in said
    (scraped,) = yaml.safe_load((tmp_path / "prometheus.yml").read_text())["scrape_configs"]
    assert scraped["scheme"] == "https"


def test_amtool_checks_the_example_of_alertmanager(program: Program) -> None:
    said = ran(program("amtool"), "check-config", str(FOLDER / "alertmanager.yml"))
    assert "SUCCESS" in said


@pytest.mark.parametrize(("severity", "receiver"), [("critical", "on-call"), ("warning", "team")])
def test_alerts_are_routed_by_severity(program: Program, severity: str, receiver: str) -> None:
    configuration = f"--config.file={FOLDER / 'alertmanager.yml'}"
    said = ran(
        program("amtool"), "config", "routes", "test", configuration, f"severity={severity}",
        f"--verify.receivers={receiver}",
    )  # fmt: skip
    assert said.split()[-1] == receiver

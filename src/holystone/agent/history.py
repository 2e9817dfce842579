"""How jobs ended under earlier agents: from the history, which is where a restart finds it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holystone.agent.alert import Alert, Kind
from holystone.agent.state import FAILED, MISSED, OK, STOPPED, JobResult
from holystone.outside.text import safe
from holystone.planner.units import format_size
from holystone.store import StoreError
from holystone.store.records import KILLED, RUNNING, RunSummary
from holystone.store.store import Store

FIRST_OPTION = "agent"
"""What the options of a run begin with that the agent made; then comes the name of the job."""
_VERIFY = "verify"


def results(store: Store, engine: str, succeeded: Mapping[str, float]) -> dict[str, JobResult]:
    """The last result of each job on this engine, by its name.

    Cleans are in the history. Of the other jobs ``succeeded`` has when they last ended well; one
    that failed since is still an alert: see ``with_alerts``.
    """
    found = {job: JobResult(job, at, at, OK) for job, at in succeeded.items()}
    try:
        runs = store.runs.latest(engine, FIRST_OPTION) if store.exists() else ()
    except StoreError as error:
        store.warn(str(error))
        runs = ()
    for run in runs:
        job = safe(run.options[1]) if run.options and len(run.options) > 1 else run.level
        if run.state != RUNNING:
            found[job] = _result(job, run)
    return found


def with_alerts(
    results: Mapping[str, JobResult], firing: Iterable[Alert]
) -> Mapping[str, JobResult]:
    """The results, with the failures that only alerts remember: of jobs without runs."""
    known = dict(results)
    for alert in firing:
        job = {Kind.RUN_FAILED: alert.key.about, Kind.IMAGE_CORRUPTED: _VERIFY}.get(alert.key.kind)
        if job and (job not in known or known[job].ended < alert.since):
            known[job] = JobResult(job, alert.since, alert.since, FAILED, alert.summary)
    return known


def _result(job: str, run: RunSummary) -> JobResult:
    wrong, missing = run.failed + run.unknown, 0
    if run.target_free is not None and run.free_after is not None:
        missing = max(0, run.target_free - run.free_after)
    result, said = OK, ""
    if run.interrupted:
        result = STOPPED
        said = "it was killed" if run.state == KILLED else safe(run.interrupted)
    elif wrong:
        result, said = FAILED, f"{wrong} could not be removed; see the history"
    elif missing:
        result, said = MISSED, f"{format_size(missing)} more should be free"
    by = safe(run.job.removeprefix(f"{FIRST_OPTION}, "))
    ended = run.started if run.ended is None else run.ended
    return JobResult(
        job, run.started, ended, result, said, run.id, run.removed, run.freed_bytes, by
    )  # fmt: skip

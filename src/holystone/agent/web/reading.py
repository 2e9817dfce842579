"""The answers that change nothing: how it stands, the plan, images, runs, samples, leases."""

from __future__ import annotations

import time
from typing import Any

from starlette.responses import Response

from holystone.agent.state import UP, Snapshot
from holystone.agent.web import documents
from holystone.agent.web.errors import ApiError
from holystone.agent.web.port import STEPS
from holystone.agent.web.route import Call
from holystone.present import document
from holystone.present.document import Document
from holystone.present.report import history

INVENTORY = "application/vnd.holystone.inventory+json"


def healthy(_: Call) -> Document:
    """That the process works."""
    return {"status": "ok"}


def ready(call: Call) -> Document:
    """That the engine answers and was looked at."""
    now = call.agent.state.now
    if now.engine != UP or now.snapshot is None:
        raise ApiError(503, "not_ready", _not_looked(now.engine_said))
    return {"status": "ok"}


def metrics(call: Call) -> Response:
    """The metrics for Prometheus."""
    content, media = call.agent.metrics(call.accept)
    return Response(content, headers={"Content-Type": media})


def status(call: Call) -> Document:
    """The agent, and the host as it was last looked at."""
    now, told = call.agent.state.now, brief(call)
    told["host"] = None
    if now.snapshot is not None:
        marks = call.agent.policy("routine").disk
        told["host"] = document.status(
            now.snapshot.inventory,
            now.snapshot.plan,
            now.endpoint,
            marks,
            audit=call.agent.last_audit(),
        )
    return told


def brief(call: Call) -> Document:
    """The agent alone."""
    return documents.status(call.agent.state.now, call.agent.alerts())


def plan(call: Call) -> Document:
    """What a clean would remove."""
    snapshot(call)
    made = call.agent.plan(call.values["level"], call.values["only"]).plan
    return document.configured(document.plan(made), call.agent.configuration())


def inventory(call: Call) -> Response:
    """The last look, for ``operations.agent_host``."""
    told = call.agent.inventory(every=call.values["every"] == "true")
    if told is None:
        raise ApiError(503, "not_ready", "the host has changed since it was looked at")
    return Response(told, media_type=INVENTORY)


def images(call: Call) -> Document:
    """Every image, the largest first."""
    seen = snapshot(call)
    return document.images(seen.inventory, seen.plan)


def runs(call: Call) -> Document:
    """Past runs, the newest first."""
    since, store = call.values["since"], call.agent.store
    found = store.runs.list(call.values["limit"], since)
    return history.document(history.Listed(found, store.runs.count(since), since))


def run(call: Call) -> Document:
    """One run, and everything it removed."""
    number, store = call.values["number"], call.agent.store
    found = store.runs.get(number)
    if found is None:
        mend = "GET /api/v1/runs lists them."
        raise ApiError(404, "not_found", f"there is no run {number}", mend)
    return history.document_of(found, store.runs.removed(number))


def samples(call: Call) -> Document:
    """The disk over time."""
    step = call.values["step"]
    return documents.samples(call.agent.samples(call.values["since"], STEPS[step]), step)


def leases(call: Call) -> Document:
    """Every lease."""
    return documents.leases(call.agent.store.leases.list(time.time()))


def snapshot(call: Call) -> Snapshot:
    """The host as it was last looked at. Raises ApiError while it was not."""
    now = call.agent.state.now
    if now.snapshot is None:
        raise ApiError(503, "not_ready", _not_looked(now.engine_said))
    return now.snapshot


def _not_looked(said: Any) -> str:
    return said or "the engine was not looked at yet"

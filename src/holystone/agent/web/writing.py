"""The orders: run a job, bring back what a run removed, give and end leases."""

from __future__ import annotations

import time

from holystone.agent.web import documents
from holystone.agent.web.errors import ApiError
from holystone.agent.web.reading import snapshot
from holystone.agent.web.route import Answer, Call
from holystone.operations import lease
from holystone.planner.glob import has_marks
from holystone.present.document import SCHEMA


def clean(call: Call) -> Answer:
    """Queue a clean."""
    return _asked(call, call.values["level"])


def job(call: Call) -> Answer:
    """Queue any job."""
    return _asked(call, call.values["job"])


def _asked(call: Call, name: str) -> Answer:
    call.agent.ask(name, call.by)
    told = {"schema": SCHEMA, "job": name, "by": call.by}
    return Answer(told, 202, {"Location": "/api/v1/status"})


def restore(call: Call) -> Answer:
    """Bring back what a run removed, and wait for that."""
    done = call.agent.restore(call.values["run"], call.values["references"], call.by)
    return Answer({"schema": SCHEMA} | documents.result(done))


def give_lease(call: Call) -> Answer:
    """Reserve images."""
    images = call.values["images"]
    if any(map(has_marks, images)):
        images = lease.tags_meant(snapshot(call).inventory, images)
    seconds, owner = call.values["seconds"], call.values["job"]
    given = lease.give(call.agent.store, images, seconds=seconds, job=owner)
    return Answer(documents.leases(given.leases, given.notes), 201)


def end_lease(call: Call) -> Answer:
    """End a lease early."""
    store, wanted = call.agent.store, call.values["id"]
    for each in store.leases.list(time.time()):
        if documents.lease_id(each) != wanted:
            continue
        if each.user:
            who = f"the lease belongs to the user {each.user} of this machine"
            raise ApiError(409, "refused", who, "That user can end it: holystone lease release.")
        ended = store.leases.release([each.reference], job=each.job, now=time.time())
        return Answer(documents.leases(ended))
    mend = "GET /api/v1/lease lists them."
    raise ApiError(404, "not_found", "there is no such lease, or it has ended", mend)

"""The JSON of the agent itself; what is about the host or the history is the command line's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from holystone import __version__
from holystone.agent.alert import Alert
from holystone.agent.history import with_alerts
from holystone.agent.state import JobResult, Now
from holystone.planner.inventory import Disk
from holystone.planner.usage import Lease
from holystone.present.document import SCHEMA, Document, fields
from holystone.present.format import timestamp
from holystone.store.samples import Sample

_ID_LENGTH = 16


def status(now: Now, alerts: Sequence[Alert]) -> Document:
    """How it stands with the agent, the engine and the disk."""
    last = {**with_alerts(now.past, alerts), **now.last}
    running = {"job": now.running, "since_at": timestamp(now.running_since)}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "started_at": timestamp(now.started),
        "engine": _engine(now),
        "disk": _disk(now.disk) | {"measured_at": _time(now.disk_at)},
        "watermark": now.mark or None,
        "full_in_seconds": None if now.full_in is None else round(now.full_in),
        "jobs": {
            "running": running if now.running else None,
            "waiting": list(now.waiting),
            "last": {name: result(each) for name, each in last.items()},
            "succeeded_at": {name: timestamp(at) for name, at in now.succeeded.items()},
            "next_at": {name: timestamp(at) for name, at in now.next.items()},
        },
        "short_bytes": now.short_bytes,
        "holds": now.holds or None,
        "crashed": now.crashed,
        "problems": {
            "configuration": now.config_said or None,
            "restart": now.restart_said or None,
            "receivers": now.receivers_said or None,
            "textfile": now.textfile_said or None,
            "ledger": now.ledger_said or None,
        },
        "alerts": [each.document() for each in alerts],
    }


def _engine(now: Now) -> Document:
    told = fields(now, "endpoint state=engine said?=engine_said")
    told["since_at"] = _time(now.engine_since)
    snapshot = now.snapshot
    told["looked_at"] = None if snapshot is None else timestamp(snapshot.looked_at)
    told["whole_at"] = None if snapshot is None else timestamp(snapshot.whole_at)
    return told


def _disk(disk: Disk) -> Document:
    return fields(disk, "total_bytes free_bytes not_in_sight?=unseen total_inodes free_inodes")


def _time(moment: float) -> str | None:
    return timestamp(moment) if moment else None


def result(done: JobResult) -> Document:
    """How a job ended."""
    names = "job began_at=began ended_at=ended result said? run removed freed_bytes by?"
    return fields(done, names)


def samples(found: Sequence[Sample], step: str) -> Document:
    """The disk over time, the oldest first."""
    sizes = (
        "total_bytes=total free_bytes=free images_bytes=images containers_bytes=containers "
        "cache_bytes=cache volumes_bytes=volumes available_bytes=available"
    )
    listed = [{"at": timestamp(each.at)} | fields(each, sizes) for each in found]
    return {"schema": SCHEMA, "step": step, "samples": listed}


def leases(found: Sequence[Lease], notes: Sequence[str] = ()) -> Document:
    """Leases as ``lease --json`` has them, each with the ID by which it can be ended."""
    names = "reference until_at=until job? user?"
    told = [{"id": lease_id(each)} | fields(each, names) for each in found]
    return {"schema": SCHEMA, "leases": told, "notes": list(notes)}


def lease_id(lease: Lease) -> str:
    """What a lease is called in an address: the same job's lease on the same image keeps it."""
    key = f"{lease.reference}\0{lease.job}\0{lease.user}"
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:_ID_LENGTH]

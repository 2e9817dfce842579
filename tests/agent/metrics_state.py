"""A state of the agent on the demo host, with something of everything; and its metrics in full.

``python -m tests.agent.metrics_state`` writes the file of the metrics anew.
"""

from __future__ import annotations

from pathlib import Path

import holystone
from holystone.agent.metrics import render
from holystone.agent.state import (
    FAILED,
    MISSED,
    OK,
    STOPPED,
    UP,
    JobResult,
    Now,
    Snapshot,
    State,
)
from holystone.demo.contents import demo_inventory
from holystone.planner.inventory import Disk
from holystone.planner.plan import plan
from holystone.planner.policy import Policy, Watermarks

EXPECTED = Path(__file__).with_name("metrics.prom")
NOON = 1_720_440_000.0
"""The moment of the state: 2024-07-08, 12:00 UTC."""
HOUR, DAY = 3600.0, 86400.0
GB = 10**9


def demo_snapshot(now: float = NOON) -> Snapshot:
    """The demo host as it was looked at a minute ago."""
    inventory, usage = demo_inventory(now)
    made = plan(inventory, usage, Policy(), now)
    return Snapshot(inventory, usage, made, looked_at=now - 60, whole_at=now - HOUR)


def demo_state(now: float = NOON) -> State:
    """An agent that has been at work for a while."""
    state = State("demo:")
    snapshot = demo_snapshot(now)
    disk = snapshot.inventory.disk._replace(total_inodes=12_000_000, free_inodes=9_000_000)
    state.set(
        started=now - DAY,
        engine=UP,
        snapshot=snapshot,
        disk=disk,
        marks=Watermarks(),
        mark=Watermarks().reached(disk),
        full_in=9 * HOUR,
        running="routine",
        running_since=now - 5,
        next={"routine": now + HOUR, "weekly": now + 3 * DAY},
        short_bytes=3 * GB,
        ledger_bytes=1_400_832,
        alerts={"disk_high": "warning", "filling": "warning", "engine_gone": "critical"},
    )
    state.reclaimable = {"routine": (30 * GB, 60), "weekly": (44 * GB, 70), "deep": (90 * GB, 110)}
    state.ended(JobResult("routine", now - 2 * HOUR, now - 2 * HOUR + 20, FAILED, "it broke"))
    state.ended(JobResult("routine", now - HOUR, now - HOUR + 40, OK))
    state.ended(JobResult("deep", now - 20 * DAY, now - 20 * DAY + 900, OK))
    state.ended(JobResult("weekly", now - 7 * DAY, now - 7 * DAY + 200, OK))
    state.ended(JobResult("weekly", now - DAY, now - DAY + 300, STOPPED))
    state.ended(JobResult("level", now - 600, now - 540, MISSED))
    state.removed.update({("routine", "image"): 12, ("routine", "container"): 7})
    state.freed.update({("routine", "image"): 9 * GB, ("routine", "container"): 80_000_000})
    state.evicted.update({"image": 3, "cache": 4})
    state.spared.update({"image": 1})
    state.events.update({"image": 35, "container": 90})
    state.pulled_bytes = 77 * GB
    state.lost_events = 2
    return state


def set_free(state: State, free: int) -> Now:
    """Let so many bytes of the disk be free."""
    now = state.now
    disk: Disk = now.disk._replace(free_bytes=free)
    return state.set(disk=disk, mark=now.marks.reached(disk))


def exposition() -> bytes:
    """The metrics of the demo state without what differs: those of the process, and the version."""
    text = render(demo_state(), process=False, clock=NOON)[0]
    return text.replace(f'"{holystone.__version__}"'.encode(), b'"VERSION"')


if __name__ == "__main__":
    EXPECTED.write_bytes(exposition())

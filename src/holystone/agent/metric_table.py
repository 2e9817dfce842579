"""Every metric of the agent: name, type, labels and meaning. None has a label for each image.

Jobs that are no clean have the label ``level`` too: Prometheus has a ``job`` of its own.
"""

from __future__ import annotations

from typing import NamedTuple

from holystone.agent.metric_values import (
    ALL_JOBS,
    CLEANS,
    DISK_STATES,
    EVENTS,
    RESULTS,
    SEVERITIES,
    Labels,
    Read,
    age,
    alone,
    by,
    counted,
    disk_state,
    durations,
    firing,
    full_in,
    inode_mark,
    marks,
    object_bytes,
    objects,
    of_disk,
    one,
    reclaimable,
    version,
)
from holystone.agent.state import UP
from holystone.planner.verdict import KINDS

COUNTER, GAUGE, SUMMARY = "counter", "gauge", "summary"


class Metric(NamedTuple):
    """A metric. ``read`` gives its series from a state and the time now (UTC seconds).

    The value of a summary is the sum; ``times`` gives how many there were.
    """

    name: str
    type: str
    labels: Labels
    told: str
    read: Read
    times: Read | None = None


METRICS = (
    Metric("holystone_build_info", GAUGE, ("version",), "Always 1; the label is the version.",
           version),
    Metric("holystone_started_timestamp_seconds", GAUGE, (), "When the agent began.",
           one(lambda now: now.started)),
    Metric("holystone_disk_bytes", GAUGE, (),
           "Size of the engine's disk, without what is reserved for root.",
           of_disk("total_bytes")),
    Metric("holystone_disk_free_bytes", GAUGE, (), "Free bytes of the engine's disk.",
           of_disk("free_bytes")),
    Metric("holystone_disk_inodes", GAUGE, (),
           "Inodes of the engine's disk; absent where the file system makes them as needed.",
           of_disk("total_inodes")),
    Metric("holystone_disk_free_inodes", GAUGE, (), "Free inodes of the engine's disk.",
           of_disk("free_inodes")),
    Metric("holystone_disk_mark_bytes", GAUGE, ("mark",),
           "Free bytes at each watermark: a disk with fewer is above the mark.",
           by(marks, ("high", "low", "critical"))),
    Metric("holystone_disk_mark_inodes", GAUGE, (),
           "Free inodes at their mark: a disk with fewer has too many in use.", one(inode_mark)),
    Metric("holystone_disk_state", GAUGE, ("state",),
           "1 for the state that the disk is in: ok, above the high or critical mark, too many "
           "inodes in use, or not in sight. 0 for the others.", by(disk_state, DISK_STATES)),
    Metric("holystone_disk_full_seconds", GAUGE, (),
           "Seconds until the disk is full at the rate of the last hours, with all removed that "
           "cleans for space may remove. +Inf: it is not filling.",
           one(full_in)),
    Metric("holystone_objects", GAUGE, ("kind",), "Objects on the host.", by(objects, KINDS)),
    Metric("holystone_object_bytes", GAUGE, ("kind",),
           "Bytes of the objects, as holystone status counts them: each image layer once, writable "
           "layers of containers, build cache without what images hold too, volumes of known size.",
           by(object_bytes, KINDS)),
    Metric("holystone_reclaimable_bytes", GAUGE, ("level",),
           "Bytes that a clean of this level would free now.", reclaimable(0)),
    Metric("holystone_reclaimable_objects", GAUGE, ("level",),
           "Objects that a clean of this level would remove now.", reclaimable(1)),
    Metric("holystone_removed_objects_total", COUNTER, ("level", "kind"), "Objects removed.",
           counted(lambda state: state.removed, CLEANS, KINDS)),
    Metric("holystone_freed_bytes_total", COUNTER, ("level", "kind"),
           "Bytes of the removed objects.", counted(lambda state: state.freed, CLEANS, KINDS)),
    Metric("holystone_evictions_total", COUNTER, ("kind",),
           "Objects removed for space alone: no level takes them.",
           counted(lambda state: alone(state.evicted), KINDS)),
    Metric("holystone_spared_objects_total", COUNTER, ("kind",),
           "Objects left alone since they were used after the plan was made.",
           counted(lambda state: alone(state.spared), KINDS)),
    Metric("holystone_pulled_bytes_total", COUNTER, (),
           "Bytes of the layers of images that arrived.",
           counted(lambda state: {(): state.pulled_bytes})),
    Metric("holystone_events_total", COUNTER, ("kind",),
           "Events of the engine, by the kind of object.",
           counted(lambda state: alone(state.events), EVENTS)),
    Metric("holystone_event_stream_breaks_total", COUNTER, (),
           "How often the stream of events broke.",
           counted(lambda state: {(): state.lost_events})),
    Metric("holystone_engine_up", GAUGE, (), "1 while the engine answers, else 0.",
           one(lambda now: float(now.engine == UP))),
    Metric("holystone_runs_total", COUNTER, ("level", "result"),
           "Runs that ended: ok, failed, stopped, or missed (the space wanted was not reached).",
           counted(lambda state: state.runs, ALL_JOBS, RESULTS)),
    Metric("holystone_run_duration_seconds", SUMMARY, ("level",), "How long runs took.",
           counted(durations(1), ALL_JOBS), counted(durations(0), ALL_JOBS)),
    Metric("holystone_last_success_timestamp_seconds", GAUGE, ("level",),
           "When a run last ended well, also under earlier agents; absent where none ever did.",
           by(lambda now: now.succeeded, ALL_JOBS)),
    Metric("holystone_last_run_timestamp_seconds", GAUGE, ("level",),
           "When a run last ended, however it did.",
           by(lambda now: {job: each.ended for job, each in now.last.items()}, ALL_JOBS)),
    Metric("holystone_next_run_timestamp_seconds", GAUGE, ("level",),
           "When the schedule begins the next run; absent where it has none.",
           by(lambda now: now.next, ALL_JOBS)),
    Metric("holystone_running", GAUGE, ("level",), "1 for the run under way, else 0.",
           by(lambda now: {job: float(job == now.running) for job in ALL_JOBS}, ALL_JOBS)),
    Metric("holystone_target_missing_bytes", GAUGE, (),
           "Bytes missing to the low mark after the last clean for space; 0 where it was reached.",
           one(lambda now: now.short_bytes)),
    Metric("holystone_ledger_bytes", GAUGE, (), "Size of the ledger.",
           one(lambda now: now.ledger_bytes)),
    Metric("holystone_ledger_usable", GAUGE, (),
           "1 while the ledger can be used; 0: nothing is remembered.",
           one(lambda now: float(not now.ledger_said))),
    Metric("holystone_config_valid", GAUGE, (),
           "0 where a changed configuration was refused, so that the one before counts; else 1.",
           one(lambda now: float(not now.config_said))),
    Metric("holystone_inventory_age_seconds", GAUGE, (),
           "Seconds since the host was last looked at.", age),
    Metric("holystone_alerts_firing", GAUGE, ("severity",), "Alerts of the agent that are firing.",
           by(firing, SEVERITIES)),
)  # fmt: skip

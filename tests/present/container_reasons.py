"""The rules on containers with facts, and how each must read."""

from __future__ import annotations

from holystone.planner.verdict import Fact

NOON = 1_760_011_200.0  # 2025-10-09T12:00:00Z
_SHOP: dict[str, Fact] = {"group": "compose project", "name": "shop"}
CASES: list[tuple[str, dict[str, Fact], str]] = [
    (
        "in-use",
        {"state": "created", "until": NOON + 600, "now": NOON},
        "created, never started: kept until 12:10 UTC, a job may be about to start it",
    ),
    (
        "in-use",
        {"state": "created", "task": True},
        "created, never started: a task of a Swarm service, which may start it",
    ),
    (
        "needed-by",
        {"container": "torrent", "state": "running"},
        "needed by container torrent (running), which stays",
    ),
    (
        "group-alive",
        {**_SHOP, "container": "shop-web-1"},
        "part of compose project shop: container shop-web-1 runs",
    ),
    (
        "stopped-group",
        {**_SHOP, "stopped_for": 36_000.0, "level": "routine"},
        "part of compose project shop, stopped 10 h ago: can be started again, stays at routine",
    ),
    (
        "stopped-group",
        {**_SHOP, "stopped_for": 36_000.0, "least": 604_800.0},
        "part of compose project shop, stopped 10 h ago: goes as a whole after 7 days",
    ),
    (
        "stopped-group",
        {
            "group": "pod",
            "name": "web",
            "stopped_for": 52.0,
            "never_started": True,
            "level": "routine",
        },
        "part of pod web, made 52 s ago and never started: can be started, stays at routine",
    ),
    (
        "stopped-group",
        {**_SHOP, "stopped_for": None, "never_started": True, "least": 604_800.0},
        "part of compose project shop, never started: goes as a whole after 7 days",
    ),
    (
        "stopped-group",
        {**_SHOP, "container": "shop-db-1"},
        "part of compose project shop: container shop-db-1 stays",
    ),
    ("stopped-group", _SHOP, "part of compose project shop, which could be started again"),
    (
        "tool",
        {"tool": "kind", "what": "a node of a Kubernetes cluster"},
        "kept by kind: a node of a Kubernetes cluster",
    ),
    (
        "restart",
        {"policy": "always", "stopped_for": 60.0, "least": 2_592_000.0},
        "restart policy always: meant to be started again, goes after 30 days without a start",
    ),
    (
        "stopped",
        {"stopped_for": 10_700.0, "exit_code": 0, "first_seen": True},
        "first seen stopped 3 h ago (exit code 0)",
    ),
    ("never-started", {"age": 172_800.0}, "created 2 days ago and never started"),
    ("never-started", {"age": None}, "created and never started"),
    (
        "released",
        {"container": "kind-control-plane"},
        "its last container, kind-control-plane, goes in this run: kept for now",
    ),
    (
        "by-hand",
        {},
        "unused, but no tool made it: something may name it that does not run now",
    ),
]

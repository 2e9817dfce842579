"""The routes of the API, over a real server on loopback."""

from __future__ import annotations

import gc
import io
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holystone.agent import logs
from holystone.agent.state import DOWN
from holystone.cli.main import main
from holystone.operations.errors import (
    EngineUnreachable,
    LockHeld,
    RequestError,
    StoreError,
    TargetUnseen,
)
from holystone.operations.restore import RestoreError
from tests.agent.web_agent import Served, ask, bearer, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("web")) as made:
        yield made


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """What the command line prints for the demo host, at the same moment for all."""
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("HOLYSTONE_STATE", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Any:
        out = io.StringIO()
        monkeypatch.setattr(sys, "stdout", out)
        try:
            assert main([*arguments, "--host", "demo:", "--json"]) == 0
        finally:
            gc.enable()  # The command line does without.
        return json.loads(out.getvalue())

    return run


def test_health(served: Served) -> None:
    reply = served.get("/healthz")
    assert (reply.status, reply.json) == (200, {"status": "ok"})


def test_ready_while_the_engine_is_up(served: Served) -> None:
    assert served.get("/readyz").status == 200
    served.agent.state.set(engine=DOWN, engine_said="cannot reach the engine")
    try:
        error = served.get("/readyz").error(503, "not_ready")
        assert error["message"] == "cannot reach the engine"
        assert served.get("/healthz").status == 200
    finally:
        served.agent.look()
    assert served.get("/readyz").status == 200


def test_metrics(served: Served) -> None:
    reply = served.get("/metrics")
    assert reply.status == 200
    assert reply.headers["content-type"].startswith("text/plain; version=")
    free = served.agent.state.now.disk.free_bytes
    lines = [line for line in reply.body.decode().splitlines() if line[0] != "#"]
    (told,) = [line for line in lines if line.startswith("holystone_disk_free_bytes")]
    assert float(told.split()[1]) == free
    reply = served.get("/metrics", Accept="application/openmetrics-text; version=1.0.0")
    assert reply.headers["content-type"].startswith("application/openmetrics-text")
    assert reply.body.endswith(b"# EOF\n")


def test_status(served: Served) -> None:
    told = served.get("/api/v1/status").json
    assert told["schema"] == 1
    assert told["engine"]["state"] == "up"
    assert told["engine"]["endpoint"] == "demo:"
    assert told["disk"]["free_bytes"] == told["host"]["disk"]["free_bytes"] > 0
    assert told["host"]["watermark"] == "high"
    assert told["jobs"] == {
        "running": None, "waiting": [], "last": {}, "succeeded_at": {}, "next_at": {},
    }  # fmt: skip


@pytest.mark.parametrize("level", ["routine", "weekly", "deep"])
def test_a_plan_is_that_of_the_command_line(
    level: str, tmp_path: Path, printed: Callable[..., Any]
) -> None:
    with serving(tmp_path) as served:
        reply = served.get(f"/api/v1/plan?level={level}")
    assert reply.json == printed("plan", level)


def test_a_plan_of_some_objects_only(tmp_path: Path, printed: Callable[..., Any]) -> None:
    with serving(tmp_path) as served:
        reply = served.get("/api/v1/plan?level=weekly&only=container,volume")
        none = served.get("/api/v1/plan?only=container,none-of-this-name")
        empty = served.get("/api/v1/plan?only=container,,volume")
    assert reply.json == printed("plan", "weekly", "--only", "container", "--only", "volume")
    kinds = {item["kind"] for item in reply.json["items"] if item["action"] == "remove"}
    assert kinds <= {"container", "volume"}
    assert none.status == 404
    assert "'none-of-this-name'" in none.json["error"]["message"]
    assert empty.status == 400


def test_images_are_those_of_the_command_line(tmp_path: Path, printed: Callable[..., Any]) -> None:
    with serving(tmp_path) as served:
        reply = served.get("/api/v1/images")
    assert reply.json == printed("images")


def test_runs_are_those_of_the_command_line(tmp_path: Path, printed: Callable[..., Any]) -> None:
    with serving(tmp_path) as served:
        listed, one = served.get("/api/v1/runs"), served.get("/api/v1/runs/1")
    assert listed.json == printed("history")
    assert one.json == printed("history", "1")


def test_the_host_is_that_of_the_command_line(tmp_path: Path, printed: Callable[..., Any]) -> None:
    with serving(tmp_path) as served:
        told = served.get("/api/v1/status").json["host"]
    known = printed("status")
    # The files of the engine's folder are read for the command line alone.
    account = known.pop("account")
    unread = told.pop("account")
    assert told == known
    assert (unread["used_bytes"], unread["images_bytes"], unread["logs_bytes"]) == (
        account["used_bytes"], account["images_bytes"], None,
    )  # fmt: skip


def test_runs(served: Served) -> None:
    told = served.get("/api/v1/runs").json
    assert [run["level"] for run in told["runs"]] == ["weekly"]
    assert told["totals"]["runs_of_period"] == 1
    number = told["runs"][0]["id"]
    one = served.get(f"/api/v1/runs/{number}").json
    assert one["run"] == told["runs"][0]
    assert len(one["removals"]) == one["run"]["removed"] == 2
    assert served.get("/api/v1/runs?since=2100-01-01T00:00:00Z").json["runs"] == []
    error = served.get("/api/v1/runs/4711").error(404, "not_found")
    assert "4711" in error["message"]
    served.get("/api/v1/runs/x").error(404, "not_found")


def test_samples(served: Served) -> None:
    told = served.get("/api/v1/samples").json
    assert (told["step"], len(told["samples"])) == ("minute", 5)
    assert told["samples"][0] == {
        "at": "1970-01-01T00:01:00Z", "total_bytes": 100, "free_bytes": 50,
        "images_bytes": 7, "containers_bytes": None, "cache_bytes": 0, "volumes_bytes": None,
        "available_bytes": None,
    }  # fmt: skip
    told = served.get("/api/v1/samples?step=hour&since=1970-01-01T04:00:00%2B00:00").json
    assert [each["at"] for each in told["samples"]] == [
        "1970-01-01T04:00:00Z",
        "1970-01-01T05:00:00Z",
    ]


@pytest.mark.parametrize(
    "path",
    ["/api/v1/plan", "/api/v1/images"],
)
def test_nothing_was_looked_at(path: str, tmp_path: Path) -> None:
    with serving(tmp_path, looked=False) as served:
        served.get(path).error(503, "not_ready")
        served.get("/readyz").error(503, "not_ready")
        told = served.get("/api/v1/status").json
        assert told["host"] is None
        assert told["engine"]["looked_at"] is None


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("/plan?level=harder", "routine, weekly, deep"),
        ("/plan?levl=deep", "levl"),
        ("/plan?level=deep&level=deep", "twice"),
        ("/plan?level", "name=value"),
        ("/plan?level=%ff", "UTF-8"),
        ("/plan?level=", "level"),
        ("/runs?limit=0", "from 1 to 1000"),
        ("/runs?limit=1001", "from 1 to 1000"),
        ("/runs?limit=1e3", "whole number"),
        ("/runs?limit=-1", "whole number"),
        ("/runs?limit=%D9%A3", "whole number"),
        ("/runs?since=yesterday", "2026-11-20T14:00:00Z"),
        ("/runs?since=2026-11-20T14:00:00", "2026-11-20T14:00:00Z"),
        ("/runs?since=20261120", "2026-11-20T14:00:00Z"),
        ("/samples?step=day", "minute, hour"),
        ("/status?verbose=1", "It takes no parameter"),
    ],
)
def test_a_bad_query_is_refused(served: Served, query: str, word: str) -> None:
    error = served.get(f"/api/v1{query}").error(400, "bad_request")
    assert word in f"{error['message']} {error['mend']}"


def test_no_such_path(served: Served) -> None:
    for path in ("/", "/api", "/api/v1/", "/api/v1/plan/", "/api/v1/../metrics", "/healthz%00"):
        served.get(path).error(404, "not_found")


def test_head_has_the_head_alone(served: Served) -> None:
    for path in ("/healthz", "/metrics", "/api/v1/plan", "/api/v1/events"):
        reply = ask(served.tcp(), "HEAD", path)
        assert (reply.status, reply.body) == (200, b""), path
    length = ask(served.tcp(), "HEAD", "/healthz").headers["content-length"]
    assert length == str(len(served.get("/healthz").body))


def test_other_methods_are_not_allowed(served: Served) -> None:
    for method, path, allowed in (
        ("POST", "/api/v1/plan", {"GET", "HEAD"}),
        ("PUT", "/api/v1/lease", {"GET", "HEAD", "POST"}),
        ("GET", "/api/v1/clean", {"POST"}),
        ("OPTIONS", "/api/v1/status", {"GET", "HEAD"}),
    ):
        reply = ask(served.tcp(), method, path, headers=bearer(served.write))
        reply.error(405, "method")
        assert set(reply.headers["allow"].split(", ")) == allowed


def test_every_answer_has_its_headers(served: Served) -> None:
    for path in ("/healthz", "/api/v1/status", "/nothing", "/api/v1/plan?x=1"):
        headers = served.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "date" in headers
        assert "server" not in headers
        assert not [name for name in headers if name.startswith("access-control")]


def test_a_fault_of_the_agent_is_logged_and_not_told(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = io.StringIO()
    logs.set_up("text", stream)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("the inside of the agent")

    monkeypatch.setattr(served.agent, "plan", broken)
    try:
        reply = served.get("/api/v1/plan")
    finally:
        logs.set_up()
    reply.error(500, "internal")
    assert b"inside" not in reply.body
    assert "the inside of the agent" in stream.getvalue()


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (EngineUnreachable("cannot reach the engine"), 503, "engine"),
        (StoreError("the ledger cannot be read"), 503, "ledger"),
        (LockHeld("run 7"), 409, "busy"),
        (RequestError("that contradicts itself"), 400, "bad_request"),
        (TargetUnseen("the disk is not in sight"), 409, "refused"),
        (RestoreError("there is no run 7"), 404, "not_found"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else None,
)
def test_what_an_operation_says_is_told(
    error: Exception, status: int, code: str, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise error

    monkeypatch.setattr(served.agent, "plan", refused)
    assert str(error) in served.get("/api/v1/plan").error(status, code)["message"]

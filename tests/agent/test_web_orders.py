"""The orders of the API: cleans, jobs, restores and leases; bodies that are wrong."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holystone.operations.errors import AgentEnds
from holystone.operations.survey import survey
from tests.agent.web_agent import PATIENCE, Served, ask, bearer, serving

CLEAN, LEASE, RESTORE = "/api/v1/clean", "/api/v1/lease", "/api/v1/restore"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as made:
        yield made


def test_a_clean_is_queued(served: Served) -> None:
    reply = served.post(CLEAN, {"level": "weekly"})
    assert reply.status == 202
    assert reply.json == {"schema": 1, "job": "weekly", "by": "writer"}
    assert reply.headers["location"] == "/api/v1/status"
    assert served.agent.asked == [("weekly", "writer")]


def test_who_asked_over_the_socket(served: Served) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    reply = ask(served.unix(), "POST", CLEAN, b'{"level": "deep"}', headers)
    assert (reply.status, served.agent.asked) == (202, [("deep", "api")])


def test_any_job_is_queued(served: Served) -> None:
    for job in ("refresh", "verify", "observe", "level", "routine"):
        assert served.post("/api/v1/jobs", {"job": job}).status == 202
    assert [job for job, _ in served.agent.asked] == [
        "refresh", "verify", "observe", "level", "routine",
    ]  # fmt: skip
    served.post("/api/v1/jobs", {"job": "format"}).error(400, "bad_request")


def test_a_restore(served: Served) -> None:
    number = served.get("/api/v1/runs").json["runs"][0]["id"]
    reply = served.post(RESTORE, {"run": number, "references": ["node:16-alpine"]})
    assert reply.status == 200
    assert reply.json["job"] == "restore"
    assert reply.json["result"] == "ok"
    assert served.post(RESTORE, {}).status == 200
    assert served.agent.restored == [
        (number, ("node:16-alpine",), "writer"),
        (None, (), "writer"),
    ]
    served.post(RESTORE, {"run": 4711}).error(404, "not_found")


def test_one_restore_at_a_time_and_the_rest_is_answered(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go = threading.Event(), threading.Event()
    restore = served.agent.restore

    def slow(*arguments: Any) -> Any:
        begun.set()
        assert go.wait(PATIENCE)
        return restore(*arguments)

    monkeypatch.setattr(served.agent, "restore", slow)
    first = served.tcp()
    headers = bearer(served.write) | {"Content-Type": "application/json"}
    first.request("POST", RESTORE, b"{}", headers)
    assert begun.wait(PATIENCE)
    served.post(RESTORE, {}).error(409, "busy")
    assert served.get("/api/v1/plan").status == 200
    go.set()
    assert first.getresponse().status == 200
    first.close()
    assert served.post(RESTORE, {}).status == 200


def test_an_agent_that_ends_says_so(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def ends(*_: Any) -> Any:
        raise AgentEnds("the agent ends")

    for name, path, body in (
        ("restore", "/api/v1/restore", {}),
        ("ask", "/api/v1/jobs", {"job": "routine"}),
    ):
        monkeypatch.setattr(served.agent, name, ends)
        served.post(path, body).error(503, "ending")


def test_a_lease_is_given_counts_and_is_ended(served: Served) -> None:
    body = {"images": ["node:18-alpine"], "seconds": 3600, "job": "4711"}
    reply = served.post(LEASE, body)
    assert reply.status == 201
    (given,) = reply.json["leases"]
    assert (given["reference"], given["job"], given["user"]) == ("node:18-alpine", "4711", None)
    assert served.get(LEASE).json["leases"] == [given]
    names = {each.reference for each in served.agent.store.leases.list(time.time())}
    assert names == {"node:18-alpine"}
    found = survey(served.agent.session, served.agent.policy("deep"))
    reasons = {
        reason.rule
        for verdict in found.plan.verdicts
        if "node:18-alpine" in verdict.names
        for reason in verdict.reasons
    }
    assert "leased" in reasons
    # Asked for again it is longer, and has the same ID.
    (again,) = served.post(LEASE, body | {"seconds": 7200}).json["leases"]
    assert again["id"] == given["id"]
    assert again["until_at"] > given["until_at"]
    ended = served.post(f"{LEASE}/{given['id']}", b"", method="DELETE")
    assert ended.status == 200
    assert [each["id"] for each in ended.json["leases"]] == [given["id"]]
    assert served.get(LEASE).json["leases"] == []
    served.post(f"{LEASE}/{given['id']}", b"", method="DELETE").error(404, "not_found")


def test_leases_on_a_pattern_are_on_the_tags_of_the_host(served: Served) -> None:
    reply = served.post(LEASE, {"images": ["node:*-alpine"], "seconds": 60})
    given = [each["reference"] for each in reply.json["leases"]]
    assert given
    assert all(each.startswith("node:") and each.endswith("-alpine") for each in given)
    served.post(LEASE, {"images": ["nobody/*"], "seconds": 60}).error(409, "refused")


def test_a_pattern_needs_a_look_at_the_host(tmp_path: Path) -> None:
    with serving(tmp_path, looked=False) as served:
        served.post(LEASE, {"images": ["node:*"], "seconds": 60}).error(503, "not_ready")
        assert served.post(LEASE, {"images": ["node:18"], "seconds": 60}).status == 201


def test_what_is_no_image(served: Served) -> None:
    error = served.post(LEASE, {"images": ["Not An Image"], "seconds": 60})
    error.error(400, "bad_request")
    assert served.get(LEASE).json["leases"] == []


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        (CLEAN, b"", "not valid JSON"),
        (CLEAN, b"{", "not valid JSON"),
        (CLEAN, b"[]", "not a JSON object"),
        (CLEAN, b"null", "not a JSON object"),
        (CLEAN, b'{"level": "deep", "level": "routine"}', "twice"),
        (CLEAN, b'{"level": NaN}', "NaN"),
        (CLEAN, b'{"level": \xff}', "not valid JSON"),
        (CLEAN, b"[" * 60000, "not valid JSON"),
        (CLEAN, b'{"level":' * 7000, "not valid JSON"),
        (CLEAN, b'{"level": ' + b"9" * 5000 + b"}", "level|not valid JSON"),
        (CLEAN, {}, "missing"),
        (CLEAN, {"level": ["deep"]}, "routine, weekly, deep"),
        (CLEAN, {"level": {"a": "deep"}}, "routine, weekly, deep"),
        (CLEAN, {"level": "deep", "volumes": "named"}, "no field 'volumes'"),
        (CLEAN, {"level": "deep", "\u202e\n": 1}, "no field"),
        (RESTORE, {"run": 0}, "whole number"),
        (RESTORE, {"run": 2**63}, "whole number"),
        (RESTORE, {"run": 1.5}, "whole number"),
        (RESTORE, {"run": True}, "whole number"),
        (RESTORE, {"run": None}, "whole number"),
        (RESTORE, {"run": {}}, "whole number"),
        (RESTORE, {"references": "node"}, "a list"),
        (RESTORE, {"references": [""]}, "a list"),
        (RESTORE, {"references": [1]}, "a list"),
        (RESTORE, {"references": ["a\0"]}, "a list"),
        (RESTORE, {"references": ["a" * 513]}, "a list"),
        (RESTORE, b'{"references": ["\\ud800"]}', "a list"),
        (RESTORE, {"references": ["a"] * 1001}, "a list"),
        (LEASE, {"images": [], "seconds": 60}, "a list"),
        (LEASE, {"images": ["a"]}, "seconds is missing"),
        (LEASE, {"images": ["a"], "seconds": 0}, "whole number"),
        (LEASE, {"images": ["a"], "seconds": 2592001}, "2592000"),
        (LEASE, {"images": ["a"], "seconds": 60, "job": "x" * 201}, "200"),
        (LEASE, b'{"images": ["a"], "seconds": 1e400}', "whole number"),
        (LEASE, b'{"images": ["a"], "seconds": 60, "job": "\\udfff"}', "text"),
    ],
)
def test_a_bad_body_is_refused(served: Served, path: str, body: Any, word: str) -> None:
    error = served.post(path, body).error(400, "bad_request")
    assert any(each in f"{error['message']} {error['mend']}" for each in word.split("|"))
    assert (served.agent.asked, served.agent.restored) == ([], [])


def test_a_number_with_a_point_is_whole_where_it_is(served: Served) -> None:
    assert served.post(LEASE, b'{"images": ["node"], "seconds": 60.0}').status == 201


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
def test_a_body_that_is_not_said_to_be_json(served: Served, kind: str) -> None:
    """What a form of another site could send is no order."""
    headers = bearer(served.write) | ({"Content-Type": kind} if kind else {})
    ask(served.tcp(), "POST", CLEAN, b'{"level": "deep"}', headers).error(415, "not_json")
    assert served.agent.asked == []


def test_a_large_body_is_refused_before_it_is_read(served: Served) -> None:
    headers = bearer(served.write) | {"Content-Type": "application/json"}
    connection = served.tcp()
    connection.putrequest("POST", CLEAN)
    for name, value in {**headers, "Content-Length": str(10**12)}.items():
        connection.putheader(name, value)
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_a_large_body_in_chunks_is_refused(served: Served) -> None:
    headers = bearer(served.write) | {"Content-Type": "application/json"}
    connection = served.tcp()
    try:
        connection.request("POST", CLEAN, iter([b" " * 8192] * 9), headers, encode_chunked=False)
        assert connection.getresponse().status == 413
    finally:
        connection.close()
    padded = b" " * (64 * 1024 - 20) + json.dumps({"level": "deep"}).encode()
    assert served.post(CLEAN, padded).status == 202


HOSTILE = "a\x1b[31m\n::add-mask::x\u202eevil</script>\u0000"


def test_hostile_names_stay_data(tmp_path: Path) -> None:
    with serving(tmp_path) as served:
        snapshot = served.agent.state.now.snapshot
        assert snapshot is not None
        first, *rest = snapshot.inventory.images
        odd = first._replace(tags=(HOSTILE,))
        inventory = snapshot.inventory._replace(images=(odd, *rest))
        served.agent.state.set(
            snapshot=type(snapshot)(inventory, snapshot.usage, snapshot.plan, 1.0, 1.0),
            engine_said=HOSTILE,
        )
        reply = served.get("/api/v1/images")
        assert HOSTILE in [tag for image in reply.json["images"] for tag in image["tags"]]
        for raw in (reply.body, served.get("/api/v1/status").body):
            assert not [byte for byte in raw if byte < 32 and byte != 10]
            assert b"\x1b" not in raw
            assert b"::add-mask" not in raw
        assert served.get("/api/v1/status").json["engine"]["said"] == HOSTILE
        # An error is for people to read.
        served.agent.state.set(engine="down")
        said = served.get("/readyz").error(503, "not_ready")["message"]
        assert said.isprintable()

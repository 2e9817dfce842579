from __future__ import annotations

import pytest

from holystone.planner.verdict import Fact, Reason, Rule
from holystone.present import reasons
from tests.present import host


def test_every_rule_has_words() -> None:
    assert set(reasons.RULES) == set(Rule)


NOON = 1_760_011_200.0  # 2025-10-09T12:00:00Z
_DIGEST = f"python@sha256:{'ab' * 32}"
_SHOP: dict[str, Fact] = {"group": "compose project", "name": "shop"}
CASES: list[tuple[str, dict[str, Fact], str]] = [
    ("in-use", {"state": "running"}, "in use: the container is running"),
    ("in-use", {"state": "created"}, "created, never started: a job may be about to start it"),
    ("in-use", {"build": True}, "in use by a build that runs now"),
    ("in-use", {"containers": 1, "container": "web"}, "in use by container web"),
    ("in-use", {"containers": 3, "container": "web"}, "in use by container web and 2 more"),
    ("stopped", {"stopped_for": 10700.0, "exit_code": 0}, "stopped 3 h ago (exit code 0)"),
    ("stopped", {"stopped_for": None, "exit_code": 137}, "stopped (exit code 137)"),
    ("stopped", {"stopped_for": 0.0, "exit_code": None}, "stopped just now"),
    ("tagged", {"tags": 1}, "tagged"),
    ("tagged", {"tags": 2}, "tagged (2 tags)"),
    ("untagged", {"once_tagged": True}, "untagged: it lost its last tag"),
    ("untagged", {}, "untagged"),
    ("untagged", {"digest": "python@sha256:0123456789abcdef"},
     "untagged; it was pulled as python@sha256:0123456789ab"),
    ("parent", {"children": 1}, "1 image that stays was built on it"),
    ("parent", {"children": 2}, "2 images that stay were built on it"),
    ("young", {"since": "last tagged", "age": 12.0, "min_age": 60.0, "until": NOON + 48},
     "last tagged 12 s ago: too recent, kept until 12:01 UTC (min age 1 min)"),
    ("young", {"since": "stopped", "age": 3600.0, "min_age": 7 * 86400.0,
      "until": NOON + 7 * 86400 - 3600},
     "stopped 1 h ago: too recent, kept until 2025-10-16 11:00 UTC (min age 7 days)"),
    ("young", {"since": "first seen", "age": None, "min_age": 3600.0, "until": None},
     "seen for the first time, of unknown age: kept for now (min age 1 h)"),
    ("level", {"level": "routine", "anonymous": False},
     "unused, but named; it can hold data, and a routine clean takes no volumes"),
    ("level", {"level": "routine", "anonymous": True},
     "an unused anonymous volume; it can hold data, and a routine clean takes no volumes"),
    ("level", {"level": "routine"}, "a routine clean takes none of these"),
    ("builtin", {}, "belongs to the engine"),
    ("over-budget", {"idle": 9 * 86400.0, "total": 12000000000, "budget": 10000000000},
     "build cache is 12.0 GB, over its budget of 10.0 GB; last used 9 days ago"),
    ("idle", {"idle": 9 * 86400.0, "unused_for": 604800.0}, "not used for 9 days, over 7 days"),
    ("within-budget", {"total": 8000000000, "budget": 10000000000},
     "build cache is 8.00 GB, within its budget of 10.0 GB"),
    ("needed", {"children": 1}, "1 cache record stays and is made from it"),
    ("needed", {"children": 4}, "4 cache records stay and are made from it"),
    ("damaged", {}, "its content was damaged"),
    ("odd", {}, "the engine's entry for it is invalid: left alone"),
    ("shared", {"size": 1},
     "shares its layer with an image that is here now: removing it frees nothing yet"),
    ("protected", {"pattern": "python", "reference": "python:3.12"},
     "protected: python:3.12 matches python"),
    ("protected", {"label": "keep"}, "protected: it has the label keep"),
    ("protected", {"official": True, "reference": "redis:7"},
     "protected: redis:7 is an official image"),
    ("protected", {"newest": 3, "reference": "app:9"},
     "protected: app:9 is among the newest 3 of its repository"),
    ("protected", {"larger_than": 5000000000, "size": 12000000000},
     "protected: 12.0 GB, larger than 5.00 GB"),
    ("protected", {"local": True}, "protected: no registry is known to have it"),
    ("protected", {"used_within": 7200.0, "age": 3600.0},
     "protected: last used 1 h ago, within 2 h"),
    ("protected", {"min_age": 7200.0, "age": None},
     "protected: came here at a time not known, less than 2 h ago"),
    ("protected", {"cache_mounts": True}, "protected: a cache mount (build_cache.keep_mounts)"),
    ("prune-filter", {"filter": "label!=keep"},
     "protected by pruneFilters of the docker configuration: label!=keep"),
    ("leased", {"until": NOON, "job": "417", "now": NOON - 60},
     "leased by job 417 until 12:00 UTC"),
    ("exit-code", {"exit_code": 137}, "exit code 137 is not among containers.exit_codes"),
    ("named", {}, "unused, but named: it can hold data, and no rule lets it go"),
    ("unused", {"idle": 7200.0}, "unused, last used 2 h ago"),
    ("unused", {"idle": 3.0, "sign": "arrived"}, "unused, arrived 3 s ago"),
    ("unused", {"idle": 7200.0, "sign": "made"}, "unused, made 2 h ago"),
    ("expired", {"policy": "ours", "idle": 2592000.0, "sign": "first seen", "unused_for": 864000.0},
     "let go by rule 'ours': no use known, first seen 30 days ago, over 10 days"),
    ("unused", {"idle": None}, "unused"),
    ("retained", {"reference": "app:1"}, "no retention rule lets app:1 go"),
    ("retained", {"policy": "ours", "reference": "app:1"}, "kept by rule 'ours'"),
    ("retained", {"policy": "ours", "reference": "app:1", "newest": 2},
     "kept by rule 'ours': among the newest 2 tags of its repository"),
    ("retained", {"policy": "ours", "idle": 3600.0, "unused_for": 864000.0, "age": None,
      "max_age": 8640000.0},
     ("kept by rule 'ours': last used 1 h ago, goes after 10 days; came at a time not "
      "known, goes after 100 days")),
    ("expired", {"policy": "ours", "idle": 2592000.0, "unused_for": 864000.0},
     "let go by rule 'ours': last used 30 days ago, over 10 days"),
    ("expired", {"policy": "ours", "age": 2592000.0, "max_age": 864000.0},
     "let go by rule 'ours': came 30 days ago, over 10 days"),
    ("pressure", {"idle": 7200.0, "least_free": 40000000000, "frees": 0},
     "the disk needs 40.0 GB free; last used 2 h ago, frees 0 B"),
    ("step", {"image": "big:3", "images": 1}, "build step of big:3, which goes too"),
    ("step", {"image": "big:3", "images": 3}, "build step of big:3 and 2 more, which go too"),
    ("pressure", {"least_free": 40000000000, "frees": 40000000, "with_records": 1, "with_steps": 2},
     "the disk needs 40.0 GB free; frees 40.0 MB with 2 build steps and 1 cache record"),
    ("pressure", {"idle": 7200.0, "least_free": 40000000000, "frees": 40000000, "with_records": 3},
     "the disk needs 40.0 GB free; last used 2 h ago, frees 40.0 MB with 3 cache records"),
    ("pressure", {"idle": 10800.0, "gap": 1200.0, "frees": 412000000, "seconds": 50.0,
      "least_free": 40000000000},
     ("the disk needs 40.0 GB free; last used 3 h ago, used about every 20 min, frees 412 "
      "MB, would take about 50 s to fetch")),
    ("pressure", {"idle": None, "gap": None, "frees": 0, "chance": 0.64, "least_free": 10 ** 9},
     "the disk needs 1.00 GB free; 64% likely to follow what was just asked for, frees 0 B"),
    ("local", {}, "no registry can give it back: it was never pulled or pushed"),
    ("local", {"said": "manifest unknown"}, "its registry cannot give it back: manifest unknown"),
    ("in-use", {"manifest_list": "localhost/multi:1"}, "in use by manifest list localhost/multi:1"),
    ("digest", {"reference": _DIGEST, "certain": True},
     "pulled by digest: python@sha256:abababababab"),
    ("digest", {"reference": _DIGEST, "certain": False},
     ("it has no tag but a digest: python@sha256:abababababab. Either it was pulled by that "
      "digest, or its tag moved to another image before holystone saw it")),
    ("local", {"said": "manifest unknown", "asked_ago": 7200.0},
     "its registry cannot give it back: manifest unknown (asked 2 h ago)"),
    ("unconfirmed", {}, "no registry was asked whether it has it"),
    ("unconfirmed", {"said": "no answer", "once_there": False, "asked_ago": 5.0},
     "its registry could not be asked: no answer"),
    ("unconfirmed", {"said": "no answer", "once_there": True, "asked_ago": 5.0},
     "its registry, which had it before, could not be asked: no answer"),
    ("unconfirmed", {"checked": False},
     "no registry is asked (check_registry is off), and none is known to have had it"),
    ("agreed", {}, "in the plan that was agreed on"),
    ("use-unknown", {}, "the engine no longer has all events since the plan was made"),
    ("not-in-plan", {}, "not in the plan"),
    ("not-selected", {}, "not selected: only something else may go this time"),
    ("changed", {"what": "it is gone"}, "changed since the plan was made: it is gone"),
    ("in-use", {"state": "created", "until": NOON + 600, "now": NOON},
     "created, never started: kept until 12:10 UTC, a job may be about to start it"),
    ("in-use", {"state": "created", "task": True},
     "created, never started: a task of a Swarm service, which may start it"),
    ("needed-by", {"container": "torrent", "state": "running"},
     "needed by container torrent (running), which stays"),
    ("group-alive", {**_SHOP, "container": "shop-web-1"},
     "part of compose project shop: container shop-web-1 runs"),
    ("stopped-group", {**_SHOP, "stopped_for": 36000.0, "level": "routine"},
     "part of compose project shop, stopped 10 h ago: can be started again, stays at routine"),
    ("stopped-group", {**_SHOP, "stopped_for": 36000.0, "least": 604800.0},
     "part of compose project shop, stopped 10 h ago: goes as a whole after 7 days"),
    ("stopped-group", {"group": "pod", "name": "web", "stopped_for": 52.0, "never_started": True,
      "level": "routine"},
     "part of pod web, made 52 s ago and never started: can be started, stays at routine"),
    ("stopped-group", {**_SHOP, "stopped_for": None, "never_started": True, "least": 604800.0},
     "part of compose project shop, never started: goes as a whole after 7 days"),
    ("stopped-group", {**_SHOP, "container": "shop-db-1"},
     "part of compose project shop: container shop-db-1 stays"),
    ("stopped-group", _SHOP, "part of compose project shop, which could be started again"),
    ("tool", {"tool": "kind", "what": "a node of a Kubernetes cluster"},
     "kept by kind: a node of a Kubernetes cluster"),
    ("restart", {"policy": "always", "stopped_for": 60.0, "least": 2592000.0},
     "restart policy always: meant to be started again, goes after 30 days without a start"),
    ("stopped", {"stopped_for": 10700.0, "exit_code": 0, "first_seen": True},
     "first seen stopped 3 h ago (exit code 0)"),
    ("never-started", {"age": 172800.0}, "created 2 days ago and never started"),
    ("never-started", {"age": None}, "created and never started"),
    ("released", {"container": "kind-control-plane"},
     "its last container, kind-control-plane, goes in this run: kept for now"),
    ("by-hand", {}, "unused, but no tool made it: something may name it that does not run now"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "facts", "expected"), CASES)
def test_text(rule: str, facts: dict[str, Fact], expected: str) -> None:
    assert reasons.text(Reason(Rule(rule), facts)) == expected
    assert reasons.text(Reason(Rule(rule), facts)).isascii()
    assert 0 < len(reasons.brief(Reason(Rule(rule), facts))) < 75


def test_there_is_a_case_for_every_rule() -> None:
    assert {rule for rule, _, _ in CASES} == set(reasons.RULES)


def test_every_reason_of_a_plan_is_rendered() -> None:
    for verdict in host.plan().verdicts:
        assert reasons.texts(verdict.reasons)
        assert reasons.briefs(verdict.reasons)
        assert reasons.label(verdict.reasons[0].rule)


def test_a_name_from_outside_stays_on_its_line() -> None:
    facts: dict[str, Fact] = {"containers": 1, "container": "web\x1b[2J\n::error::x"}
    assert reasons.text(Reason(Rule.IN_USE, facts)) == "in use by container web?[2J ::error::x"

"""The rules on containers, in words; see ``reasons``."""

from __future__ import annotations

from collections.abc import Mapping

from holystone.planner.verdict import Rule
from holystone.present.format import ago, clock, safe
from holystone.present.rule_wording import Facts, Wording, duration, number


def created(facts: Facts) -> str:
    """Why a container that was never started counts as in use."""
    why = "a job may be about to start it"
    if facts.get("task"):
        why = "a task of a Swarm service, which may start it"
    return f"{created_brief(facts)}{', ' if facts.get('until') is not None else ': '}{why}"


def created_brief(facts: Facts) -> str:
    """The same for a row."""
    told = "created, never started"
    if facts.get("until") is None:
        return told
    return f"{told}: kept until {clock(number(facts, 'until'), number(facts, 'now'))}"


def _needed_by(facts: Facts) -> str:
    other, state = safe(str(facts.get("container"))), safe(str(facts.get("state")))
    return f"needed by container {other} ({state}), which stays"


def _group(facts: Facts) -> str:
    return f"{safe(str(facts.get('group')))} {safe(str(facts.get('name')))}"


def _group_alive(facts: Facts) -> str:
    return f"part of {_group(facts)}: container {safe(str(facts.get('container')))} runs"


def _stopped_group(facts: Facts) -> str:
    if "group" not in facts:
        return "part of a group that stays"
    part = f"part of {_group(facts)}"
    if facts.get("container"):
        return f"{part}: container {safe(str(facts['container']))} stays"
    since = facts.get("stopped_for")
    if facts.get("never_started"):
        made = "" if since is None else f"made {ago(number(facts, 'stopped_for'))} and "
        when = f"{made}never started"
    else:
        when = "stopped" if since is None else f"stopped {ago(number(facts, 'stopped_for'))}"
    if facts.get("least") is not None:
        return f"{part}, {when}: goes as a whole after {duration(facts, 'least')}"
    if facts.get("level"):
        level = safe(str(facts["level"]))
        can = "can be started" if facts.get("never_started") else "can be started again"
        return f"{part}, {when}: {can}, stays at {level}"
    return f"{part}, which could be started again"


def _tool(facts: Facts) -> str:
    what = f": {safe(str(facts['what']))}" if facts.get("what") else ""
    return f"kept by {safe(str(facts.get('tool')))}{what}"


def _restart(facts: Facts) -> str:
    policy = safe(str(facts.get("policy")))
    least = duration(facts, "least")
    return f"restart policy {policy}: meant to be started again, goes after {least} without a start"


def _never_started(facts: Facts) -> str:
    made = "" if facts.get("age") is None else f" {ago(number(facts, 'age'))}"
    return f"created{made} and never started"


def _stopped(facts: Facts) -> str:
    since, code = facts.get("stopped_for"), facts.get("exit_code")
    when = "stopped" if since is None else f"stopped {ago(number(facts, 'stopped_for'))}"
    if since is not None and facts.get("first_seen"):
        when = f"first seen stopped {ago(number(facts, 'stopped_for'))}"
    return when if code is None else f"{when} (exit code {code})"


RULES: Mapping[Rule, Wording] = {
    Rule.NEEDED_BY: Wording(
        _needed_by, "needed by others", lambda facts: _needed_by(facts).partition(" (")[0]
    ),
    Rule.GROUP_ALIVE: Wording(_group_alive, "of running groups"),
    Rule.STOPPED_GROUP: Wording(
        _stopped_group, "of stopped groups", lambda facts: _stopped_group(facts).partition(":")[0]
    ),
    Rule.TOOL: Wording(_tool, "kept by tools"),
    Rule.RESTART: Wording(
        _restart, "to be restarted", lambda facts: _restart(facts).partition(":")[0]
    ),
    Rule.STOPPED: Wording(_stopped, "stopped"),
    Rule.NEVER_STARTED: Wording(_never_started, "never started"),
}
"""How each of them reads."""

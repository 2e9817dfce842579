"""The rules on containers, in words; see ``reasons``."""

from __future__ import annotations

from collections.abc import Mapping

from holystone.planner.verdict import Rule
from holystone.present.rule_wording import Facts, Wording, until


def created(facts: Facts) -> str:
    """Why a container that was never started counts as in use."""
    why = "a job may be about to start it"
    if facts.true("task"):
        why = "a task of a Swarm service, which may start it"
    return f"{created_brief(facts)}{', ' if facts.known('until') else ': '}{why}"


def created_brief(facts: Facts) -> str:
    """The same for a row."""
    told = "created, never started"
    if not facts.known("until"):
        return told
    return f"{told}: kept until {facts.clock('until', facts.number('now'))}"


def _needed_by(facts: Facts) -> str:
    return f"needed by container {facts.text('container')} ({facts.text('state')}), which stays"


def _group(facts: Facts) -> str:
    return f"part of {facts.text('group')} {facts.text('name')}"


def _stopped_group(facts: Facts) -> str:
    if "group" not in facts:
        return "part of a group that stays"
    part = _group(facts)
    if facts.true("container"):
        return f"{part}: container {facts.text('container')} stays"
    since = facts.ago("stopped_for") if facts.known("stopped_for") else ""
    never = facts.true("never_started")
    if never:
        when = f"made {since} and never started" if since else "never started"
    else:
        when = f"stopped {since}".rstrip()
    if facts.known("least"):
        return f"{part}, {when}: goes as a whole after {facts.duration('least')}"
    if facts.true("level"):
        can = "can be started" if never else "can be started again"
        return f"{part}, {when}: {can}, stays at {facts.text('level')}"
    return f"{part}, which could be started again"


def _restart(facts: Facts) -> str:
    least = facts.duration("least")
    policy = facts.text("policy")
    return f"restart policy {policy}: meant to be started again, goes after {least} without a start"


def _never_started(facts: Facts) -> str:
    made = f" {facts.ago('age')}" if facts.known("age") else ""
    return f"created{made} and never started"


def _stopped(facts: Facts) -> str:
    when = "stopped"
    if facts.known("stopped_for"):
        first = "first seen " if facts.true("first_seen") else ""
        when = f"{first}stopped {facts.ago('stopped_for')}"
    return f"{when} (exit code {facts.text('exit_code')})" if facts.known("exit_code") else when


RULES: Mapping[Rule, Wording] = {
    Rule.NEEDED_BY: Wording(_needed_by, "needed by others", until(_needed_by, " (")),
    Rule.GROUP_ALIVE: Wording(
        lambda facts: f"{_group(facts)}: container {facts.text('container')} runs",
        "of running groups",
    ),
    Rule.STOPPED_GROUP: Wording(_stopped_group, "of stopped groups", until(_stopped_group, ":")),
    Rule.TOOL: Wording(
        lambda facts: (
            f"kept by {facts.text('tool')}"
            + (f": {facts.text('what')}" if facts.true("what") else "")
        ),
        "kept by tools",
    ),
    Rule.RESTART: Wording(_restart, "to be restarted", until(_restart, ":")),
    Rule.STOPPED: Wording(_stopped, "stopped"),
    Rule.NEVER_STARTED: Wording(_never_started, "never started"),
    Rule.EXIT_CODE: Wording(
        lambda facts: f"exit code {facts.text('exit_code')} is not among containers.exit_codes",
        "of other exit codes",
    ),
}
"""How each of them reads."""

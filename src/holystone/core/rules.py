"""The rules that let containers, volumes and networks go or keep them. Pure functions.

Every function answers ``(remove, reasons)`` for one object. The order inside a function is the
order of safety: in use, then what the level leaves alone, then grace, and only then removal.
"""

from __future__ import annotations

from collections.abc import Collection

from holystone.core.decision import Fact, Reason
from holystone.core.inventory import Container, Network, Volume
from holystone.core.policy import Policy
from holystone.core.protection import Protection, first_label
from holystone.core.usage import Usage

Ruling = tuple[bool, tuple[Reason, ...]]


def keep(rule: str, **facts: Fact) -> Ruling:
    """A ruling that keeps the object."""
    return False, (Reason(rule, facts),)


def remove(rule: str, **facts: Fact) -> Ruling:
    """A ruling that lets the object go."""
    return True, (Reason(rule, facts),)


def too_young(what: str, since: float | None, least: float, now: float) -> Reason | None:
    """The reason to leave an object for the next run, or None where it is old enough.

    ``what`` happened to it at ``since``: ``stopped``, ``last used``. An unknown age (None) counts
    as too young, unless no grace is asked for at all. A time in the future (a skewed clock) counts
    as now.
    """
    if least <= 0:
        return None
    if since is None:
        return Reason("young", {"since": what, "age": None, "min_age": least, "until": None})
    age = max(0.0, now - since)
    if age >= least:
        return None
    until = min(since, now) + least
    return Reason("young", {"since": what, "age": age, "min_age": least, "until": until})


def judge_container(
    container: Container, policy: Policy, protection: Protection, now: float
) -> Ruling:
    """Stopped containers go once they have been stopped for the grace time."""
    if not container.stopped:
        return keep("in-use", state=container.state)
    if protected := protection.of_labels(container.labels):
        return False, (protected,)
    rules = policy.containers
    if label := first_label(rules.keep_labels, container.labels):
        return keep("protected", label=label)
    if rules.exit_codes and container.exit_code not in rules.exit_codes:
        return keep("exit-code", exit_code=container.exit_code)
    if not policy.takes.containers:
        return keep("level", level=policy.level)
    least = max(policy.grace.other, rules.stopped_for)
    young = too_young("stopped", container.finished, least, now)
    if young is not None:
        return False, (young,)
    stopped_for = None if container.finished is None else max(0.0, now - container.finished)
    return remove("stopped", stopped_for=stopped_for, exit_code=container.exit_code)


def judge_volume(
    volume: Volume,
    held_by: Collection[str],
    usage: Usage,
    policy: Policy,
    protection: Protection,
    now: float,
) -> Ruling:
    """Volumes can hold data: those go that the level takes and the owner names."""
    if held_by:
        return keep("in-use", containers=len(held_by), container=min(held_by))
    if protected := protection.of_labels(volume.labels):
        return False, (protected,)
    rules = policy.volumes
    if not policy.takes.volumes or rules.remove == "never":
        return keep("level", level=policy.level, anonymous=volume.anonymous)
    if not volume.anonymous and not (
        rules.remove == "named" and any(matches_name(each, volume.name) for each in rules.names)
    ):
        return keep("named", level=policy.level)
    least = max(policy.grace.other, rules.unused_for)
    since = _last_use(("volume", volume.name), volume.created, usage)
    young = too_young("last used", since, least, now)
    if young is not None:
        return False, (young,)
    return remove("unused", idle=None if since is None else max(0.0, now - since))


def judge_network(
    network: Network,
    held_by: Collection[str],
    usage: Usage,
    policy: Policy,
    protection: Protection,
    now: float,
) -> Ruling:
    """Networks cost no disk space; the engine has only so many subnets to give."""
    if network.builtin:
        return keep("builtin")
    if held_by:
        return keep("in-use", containers=len(held_by), container=min(held_by))
    if protected := protection.of_labels(network.labels):
        return False, (protected,)
    if not policy.takes.networks:
        return keep("level", level=policy.level)
    least = max(policy.grace.other, policy.networks_unused_for)
    since = _last_use(("network", network.id), network.created, usage)
    young = too_young("last used", since, least, now)
    if young is not None:
        return False, (young,)
    return remove("unused", idle=None if since is None else max(0.0, now - since))


def matches_name(pattern: str, name: str) -> bool:
    """True where a name is as the pattern says: ``*`` any text, ``?`` one character."""
    from holystone.core.reference import wildcard

    return pattern in ("*", name) or wildcard(pattern).fullmatch(name) is not None


def _last_use(key: tuple[str, str], created: float, usage: Usage) -> float | None:
    """When a volume or network was last used, as far as is known; its creation counts as use."""
    return max(created, usage.last_used.get(key, 0.0)) or None

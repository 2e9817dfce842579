"""The rules that let volumes and networks go or keep them, and what all rules share.

Every function answers ``(remove, reasons)`` for one object. The order inside a function is the
order of safety: in use, then what the level leaves alone, then grace, and only then removal.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from holystone.planner.glob import of_text
from holystone.planner.inventory import Network, Volume
from holystone.planner.patterns import labels, names
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection
from holystone.planner.usage import Usage
from holystone.planner.verdict import Fact, Reason, Rule

Ruling = tuple[bool, tuple[Reason, ...]]


def keep(rule: Rule, **facts: Fact) -> Ruling:
    """A ruling that keeps the object."""
    return False, (Reason(rule, facts),)


def remove(rule: Rule, **facts: Fact) -> Ruling:
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
        return Reason(Rule.YOUNG, {"since": what, "age": None, "min_age": least, "until": None})
    age = max(0.0, now - since)
    if age >= least:
        return None
    until = min(since, now) + least
    return Reason(Rule.YOUNG, {"since": what, "age": age, "min_age": least, "until": until})


class Users(NamedTuple):
    """The containers that name a volume or network, by name."""

    staying: Collection[str] = ()
    going: Collection[str] = ()
    """Those that go in this very run."""


def judge_volume(
    volume: Volume,
    users: Users,
    usage: Usage,
    policy: Policy,
    protection: Protection,
    now: float,
) -> Ruling:
    """Volumes can hold data: those go that the level takes and the owner names."""
    if users.staying:
        return keep(Rule.IN_USE, containers=len(users.staying), container=min(users.staying))
    if protected := protection.of_labels(volume.labels):
        return False, (protected,)
    rules = policy.volumes
    if not policy.takes.volumes or rules.remove == "never":
        return keep(Rule.LEVEL, level=policy.level, anonymous=volume.anonymous)
    if not volume.anonymous and not (
        rules.remove == "named" and names(rules.names).first(volume.name) is not None
    ):
        return keep(Rule.NAMED, level=policy.level)
    if users.going:
        return keep(Rule.RELEASED, container=min(users.going))
    least = max(policy.grace.other, rules.unused_for)
    sign, since = _last_use(("volume", volume.name), volume.created, usage)
    young = too_young(sign, since, least, now)
    if young is not None:
        return False, (young,)
    return remove(Rule.UNUSED, **_unused(sign, since, now))


def judge_network(
    network: Network,
    users: Users,
    usage: Usage,
    policy: Policy,
    protection: Protection,
    now: float,
) -> Ruling:
    """Networks cost no disk space; the engine has only so many subnets to give."""
    if network.builtin:
        return keep(Rule.BUILTIN)
    if users.staying:
        return keep(Rule.IN_USE, containers=len(users.staying), container=min(users.staying))
    if protected := protection.of_labels(network.labels):
        return False, (protected,)
    if not policy.takes.networks:
        return keep(Rule.LEVEL, level=policy.level)
    if not (policy.takes.everything or policy.networks_by_hand or made_by_tool(network)):
        return keep(Rule.BY_HAND)
    if users.going:
        return keep(Rule.RELEASED, container=min(users.going))
    least = max(policy.grace.other, policy.networks_unused_for)
    sign, since = _last_use(("network", network.id), network.created, usage)
    young = too_young(sign, since, least, now)
    if young is not None:
        return False, (young,)
    return remove(Rule.UNUSED, **_unused(sign, since, now))


_TOOLS = (
    # Compose and podman-compose make a project's networks anew when it starts.
    "com.docker.compose.*",
    "io.podman.compose.*",
    # https://docs.gitlab.com/runner/executors/docker/#create-a-network-for-each-job
    "com.gitlab.*",
    # https://java.testcontainers.org/features/networking/
    "org.testcontainers*",
    "io.drone*",
    "com.buildkite.*",
)
"""Labels on networks that a tool or a CI job makes for itself."""
_TOOL_NAMES = (
    # https://github.com/actions/runner/blob/main/src/Runner.Worker/Container/DockerCommandManager.cs
    "github_network_*",
    # https://github.com/woodpecker-ci/woodpecker/blob/main/pipeline/frontend/yaml/compiler/compiler.go
    "wp_*",
)
"""Names of networks that CI jobs make for themselves without a label that says so."""


def made_by_tool(network: Network) -> bool:
    """Whether a tool or a CI job made a network, which it makes anew where it needs it again.

    One that somebody made by hand may be named in configurations that nothing here shows.
    """
    if labels(_TOOLS).first(network.labels):
        return True
    return any(matches_name(pattern, network.name) for pattern in _TOOL_NAMES)


def matches_name(pattern: str, name: str) -> bool:
    """True where a name is as the pattern says: ``*`` any text, ``?`` one character."""
    return pattern in ("*", name) or of_text(pattern).matches(name)


def _unused(sign: str, since: float | None, now: float) -> dict[str, Fact]:
    """How long it is unused; ``sign`` is what ``since`` was the time of."""
    return {"idle": None if since is None else max(0.0, now - since), "sign": sign}


def _last_use(key: tuple[str, str], created: float, usage: Usage) -> tuple[str, float | None]:
    """When a volume or network was last used, or made where no use is known, and which of these."""
    used = usage.last_used.get(key, 0.0)
    return ("last used", used) if used > created else ("made", created or None)

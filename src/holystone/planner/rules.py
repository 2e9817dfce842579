"""The rules for volumes and networks, and the parts that all rules share.

A ruling is ``(remove, reasons)`` for one object. Rules are asked in the order of safety: in use,
protected, kept by the level, grace, and only then removal.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from holystone.planner.glob import of_text
from holystone.planner.inventory import Network, Volume
from holystone.planner.patterns import labels, names
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection
from holystone.planner.usage import Key, Usage, age_of
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
    age = age_of(since, now)
    if least <= 0 or (age is not None and age >= least):
        return None
    until = None if since is None else min(since, now) + least
    return Reason(Rule.YOUNG, {"since": what, "age": age, "min_age": least, "until": until})


class Users(NamedTuple):
    """The containers that name a volume or network, by name."""

    staying: Collection[str] = ()
    going: Collection[str] = ()
    """Those that go in this very run."""


class Judge(NamedTuple):
    """What the rules on volumes and networks of one host are asked with."""

    usage: Usage
    policy: Policy
    protection: Protection
    now: float

    def volume(self, volume: Volume, users: Users) -> Ruling:
        """Volumes can hold data: those go that the level takes and the owner names."""
        rules, level = self.policy.volumes, self.policy.level
        if held := self._held(("volume", volume.name), volume.labels, users):
            return held
        if not self.policy.takes.volumes or rules.remove == "never":
            return keep(Rule.LEVEL, level=level, anonymous=volume.anonymous)
        named = rules.remove == "named" and names(rules.names).first(volume.name) is not None
        if not (volume.anonymous or named):
            return keep(Rule.NAMED, level=level)
        return self._unused(("volume", volume.name), volume.created, users, rules.unused_for)

    def unused_volume(self, volume: Volume, users: Users) -> Ruling:
        """Whether a volume may go that no rule but a budget lets go, and how long it is unused."""
        return self._unused(("volume", volume.name), volume.created, users, 0.0)

    def network(self, network: Network, users: Users) -> Ruling:
        """Networks cost no disk space; the engine has only so many subnets to give."""
        policy = self.policy
        if network.builtin:
            return keep(Rule.BUILTIN)
        if held := self._held(("network", network.id), network.labels, users):
            return held
        if not policy.takes.networks:
            return keep(Rule.LEVEL, level=policy.level)
        if not (policy.takes.everything or policy.networks_by_hand or made_by_tool(network)):
            return keep(Rule.BY_HAND)
        key = ("network", network.id)
        return self._unused(key, network.created, users, policy.networks_unused_for)

    def _held(self, key: Key, labels: Mapping[str, str], users: Users) -> Ruling | None:
        if users.staying:
            return keep(Rule.IN_USE, containers=len(users.staying), container=min(users.staying))
        stays = self.protection.of_labels(labels) or self.protection.left_out(key)
        return (False, (stays,)) if stays else None

    def _unused(self, key: Key, created: float, users: Users, least: float) -> Ruling:
        """The ruling on what may go unless it was in use a moment ago."""
        if users.going and not self.policy.named:
            return keep(Rule.RELEASED, container=min(users.going))
        used = self.usage.last_used.get(key, 0.0)
        sign, since = ("last used", used) if used > created else ("made", created or None)
        if young := too_young(sign, since, max(self.policy.grace.other, least), self.now):
            return False, (young,)
        return remove(Rule.UNUSED, idle=age_of(since, self.now), sign=sign)


_TOOLS = (
    # Compose and podman-compose create a project's networks again when it starts.
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
"""Names of networks that CI jobs make for themselves without a label of their tool."""


def made_by_tool(network: Network) -> bool:
    """Whether a tool or a CI job made a network; it creates the network again when needed.

    One that somebody made by hand may be named in configurations that nothing here shows.
    """
    by_label = labels(_TOOLS).first(network.labels)
    return bool(by_label) or any(of_text(each).matches(network.name) for each in _TOOL_NAMES)

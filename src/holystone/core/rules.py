"""The rules that let containers and images go or keep them. Pure functions over the inventory.

Every function answers ``(remove, reasons)`` for one object. The order inside a function is the
order of safety: in use, then what the level leaves alone, then grace, and only then removal.
"""

from __future__ import annotations

from collections.abc import Collection

from holystone.core.decision import Fact, Reason
from holystone.core.inventory import Container, Image, Network, Volume
from holystone.core.policy import Policy
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


def judge_container(container: Container, policy: Policy, now: float) -> Ruling:
    """Stopped containers go once they have been stopped for the grace time."""
    if not container.stopped:
        return keep("in-use", state=container.state)
    young = too_young("stopped", container.finished, policy.grace.other, now)
    if young is not None:
        return False, (young,)
    stopped_for = None if container.finished is None else max(0.0, now - container.finished)
    return remove("stopped", stopped_for=stopped_for, exit_code=container.exit_code)


def judge_image(
    image: Image,
    held_by: Collection[str],
    kept_children: int,
    usage: Usage,
    policy: Policy,
    now: float,
) -> Ruling:
    """Untagged images go; tagged ones stay, and so does what a kept object stands on.

    ``held_by`` are the names of containers that stay and refer to the image, ``kept_children``
    how many images that stay were built on it by the classic builder: the engine refuses to
    delete a parent before its children.
    """
    tagged = (Reason("tagged", {"tags": len(image.tags)}),) if image.tags else ()
    if held_by:
        stays, reasons = keep("in-use", containers=len(held_by), container=min(held_by))
        return stays, (*reasons, *tagged)
    if tagged:
        return False, tagged
    if kept_children:
        return keep("parent", children=kept_children)
    # BuildKit's mark is part of an image and comes along with a pull by digest.
    built_here = image.made_by_buildkit and not image.digests
    once_tagged = image.last_tagged is not None or built_here
    least = policy.grace.once_tagged if once_tagged else policy.grace.never_tagged
    young = too_young(*_arrived(image, usage), least, now)
    if young is not None:
        return False, (young,)
    facts: dict[str, Fact] = {}
    if once_tagged:
        facts["once_tagged"] = True
    if image.digests:
        facts["digest"] = image.digests[0]
    return remove("untagged", **facts)


def _arrived(image: Image, usage: Usage) -> tuple[str, float | None]:
    """What last told that an untagged image was wanted, and when (UTC seconds).

    The last time it had a tag; else, for an image built here, its build date. An image that was
    pulled was built elsewhere at some other time, so only our own memory tells: None where
    holystone sees it for the first time and cannot know.
    """
    if image.last_tagged is not None:
        return "last tagged", image.last_tagged
    if image.digests:
        return "first seen", usage.first_seen.get(image.id)
    return "built", image.created


def judge_volume(volume: Volume, held_by: Collection[str], level: str) -> Ruling:
    """Volumes can hold data: no routine clean takes one."""
    if held_by:
        return keep("in-use", containers=len(held_by), container=min(held_by))
    return keep("level", level=level, anonymous=volume.anonymous)


def judge_network(network: Network, held_by: Collection[str], level: str) -> Ruling:
    """Networks cost no disk space: no routine clean takes one."""
    if network.builtin:
        return keep("builtin")
    if held_by:
        return keep("in-use", containers=len(held_by), container=min(held_by))
    return keep("level", level=level)

"""Clean in several rounds, until the target of free disk space is reached.

The figures of a plan are the engine's, and the disk may gain less: a sparse file, layers that build
cache holds too. So the containers of a plan go first, the disk is measured, and the rest is planned
again. If too few bytes are free after that, another round is planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from typing import NamedTuple

from holystone.engine.host import REMOVED, SKIPPED
from holystone.operations.execute import Key, Outcome
from holystone.planner.bounds import Slack
from holystone.planner.inventory import Disk, Inventory
from holystone.planner.plan import containers_alone
from holystone.planner.verdict import KINDS, Plan, Verdict

MOST = 5
"""Rounds of one clean that removed anything, at most: the containers, the rest, and what the disk
still lacks."""
MOST_IN_VAIN = 20
"""Rounds, at most, of which nothing went since jobs took it meanwhile. Each spares other images."""
NOISE = 16 << 20
"""Bytes that the free space of a disk in use moves by itself."""


class Round(NamedTuple):
    """One plan that was carried out, with the disk after it."""

    plan: Plan
    inventory: Inventory
    outcome: Outcome
    disk: Disk

    @property
    def gained(self) -> int | None:
        """By how many bytes the free space of the disk grew; None where it is not in sight."""
        return gain(self.plan.disk, self.disk)


def left_after(done: Round) -> Inventory:
    """The host after a round: its inventory without what was removed, and the disk as it is."""
    gone = {key for key, removal in done.outcome.results.items() if removal.result == REMOVED}
    was = done.inventory
    return was._replace(
        containers=tuple(c for c in was.containers if ("container", c.id) not in gone),
        images=tuple(i for i in was.images if ("image", i.id) not in gone),
        cache=tuple(r for r in was.cache if ("cache", r.id) not in gone),
        volumes=tuple(v for v in was.volumes if ("volume", v.name) not in gone),
        builders=tuple(
            each
            if each.records is None
            else each._replace(
                records=tuple(r for r in each.records if ("builder", r.id) not in gone)
            )
            for each in was.builders
        ),
        disk=done.disk,
    )


def gain(before: Disk, after: Disk) -> int | None:
    """By how many bytes the free space of a disk grew; None where it is not in sight."""
    if before.free_bytes is None or after.free_bytes is None:
        return None
    return after.free_bytes - before.free_bytes


def falls_short(gained: int, freed: int) -> bool:
    """Whether the disk gained so much less than was freed that the figure is wrong.

    Others write to the disk meanwhile, and files take whole blocks: a few megabytes say nothing.
    """
    return freed > NOISE and gained < freed - max(NOISE, freed // 50)


def disagrees(gained: int, freed: int) -> bool:
    """Whether the disk gained markedly less than was freed, or markedly more."""
    return falls_short(gained, freed) or gained > freed + max(NOISE, freed // 50)


def freed_for_certain(plan: Plan, outcome: Outcome, disk: Disk) -> int:
    """The bytes that came free, to be kept: where they are an estimate what the disk tells.

    That is what the disk gained, within the bounds of what went. Others write to it too. Where it
    is not in sight it is the lower bound.
    """
    slack = outcome.slack
    if not slack.estimated:
        return outcome.freed_bytes
    least = max(0, outcome.freed_bytes - slack.below)
    most = outcome.freed_bytes + slack.above
    gained = gain(plan.disk, disk)
    return least if gained is None else max(least, min(gained, most))


def part_to_begin_with(plan: Plan, inventory: Inventory, number: int) -> Plan:
    """What of a plan to carry out before the disk is measured; ``number`` counts rounds from 0.

    The containers of a plan with a target, where anything else is to go after them.
    """
    kinds = {step.kind for step in plan.steps}
    if plan.target_free is None or number or "container" not in kinds or len(kinds) == 1:
        return plan
    return containers_alone(plan, inventory)


def missed(plan: Plan, disk: Disk) -> int:
    """How many bytes are missing to the target; 0 where it is reached, or there is none."""
    if plan.target_free is None or disk.free_bytes is None:
        return 0
    return max(0, plan.target_free - disk.free_bytes)


def another(rounds: Sequence[Round], *, whole: bool) -> bool:
    """Whether to plan once more after these. ``whole``: nothing of the last plan was left out."""
    last = rounds[-1]
    if last.plan.target_free is None or last.outcome.interrupted:
        return False
    worked = sum(1 for each in rounds if each.outcome.removed)
    if worked >= MOST or len(rounds) - worked >= MOST_IN_VAIN:
        return False
    if not whole:
        return True
    # A plan that falls short by its own account has taken all that may go.
    if not missed(last.plan, last.disk) or last.plan.short_bytes:
        return False
    return bool(last.outcome.removed or spared(rounds[-1:]))


def spared(rounds: Sequence[Round]) -> frozenset[str]:
    """The IDs of the images that were to go and stayed: jobs took them since they were planned.

    What a job took stays for the whole clean, so the next plan takes something else.
    """
    results = [told for each in rounds for told in each.outcome.results.items()]
    return frozenset(i for (kind, i), told in results if kind == "image" and told.result == SKIPPED)


def as_one(rounds: Sequence[Round]) -> tuple[Plan, Outcome]:
    """The rounds as one plan with one outcome; the sums are those over the rounds.

    Of an object that was to go in several rounds the last of them counts, of one that stayed the
    last plan.
    """
    if len(rounds) == 1:
        return rounds[0].plan, rounds[0].outcome
    last = rounds[-1].plan
    verdicts = {(verdict.kind, verdict.id): verdict for verdict in last.verdicts}
    tried: dict[Key, Verdict] = {}
    for each in rounds:
        tried.update(
            ((verdict.kind, verdict.id), verdict)
            for verdict in each.plan.verdicts
            if (verdict.kind, verdict.id) in each.outcome.results
        )
    verdicts.update(tried)
    steps = {(step.kind, step.id): step for each in rounds for step in each.plan.steps}
    total = sum(verdict.freed_bytes for verdict in verdicts.values())
    planned = sum(each.plan.freed_bytes for each in rounds)
    # A step planned without success in one round and again in another counts once.
    at_least = sum(each.plan.at_least for each in rounds) - (planned - total)
    at_most = sum(each.plan.at_most for each in rounds) - (planned - total)
    return replace(
        last,
        taken_at=rounds[0].plan.taken_at,
        disk=rounds[0].plan.disk,
        verdicts=tuple(sorted(verdicts.values(), key=lambda verdict: KINDS.index(verdict.kind))),
        steps=tuple(steps.values()),
        freed_bytes=total,
        estimated=any(each.plan.estimated for each in rounds),
        at_least=max(0, min(at_least, total)),
        at_most=max(at_most, total),
    ), Outcome(
        results={key: told for each in rounds for key, told in each.outcome.results.items()},
        freed={key: size for each in rounds for key, size in each.outcome.freed.items()},
        freed_bytes=sum(each.outcome.freed_bytes for each in rounds),
        seconds=sum(each.outcome.seconds for each in rounds),
        interrupted=rounds[-1].outcome.interrupted,
        slack=reduce(Slack.plus, (each.outcome.slack for each in rounds)),
    )

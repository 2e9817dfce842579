"""The budgets of volumes by name: how much caches like those of CI jobs may hold together.

A volume counts towards the budget of the first pattern that its name matches, in use or not. What
goes beyond the budget is the least recently used of those that may go at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter

from holystone.planner.inventory import Volume
from holystone.planner.policy import Budget, Policy
from holystone.planner.rules import Ruling, keep
from holystone.planner.usage import Key
from holystone.planner.verdict import Fact, Reason, Rule

Rulings = dict[Key, Ruling]


def within_budgets(
    volumes: Iterable[Volume],
    policy: Policy,
    rulings: Mapping[Key, Ruling],
    unused: Callable[[Volume], Ruling],
) -> Rulings:
    """The rulings on the volumes that a budget changes: those that go, and why others stay.

    ``rulings`` are those without budgets, ``unused`` tells whether a volume may go at all, and how
    long it is unused.
    """
    if not policy.takes.volumes or policy.volumes.remove == "never":
        return {}
    groups: dict[Budget, list[Volume]] = {}
    for volume in volumes:
        found = (each for each in policy.volumes.budgets if each.covers(volume.name))
        budget = next(found, None)
        if budget is not None and not rulings["volume", volume.name][0]:
            groups.setdefault(budget, []).append(volume)
    changed: Rulings = {}
    for budget, group in groups.items():
        changed |= _within(budget, group, rulings, unused)
    return changed


def _within(
    budget: Budget,
    volumes: list[Volume],
    rulings: Mapping[Key, Ruling],
    unused: Callable[[Volume], Ruling],
) -> Rulings:
    """The rulings on the volumes of one budget, of which none goes without it."""
    total = sum(volume.size or 0 for volume in volumes)
    changed: Rulings = {}
    candidates: list[tuple[float, str, Volume, Mapping[str, Fact]]] = []
    for volume in volumes:
        key = ("volume", volume.name)
        # A rule that would let it go later does not count here; being in use or protected does.
        if rulings[key][1][0].rule not in (Rule.NAMED, Rule.YOUNG):
            continue
        goes, reasons = unused(volume)
        if not goes:
            changed[key] = (False, reasons)
        elif volume.size is None:
            changed[key] = keep(Rule.WITHIN_BUDGET, pattern=budget.pattern, unmeasured=True)
        else:
            facts = reasons[0].facts
            candidates.append((-float(facts.get("idle") or 0), volume.name, volume, facts))
    for _, name, volume, facts in sorted(candidates, key=itemgetter(0, 1)):
        key = ("volume", name)
        of_budget: dict[str, Fact] = {
            "total": total,
            "budget": budget.size,
            "pattern": budget.pattern,
        }
        if total > budget.size and volume.size:
            changed[key] = (True, (Reason(Rule.OVER_BUDGET, {**facts, **of_budget}),))
            total -= volume.size
        elif rulings[key][1][0].rule is Rule.NAMED:
            changed[key] = keep(Rule.WITHIN_BUDGET, **of_budget)
    return changed

"""The rules for builders outside the engine: down to a budget, least recently used first.

A builder without a budget is left alone. What a build uses, and what other records were made from,
stays. At every level it is the budget that counts: no level empties a builder.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from holystone.planner.build_cache import CacheJudgement
from holystone.planner.builders import records_of
from holystone.planner.inventory import CacheRecord, Inventory
from holystone.planner.policy import CacheLimits, Policy
from holystone.planner.protection import Protection
from holystone.planner.rules import Ruling
from holystone.planner.usage import Key
from holystone.planner.verdict import Step


class BuilderJudgement(NamedTuple):
    """The rulings on the records of all builders of one host."""

    rulings: dict[Key, Ruling]
    order: list[str]
    """IDs of the records that go, in an order that can be carried out."""


def judge_builders(
    inventory: Inventory, policy: Policy, now: float, protection: Protection
) -> BuilderJudgement:
    """The rulings on every record of a builder that was asked."""
    judged = BuilderJudgement({}, [])
    for builder in inventory.builders:
        budget = policy.builders.of(builder.name)
        takes = "budget" if policy.takes.builders and budget is not None else "none"
        cache = CacheJudgement(
            inventory._replace(cache=builder.records or ()),
            policy._replace(
                cache=CacheLimits(budget_bytes=budget, unused_for=math.inf),
                takes=policy.takes._replace(build_cache=takes),
            ),
            now,
            lambda record: record.shared,
            protection,
            builder.name,
        )
        cache.rule_rest()
        judged.rulings.update((("builder", i), ruling) for i, ruling in cache.rulings.items())
        judged.order.extend(cache.order)
    return judged


def steps_of(inventory: Inventory, cut: list[str]) -> list[Step]:
    """The steps that remove these records, in this order.

    BuildKit counts a record that it shares with an image to the image.
    """
    records = records_of(inventory)
    return [Step("builder", i, (i,), _freed(records[i])) for i in cut]


def _freed(record: CacheRecord) -> int:
    return 0 if record.shared else record.size

"""Whether a repair may take build cache that holds what is damaged: by option, or asked."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from holystone.present import terminal

if TYPE_CHECKING:
    from holystone.engine.host import Host
    from holystone.operations.reach import Reach
    from holystone.operations.repair import Group
    from holystone.planner.inventory import Inventory


def with_cache(
    made: Sequence[Group],
    inventory: Inventory,
    host: Host,
    reach: Reach,
    options: argparse.Namespace,
) -> list[Group]:
    """The groups with the build cache records that go along, or with these in the way.

    Raises EngineError.
    """
    from holystone.operations import repair

    if all(group.obstacle for group in made):
        return list(made)
    weighed = host.weigh(inventory) if inventory.cache else inventory
    held = repair.held_by_builds(made, weighed, reach.that_made)
    records = {record.id: record.size for group in held for record in group.cache}
    others: set[object] = {build for group in held for build in group.builds}
    others |= {step.image.id for group in held for step in group.build_steps if not group.obstacle}
    if not (records or others) or options.with_cache:
        return held
    if _agreed(len(records) + len(others), sum(records.values()), options):
        return held
    return repair.without_cache(held)


def _agreed(records: int, size: int, options: argparse.Namespace) -> bool:
    """What a person at a terminal says; no where there is none."""
    from holystone.present.report.verify import cache_question

    errors = terminal.open_output(sys.stderr, os.environ, color=options.color)
    asks = sys.stdin is not None and sys.stdin.isatty() and errors.interactive
    if options.json or not asks:
        return False
    sys.stderr.write(f"{cache_question(records, size)} ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")

"""Gather all that a report of one host shows: its objects, three plans, its runs and samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holystone.operations.connect import Session
from holystone.operations.survey import survey
from holystone.planner.inventory import Inventory
from holystone.planner.pieces import Piece, pieces_of
from holystone.planner.policy import LEVELS, Policy, Watermarks
from holystone.planner.totals import Beside
from holystone.planner.verdict import Plan
from holystone.store import StoreError, samples
from holystone.store.records import RunSummary
from holystone.store.samples import HOUR, MINUTE, Sample


@dataclass(frozen=True, slots=True)
class HostReport:
    """One host at one moment, and what is remembered of it."""

    endpoint: str
    """The engine's address."""
    inventory: Inventory
    """With all sizes and layers."""
    beside: Beside
    plans: Mapping[str, Plan]
    """By level: what a clean would do, as ``survey`` has it for that policy."""
    marks: Watermarks
    pieces: Sequence[Piece]
    """Every byte of its objects once, the largest piece first."""
    samples: Sequence[Sample] = ()
    """The disk in the past, the oldest first: an hour apart, in the last day a minute."""
    runs: Sequence[RunSummary] = ()
    """The runs on this host that are remembered, the newest first."""


def gather(session: Session, policies: Mapping[str, Policy]) -> HostReport:
    """The report on a host; ``policies`` has one for each of ``LEVELS``.

    All plans are made from one look at the host, and each is the plan of ``survey`` for its policy.
    Raises EngineError. What the ledger cannot tell is missing, with a warning.
    """
    plans: dict[str, Plan] = {}
    inventory: Inventory | None = None
    for level in LEVELS:
        found = survey(session, policies[level], sizes=True, layers=True, inventory=inventory)
        # With what the plan made it ask of registries: the next plan need not ask again.
        inventory, plans[level] = found.inventory, found.plan
    assert inventory is not None  # noqa: S101 - there are levels
    return HostReport(
        session.endpoint,
        inventory,
        session.host.beside(inventory),
        plans,
        policies[LEVELS[0]].disk,
        pieces_of(inventory),
        *_remembered(session, inventory),
    )


def _remembered(
    session: Session, inventory: Inventory
) -> tuple[Sequence[Sample], Sequence[RunSummary]]:
    """The samples and runs of this host; none, with a warning, where the ledger cannot be read."""
    key, ledger = inventory.engine.key, session.ledger
    nothing: tuple[Sequence[Sample], Sequence[Sample]] = ((), ())
    try:
        hours, minutes = ledger.read(
            lambda base: (samples.recall(base, key, HOUR), samples.recall(base, key, MINUTE)),
            nothing,
        )
        runs = [run for run in ledger.runs.list() if run.engine == key]
    except StoreError as error:
        session.warn(f"the report has no history: {error}")
        return (), ()
    begun = minutes[0].at if minutes else float("inf")
    return [*(each for each in hours if each.at < begun), *minutes], runs

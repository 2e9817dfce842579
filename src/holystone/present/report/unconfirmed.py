"""Images that go though their registry could not be asked whether it has them, by name."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.engine.host import REMOVED
from holystone.operations.execute import Outcome
from holystone.planner.verdict import Plan, Rule, Verdict
from holystone.present import reasons
from holystone.present.apart import names_of
from holystone.present.format import count_of
from holystone.present.table import Cell, Column, Row, render
from holystone.present.terminal import Look

SHOWN = 10
"""Images told one by one. The JSON document has all of them."""
_COLUMNS = (Column("name", gives_way=True, least=20), Column("why", prose=True))


def going(plan: Plan) -> list[Verdict]:
    """The images of a plan that go unconfirmed."""
    return [verdict for verdict in plan.removed if _reason(verdict)]


def gone(plan: Plan, outcome: Outcome) -> list[Verdict]:
    """The images that went unconfirmed."""
    return [
        verdict
        for verdict in going(plan)
        if (removal := outcome.results.get((verdict.kind, verdict.id))) is not None
        and removal.result == REMOVED
    ]


def listing(verdicts: Sequence[Verdict], look: Look, *, verb: str) -> list[str]:
    """These images with what their registries said; nothing where there are none."""
    if not verdicts:
        return []
    shown = verdicts if len(verdicts) <= SHOWN + 2 else verdicts[:SHOWN]
    name = names_of(shown)
    rows: list[Row] = [(name(each), Cell(_reason(each) or "", "yellow")) for each in shown]
    lines = [look.paint(f"Unconfirmed by a registry, and {verb}: {len(verdicts)}", "yellow")]
    lines += render(_COLUMNS, rows, look, header=False)
    if len(shown) < len(verdicts):
        more = f"  {look.ellipsis} and {len(verdicts) - len(shown)} more (--json has them all)"
        lines.append(look.paint(more, "dim"))
    return [*lines, ""]


def ending(verdicts: Sequence[Verdict]) -> str:
    """What the last line says of images that went unconfirmed; empty where none did."""
    return f"; {count_of(len(verdicts), 'image')} unconfirmed by a registry" if verdicts else ""


def _reason(verdict: Verdict) -> str | None:
    if verdict.kind != "image":
        return None
    found = (reason for reason in verdict.reasons if reason.rule == Rule.UNCONFIRMED)
    return next((reasons.text(reason) for reason in found), None)

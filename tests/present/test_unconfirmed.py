"""Images that went though their registry could not be asked are named: text, last line, JSON."""

from __future__ import annotations

from holystone.engine.host import REMOVED, SKIPPED, Removal
from holystone.operations.execute import Outcome
from holystone.planner.inventory import Disk
from holystone.planner.verdict import Plan, Reason, Rule, Step, Verdict
from holystone.present import document
from holystone.present.report import clean, verdicts
from holystone.present.terminal import Look
from tests.present import host

PLAIN = Look(width=400)


def planned(count: int) -> Plan:
    """A plan that takes so many images that no registry confirmed."""
    reasons = (
        Reason(Rule.PRESSURE, {"idle": 60.0, "frees": 1, "least_free": 10}),
        Reason(
            Rule.UNCONFIRMED, {"said": "no answer\x1b[2J from r.example.com", "once_there": True}
        ),
    )
    ids = [f"sha256:{n:064x}" for n in range(count)]
    return Plan(
        level="routine",
        taken_at=host.NOW,
        engine=host.inventory().engine,
        disk=Disk(100, 5),
        verdicts=tuple(
            Verdict("image", i, (f"r.example.com/a:{n}",), True, reasons, 1)
            for n, i in enumerate(ids)
        ),
        steps=tuple(Step("image", i, (i,), 1) for i in ids),
        freed_bytes=count,
        estimated=False,
        at_least=count,
        at_most=count,
        target_free=10,
    )


def ended(plan: Plan, skipped: int = 0) -> Outcome:
    results = {
        (step.kind, step.id): Removal(SKIPPED if n < skipped else REMOVED, "")
        for n, step in enumerate(plan.steps)
    }
    return Outcome(results, {}, 0, 0.0)


def test_they_are_named_with_what_their_registry_said() -> None:
    plan = planned(2)
    text = clean.render(plan, ended(plan), PLAIN)
    assert "Unconfirmed by a registry, and removed: 2" in text
    assert "r.example.com/a:0" in text
    assert "its registry, which had it before, could not be asked: no answer" in text
    assert "\x1b" not in text


def test_the_last_line_counts_them() -> None:
    plan = planned(2)
    said = "✅ Cleaned until enough was free; 2 images unconfirmed by a registry"
    assert clean.closing(plan, ended(plan)) == said
    short = "❌ Target not reached: 3 B more should be free; 1 image unconfirmed by a registry"
    assert clean.closing(plan, ended(plan, skipped=1), short=3) == short
    assert clean.closing(plan, ended(plan, skipped=2)) == "✅ Cleaned until enough was free"


def test_of_many_the_first_are_named() -> None:
    plan = planned(40)
    lines = verdicts.unconfirmed_lines(verdicts.unconfirmed(plan), PLAIN, verb="to go")
    assert lines[0] == "Unconfirmed by a registry, and to go: 40"
    assert lines[-2].endswith("and 30 more (--json has them all)")
    assert verdicts.unconfirmed_lines([], PLAIN, verb="to go") == []


def test_the_document_lists_them() -> None:
    plan = planned(2)
    assert document.plan(plan)["unconfirmed"] == [step.id for step in plan.steps]
    assert document.plan(host.plan())["unconfirmed"] == []

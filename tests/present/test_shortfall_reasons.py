"""The table of what holds the space names what keeps a layer that images share."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import Disk, Engine, Image, Inventory, Layer
from holystone.planner.verdict import Plan, Reason, Rule, Verdict
from holystone.present.report.disk import shortfall
from holystone.present.terminal import Look

BASE = Layer("base", 162_000_000)
HOST = Inventory(
    Engine("e", "n", "28", "1.51", "overlay2"),
    0.0,
    images=(
        Image("a", ("a:1",), size=163_000_000, layers=(BASE, Layer("a", 1_000_000))),
        Image("b", ("b:1",), size=164_000_000, layers=(BASE, Layer("b", 2_000_000))),
    ),
)


def told(rule: Rule) -> str:
    verdicts = (
        Verdict("image", "a", ("a:1",), False, (Reason(Rule.TAGGED, {"tags": 1}),)),
        Verdict("image", "b", ("b:1",), False, (Reason(rule),)),
    )
    plan = Plan("routine", 0.0, HOST.engine, Disk(), verdicts, (), 0, False, 0, 0)
    return shortfall(HOST, plan, 10**9, Look())


@pytest.mark.parametrize(
    ("rule", "label"),
    [(Rule.IN_USE, "in use"), (Rule.LOCAL, "only here"), (Rule.YOUNG, "too recent")],
)
def test_a_shared_layer_is_held_by_what_keeps_one_of_its_images(rule: Rule, label: str) -> None:
    assert "164 MB  " + label in told(rule)
    assert "several images share" not in told(rule)


def test_images_that_nothing_keeps_share_it() -> None:
    assert "162 MB  layers that several images share" in told(Rule.TAGGED)

"""What a run says it freed where some of what was planned stayed, with build cache as a holder."""

from __future__ import annotations

import pytest

from holystone.demo.memory_host import SimulatedHost
from holystone.operations.execute import execute
from holystone.planner.inventory import CacheRecord, Engine, Image, Inventory, Layer
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Grace, Policy
from holystone.planner.verdict import Step

NOW = 1_700_000_000.0
HOST = Inventory(
    Engine("e", "n", "1", "1.41", "overlay2"),
    NOW,
    images=(
        Image("sha256:a", layers=(Layer("base", 1000), Layer("a", 70))),
        Image("sha256:b", layers=(Layer("base", 1000), Layer("b", 90))),
    ),
    cache=(
        CacheRecord("low", size=1000, shared=True, created=NOW - 99),
        CacheRecord("high", ("low",), size=70, shared=True, created=NOW - 99),
    ),
)
DEEP = Policy(level="deep", takes=TAKES["deep"], grace=Grace.uniform(0))


@pytest.mark.parametrize(
    ("touched", "freed"), [("", 1160), ("sha256:a", 90), ("sha256:b", 70), ("high", 90)]
)
def test_a_layer_counts_with_the_last_holder_that_really_went(touched: str, freed: int) -> None:
    host = SimulatedHost(HOST)
    made = plan(host.observe(), host.usage(), DEEP, NOW)
    assert made.freed_bytes == 1160

    def use(step: Step) -> None:
        """Somebody has to do with an object just before it would go."""
        if step.id == touched:
            host.touched.add(step.id)
            if step.kind == "cache":
                host.cache[step.id] = host.cache[step.id]._replace(in_use=True)

    host.before_remove = use
    before = host.stored_bytes
    outcome = execute(made, HOST, host)
    assert outcome.freed_bytes == before - host.stored_bytes == freed

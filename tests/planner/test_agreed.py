"""What an agreed plan has to say of a volume that it cannot take."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import Engine, Inventory, Volume
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Grace, Policy
from holystone.planner.saved_plan import Agreed, hold_against
from holystone.planner.usage import Usage

NOW = 1_750_000_000.0
CREATED = NOW - 9 * 86400


@pytest.mark.parametrize(
    ("named", "created", "rule", "what"),
    [
        (True, CREATED, None, ""),
        (True, CREATED - 1, None, ""),
        (False, CREATED - 1, "changed", "it was made anew"),
        (False, CREATED, "agreed", ""),
    ],
)
def test_the_reason_is_the_true_one(
    named: bool, created: float, rule: str | None, what: str
) -> None:
    """A named volume stays because it is named, whatever the file says of its date."""
    policy = Policy("weekly", TAKES["weekly"], grace=Grace.uniform(0))
    volume = Volume("data", created=CREATED, anonymous=not named)
    engine = Engine("e", "e", "28", "1.51", "overlay2", "classic")
    inventory = Inventory(engine, NOW, volumes=(volume,))
    agreed = [Agreed("volume", "data", ("data",), (created,), 0)]
    usage = Usage()
    (verdict,) = hold_against(agreed, inventory, usage, policy, NOW).verdicts
    first = verdict.reasons[0]
    if rule is None:
        (today,) = plan(inventory, usage, policy, NOW).verdicts
        assert not verdict.remove
        assert verdict.reasons == today.reasons
    else:
        assert (first.rule, first.facts.get("what", "")) == (rule, what)

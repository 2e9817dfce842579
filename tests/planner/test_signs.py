"""What the age of an unused object counts from: its last use, or when it was made or came here."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import CacheRecord, Engine, Image, Inventory, Network, Volume
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Grace, Policy
from holystone.planner.usage import Usage
from holystone.planner.verdict import Reason

NOW = 1_760_011_200.0
EMPTY = Inventory(Engine("e", "signs", "28", "1.51", "overlay2"), NOW)
DEEP = Policy("deep", TAKES["deep"], include_local=True)
HOUR = 3600.0
NOTHING = Usage()
NETWORK = EMPTY._replace(networks=(Network("n", "n", created=NOW - 9 * HOUR),))
VOLUME = EMPTY._replace(volumes=(Volume("v", created=NOW - 9 * HOUR, anonymous=True),))
LOADED = EMPTY._replace(images=(Image("i", ("app:1",), arrived=NOW - 9 * HOUR),))
TAGGED = EMPTY._replace(images=(Image("i", ("app:1",), last_tagged=NOW - 9 * HOUR),))
FOUND = EMPTY._replace(images=(Image("i", ("app:1",)),))
SEEN = Usage(first_seen={"i": NOW - 9 * HOUR})


def reason(inventory: Inventory, usage: Usage = NOTHING, policy: Policy = DEEP) -> Reason:
    """The reason of the one verdict on a host with one object."""
    (only,) = plan(inventory, usage, policy, NOW).verdicts
    return only.reasons[0]


@pytest.mark.parametrize(
    ("inventory", "usage", "sign"),
    [
        (NETWORK, NOTHING, "made"),
        (VOLUME, NOTHING, "made"),
        (LOADED, NOTHING, "arrived"),
        (TAGGED, NOTHING, "last tagged"),
        (FOUND, SEEN, "first seen"),
    ],
)
def test_what_was_never_used_is_not_said_to_be(
    inventory: Inventory, usage: Usage, sign: str
) -> None:
    takes = DEEP.takes._replace(volumes=True)
    policy = DEEP._replace(takes=takes)
    told = reason(inventory, usage, policy)
    assert (told.rule, told.facts["sign"], told.facts["idle"]) == ("unused", sign, 9 * HOUR)
    key = ("network", "n") if inventory is NETWORK else ("image", "i")
    if inventory is VOLUME:
        key = ("volume", "v")
    used = reason(inventory, usage._replace(last_used={key: NOW - 2 * HOUR}), policy)
    assert (used.rule, used.facts["sign"], used.facts["idle"]) == ("unused", "last used", 2 * HOUR)
    careful = policy._replace(grace=Grace.uniform(10 * HOUR))
    young = reason(inventory, usage, careful)
    assert (young.rule, young.facts["since"]) == ("young", sign)


@pytest.mark.parametrize(("used", "sign"), [(None, "made"), (NOW - HOUR, "last used")])
def test_a_cache_record_that_no_build_used_again(used: float | None, sign: str) -> None:
    record = CacheRecord("r", created=NOW - 2 * HOUR, last_used=used)
    assert reason(EMPTY._replace(cache=(record,))).facts["sign"] == sign

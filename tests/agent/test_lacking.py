"""What a clean for space of the agent had to free, and did not."""

from __future__ import annotations

from holystone.agent.level import lacking, space_policy
from holystone.planner.inventory import Disk
from holystone.planner.policy import Mark, Policy, Watermarks

HIGH = Mark(used_share=0.60)


def disk(used: int) -> Disk:
    return Disk(total_bytes=1000, free_bytes=1000 - used)


def test_below_the_high_mark_the_room_beyond_it_lacks_nothing() -> None:
    policy = space_policy(Policy(disk=Watermarks(high=HIGH)), disk(650))
    assert lacking(3, policy, disk(599)) == 0
    assert lacking(3, policy, disk(601)) == 3


def test_a_low_mark_of_the_owner_is_to_be_reached() -> None:
    policy = space_policy(Policy(disk=Watermarks(high=HIGH, low=Mark(used_share=0.40))), disk(650))
    assert lacking(150, policy, disk(550)) == 150

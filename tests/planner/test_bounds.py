"""Bounds of what comes free where the engine's figures are not the disk's."""

from __future__ import annotations

from holystone.planner.bounds import Slack, container_slack, driver_slack, volume_slack
from holystone.planner.inventory import Container, Engine, Image, Inventory, Layer, Volume
from holystone.planner.verdict import Step

BASE, APP, OTHER = Layer("b", 100), Layer("b/a", 10), Layer("b/o", 1)
IMAGES = (
    Image("base", layers=(BASE,)),
    Image("app", layers=(BASE, APP)),
    Image("other", layers=(BASE, OTHER)),
)
RUN = Container("c", "c", "app", "app:1", "exited", writable_size=5)
STEPS = [Step("image", "app", ("app",), 10), Step("container", "c", ("c",), 5)]


def host(driver: str) -> Inventory:
    return Inventory(Engine("", "", "", "", driver), 0.0, images=IMAGES, containers=(RUN,))


def test_overlay_is_exact() -> None:
    assert driver_slack(host("overlay2"), IMAGES, [RUN], STEPS) == Slack(False, 0, 0)


def test_vfs_frees_a_copy_of_what_is_below_each_layer() -> None:
    """And a container two copies of its image."""
    seen = host("vfs")
    assert driver_slack(seen, [IMAGES[1]], [], STEPS) == Slack(True, 0, 100)
    assert driver_slack(seen, IMAGES, [], STEPS) == Slack(True, 0, 200)
    assert driver_slack(seen, [], [RUN], STEPS) == Slack(True, 0, 220)
    assert driver_slack(seen, [], [], []) == Slack(False, 0, 0)


def test_shared_blocks_may_free_nothing() -> None:
    assert driver_slack(host("btrfs"), [IMAGES[1]], [RUN], STEPS) == Slack(True, 15, 0)
    assert driver_slack(host("zfs"), [], [], []) == Slack(False, 0, 0)


def test_what_was_not_measured_may_be_less() -> None:
    bounded = RUN._replace(writable_at_least=2)
    assert container_slack([RUN, bounded]) == Slack(True, 3, 0)
    assert container_slack([RUN]) == Slack(False, 0, 0)
    volumes = [Volume("a", size=9), Volume("b", size=9, at_least=4)]
    assert volume_slack(volumes) == Slack(True, 5, 0)
    assert volume_slack([Volume("unknown")]) == Slack(True, 0, 0)

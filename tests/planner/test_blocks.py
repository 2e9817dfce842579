"""The files that an engine keeps for each object, which no figure of it has: they may be many."""

from __future__ import annotations

import pytest

from holystone.planner.bounds import Slack, block_slack
from holystone.planner.inventory import Engine, Image, Inventory, Layer

LAYERS = tuple(Layer(f"sha256:{n}", 10) for n in range(20))
IMAGES = (
    Image("base", ("base:1",), layers=LAYERS[:5]),
    Image("app", layers=LAYERS),
    Image("same", layers=LAYERS),
)


def above(store: str, going: tuple[Image, ...], others: int) -> int:
    """Bytes that may come free beyond the engine's figures."""
    host = Inventory(Engine("", "", "", "", "overlay2", store), 0.0, images=IMAGES)
    slack = block_slack(host, going, others)
    assert slack == Slack(estimated=False, below=0, above=slack.above)
    return slack.above


def test_a_layer_counts_once_and_where_no_image_keeps_it() -> None:
    assert above("classic", IMAGES[1:], 5) == 20 * 65536
    assert above("classic", IMAGES[1:2], 20) == 20 * 65536
    assert above("containerd", IMAGES, 20) == 40 * 32768


@pytest.mark.parametrize(("store", "few"), [("classic", 15), ("containerd", 30)])
def test_few_objects_are_left_out(store: str, few: int) -> None:
    assert above(store, (), few) == 0
    assert above(store, (), few + 1) > 1_000_000


def test_podman_tells_its_own() -> None:
    assert above("podman", IMAGES, 400) == 0

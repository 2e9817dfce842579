"""Build cache records whose size the engine tells as 0: what a plan promises of them."""

from __future__ import annotations

import pytest

from holystone.planner.inventory import CacheRecord, Engine, Image, Inventory, Layer
from holystone.planner.sizes import free

BASE = CacheRecord("base", description="pulled from docker.io/library/base:1")


def inventory(record: CacheRecord) -> Inventory:
    image = Image(id="other", layers=(Layer("own", 5),), size=5)
    engine = Engine("id", "host", "28.5", "1.51", "overlay2")
    return Inventory(engine, 0.0, images=(image,), cache=(record,))


@pytest.mark.parametrize(
    ("record", "freed", "estimated", "above"),
    [
        (BASE._replace(size=700, size_at_most=700), 700, False, 0),
        (BASE._replace(size=0, size_at_most=0), 0, False, 0),
        (BASE._replace(size=0, size_at_most=700), 0, True, 700),
        (BASE, 0, True, 0),
        (BASE._replace(description="from local base:1"), 0, True, 0),
        (BASE._replace(description="[2/2] RUN true"), 0, False, 0),
    ],
    ids=["measured", "empty", "held by a container", "unknown", "unknown local", "a step"],
)
def test_what_a_record_of_a_base_frees(
    record: CacheRecord, freed: int, estimated: bool, above: int
) -> None:
    told = free(inventory(record), [], [record])
    assert told.records == [freed]
    assert (told.slack.estimated, told.slack.above) == (estimated, above)

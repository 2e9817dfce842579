"""``/system/df`` in each shape that engines give it: the same build cache and volumes come of it.

The answers are written by the API's description: of 1.51, of 1.52, which has both shapes, of 1.55.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holystone.engine.cache import list_cache
from holystone.engine.observe import Lists, read_lists
from holystone.planner.inventory import CacheRecord, Inventory
from tests.cli.faulty import EMPTY
from tests.engine_client.clients import client_of
from tests.engine_client.misbehaving import answers, misbehaving

FOLDER = Path(__file__).parent / "answers"
VERSIONS = ("1.51", "1.52", "1.55")
VOLUMES = {"Volumes": [{"Name": "data"}, {"Name": "odd"}, {"Name": "new"}]}


def observed(version: str) -> tuple[Inventory, dict[str, CacheRecord], list[str]]:
    """What is read of an engine that speaks this version at most, and what it was asked."""
    usage = json.loads((FOLDER / f"system-df-{version}.json").read_text())
    script = {
        **EMPTY,
        "GET /version": answers({"ApiVersion": version, "MinAPIVersion": "1.40"}),
        "GET /volumes": answers(VOLUMES),
        "GET /system/df": answers(usage),
    }
    with misbehaving(script) as engine:
        client = client_of(engine, 5)
        inventory = read_lists(Lists(client, sizes=True), 0.0)
        listed = list_cache(client)
        client.close()
        asked = [request for request in engine.requests if "/system/df" in request]
    return inventory, listed, asked


@pytest.mark.parametrize("version", VERSIONS)
def test_every_shape_tells_the_same(version: str) -> None:
    inventory, listed, asked = observed(version)
    assert inventory.notes == ()
    assert [(r.id, r.parents, r.size, r.in_use, r.shared) for r in inventory.cache] == [
        ("c1", (), 1200, False, True),
        ("c2", ("c1",), 3400, True, False),
    ]
    assert listed == {record.id: record for record in inventory.cache}
    assert {v.name: v.size for v in inventory.volumes} == {"data": 5600, "odd": None, "new": None}
    assert inventory.engine.api_version == version
    assert {"verbose=1" in request for request in asked} == {version != "1.51"}

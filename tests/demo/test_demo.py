"""The demo host is believable, whole, and the same each time."""

from __future__ import annotations

import subprocess
import sys

from holystone.demo.contents import demo_inventory
from holystone.demo.memory_host import SimulatedHost
from holystone.engine.host import REMOVED
from holystone.planner.inventory import Inventory
from holystone.planner.plan import plan
from holystone.planner.policy import Policy

NOW = 1_750_000_000.0


def demo() -> Inventory:
    return demo_inventory(NOW)[0]


def test_it_is_the_same_each_time_and_moves_with_the_clock() -> None:
    assert demo_inventory(NOW) == demo_inventory(NOW)
    one, later = demo(), demo_inventory(NOW + 3600)[0]
    assert [image.id for image in one.images] == [image.id for image in later.images]
    assert later.images[0].created == one.images[0].created + 3600


def test_it_is_a_busy_runner() -> None:
    inventory = demo()
    assert len(inventory.images) >= 45
    assert len(inventory.containers) == 17
    assert len(inventory.cache) >= 55
    states = {container.state for container in inventory.containers}
    assert states == {"running", "paused", "created", "exited"}
    total, free = inventory.disk.total_bytes, inventory.disk.free_bytes
    assert total is not None
    assert free is not None
    assert round(100 * (total - free) / total) == 91
    assert SimulatedHost(*demo_inventory(NOW)).stored_bytes < total - free
    yolov5 = next(i for i in inventory.images if "ultralytics/yolov5:latest" in i.tags)
    assert 11.9e9 < yolov5.size < 12.1e9


def test_it_is_whole() -> None:
    inventory = demo()
    ids = {image.id for image in inventory.images}
    assert len(ids) == len(inventory.images)
    references = [name for image in inventory.images for name in image.tags + image.digests]
    assert len(set(references)) == len(references)
    assert all(image.parent in {*ids, ""} for image in inventory.images)
    assert all(container.image_id in ids for container in inventory.containers)
    volumes = {volume.name for volume in inventory.volumes}
    networks = {network.name for network in inventory.networks}
    records = {record.id for record in inventory.cache}
    assert len(records) == len(inventory.cache)
    for container in inventory.containers:
        assert volumes.issuperset(container.volumes)
        assert networks.issuperset(container.networks)
    assert all(records.issuperset(record.parents) for record in inventory.cache)
    sizes: dict[str, int] = {}
    for image in inventory.images:
        for layer in image.layers or ():
            assert sizes.setdefault(layer.chain_id, layer.size) == layer.size


def test_a_routine_clean_of_it_frees_exactly_what_it_says() -> None:
    host = SimulatedHost(*demo_inventory(NOW))
    inventory = host.observe(sizes=True)
    made = plan(inventory, host.usage(), Policy(), NOW)
    before = host.stored_bytes
    assert [step for step in made.steps if host.remove(step).result != REMOVED] == []
    assert before - host.stored_bytes == made.freed_bytes > 30e9
    # What a newcomer should see: every kind of reason.
    rules = {(verdict.kind, reason.rule) for verdict in made.verdicts for reason in verdict.reasons}
    assert rules >= {
        *(("container", rule) for rule in ("stopped", "young", "in-use", "needed-by", "restart")),
        *(("container", rule) for rule in ("stopped-group", "tool")),
        *(("image", rule) for rule in ("tagged", "in-use", "untagged", "young", "parent")),
        *(("cache", rule) for rule in ("over-budget", "within-budget", "needed", "in-use")),
        *(("cache", "shared"), ("volume", "in-use"), ("volume", "level")),
        *(("network", "builtin"), ("network", "level")),
    }


def test_it_needs_no_costly_import() -> None:
    costly = "random|json|http.client|sqlite3|asyncio|socket|ssl|rich|datetime"
    program = (
        "import sys, holystone.demo.contents; "
        f"print([name for name in {costly.split('|')!r} if name in sys.modules])"
    )
    told = subprocess.run(
        [sys.executable, "-S", "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path)},
    )
    assert told.stdout.strip() == "[]"

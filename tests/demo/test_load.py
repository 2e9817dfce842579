"""The demo host under simulated load."""

from __future__ import annotations

import random

from holystone.demo.host import DemoHost
from holystone.demo.load import Load
from holystone.operations.connect import connect


def test_jobs_fill_the_disk_and_leave_containers() -> None:
    with connect("demo:", environ={}) as session:
        host = session.host
        assert isinstance(host, DemoHost)
        before = host.disk().free_bytes or 0
        count = len(host.observe().images)
        load = Load(host, random.Random(3))
        assert load.turn()
        assert not load.turn(), "the next one is a moment later"
        after = host.observe()
        assert len(after.images) == count + 1
        assert (after.disk.free_bytes or 0) < before
        assert any(each.name == "job-1" and each.stopped for each in after.containers)
        taken = after.taken_at
        assert host.observe().taken_at >= taken > 0, "its time goes on"

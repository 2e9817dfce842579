"""One real clean by way of the library, with the engine's own figures before and after."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

from holystone.engine.client import Client
from holystone.engine.events import EventStream
from holystone.engine.host import Removal
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import resolve
from holystone.operations.execute import Outcome, execute
from holystone.operations.live_host import LiveHost
from holystone.planner.inventory import Inventory
from holystone.planner.plan import plan
from holystone.planner.policy import CacheLimits, Grace, Policy
from holystone.planner.verdict import Plan, Verdict
from holystone.store.store import Store
from tests.engines import Engine
from tests.usage.forgetful import Forgetful

NO_GRACE = Policy(grace=Grace.uniform(0))
"""Young objects go too: what a test makes is always young."""

NO_CACHE = Policy(grace=Grace.uniform(0), cache=CacheLimits(budget_bytes=0))
"""Build cache goes as well, all that can."""


class Figures(NamedTuple):
    """What the engine itself says it stores, in bytes."""

    images: int
    cache: int
    containers: int

    @property
    def total(self) -> int:
        """All kinds together."""
        return sum(self)


class Clean(NamedTuple):
    """A clean that was made."""

    inventory: Inventory
    plan: Plan
    outcome: Outcome
    before: Figures
    after: Figures

    @property
    def fall(self) -> int:
        """By how much the engine's own figures fell."""
        return self.before.total - self.after.total

    def result(self, kind: str, object_id: str) -> Removal:
        """What became of a step."""
        return self.outcome.results[kind, object_id]

    def verdict(self, name: str) -> Verdict:
        """The verdict on the object with this ID or name."""
        found = [v for v in self.plan.verdicts if name in (v.id, *v.names)]
        assert len(found) == 1, f"{name}: {found}"
        return found[0]


def live_host(engine: Engine, state: Path | None = None, *, remote: bool = False) -> LiveHost:
    """holystone's side of a real engine. Without ``state`` it remembers nothing.

    ``remote``: as if the engine were on another machine, where its files cannot be read.
    """
    here = resolve(engine.host, None, {})
    there = here._replace(scheme="tcp", address="elsewhere:2375") if remote else here
    client = Client(there, 120, lambda _, timeout: connect(here, timeout))
    memory = Forgetful() if state is None else Store(str(state), no_warning)
    return LiveHost(client, memory)


def no_warning(message: str) -> None:
    """Fail: the memory of a test has nothing to warn of."""
    raise AssertionError(message)


def figures(engine: Engine) -> Figures:
    """The engine's figures now, asked without holystone."""
    usage = engine.disk_usage()
    containers = engine.client.list("/containers/json?all=1&size=1")
    written = sum(container.get("SizeRw") or 0 for container in containers)
    return Figures(
        images=usage.get("LayersSize") or 0,
        # On the classic store a shared record's layer is an image's, and counted as that.
        cache=sum(
            record["Size"]
            for record in usage.get("BuildCache") or ()
            if engine.store == "containerd" or not record["Shared"]
        ),
        # The containerd store counts containers' snapshots among the layers.
        containers=0 if engine.store == "containerd" else written,
    )


def observed(engine: Engine, state: Path | None = None, *, remote: bool = False) -> Inventory:
    """Everything on the engine, dated and weighed."""
    with closing(live_host(engine, state, remote=remote)) as host:
        return host.weigh(host.date(host.observe()))


def planned(engine: Engine, policy: Policy, state: Path | None = None) -> tuple[Inventory, Plan]:
    """Observe and plan as ``holystone plan`` does."""
    with closing(live_host(engine, state)) as host:
        inventory = host.weigh(host.date(host.observe()))
        return inventory, plan(inventory, host.usage(), policy, time.time())


def clean(
    engine: Engine,
    policy: Policy = NO_GRACE,
    state: Path | None = None,
    *,
    remote: bool = False,
    measure: Callable[[Engine], Figures] = figures,
    free_bytes: int | None = None,
    meanwhile: Callable[[], object] | None = None,
) -> Clean:
    """Make a clean as ``holystone clean`` does.

    ``measure`` tells the figures before and after it; with ``free_bytes`` the engine's disk, of
    10**12 bytes, has so many left. ``meanwhile`` happens between plan and execution, and before the
    first figures.
    """
    if meanwhile is not None:
        settle(engine)
    before = measure(engine)
    with closing(live_host(engine, state, remote=remote)) as host:
        if remote:
            settle(engine)
        host.watch()
        inventory = host.weigh(host.date(host.observe()))
        if free_bytes is not None:
            disk = inventory.disk._replace(total_bytes=10**12, free_bytes=free_bytes)
            inventory = inventory._replace(disk=disk)
        made = plan(inventory, host.usage(), policy, time.time())
        if meanwhile is not None:
            meanwhile()
            settle(engine)
            before = measure(engine)
        outcome = execute(made, inventory, host)
    return Clean(inventory, made, outcome, before, measure(engine))


def settle(engine: Engine) -> None:
    """Wait until a stream of events that is opened now is silent: Podman sends events late.

    A clean would take a late event for a use of its object.
    """
    until = time.monotonic() + 60
    with closing(Client(resolve(f"unix://{engine.socket}", None, {}), 30, connect)) as client:
        while engine.store == "podman":
            assert time.monotonic() < until, "its events never end"
            with closing(EventStream(client)) as stream:
                if not stream.wait(0.6):
                    return


def wait_for_builds(engine: Engine) -> None:
    """Return when BuildKit has let go of what the last build worked with.

    Until then a record can be listed under another ID.
    """
    deadline = time.monotonic() + 30
    while any(record["InUse"] for record in engine.disk_usage()["BuildCache"] or ()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def image_ids(engine: Engine) -> set[str]:
    """The IDs of all images, intermediate ones included."""
    return {
        "sha256:" + image["Id"].removeprefix("sha256:")
        for image in engine.client.list("/images/json?all=1")
    }


def bytes_below(*folders: object) -> int:
    """Bytes of all files below these folders, hard links counted once."""
    sizes: dict[tuple[int, int], int] = {}
    for top in folders:
        for folder, _, names in os.walk(str(top)):
            for name in names:
                with suppress(FileNotFoundError):
                    told = os.lstat(f"{folder}/{name}")
                    sizes[told.st_dev, told.st_ino] = told.st_size
    return sum(sizes.values())

"""The demo host: a believable CI runner whose disk is nearly full, the same for a given time."""

from __future__ import annotations

from holystone.demo.build_cache import demo_cache
from holystone.demo.containers import demo_containers, volume_name
from holystone.demo.images import demo_images
from holystone.demo.making import DAY, hexadecimal, megabytes
from holystone.demo.memory_host import SimulatedHost
from holystone.demo.registry import says_no
from holystone.demo.usage import (
    demo_absent,
    demo_company,
    demo_references,
    demo_speeds,
)
from holystone.planner.inventory import Disk, Engine, Inventory, Network, Volume
from holystone.planner.totals import Beside, Log, Orphan
from holystone.planner.usage import Usage

_DISK = Disk(total_bytes=200_000_000_000, free_bytes=18_000_000_000)
_ENGINE = Engine(
    id="demo",
    name="ci-runner-07 (simulated)",
    version="28.5.1",
    api_version="1.51",
    storage_driver="overlay2",
    root="/var/lib/docker",
)
# Name, or a number where it is anonymous; MB; days since it was made.
_VOLUMES = (
    ("gitlab-runner-config", 1, 410 / 24),
    ("sonarqube-data", 9640, 96.0),
    ("e2e-artifacts", 870, 12.0),
    ("maven-repository", 5210, 61.0),
    ("0", 240, 0.004),
    ("1", 410, 0.004),
    ("2", 8, 0.004),
    ("3", 2950, 1.3),
    ("4", 11720, 19.0),
    ("5", 36, 33.0),
    ("shop_db-data", 1340, 26.0),
    ("6", 2110, 34.0),
)
# Name, driver, days since it was made, whether it is the engine's own, the compose project.
_NETWORKS = (
    ("bridge", "bridge", 17.0, True, ""),
    ("host", "host", 17.0, True, ""),
    ("none", "null", 17.0, True, ""),
    ("ci-backend", "bridge", 0.004, False, ""),
    ("e2e-4711", "bridge", 3.2, False, ""),
    ("legacy-reports_default", "bridge", 44.0, False, "legacy-reports"),
    ("shop_default", "bridge", 26.0, False, "shop"),
    ("kind", "bridge", 34.0, False, ""),
)


def demo_inventory(now: float) -> tuple[Inventory, Usage]:
    """What is on the demo host at ``now`` (UTC seconds), and what is known of its past."""
    images, first_seen = demo_images(now)
    inventory = Inventory(
        engine=_ENGINE,
        taken_at=now,
        images=images,
        containers=demo_containers(now, images),
        cache=demo_cache(now, images),
        volumes=tuple(
            Volume(
                volume_name(name),
                created=now - days * DAY,
                size=megabytes(size, f"volume {name}"),
                anonymous=name.isdecimal(),
            )
            for name, size, days in _VOLUMES
        ),
        networks=tuple(
            Network(
                hexadecimal(f"network {name}"),
                name,
                driver,
                now - days * DAY,
                {"com.docker.compose.project": project} if project else {},
                builtin,
            )
            for name, driver, days, builtin, project in _NETWORKS
        ),
        disk=_DISK,
    )
    arrived = {image.id: image.last_tagged or image.created for image in images}
    usage = Usage(
        arrived | first_seen,
        references=demo_references(now),
        company=demo_company(),
        absent=demo_absent(),
        speeds=demo_speeds(),
    )
    return inventory, usage


def demo_host(now: float) -> SimulatedHost:
    """A simulated CI runner at ``now`` (UTC seconds): 200 GB of disk, 91 % of it used."""
    inventory, usage = demo_inventory(now)
    return SimulatedHost(
        inventory, usage, registries=says_no(inventory.images), beside=demo_beside(inventory)
    )


def demo_beside(inventory: Inventory) -> Beside:
    """A log that grew for a year, and what an engine left when it was killed."""
    (runner,) = (each for each in inventory.containers if each.name == "gitlab-runner")
    root = "/var/lib/docker"
    path = f"{root}/containers/{runner.id}/{runner.id}-json.log"
    log = Log(runner.id, runner.name, path, 5_412_003_840, limited=False)
    orphan = Orphan(f"{root}/overlay2/{hexadecimal('orphan')}", 1_287_655_424)
    return Beside(read=True, logs=(log,), orphans=(orphan,), own=214_683_648)

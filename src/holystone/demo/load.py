"""CI jobs on the demo host, for who wants to see the agent work: each pulls, builds and leaves."""

from __future__ import annotations

import random
import time

from holystone.demo.host import DemoHost
from holystone.demo.images import hexadecimal, megabytes
from holystone.planner.inventory import Container, Image, Layer
from holystone.planner.reference import parse

_PROJECTS = ("backend", "frontend", "search", "billing", "reports", "mobile")
_BASES = 4
_KEPT_CONTAINERS = 4
_EACH = 3.0
"""Seconds from one job to the next."""
_NEEDED = 4_000_000_000
"""Free bytes without which a job fails before it begins."""


class Load:
    """One job after another; ``chance`` decides which."""

    def __init__(self, host: DemoHost, chance: random.Random | None = None) -> None:
        self.host = host
        self.chance = chance or random.Random(time.time())  # noqa: S311 - no secret
        self.jobs = 0
        self._next = 0.0
        host.go_on()

    def turn(self) -> bool:
        """Run a job where one is due and finds room; whether one ran."""
        now = time.monotonic()
        if now < self._next or (self.host.disk().free_bytes or 0) < _NEEDED:
            return False
        self._next = now + _EACH
        self._job()
        return True

    def _job(self) -> None:
        """An image comes, a container is made from it, and ends."""
        self.jobs += 1
        project = self.chance.choice(_PROJECTS)
        name = f"registry.example.com/{project}/build:{4000 + self.jobs}"
        image = self._image(name, project)
        now = time.time()
        self.host.add_image(image._replace(arrived=now, last_tagged=now))
        container = f"job-{self.jobs}"
        self.host.containers[hexadecimal(container)] = Container(
            id=hexadecimal(container),
            name=container,
            image_id=image.id,
            image=name,
            state="exited",
            created=now,
            finished=now,
            exit_code=0,
            writable_size=megabytes(self.chance.randint(1, 200), container),
            labels={"com.gitlab.gitlab-runner.managed": "true"},
        )
        self._tidy_up()

    def _image(self, name: str, project: str) -> Image:
        """An image of a project: on one of a few bases, with layers of its own."""
        base = self.chance.randrange(_BASES)
        below = [
            Layer(
                f"sha256:{hexadecimal(f'load base {base} {n}')}", megabytes(120 + 90 * n, str(base))
            )
            for n in range(3)
        ]
        own = Layer(f"sha256:{hexadecimal(name)}", megabytes(self.chance.randint(300, 1800), name))
        layers = (*below, Layer(f"sha256:{hexadecimal(project)}", megabytes(250, project)), own)
        digest = f"{parse(name).complete.name}@sha256:{hexadecimal(f'digest {name}')}"
        return Image(
            id=f"sha256:{hexadecimal(f'image {name}')}",
            tags=(name,),
            digests=(digest,),
            created=time.time(),
            size=sum(layer.size for layer in layers),
            layers=layers,
        )

    def _tidy_up(self) -> None:
        """A runner removes the containers of its older jobs itself."""
        ours = [i for i, each in self.host.containers.items() if each.name.startswith("job-")]
        for container_id in ours[:-_KEPT_CONTAINERS]:
            self.host.containers.pop(container_id, None)

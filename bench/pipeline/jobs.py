"""The three jobs of the pipeline, and the ways to clean after each."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.pipeline.link import Link
from tests.engines import Engine
from tests.engines.images import tar_of
from tests.engines.places import DOCKER

HOLYSTONE = str(Path(sys.executable).with_name("holystone"))

POLICIES = {
    "prune -af": f"{DOCKER} system prune -af",
    "three prunes": "; ".join(
        f"{DOCKER} {kind} prune -f" for kind in ("container", "builder", "image")
    ),
    "holystone": f"{HOLYSTONE} clean",
    "no cleaning": "",
}
"""What runs in a shell after each job."""
BLUNT, PRUNES, OURS, NONE = POLICIES

JOBS = {
    "test_backend": "ml/train:2",
    "deploy_staging": "python:3.12",
    "deploy_production": "node:20",
}
"""The jobs in order, and what each builds on. No base is used twice, to the blunt prune's good."""

DOCKERFILE = """\
FROM {base}
COPY requirements /app/requirements
RUN busybox wget -q -O /app/packages {packages}
COPY source /app/source
RUN cat /app/packages /app/source > /dev/null && head -c {built} /dev/urandom > /app/built
"""

IN_STAGES = """\
FROM {base} AS build
COPY requirements /app/requirements
RUN --mount=type=cache,id={job},target=/cache \\
    {{ test -e /cache/packages || busybox wget -q -O /cache/packages {packages}; }} \\
    && cp /cache/packages /app/packages
COPY source /app/source
RUN cat /app/packages /app/source > /dev/null && head -c {built} /dev/urandom > /app/built
FROM {base}
COPY --from=build /app/built /app/built
"""
"""In two stages, with a cache mount: the image has neither the packages nor the layer with them."""

CONFIG = """\
# A job of the bench takes seconds, not minutes: by default what it leaves is younger than the
# grace times and stays for a later run.
[grace]
untagged = "1s"
never_tagged = "1s"
other = "1s"

# A tenth of the disk by default; the disk of the bench is to be a small one{why}.
[build_cache]
budget = "{budget}"
"""

SMALL_DISK = 40_000_000_000
"""Bytes of a runner's disk, a small one, whose default budget the builds in stages get."""


class Builder(NamedTuple):
    """A way to build: in words, its Dockerfile, and whether BuildKit does it."""

    title: str
    dockerfile: str
    buildkit: bool


BUILDERS = {
    "classic": Builder("classic builder", DOCKERFILE, buildkit=False),
    "buildkit": Builder("BuildKit", DOCKERFILE, buildkit=True),
    "stages": Builder("BuildKit, cache mounts and two stages", IN_STAGES, buildkit=True),
}


def configuration(packages: int, builder: str) -> str:
    """The holystone.toml of the bench, where a build downloads so many bytes of packages."""
    if builder == "stages":
        return CONFIG.format(budget=f"{SMALL_DISK // 10_000_000_000}GB", why=", of 40 GB")
    return CONFIG.format(budget=f"{4 * packages // 1000}kB", why="")


class Run(NamedTuple):
    """One run of the three jobs: seconds, those of the cleaning in it, bytes pulled and on disk."""

    seconds: float
    cleaning: float
    pulled: int
    disk: int


class Shop(NamedTuple):
    """Where each build downloads its packages, by the link: a path, and how many bytes."""

    path: str
    packages: int


class Runner:
    """A CI runner: an engine of its own, its link to the registry, and one way to clean."""

    def __init__(
        self, engine: Engine, link: Link, policy: str, shop: Shop, *, builder: str, work: float
    ) -> None:
        """``work``: seconds that the container of each job works."""
        self.engine = engine
        self.policy = policy
        self._link = link
        self._shop = shop
        self._work = work
        self._dockerfile = BUILDERS[builder].dockerfile
        config = engine.data / "holystone.toml"
        config.write_text(configuration(shop.packages, builder))
        self._environment = {
            **engine.environment,
            "DOCKER_BUILDKIT": str(int(BUILDERS[builder].buildkit)),
            "HOLYSTONE_STATE": str(engine.data / "state"),
            "HOLYSTONE_CONFIG": str(config),
        }

    def run(self, number: int) -> Run:
        """The three jobs once, each cleaned after."""
        before, begun, cleaning = self._link.pulled, time.monotonic(), 0.0
        for job, base in JOBS.items():
            self._job(job, f"{self._link.address}/{base}", number)
            done = time.monotonic()
            self._do("/bin/sh", "-c", POLICIES[self.policy])
            cleaning += time.monotonic() - done
        seconds = time.monotonic() - begun
        return Run(seconds, cleaning, self._link.pulled - before, disk_use(self.engine))

    def _job(self, job: str, base: str, number: int) -> None:
        """Pull, build, run. A stopped container stays, and the image the tag was on before."""
        context = tar_of(
            {
                "Dockerfile": self._dockerfile.format(
                    base=base,
                    job=job,
                    packages=f"http://{self._link.address}{self._shop.path}",
                    built=self._shop.packages // 8,
                ).encode(),
                "requirements": f"the packages of {job}".encode(),
                "source": f"{job} as of run {number}".encode(),
            }
        )
        self._do(DOCKER, "pull", "--quiet", base)
        self._do(DOCKER, "build", "--quiet", "--network=host", f"--tag={job}", "-", stdin=context)
        self._do(
            *(DOCKER, "run", "--network=none", f"--name={job}-{number}", job),
            *("sh", "-c", f"cat /app/built > /app/result; sleep {self._work}"),
        )

    def _do(self, *command: str, stdin: bytes = b"") -> None:
        done = subprocess.run(
            command, env=self._environment, input=stdin, capture_output=True, check=False
        )
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip()
            raise RuntimeError(f"{self.policy}: {' '.join(command)}: {said}")


def disk_use(engine: Engine) -> int:
    """Bytes that the engine's folder takes on the disk, by ``du``."""
    said = subprocess.run(
        ["du", "-sx", "--block-size=1", engine.data / "root"],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    return int(said.split()[0])

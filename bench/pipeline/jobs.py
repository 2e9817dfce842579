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

CONFIG = """\
# A job of the bench takes seconds, not minutes: by default what it leaves is younger than the
# grace times and stays for a later run.
[grace]
untagged = "1s"
never_tagged = "1s"
other = "1s"

# A tenth of the disk by default; the disk of the bench is to be a small one.
[build_cache]
budget = "{budget}"
"""


def configuration(packages: int) -> str:
    """The holystone.toml of the bench, where a build downloads so many bytes of packages."""
    return CONFIG.format(budget=f"{4 * packages // 1000}kB")


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
        self, engine: Engine, link: Link, policy: str, shop: Shop, *, buildkit: bool, work: float
    ) -> None:
        """``work``: seconds that the container of each job works."""
        self.engine = engine
        self.policy = policy
        self._link = link
        self._shop = shop
        self._work = work
        config = engine.data / "holystone.toml"
        config.write_text(configuration(shop.packages))
        self._environment = {
            **engine.environment,
            "DOCKER_BUILDKIT": str(int(buildkit)),
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
                "Dockerfile": DOCKERFILE.format(
                    base=base,
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

"""CI jobs as a runner makes them: pull, build, run, push, tidy up or leave rubbish behind.

A job says what it needs as real ones do: it pulls an image, whether that is here or not, and runs
it a moment later, by reference or, like GitLab's runner, by the ID that it looked up. Nothing is
pulled on the way (``--pull never``), so what went too early makes the job fail.
"""

from __future__ import annotations

import random
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.engines import Engine, Registry
from tests.engines.images import ImageToLoad, busybox_layer, layer, load, tar_of
from tests.engines.places import DOCKER

_MISSING = re.compile(
    r"no such (image|container|object)|not found|manifest unknown|does not exist|unable to find"
    r"|pull access denied|no such file",
    re.IGNORECASE,
)
_ID = re.compile("sha256:[0-9a-f]{64}")
_PROBED = re.compile(f'unable to find image "({_ID.pattern})"$')
_LONGEST_PAUSE = 3.0
"""Seconds between a job's pull and its first use of the image."""
_SELDOM = 0.05
"""The share of jobs that begin with a base seldom used."""
_SOURCE = 100_000
"""Bytes that a build copies; it has them twice in its image."""

ONE_STAGE = """\
FROM {base}
LABEL worker={worker}
COPY source /source
RUN cat /source > /made
"""
TWO_STAGES = """\
FROM {base} AS made
LABEL worker={worker}
COPY source /source
RUN cat /source > /made
FROM {other}
LABEL worker={worker}
COPY --from=made /made /made
RUN cat /made > /checked
"""


class Failure(NamedTuple):
    """A command of a job that failed, with what the job had done until then."""

    worker: int
    command: str
    code: int
    words: str
    so_far: tuple[str, ...]
    needed: tuple[str, ...]
    """The references, and IDs, of the images that the job works with."""
    began: float
    ended: float
    """When the job did, UTC seconds."""

    @property
    def missing(self) -> bool:
        """Whether something was not there that the job relied on."""
        return _MISSING.search(self.words) is not None

    def engines_own(self, removed: Collection[str]) -> bool:
        """Whether a classic build failed over an image that others than holystone removed.

        It looks for a step among all images built on the same one, and fails where any of them goes
        meanwhile: ``docker rmi`` in the job of another worker is enough (moby ``image/cache``).
        ``removed`` are the IDs of the images that holystone removed.
        """
        found = _PROBED.search(self.words)
        return found is not None and found[1] not in removed

    def __str__(self) -> str:
        """All of it, each command with when it ended, for whoever must find out why."""
        what = "MISSING" if self.missing else "failed"
        steps = "\n    ".join((*self.so_far, self.command))
        return f"worker {self.worker}, {what} ({self.code}): {self.words}\n    {steps}"


class JobFailed(Exception):
    """Ends a job whose command failed; the failure is on record."""


class Bases(NamedTuple):
    """Images in a registry, all of them here at first: IDs by reference.

    All share busybox, and each half of them one more layer.
    """

    often: dict[str, str]
    """What nearly every job begins with; each has a layer of its own."""
    seldom: dict[str, str]
    """What few jobs begin with, after a long time."""
    never: dict[str, str]
    """What no job wants any more."""

    def choose(self, by: random.Random) -> str:
        """One for a job."""
        return by.choice(list(self.seldom if by.random() < _SELDOM else self.often))

    def id_of(self, reference: str) -> str:
        """The ID of one of them."""
        return (self.often | self.seldom | self.never)[reference]


def push_bases(
    engine: Engine, registry: Registry, name: str, *, often: int, seldom: int, never: int
) -> Bases:
    """Make so many of each, push them and leave them here."""
    counts = {"often": often, "seldom": seldom, "never": never}
    images = {
        reference: ImageToLoad(
            [
                busybox_layer(),
                layer(f"{name} family {number % 2}", 300_000),
                layer(reference, 200_000) if use == "often" else f"ENV NAME={reference}",
            ],
            [reference],
        )
        for use, count in counts.items()
        for number in range(count)
        for reference in [f"{registry.address}/{name}-{use}:{number}"]
    }
    ids = load(engine, *images.values())
    # The layers that are shared go first: the containerd store fails to push one twice at a time.
    shared = [tag for tag in images if tag.endswith((":0", ":1"))]
    for tag in shared:
        engine.docker("push", "--quiet", tag)
    with ThreadPoolExecutor(4) as pool:
        rest = [tag for tag in images if tag not in shared]
        list(pool.map(lambda tag: engine.docker("push", "--quiet", tag), rest))
    by_reference = dict(zip(images, ids, strict=True))
    return Bases(
        *({tag: each for tag, each in by_reference.items() if f"-{use}:" in tag} for use in counts)
    )


class Worker:
    """One executor of a runner: makes one job after the other."""

    def __init__(
        self, engine: Engine, registry: Registry, name: str, bases: Bases, number: int
    ) -> None:
        self.engine = engine
        self.number = number
        self.bases = bases
        self.app = f"{registry.address}/{name}-app-{number}:work"
        self.checked = f"{registry.address}/{name}-app-{number}:checked"
        self.random = random.Random(f"{name} {number}")
        self.jobs = 0
        """How many jobs were begun."""
        self.kinds: Counter[str] = Counter()
        """What they did."""
        self.failures: list[Failure] = []
        self._so_far: list[str] = []
        self._needed: list[str] = []
        self._began = 0.0

    def work(self, until: Callable[[], bool]) -> None:
        """Make jobs until told to stop, the first of all with rubbish; each is made to its end."""
        while not until():
            self.jobs += 1
            self._so_far = []
            self._needed = [self.app, self.checked]
            self._began = time.time()
            try:
                self._job()
            except JobFailed:
                continue

    def _job(self) -> None:
        base = self._pull()
        image = base
        if self.random.random() < 0.4:
            image = self._docker("image", "inspect", "--format", "{{.Id}}", base)
        self._pause()
        self._run_once(image)
        first = self.jobs == 1
        if first or self.random.random() < 0.8:
            leaves = first or self.random.random() < 0.5
            self._build(base, again=not leaves and self.random.random() < 0.6)
            self._use_app()
            self._end(leaves=leaves)

    def _pull(self) -> str:
        base = self.bases.choose(self.random)
        self._needed += (base, self.bases.id_of(base))
        self._docker("pull", "--quiet", base)
        return base

    def _run_once(self, image: str) -> None:
        self.kinds["run"] += 1
        volume = ("-v", "/scratch") if self.random.random() < 0.3 else ()
        self._docker(*_run("run", "--rm", *volume), image, "true")

    def _build(self, base: str, *, again: bool) -> None:
        """Build, half of the workers with BuildKit; ``again`` what may be in the build cache."""
        buildkit = self.number % 2 == 0
        dockerfile = ONE_STAGE
        other = base
        if self.random.random() < 0.4:
            dockerfile = TWO_STAGES
            other = self._pull()
            self._pause()
        text = dockerfile.format(base=base, other=other, worker=self.number)
        seed = self.random.randrange(3) if again else f"{self.app} {self.jobs}"
        source = random.Random(seed).randbytes(_SOURCE)
        self.kinds["buildkit" if buildkit else "classic"] += 1
        self._docker(
            *("build", "--network", "none", "--tag", self.app, "-"),
            stdin=tar_of({"Dockerfile": text.encode(), "source": source}),
            buildkit=buildkit,
        )

    def _use_app(self) -> None:
        """Run what was built, give it a second tag, push it at times."""
        self._docker(*_run("run", "--rm"), self.app, "cat", "/made")
        self._docker("tag", self.app, self.checked)
        if self.random.random() < 0.3:
            self.kinds["push"] += 1
            self._docker("push", "--quiet", self.checked)
        self._pause()

    def _end(self, *, leaves: bool) -> None:
        """Run it once more in a container that stays a moment; leave all that, or tidy it up."""
        container = self._docker(*_run("create"), self.app, "cat", "/made")
        self._docker("start", "--attach", container)
        if not leaves:
            self._docker("rm", container)
            self._docker("rmi", self.app, self.checked)
        self.kinds["left rubbish" if leaves else "tidied up"] += 1

    def _pause(self) -> None:
        """What a job does meanwhile: mostly little, at times for long."""
        time.sleep(self.random.random() ** 3 * _LONGEST_PAUSE)

    def _docker(self, *arguments: str, stdin: bytes = b"", buildkit: bool = False) -> str:
        """What the docker client prints. Raises ``JobFailed`` when it fails, and records that."""
        command = f"docker {' '.join(arguments)}{'  (BuildKit)' * buildkit}"
        done = subprocess.run(
            [DOCKER, *arguments],
            env={**self.engine.environment, "DOCKER_BUILDKIT": "1" if buildkit else "0"},
            input=stdin,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            # The classic builder tells what is wrong among its steps.
            words = (done.stderr or done.stdout).decode(errors="replace").strip()
            self.failures.append(
                Failure(
                    *(self.number, command, done.returncode, words[-2000:]),
                    tuple(self._so_far),
                    # What it says is missing may be a step of a build, which has no other name.
                    (*self._needed, *_ID.findall(words)),
                    *(self._began, time.time()),
                )
            )
            raise JobFailed
        self._so_far.append(f"{time.time():.4f} {command}")
        return done.stdout.decode(errors="replace").strip()


def _run(*arguments: str) -> tuple[str, ...]:
    return (*arguments, "--pull", "never", "--network", "none")

"""Faults in the middle of removals: whatever went comes back, every image, tag and digest of it.

The engine is killed and started anew, the engine stands still for longer than the client waits, or
the client is killed with SIGKILL: each at a random number of removals. ``restore`` then has to
bring back all that is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import selectors
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.command import Command, Done, ended
from tests.engines import Engine, Registry
from tests.engines.api import ApiError
from tests.engines.emptying import empty
from tests.engines.images import ImageToLoad, busybox_layer, layer, load
from tests.engines.places import DOCKER

KINDS = ("engine killed", "engine stopped", "client killed")
IMAGES = 10
REMOVALS = 25
"""About how many events a whole clean makes: each image has three tags."""
CLEAN = (
    *("clean", "deep", "--yes", "--include-local", "--no-check-registry"),
    *("--min-age", "0s", "--timeout", "1s", "--json"),
)
Whole = dict[str, tuple[set[str], set[str]]]
"""Tags and digests by image."""


class Faults:
    """Images that can be pulled, and faults in the cleans that take them away."""

    def __init__(self, engine: Engine, registry: Registry, holystone: Command, name: str) -> None:
        self.engine = engine
        self.registry = registry
        self.holystone = holystone
        self.name = name
        self.random = random.Random(name)
        self.told: Counter[str] = Counter()
        """Runs hit by each kind of fault, and what else is worth telling."""
        self.not_restored: list[str] = []

    def push(self) -> None:
        """Make the images, each with three tags in two repositories, and push them."""
        images = []
        for n in range(IMAGES):
            own, other = (f"{self.registry.address}/{self.name}-{n}{end}" for end in ("", "-too"))
            tags = [f"{own}:1", f"{own}:latest", f"{other}:1"]
            steps = [busybox_layer(), layer(f"{self.name} {n}", 20_000)]
            images.append(ImageToLoad(steps, tags))
        load(self.engine, *images)
        for tag in (tag for image in images for tag in image.tags):
            self.engine.docker("push", "--quiet", tag)
        self.whole = self.present()
        assert len(self.whole) == IMAGES
        assert all(len(tags) == 3 for tags, _ in self.whole.values())

    def present(self) -> Whole:
        """What is there now."""
        for _ in range(50):
            try:
                return self._listed()
            except ApiError:
                time.sleep(0.1)  # The engine is still at work on what it was asked.
        return self._listed()

    def _listed(self) -> Whole:
        found: Whole = {}
        for entry in self.engine.client.list("/images/json?all=1"):
            told = self.engine.api("GET", f"/images/{entry['Id']}/json")
            tags, digests = (
                {name for name in told.get(key) or () if "<none>" not in name}
                for key in ("RepoTags", "RepoDigests")
            )
            found[entry["Id"]] = tags, digests
        return found

    def missing(self) -> list[str]:
        """What is not as it was, in words."""
        now = self.present()
        lacks = []
        for image, (tags, digests) in self.whole.items():
            if image not in now:
                lacks.append(f"{image} is gone")
                continue
            lacks += [f"{image} lacks {each}" for each in sorted(tags - now[image][0])]
            lacks += [f"{image} lacks {each}" for each in sorted(digests - now[image][1])]
        return lacks

    def hit(self, kind: str, turn: int) -> None:
        """Clean, make the fault, restore, compare; again where the clean ended before it."""
        for attempt in range(5):
            if self._clean_into(kind, self.random.randrange(0, REMOVALS // (attempt + 1)), turn):
                break
        else:
            pytest.fail(f"five cleans ended before the fault: {kind}")
        self.told[kind] += 1
        lost = self.missing()
        self.told["runs that lost something"] += bool(lost)
        if turn % 3 == 1:
            between = self.holystone("clean", "--json", "-H", self.engine.host)
            assert between.code == 0, between
        run = self._run()
        told = [f"{kind}, turn {turn}, run {run and run['id']}"]
        if run is not None:
            done = self.holystone("restore", run["id"], "--json", "-H", self.engine.host)
            told += [done.out, done.err]
        if lacks := self.missing():
            self.not_restored.append("\n".join([*told, "lost before:", *lost, "lacks:", *lacks]))
            self._make_whole()
            return
        if run is not None:
            self._check_account(run["id"])
        self.run_once(self.random.choice(sorted(self.whole)))

    def _clean_into(self, kind: str, removals: int, turn: int) -> bool:
        """Make the fault after so many removals; whether the clean was still at work."""
        command = (*CLEAN, "-H", self.engine.host)
        with self._events() as events, self.holystone.started(*command) as process:
            if not _after(events, process, removals):
                ended(process)
                self._restore_all()
                return False
            if kind == "client killed":
                process.send_signal(signal.SIGKILL)
                ended(process)
                return True
            if kind == "engine killed":
                self.engine.crash()
                done = ended(process)
            else:
                done = self._stand_still(process, turn)
        assert done.code in (0, 3, 4, 10), done
        if done.out:
            unknown = json.loads(done.out)["outcome"]["unknown"]
            self.told["settled by the run itself"] += unknown == 0
            assert not unknown or done.code == 3, done
        return True

    def _stand_still(self, process: subprocess.Popen[str], turn: int) -> Done:
        """Stop the engine until the client has given up; each second time until it looks."""
        self.engine.signal(signal.SIGSTOP)
        try:
            if turn % 2:
                return ended(process)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(4.0)
        finally:
            self.engine.signal(signal.SIGCONT)
        return ended(process)

    @contextlib.contextmanager
    def _events(self) -> Iterator[int]:
        """A file descriptor that gets a line for each reference and image that goes."""
        filters = [f"--filter=event={each}" for each in ("untag", "delete")]
        with subprocess.Popen(
            [DOCKER, "events", "--filter=type=image", *filters, "--format={{.Action}}"],
            env=self.engine.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            try:
                yield process.stdout.fileno()
            finally:
                process.kill()

    def _run(self) -> dict[str, Any] | None:
        """The last deep run in the history."""
        runs = self.holystone("history", "--json").json["runs"]
        return next((run for run in runs if run["level"] == "deep"), None)

    def _check_account(self, run: int) -> None:
        """Every removal is settled, and the counts are those of the removals."""
        told = self.holystone("history", run, "--json").json
        results = Counter(each["result"] for each in told["removals"])
        assert results["unknown"] == results[None] == 0, told
        for result in ("removed", "skipped", "failed", "unknown", "not_tried"):
            assert told["run"][result] == results[result], told

    def _restore_all(self) -> None:
        """Undo a clean that came to its end."""
        done = self.holystone("restore", "--json", "-H", self.engine.host)
        assert done.code == 0, done
        assert not self.missing()

    def _make_whole(self) -> None:
        """Begin with whole images again."""
        empty(self.engine)
        self.push()

    def run_once(self, image: str) -> None:
        """Run an image as it is here."""
        said = self.engine.docker("run", "--rm", "--pull=never", "--network=none", image, "ls")
        assert "bin" in said


def _after(events: int, process: subprocess.Popen[str], removals: int) -> bool:
    """Wait for so many events; whether the process was still at work then."""
    seen = 0
    with selectors.DefaultSelector() as selector:
        selector.register(events, selectors.EVENT_READ)
        while seen <= removals:
            if process.poll() is not None:
                return False
            if selector.select(0.05):
                seen += os.read(events, 1 << 16).count(b"\n")
    return process.poll() is None


@pytest.mark.engine("docker20", "docker28c")
def test_nothing_is_lost_in_a_fault(
    fresh_engine: Engine,
    registry: Registry,
    holystone: Command,
    unique: str,
    pytestconfig: pytest.Config,
    figures_told: list[str],
) -> None:
    """A fault of each kind in turn, as often as ``--stress-faults`` says."""
    faults = Faults(fresh_engine, registry, holystone, unique)
    faults.push()
    began = time.monotonic()
    for turn in range(int(pytestconfig.getoption("--stress-faults"))):
        for kind in KINDS:
            faults.hit(kind, turn)
    for image in faults.whole:
        faults.run_once(image)
    hit = sum(faults.told[kind] for kind in KINDS)
    figures_told.append(
        f"{fresh_engine.kind}: {hit} runs hit by faults in {time.monotonic() - began:.0f} s, "
        f"{len(faults.not_restored)} not restored in full; {dict(faults.told)}"
    )
    assert not faults.not_restored, "\n\n".join(faults.not_restored)

"""holystone against the docker command and the bare interface, on real engines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.hosts import FILES, fill, fill_cache
from bench.measure import Result, in_turn, run, seconds
from tests.engines import Engine, start_engine
from tests.engines.emptying import empty
from tests.engines.places import DOCKER

HOLYSTONE = str(Path(sys.executable).with_name("holystone"))
PRUNES = "; ".join(f"{DOCKER} {kind} prune -f" for kind in ("container", "builder", "image"))


def nothing_to_do(
    kind: str, images: int = 200, runs: int = 15, *, young: bool = False
) -> Iterator[Result]:
    """A clean that removes nothing, against the three prune commands.

    With ``young`` there is one recent untagged image, which Docker's prune keeps by a filter.
    """
    engine = start_engine(kind)
    prunes = f"{PRUNES} --filter until=1h" if young else PRUNES
    found = " and a recent untagged one" if young else ""
    try:
        fill(engine, images, tagged=True, seed="idle")
        if young:
            fill(engine, 1, tagged=False, seed="young")
        environment = _environment(engine)
        ours, theirs = in_turn(
            lambda: run([HOLYSTONE, "clean"], environment),
            lambda: run(["/bin/sh", "-c", prunes], environment),
            runs,
        )
        yield Result(
            f"nothing to do, {images} images{found}, {kind}", "clean", "three `docker … prune -f`",
            ours, theirs, 1.6, runs,
        )  # fmt: skip
    finally:
        engine.stop()


def podman_nothing_to_do(kind: str, images: int = 100, runs: int = 15) -> Iterator[Result]:
    """A clean of Podman that finds nothing, against Podman's own prune on the same files."""
    engine = start_engine(kind)
    try:
        fill(engine, images, tagged=True, seed="idle")
        environment = _environment(engine)
        run([HOLYSTONE, "observe"], environment)
        run([HOLYSTONE, "clean"], environment)
        process, podman, variables = _podman(engine)
        inside = ["nsenter", "-t", str(process), "-m", "-p", "env", "-i", *variables, *podman]
        ours, theirs = in_turn(
            lambda: run([HOLYSTONE, "clean"], environment),
            lambda: run([*inside, "system", "prune", "-f"], environment),
            runs,
        )
        yield Result(
            f"nothing to do, {images} images, {kind}", "clean", "`podman system prune -f`",
            ours, theirs, 3.0, runs,
        )  # fmt: skip
    finally:
        engine.stop()


def _podman(engine: Engine) -> tuple[int, list[str], list[str]]:
    """The process of Podman's service, its command without ``system service``, its variables."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_text().split("\0")
            variables = (folder / "environ").read_text().split("\0")
        except OSError:
            continue
        if words[0].endswith("/podman") and any(str(engine.data) in word for word in words):
            set_here = [each for each in variables if "=" in each]
            return int(folder.name), words[: words.index("system")], set_here
    raise RuntimeError(f"no podman serves {engine.data}")


def untagged(kind: str, aim: float, images: int = 300, runs: int = 3) -> Iterator[Result]:
    """Untagged images removed, by a holystone that sees them for the first time."""
    engine = start_engine(kind)
    turn = iter(range(2 * runs))

    def filled() -> dict[str, str]:
        empty(engine)
        seed = f"gone-{next(turn)}"
        fill(engine, images, tagged=False, seed=seed, files=FILES)
        return _environment(engine, state=seed)

    def ours() -> float:
        environment = filled()
        took = run([HOLYSTONE, "clean", "--min-age", "0s"], environment)
        _assert_empty(engine)
        return took

    def theirs() -> float:
        environment = filled()
        took = run([DOCKER, "image", "prune", "-f"], environment)
        _assert_empty(engine)
        return took

    try:
        our_seconds, their_seconds = in_turn(ours, theirs, runs)
        yield Result(
            f"{images} untagged images to remove, {kind}", "clean --min-age 0s",
            "`docker image prune -f`", our_seconds, their_seconds, aim, runs,
        )  # fmt: skip
    finally:
        engine.stop()


def build_cache(
    kind: str, *, restarted: bool = False, builds: int = 5, steps: int = 100, runs: int = 3
) -> Iterator[Result]:
    """All build cache removed, that of long builds; right after a restart of the engine, or not."""
    engine = start_engine(kind)
    turn = iter(range(2 * runs))

    def filled() -> dict[str, str]:
        empty(engine)
        seed = f"cache-{next(turn)}"
        fill_cache(engine, builds, steps, seed=seed)
        if restarted:
            engine.restart()
        return _environment(engine, state=seed)

    def took(command: list[str]) -> float:
        environment = filled()
        seconds_taken = run(command, environment)
        _assert_no_cache(engine)
        return seconds_taken

    ours = [HOLYSTONE, "clean", "--min-age", "0s", "--cache-budget", "0"]
    try:
        our_seconds, their_seconds = in_turn(
            lambda: took(ours), lambda: took([DOCKER, "builder", "prune", "-f"]), runs
        )
        when = ", right after a restart" if restarted else ""
        yield Result(
            f"{builds * steps} build steps to remove from the cache{when}, {kind}",
            "clean --min-age 0s --cache-budget 0", "`docker builder prune -f`",
            our_seconds, their_seconds, 1.3, runs,
        )  # fmt: skip
    finally:
        engine.stop()


def second_plan(kind: str, images: int = 1000, runs: int = 9) -> Iterator[Result]:
    """A plan of a host already known, against the list of its images alone."""
    engine = start_engine(kind)
    try:
        fill(engine, images, tagged=True, seed="many")
        environment = _environment(engine)
        run([HOLYSTONE, "plan"], environment)
        ours, theirs = in_turn(
            lambda: run([HOLYSTONE, "plan"], environment),
            lambda: seconds(lambda: engine.client.raw("GET", "/images/json")),
            runs,
        )
        yield Result(
            f"second plan, {images} images, {kind}", "plan", "bare `GET /images/json`",
            ours, theirs, 2.5, runs,
        )  # fmt: skip
    finally:
        engine.stop()


def _environment(engine: Engine, state: str = "state") -> dict[str, str]:
    environment = {**engine.environment, "HOLYSTONE_STATE": str(engine.data / state)}
    environment.pop("CI", None)
    return environment


def _assert_no_cache(engine: Engine) -> None:
    left = engine.disk_usage()["BuildCache"] or ()
    if left:
        raise RuntimeError(f"{len(left)} build cache records are left: {str(left[0])[:200]}")


def _assert_empty(engine: Engine) -> None:
    left = engine.client.list("/images/json?all=1")
    if left:
        raise RuntimeError(f"{len(left)} images are left: {json.dumps(left[0])[:200]}")

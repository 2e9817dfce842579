"""The build cache of the demo host: BuildKit's tree of results after weeks of pipelines."""

from __future__ import annotations

from collections.abc import Iterable

from holystone.demo.making import DAY, HOUR, MINUTE, base36, megabytes
from holystone.planner.inventory import CacheRecord, Image, Layer

# Project, base image, then megabytes of: system packages, dependencies, sources, result;
# and for each build seconds since it was last used.
_BUILDS: tuple[tuple[str, str, tuple[float, float, float, float], tuple[float, ...]], ...] = (
    (
        "backend",
        "docker.io/library/python:3.12-slim",
        (212, 940, 61, 385),
        (40 * MINUTE, 5 * HOUR, 28 * HOUR, 4 * DAY, 12 * DAY),
    ),
    (
        "frontend",
        "docker.io/library/node:20-alpine",
        (34, 1010, 92, 540),
        (4.2 * HOUR, 29 * HOUR, 3 * DAY, 8 * DAY),
    ),
    (
        "ml-train",
        "docker.io/ultralytics/yolov5:latest",
        (655, 2150, 240, 980),
        (4 * MINUTE, 2 * DAY, 4.1 * DAY, 11 * DAY),
    ),
    ("worker", "docker.io/library/python:3.12-slim", (118, 730, 38, 96), (66 * HOUR, 9 * DAY)),
)
# Where it is mounted, megabytes, seconds since last use, in use.
_MOUNTS = (
    ("/root/.cache/pip", 3420, 40 * MINUTE, False),
    ("/root/.npm", 2180, 4.2 * HOUR, False),
    ("/var/cache/apt", 410, 2 * DAY, False),
    ("/root/.cache/huggingface", 1960, 20.0, True),
)


def demo_cache(now: float, images: Iterable[Image]) -> tuple[CacheRecord, ...]:
    """The build cache records at ``now``, UTC seconds: trees by project, mounts, sources.

    The records of bases hold the lowest layers of ``images`` that are here.
    """
    lowest = {tag: image.layers[0] for image in images if image.layers for tag in image.tags}
    records = []
    for project, base, sizes, builds in _BUILDS:
        layer = lowest[base.removeprefix("docker.io/").removeprefix("library/")]
        records += _project(project, base, layer, sizes, builds, now)
    for path, size, since, in_use in _MOUNTS:
        records.append(
            CacheRecord(
                id=base36(path),
                type="exec.cachemount",
                description=f"cached mount {path} from exec /bin/sh -c install",
                size=megabytes(size, path),
                created=now - 35 * DAY,
                last_used=now - since,
                usage_count=90,
                in_use=in_use,
            )
        )
    return tuple(records)


def _project(
    project: str,
    base: str,
    lowest: Layer,
    sizes: tuple[float, float, float, float],
    builds: tuple[float, ...],
    now: float,
) -> list[CacheRecord]:
    """A base image's record, system packages on it, and a branch for each build."""
    system, dependencies, sources, result = sizes
    newest = min(builds)

    def record(name: str, text: str, size: float, since: float, *parents: str) -> CacheRecord:
        return CacheRecord(
            id=base36(f"{project} {name}"),
            parents=tuple(base36(f"{project} {parent}") for parent in parents),
            description=text,
            size=megabytes(size, f"{project} {name}"),
            created=now - since - HOUR,
            last_used=now - since,
            usage_count=2,
        )

    records = [
        record("base", f"pulled from {base}", 0, newest)._replace(size=lowest.size, shared=True),
        record("system", "mount / from exec /bin/sh -c apt-get install", system, newest, "base"),
        record("context", "local source for context", sources * 2, newest)._replace(
            type="source.local"
        ),
    ]
    for number, since in enumerate(builds):
        running = since < 10 * MINUTE
        records += [
            record(f"deps {number}", "mount / from exec install dependencies", dependencies, since,
                   "system"),
            record(f"copy {number}", "[stage 4/5] COPY . /app", sources, since, f"deps {number}"),
            record(f"result {number}", "mount / from exec build", result, since,
                   f"copy {number}")._replace(in_use=running),
        ]  # fmt: skip
    return records

"""How often the jobs of the demo host requested their images, and how fast the pulls were."""

from __future__ import annotations

from collections.abc import Iterable

from holystone.demo.images import DAY, HOUR, MINUTE, layers_of
from holystone.demo.registry import Registries
from holystone.planner.inventory import Image, Layer
from holystone.planner.names import Names, complete
from holystone.planner.usage import Followers, Use
from holystone.usage.sighting import Sighting

_REMEMBERED = 60 * DAY
"""Seconds back to the first use that is listed singly."""

# Reference, seconds since its last use, seconds from one use to the next, how many were seen.
_REFERENCES: tuple[tuple[str, float, float | None, int], ...] = (
    ("python:3.12-slim", 6 * MINUTE, 20 * MINUTE, 3021),
    ("postgres:16", 6 * MINUTE, 41 * MINUTE, 655),
    ("redis:7", 6 * MINUTE, 44 * MINUTE, 604),
    ("node:20-alpine", 18 * MINUTE, 1.2 * HOUR, 344),
    ("registry.example.com/team/backend:main", 4 * MINUTE, 55 * MINUTE, 471),
    ("registry.example.com/team/backend:1.42.3", 24 * MINUTE, 9 * HOUR, 6),
    ("registry.example.com/team/backend:latest", 49 * HOUR, 4 * DAY, 7),
    ("registry.example.com/team/frontend:main", 4.2 * HOUR, 2.3 * HOUR, 188),
    ("registry.example.com/team/worker:1.9.2", 66 * HOUR, None, 1),
    ("registry.example.com/team/ml-train:2024.07", 4 * DAY, None, 1),
    ("ultralytics/yolov5:latest", 31 * HOUR, 26 * HOUR, 31),
    ("mcr.microsoft.com/playwright:v1.45.1-jammy", 52 * HOUR, 19 * HOUR, 34),
    ("docker:27-dind", 40 * MINUTE, 50 * MINUTE, 488),
    ("aquasec/trivy:0.53.0", 9 * HOUR, 11 * HOUR, 57),
    ("node:18-alpine", 8 * DAY, 2.5 * DAY, 12),
    ("python:3.11-slim", 16 * DAY, 3 * DAY, 4),
    ("nginx:1.27", 5 * DAY, 2 * DAY, 7),
    ("maven:3.9-eclipse-temurin-21", 30 * DAY, None, 1),
    ("postgres:15-alpine", 29 * DAY, 1.5 * DAY, 22),
    ("gitlab/gitlab-runner:alpine-v17.2.0", 410 * HOUR, None, 1),
    # Asked for until a newer version took its place; gone since.
    ("node:16-alpine", 44 * DAY, 1.5 * DAY, 61),
    ("registry.example.com/team/backend:1.40.2", 39 * DAY, 8 * HOUR, 9),
)
# What is gone: a reference, and the layers of the image it last meant, with their megabytes.
_ABSENT = (
    ("node:16-alpine", (("alpine 3.20", 7.8), ("node 16.20.2", 106.0), ("yarn 1.22", 5.3))),
    ("registry.example.com/team/backend:1.40.2",
     (("debian 12", 74.8), ("ca-certificates", 9.2), ("python 3.12.4", 41.6),
      ("pip install 1.40", 366.0))),
)  # fmt: skip
# A reference, and out of twenty uses of it how often each other came soon after.
_COMPANY = (
    ("python:3.12-slim", (("postgres:16", 10.0), ("redis:7", 9.2), ("docker:27-dind", 6.1))),
    ("node:20-alpine", (("mcr.microsoft.com/playwright:v1.45.1-jammy", 1.3),)),
    ("docker:27-dind", (("registry.example.com/team/backend:main", 17.4),)),
)
_BYTES_PER_SECOND = {
    "docker.io": 11_400_000.0,
    "registry.example.com": 46_200_000.0,
    "mcr.microsoft.com": 7_900_000.0,
}


def demo_references(now: float) -> dict[str, Use]:
    """The uses of each reference that jobs asked for, gone ones too, at ``now`` (UTC seconds)."""
    references = {}
    for reference, since, gap, count in _REFERENCES:
        last = now - since
        first = last - (count - 1) * (gap or 0.0)
        references[complete(reference)] = Use(first, last, count, gap)
    return references


def demo_company() -> dict[str, Followers]:
    """What jobs asked for soon after each reference."""
    return {
        complete(reference): Followers(20.0, {complete(other): n for other, n in followers})
        for reference, followers in _COMPANY
    }


def demo_absent() -> dict[str, tuple[Layer, ...]]:
    """The layers of what references last meant that is gone."""
    return {complete(reference): layers_of(diffs) for reference, diffs in _ABSENT}


def demo_speeds() -> dict[str, float]:
    """How fast images come from each registry, bytes a second."""
    return dict(_BYTES_PER_SECOND)


def demo_sightings(
    began: float, images: Iterable[Image], registries: Registries, since: float
) -> list[Sighting]:
    """The uses after ``since`` on the demo host as it is at ``began``, in order of time.

    What ``demo_references`` tells in sums, told one by one: for ``advise`` and ``history export``.
    """
    names = Names(tuple(images))
    told = []
    for reference, use in demo_references(began).items():
        elsewhere = registries.get(reference)
        image = names.behind(reference) or (elsewhere.id if elsewhere else "")
        count = use.count if use.gap else 1
        for number in range(count):
            at = use.latest - number * (use.gap or 0.0)
            if since < at and began - at < _REMEMBERED:
                told.append(Sighting(at, reference, image, pulled=number == count - 1))
    return sorted(told)

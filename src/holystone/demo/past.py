"""The past of the demo host: each single use of an image in the last weeks, as ``observe`` sees it.

What ``demo_usage`` tells in sums, told one by one: for ``advise`` and ``history export``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from holystone.demo.registry import Registries
from holystone.demo.usage import demo_references
from holystone.planner.inventory import Image
from holystone.planner.names import Names
from holystone.usage.sighting import Sighting

_REMEMBERED = 60 * 86400.0
"""Seconds back to the first use that is told."""


def demo_sightings(
    began: float, images: Iterable[Image], registries: Registries, since: float
) -> list[Sighting]:
    """The uses after ``since`` on the demo host as it is at ``began``, in order of time."""
    names = Names(tuple(images))
    told = []
    for reference, use in demo_references(began).items():
        elsewhere = registries.get(reference)
        image = names.behind(reference) or (elsewhere.id if elsewhere else "")
        moments = list(_moments(use.latest, use.gap or 0.0, use.count))
        for number, at in enumerate(reversed(moments)):
            if since < at and began - at < _REMEMBERED:
                told.append(Sighting(at, reference, image, pulled=not number))
    return sorted(told)


def _moments(last: float, gap: float, count: int) -> Iterator[float]:
    """The moments of so many uses, the last one first."""
    return (last - number * gap for number in range(count if gap else 1))

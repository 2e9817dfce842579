"""The other platforms of an image: a tag of the containerd store may have several of them here.

An inspection and a history tell of one, the engine's own where it is here. For each of the others
the engine is asked once more; where it knows no such question, the sum of their unpacked bytes is
the bound.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from holystone.engine.client import Client
from holystone.engine.errors import EngineRefused, SenselessAnswer
from holystone.engine.reading import read_one
from holystone.planner.inventory import Image, Layer, chain_ids
from holystone.usage.store_port import ImageFacts

_BY_PLATFORM = (1, 49)
"""The API version from which inspections and histories tell of any platform."""


def weigh_others(
    client: Client, images: Iterable[Image], facts: Mapping[str, ImageFacts]
) -> dict[str, ImageFacts]:
    """The facts of those of these images that have several platforms, with the others' layers."""
    several = [image for image in images if len(image.platforms) > 1]
    if not several:
        return {}
    asked = [(image, each) for image in several for each in image.platforms]
    told = _ask(client, asked) if client.negotiate().api >= _BY_PLATFORM else {}
    weighed = {}
    for image in several:
        fact = facts[image.id]
        others: dict[str, int] = {}
        exact = True
        for platform in image.platforms:
            layers = told.get((image.id, platform))
            exact = exact and layers is not None
            others.update(layers or ())
        for chain_id, _ in fact.layers or ():
            others.pop(chain_id, None)
        if not exact:
            known = sum(others.values()) + sum(layer.size for layer in fact.layers or ())
            rest = image.size - image.content_size - known
            others[f"{image.id} other platforms"] = max(0, rest)
        layers = tuple(Layer(*each) for each in others.items())
        weighed[image.id] = fact._replace(other_layers=layers, exact=fact.exact and exact)
    return weighed


def _ask(
    client: Client, asked: list[tuple[Image, str]]
) -> dict[tuple[str, str], tuple[Layer, ...]]:
    """The layers of images by ID and platform, of those that the engine tells for certain."""
    from holystone.engine.history import Step, read_history, weigh

    answers = client.send(
        ("GET", client.versioned(f"/images/{image.id}/{what}?platform={_query(platform)}"))
        for image, platform in asked
        for what in ("json", "history")
    )
    stacks: dict[str, tuple[str, ...]] = {}
    histories: dict[str, list[Step]] = {}
    for (image, platform), inspected, history in zip(
        asked, answers[::2], answers[1::2], strict=True
    ):
        key = f"{image.id} {platform}"
        try:
            stack = read_one(dict, inspected, _diff_ids)
            histories[key] = read_one(list, history, read_history)
            stacks[key] = stack
        except (EngineRefused, SenselessAnswer):
            continue
    weighed = weigh(stacks, {key: histories[key] for key in stacks}, {})
    found = {}
    for image, platform in asked:
        key = f"{image.id} {platform}"
        told = weighed.get(key)
        if told is not None and told.exact:
            chained = chain_ids(stacks[key])
            found[image.id, platform] = tuple(map(Layer, chained, told.sizes))
    return found


def _diff_ids(told: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(layer) for layer in told["RootFS"].get("Layers") or ())


def _query(platform: str) -> str:
    """A platform (``linux/arm/v7``) as these calls want it."""
    system, architecture, *variant = platform.split("/")
    wanted = {"os": system, "architecture": architecture}
    if variant:
        wanted["variant"] = variant[0]
    return quote(json.dumps(wanted))

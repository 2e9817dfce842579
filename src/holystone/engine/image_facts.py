"""The layers of images and their bytes, from an inspection and a history of each image.

If the engine has no history of an image, or answers with an error, its layers are derived from its
size as far as possible. Unknown sizes are noted and bounded.

A tag of the containerd store may have several platforms here. An inspection and a history tell of
one, the engine's own where it is here. For each of the others the engine is asked once more; where
it knows no such question, the sum of their unpacked bytes is the bound.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from holystone.engine import parse
from holystone.engine.client import Client
from holystone.engine.errors import EngineRefused, SenselessAnswer
from holystone.engine.layer_sizes import (
    EMPTY_LAYER,
    Step,
    Weighing,
    deduce,
    read_history,
    remainders,
    representatives,
    weigh,
)
from holystone.engine.reading import image_is_gone, read_one, trouble
from holystone.planner.inventory import Image, Layer, Note, chain_ids
from holystone.usage.store_port import ImageFacts

_BY_PLATFORM = (1, 49)
"""The API version from which inspections and histories tell of any platform."""
_MOST_METADATA = 1 << 16
"""Bytes; what Podman counts of an image that has no layers, its config and manifest."""


class Inspected(NamedTuple):
    """The results of inspections. An image that is in neither is gone."""

    facts: dict[str, ImageFacts]
    odd: dict[str, Note]
    """Images the engine gives no usable inspection of."""


class Weighed(NamedTuple):
    """The facts of images with their layers."""

    known: dict[str, ImageFacts]
    """To be remembered."""
    derived: dict[str, ImageFacts]
    """These hold for this inventory only."""
    odd: dict[str, Note]
    """Images whose layers the engine does not report; ``derived`` has them as far as possible."""


def inspect_images(
    client: Client, images: Collection[Image], known: Mapping[str, ImageFacts]
) -> Inspected:
    """The facts of these images, freshly inspected."""
    answers = client.send(("GET", client.versioned(f"/images/{i.id}/json")) for i in images)
    inspected = Inspected({}, {})
    for image, answer in zip(images, answers, strict=True):
        if image_is_gone(answer):
            continue
        learn = partial(parse.inspected_image, known[image.id])
        try:
            inspected.facts[image.id] = unpacked(image, read_one(dict, answer, learn))
        except (EngineRefused, SenselessAnswer) as error:
            inspected.odd[image.id] = note_of(image, "inspection", trouble(answer, error))
    return inspected


def unpacked(image: Image, facts: ImageFacts) -> ImageFacts:
    """The facts, of an artifact without layers: it may name some, but none of it is unpacked."""
    return facts._replace(layers=(), diff_ids=()) if image.artifact else facts


def note_of(image: Image, problem: str, said: str = "") -> Note:
    """A note about an image."""
    name = next(iter(image.tags + image.digests), "")
    return Note(problem, "image", image.id, name, said)


def weigh_images(
    client: Client,
    facts: Mapping[str, ImageFacts],
    images: Iterable[Image],
    store: str,
    *,
    each_layer: bool = False,
) -> Weighed:
    """The facts of these images with the sizes of their layers.

    ``facts`` are those of every image known, whose layers help to read the histories of the new.
    Unless ``each_layer``, layers that only one image holds may be told as one, where that saves
    questions: what comes free with images is the same.
    """
    stacks = {i: fact.diff_ids for i, fact in facts.items() if fact.diff_ids is not None}
    light, odd = [], {}
    for image in images:
        # The engine must say what layers an image has that has bytes.
        least = _MOST_METADATA if store == "podman" else 0
        told = stacks.get(image.id)
        if told or (told is not None and image.size - image.content_size <= least):
            light.append(apply_facts(image, facts[image.id], store))
        else:
            odd[image.id] = note_of(image, "layers")
    derived = {i: facts[i]._replace(exact=False) for i in odd}
    if not light:
        return Weighed({}, derived, odd)
    # To the other stores a folder, or a tar, with nothing in it has a size as well.
    sizes = {EMPTY_LAYER: 0} if store == "classic" else {}
    _add_sizes(sizes, facts.values())
    asked = {image.id for image in light}
    if store == "containerd" and not each_layer:
        asked = representatives(light, stacks, sizes)
    first = _ask_histories(client, facts, [i for i in light if i.id in asked], stacks, sizes)
    _add_sizes(sizes, first.known.values())
    rest = [image for image in light if image.id not in asked]
    deduced = deduce(rest, stacks, sizes)
    left = [image for image in rest if image.id not in deduced]
    second = _ask_histories(client, facts, left, stacks, sizes)
    derived |= {
        i: _with_layers(facts[i], Weighing(told, exact=True)) for i, told in deduced.items()
    }
    _add_sizes(sizes, [*second.known.values(), *derived.values()])
    untold = first.odd | second.odd
    of_untold = [image for image in light if image.id in untold]
    rests = remainders(of_untold, stacks, sizes, certain=store == "classic")
    for image in of_untold:
        weighing = rests.get(image.id)
        if weighing is None:
            derived[image.id] = facts[image.id]._replace(exact=False)
            continue
        derived[image.id] = _with_layers(facts[image.id], weighing)
        if weighing.exact:
            del untold[image.id]
    return Weighed(first.known | second.known, derived, odd | untold)


def _with_layers(facts: ImageFacts, weighing: Weighing) -> ImageFacts:
    layers = tuple(map(Layer, chain_ids(facts.diff_ids or ()), weighing.sizes))
    return facts._replace(layers=layers, exact=weighing.exact)


def _add_sizes(sizes: dict[str, int], facts: Iterable[ImageFacts]) -> None:
    """Add the sizes of layers that are certain, by diff ID."""
    sizes.update(
        (diff_id, layer.size)
        for fact in facts
        if fact.layers is not None and fact.exact
        for diff_id, layer in zip(fact.diff_ids or (), fact.layers, strict=False)
    )


def _ask_histories(
    client: Client,
    facts: Mapping[str, ImageFacts],
    images: Collection[Image],
    stacks: Mapping[str, tuple[str, ...]],
    sizes: Mapping[str, int],
) -> Weighed:
    """The facts of these images with the layer sizes that their histories tell.

    An image that is gone by now is left out.
    """
    answers = client.send(("GET", client.versioned(f"/images/{i.id}/history")) for i in images)
    histories: dict[str, list[Step]] = {}
    odd: dict[str, Note] = {}
    for image, answer in zip(images, answers, strict=True):
        if image_is_gone(answer):
            odd[image.id] = note_of(image, "layers", "it is gone by now")
            continue
        try:
            histories[image.id] = read_one(list, answer, read_history)
        except (EngineRefused, SenselessAnswer) as error:
            odd[image.id] = note_of(image, "layers", trouble(answer, error))
    weighed = {
        image_id: _with_layers(facts[image_id], told)
        for image_id, told in weigh(stacks, histories, sizes).items()
    }
    for image in images:
        if image.id in histories and image.id not in weighed:
            count = len(histories[image.id])
            said = f"a history of {count} steps for {len(stacks[image.id])} layers"
            odd[image.id] = note_of(image, "layers", said)
    return Weighed(weighed, {}, odd)


def apply_facts(image: Image, facts: ImageFacts, store: str) -> Image:
    """The image with what is known of it."""
    if facts.arrived is not None or facts.pinned or not image.tags:
        # How it came, and which of the names it has were asked for.
        pinned = {*image.pinned, *facts.pinned}
        image = image._replace(
            arrived=facts.arrived,
            loaded=facts.loaded,
            pinned=tuple(digest for digest in image.digests if digest in pinned),
            tagged_in=tuple(dict.fromkeys((*image.tagged_in, *facts.tagged_in))),
        )
    if not facts.inspected and facts.layers is None and facts.blobs is None:
        return image
    metadata = 0
    if store == "podman" and facts.layers is not None:
        metadata = max(0, image.size - sum(layer.size for layer in facts.layers))
    return image._replace(
        layers=facts.layers,
        other_layers=facts.other_layers,
        blobs=facts.blobs,
        exact=facts.exact,
        metadata_size=metadata,
        last_tagged=facts.last_tagged,
        made_by_buildkit=facts.made_by_buildkit,
    )


def weigh_others(
    client: Client, images: Iterable[Image], facts: Mapping[str, ImageFacts]
) -> dict[str, ImageFacts]:
    """The facts of those of these images that have several platforms, with the others' layers."""
    several = [image for image in images if len(image.platforms) > 1]
    if not several:
        return {}
    asked = [(image, each) for image in several for each in image.platforms]
    told = _ask_platforms(client, asked) if client.negotiate().api >= _BY_PLATFORM else {}
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


def _ask_platforms(
    client: Client, asked: list[tuple[Image, str]]
) -> dict[tuple[str, str], tuple[Layer, ...]]:
    """The layers of images by ID and platform, of those that the engine tells for certain."""
    answers = client.send(
        ("GET", client.versioned(f"/images/{image.id}/{what}?platform={quote(json.dumps(wanted))}"))
        for image, platform in asked
        # A platform is "linux/arm/v7".
        for wanted in [
            dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
        ]
        for what in ("json", "history")
    )
    stacks: dict[str, tuple[str, ...]] = {}
    histories: dict[str, list[Step]] = {}
    keys = {f"{image.id} {platform}": (image.id, platform) for image, platform in asked}
    for key, inspected, history in zip(keys, answers[::2], answers[1::2], strict=True):
        with suppress(EngineRefused, SenselessAnswer):
            stack = read_one(
                dict, inspected, lambda told: tuple(map(str, told["RootFS"].get("Layers") or ()))
            )
            histories[key] = read_one(list, history, read_history)
            stacks[key] = stack
    return {
        keys[key]: tuple(map(Layer, chain_ids(stacks[key]), told.sizes))
        for key, told in weigh(stacks, histories, {}).items()
        if told.exact
    }

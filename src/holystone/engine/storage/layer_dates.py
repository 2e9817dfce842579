"""When the step that made each layer ran: that tells which build cache record holds the layer.

BuildKit writes the date of each record into the history of the image. An image's config has it to
the nanosecond, ``GET /images/{id}/history`` to the second. It is asked only where sizes leave
several records for a layer, and not remembered.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from holystone.engine.client import Client
from holystone.engine.errors import EngineError
from holystone.engine.parse import timestamp
from holystone.engine.reading import read_one
from holystone.engine.storage.classic import read_config
from holystone.planner.holders import ambiguous
from holystone.planner.inventory import Image, Inventory

Dates = tuple[float | None, ...]


def with_dates(client: Client, inventory: Inventory, root: str) -> Inventory:
    """The inventory with the dates of those layers that several build cache records may hold.

    ``root`` is the engine's data folder where it is in sight, else empty.
    """
    unclear = ambiguous(inventory)
    if not unclear:
        return inventory
    images = {image.id: image for image in inventory.images if image.id in unclear}
    dates: dict[str, Dates] = {}
    folder = f"{root}/image/{inventory.engine.storage_driver}"
    if root:
        for image in images.values():
            told = _of_config(read_config(folder, image.id) or {}, len(image.layers or ()))
            if told is not None:
                dates[image.id] = told
    dates |= _ask(client, [image for image in images.values() if image.id not in dates])
    return inventory._replace(
        images=tuple(
            image._replace(layer_dates=dates[image.id]) if image.id in dates else image
            for image in inventory.images
        )
    )


def _of_config(config: Mapping[str, Any], count: int) -> Dates | None:
    """The dates of an image's layers by its config; None where it does not tell them."""
    try:
        steps = [step for step in config.get("history") or () if not step.get("empty_layer")]
        dates = tuple(timestamp(step.get("created")) for step in steps)
    except (AttributeError, TypeError, ValueError):
        return None
    return dates if len(dates) == count else None


def _ask(client: Client, images: Collection[Image]) -> dict[str, Dates]:
    """The dates of the images' layers as far as their histories tell them."""
    paths = [client.versioned(f"/images/{image.id}/history") for image in images]
    dates: dict[str, Dates] = {}
    with suppress(EngineError):
        answers = client.send(("GET", path) for path in paths)
        for image, answer in zip(images, answers, strict=True):
            with suppress(EngineError):
                dates[image.id] = read_one(list, answer, partial(_of_history, image))
    return dates


def _of_history(image: Image, steps: Sequence[Mapping[str, Any]]) -> Dates:
    """The dates of the layers with anything in them, where each has its step; else none.

    A history does not tell which of the steps of size 0 made a layer.
    """
    made = [float(step["Created"]) for step in reversed(steps) if step.get("Size")]
    layers = image.layers or ()
    if len(made) != sum(1 for layer in layers if layer.size):
        return ()
    left = iter(made)
    return tuple(next(left) if layer.size else None for layer in layers)

"""Which folders of layers the files of Podman name (containers/storage, ``layers.go``)."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

_LARGEST = 1 << 28


class Layers(NamedTuple):
    """What the files name."""

    known: frozenset[str]
    """The IDs of all layers, which are the names of their folders."""
    images: dict[str, tuple[str, ...]]
    """The names of the images that hold a layer, by its ID."""
    containers: dict[str, str]
    """The ID of the container that writes into a layer, by the layer's ID."""


def read_layers(root: str, driver: str) -> Layers:
    """What the files of the Podman with this data folder name.

    Raises OSError, and ValueError for files of another shape.
    """
    parents: dict[str, str] = {}
    for name in ("layers.json", "volatile-layers.json"):
        for each in _read(f"{root}/{driver}-layers/{name}"):
            parents[str(each["id"])] = str(each.get("parent") or "")
    holders: dict[str, list[str]] = {}
    for image in _read(f"{root}/{driver}-images/images.json"):
        names = [str(name) for name in image.get("names") or ()] or [str(image["id"])]
        mapped = image.get("mapped-layers") or ()
        for top in {str(image.get("layer") or ""), *map(str, mapped)}:
            layer, seen = top, set[str]()
            while layer in parents and layer not in seen:
                seen.add(layer)
                holders.setdefault(layer, []).extend(names)
                layer = parents[layer]
    containers = {}
    for name in ("containers.json", "volatile-containers.json"):
        for each in _read(f"{root}/{driver}-containers/{name}"):
            containers[str(each.get("layer") or "")] = str(each["id"])
    held = {layer: tuple(sorted(set(names))) for layer, names in holders.items()}
    return Layers(frozenset(parents), held, containers)


def _read(path: str) -> list[dict[str, Any]]:
    """The objects of a list in a file; none where there is no such file."""
    try:
        with open(path, "rb") as file:
            told = json.loads(file.read(_LARGEST) or b"[]")
    except FileNotFoundError:
        return []
    if not isinstance(told, list) or not all(isinstance(e, dict) and "id" in e for e in told):
        raise ValueError(f"{path} is not a list of records")
    return told

"""Generated hosts: images whose layers form tries, chains of parents, containers, caches."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from holystone.core.inventory import (
    CacheRecord,
    Container,
    Disk,
    Engine,
    Image,
    Inventory,
    Layer,
    Network,
    Volume,
)
from holystone.core.policy import CacheLimits, Grace, Policy
from holystone.core.usage import Usage

NOW = 1_750_000_000.0

ages = st.sampled_from(
    [-3600.0, 0.0, 1.0, 59.0, 60.0, 61.0, 599.0, 600.0, 3599.0, 3600.0, 90_000.0, 700_000.0, 3e7]
)
times = ages.map(lambda age: NOW - age)
sizes = st.sampled_from([0, 1, 2, 3, 10, 77, 1000, 4096, 10**9]) | st.integers(0, 10_000)
_states = st.sampled_from(
    ["running", "created", "paused", "restarting", "exited", "exited", "exited", "dead", "stopped"]
)


@st.composite
def image_sets(draw: st.DrawFn) -> list[Image]:
    """Images that share beginnings of their stacks; parents stand below their children."""
    images: list[Image] = []
    for number in range(draw(st.integers(0, 9))):
        below: tuple[Layer, ...] = ()
        parent = ""
        on_another = draw(st.sampled_from([True, True, True, False]))
        if images and on_another:
            base = draw(st.sampled_from(images))
            layers = base.layers or ()
            if draw(st.booleans()):
                parent, below = base.id, layers
            else:
                below = layers[: draw(st.integers(0, len(layers)))]
        stack = list(below)
        for _ in range(draw(st.integers(0, 3))):
            # Few names, so that stacks meet again without one being made from the other.
            name = f"{stack[-1].chain_id if stack else ''}/{draw(st.sampled_from('abc'))}"
            stack.append(Layer(name, _size_of(name)))
        images.append(_image(draw, number, parent, tuple(stack)))
    return images


def _size_of(name: str) -> int:
    """A layer's size, the same wherever the layer is met."""
    return sum(ord(letter) * place for place, letter in enumerate(name, start=1)) % 997


def compressed_of(name: str) -> int:
    """A layer's hidden compressed size: in no fixed proportion to its unpacked size."""
    return sum(ord(letter) * place * place for place, letter in enumerate(name, start=3)) % 499


def _image(draw: st.DrawFn, number: int, parent: str, layers: tuple[Layer, ...]) -> Image:
    tags = draw(st.sampled_from([(), (), (), (f"t{number}:1",), (f"t{number}:1", f"u{number}:2")]))
    digest = f"r{number}@sha256:{number:064x}"
    other = f"s{number}@sha256:{number:064x}"
    digests = draw(st.sampled_from([(), (), (digest,), (digest, other)]))
    return Image(
        id=f"sha256:{number:064x}",
        tags=tags,
        digests=digests,
        parent=parent,
        created=draw(times),
        size=sum(layer.size for layer in layers),
        layers=layers,
        last_tagged=draw(st.none() | times),
        made_by_buildkit=draw(st.booleans()),
    )


@st.composite
def caches(draw: st.DrawFn) -> list[CacheRecord]:
    """Build cache records in a tree with merges; parents come before their children."""
    records: list[CacheRecord] = []
    for number in range(draw(st.integers(0, 9))):
        ids = [record.id for record in records]
        parents = draw(st.lists(st.sampled_from(ids), max_size=2, unique=True)) if ids else []
        records.append(
            CacheRecord(
                id=f"record{number}",
                parents=tuple(parents),
                size=draw(sizes),
                created=draw(times),
                last_used=draw(st.none() | times),
                in_use=draw(st.sampled_from([False, False, False, False, True])),
                shared=draw(st.sampled_from([False, False, False, True])),
            )
        )
    return records


@st.composite
def inventories(draw: st.DrawFn, store: str = "classic") -> Inventory:
    """A host with every kind of object on it, in any order."""
    images = draw(image_sets())
    volumes = [Volume(f"v{n}", size=draw(sizes)) for n in range(draw(st.integers(0, 2)))]
    networks = [
        Network(f"id{n}", f"n{n}", builtin=draw(st.booleans()))
        for n in range(draw(st.integers(0, 2)))
    ]
    containers = [
        _container(draw, number, draw(st.sampled_from(images)), volumes, networks)
        for number in range(draw(st.integers(0, 5)) if images else 0)
    ]
    if store == "containerd":
        images = [
            image._replace(content_size=sum(compressed_of(x.chain_id) for x in image.layers or ()))
            for image in images
        ]
    return Inventory(
        engine=Engine("e", "generated", "28", "1.51", "overlay2", store),
        taken_at=NOW,
        images=tuple(draw(st.permutations(images))),
        containers=tuple(containers),
        cache=tuple(draw(st.permutations(draw(caches())))),
        volumes=tuple(volumes),
        networks=tuple(networks),
        disk=Disk(draw(st.none() | st.sampled_from([0, 1000, 10**6, 10**11]))),
    )


def _container(
    draw: st.DrawFn, number: int, image: Image, volumes: list[Volume], networks: list[Network]
) -> Container:
    def some(names: list[str]) -> Any:
        return tuple(draw(st.sets(st.sampled_from(names)))) if names else ()

    return Container(
        id=f"c{number}",
        name=f"name{number}",
        image_id=image.id,
        image=(image.tags or (image.id,))[0],
        state=draw(_states),
        finished=draw(st.none() | times),
        writable_size=draw(sizes),
        volumes=some([volume.name for volume in volumes]),
        networks=some([network.name for network in networks]),
    )


graces = st.builds(
    Grace,
    once_tagged=st.sampled_from([0.0, 60.0, 600.0]),
    never_tagged=st.sampled_from([0.0, 60.0, 3600.0]),
    other=st.sampled_from([0.0, 600.0, 1e5]),
)
limits = st.builds(
    CacheLimits,
    budget_bytes=st.none() | st.sampled_from([0, 100, 5000, 10**9, 10**12]),
    budget_share=st.sampled_from([0.0, 0.1, 1.0]),
    fallback_bytes=st.sampled_from([0, 10_000]),
    unused_for=st.sampled_from([0.0, 600.0, 604_800.0]),
)
policies = st.builds(Policy, level=st.just("routine"), grace=graces, cache=limits)


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Some images known since some time."""
    seen = {f"sha256:{number:064x}": draw(st.none() | times) for number in range(9)}
    return Usage({image_id: when for image_id, when in seen.items() if when is not None})

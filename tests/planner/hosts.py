"""Generated hosts: images whose layers form tries, chains of parents, containers, caches.

Each strategy draws one number, from which everything else follows: to have hypothesis draw each
part takes twenty times as long as to plan. A small number makes a small host, so that hypothesis
still finds a small one where a test fails.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st

from holystone.planner.inventory import (
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
from holystone.planner.policy import (
    LEVELS,
    TAKES,
    CacheLimits,
    Grace,
    Mark,
    Policy,
    Protect,
    Retention,
    VolumeRules,
)
from holystone.planner.usage import Lease, Usage
from holystone.planner.verdict import Plan

NOW = 1_750_000_000.0
moderate = settings(max_examples=100, derandomize=True, database=None)
"""So that a run is quick, and the same each time."""
T = TypeVar("T")
Pick = Callable[[Sequence[T]], T]


class Draw(Random):
    """Makes choices, from one number on."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.most = number // 4
        """How many of a kind there may be."""

    def count(self, most: int) -> int:
        """How many there are of something."""
        return self.randint(0, min(most, self.most))

    def some(self, options: Sequence[T], most: int) -> tuple[T, ...]:
        """Some of these, any of them more than once."""
        return tuple(self.choice(options) for _ in range(self.randint(0, most)))

    def yes(self) -> bool:
        """One of two."""
        return self.random() < 0.5

    def time(self) -> float:
        """A moment, often just at a limit."""
        return NOW - self.choice(AGES)

    def maybe_time(self) -> float | None:
        """A moment, or None where it is not known."""
        return self.time() if self.yes() else None

    def size(self) -> int:
        """Bytes."""
        return self.choice(SIZES) if self.yes() else self.randint(0, 10_000)


AGES = (-3600.0, 0.0, 1.0, 59.0, 60.0, 61.0, 599.0, 600.0, 3599.0, 3600.0, 90_000.0, 7e5, 3e7)
SIZES = (0, 1, 2, 3, 10, 77, 1000, 4096, 10**9)
_ANSWERS = ((None, ""), (None, ""), (True, ""), (False, "unknown"), (None, "refused"))
"""What registries say of an image; without words where none was asked."""
_STATES = ("running", "created", "paused", "restarting", "dead", "stopped", *["exited"] * 3)


def drawn(make: Callable[[Draw], T]) -> st.SearchStrategy[T]:
    """What is made of one number."""
    return st.integers(0, 1 << 20).map(lambda number: make(Draw(number)))


def image_sets() -> st.SearchStrategy[list[Image]]:
    """Images that share beginnings of their stacks; parents stand below their children."""
    return drawn(_images)


def _images(draw: Draw) -> list[Image]:
    images: list[Image] = []
    for number in range(draw.count(9)):
        below: tuple[Layer, ...] = ()
        parent = ""
        if images and draw.random() < 0.75:
            base = draw.choice(images)
            layers = base.layers or ()
            if draw.yes():
                parent, below = base.id, layers
            else:
                below = layers[: draw.randint(0, len(layers))]
        stack = list(below)
        for _ in range(draw.randint(0, 3)):
            # Few names, so that stacks meet again without one being made from the other.
            name = f"{stack[-1].chain_id if stack else ''}/{draw.choice('abc')}"
            stack.append(Layer(name, _size_of(name)))
        images.append(_image(draw, number, parent, tuple(stack)))
    return images


def _size_of(name: str) -> int:
    """A layer's size, the same wherever the layer is met."""
    return sum(ord(letter) * place for place, letter in enumerate(name, start=1)) % 997


def compressed_of(name: str) -> int:
    """A layer's hidden compressed size: in no fixed proportion to its unpacked size."""
    return sum(ord(letter) * place * place for place, letter in enumerate(name, start=3)) % 499


def _image(draw: Draw, number: int, parent: str, layers: tuple[Layer, ...]) -> Image:
    digest = f"r{number}@sha256:{number:064x}"
    other = f"s{number}@sha256:{number:064x}"
    said = draw.choice(_ANSWERS)
    return Image(
        id=f"sha256:{number:064x}",
        tags=draw.choice(((), (), (), (f"t{number}:1",), (f"t{number}:1", f"u{number}:2"))),
        digests=draw.choice(((), (), (digest,), (digest, other))),
        parent=parent,
        created=draw.time(),
        size=sum(layer.size for layer in layers),
        layers=layers,
        last_tagged=draw.maybe_time(),
        made_by_buildkit=draw.yes(),
        labels=draw.choice(({}, {}, {"keep": "1"}, {"team": "a"})),
        in_registry=said[0],
        registry_said=said[1],
        from_registry=draw.choice((None, True, False)),
    )


def _cache(draw: Draw, images: list[Image]) -> list[CacheRecord]:
    """Build cache records in a tree with merges; parents come before their children.

    Some hold layers of the images, each standing on the record of the layer below: their names
    end with the chain ID, which is the truth that a plan is not told (see ``truth_of``).
    """
    records: list[CacheRecord] = []
    for turn, image in enumerate(draw.some(images, 2) if images else ()):
        below: tuple[str, ...] = ()
        pulled = draw.randint(0, 2)
        for depth, (chain_id, size) in enumerate(image.layers or ()):
            record = CacheRecord(
                id=f"of{turn} {chain_id}",
                parents=below,
                description="pulled from base" if depth < pulled else "",
                size=0 if depth < pulled else size,
                created=draw.time(),
                last_used=draw.maybe_time(),
                shared=True,
            )
            records.append(record)
            below = (record.id,)
    for number in range(draw.count(9)):
        records.append(
            CacheRecord(
                id=f"record{number}",
                parents=tuple(dict.fromkeys(draw.some([r.id for r in records], 2)))
                if records
                else (),
                size=draw.size(),
                created=draw.time(),
                last_used=draw.maybe_time(),
                in_use=draw.random() < 0.2,
            )
        )
    return records


def truth_of(inventory: Inventory) -> dict[str, str]:
    """Which layer each shared record of a generated host holds."""
    return {r.id: r.id.partition(" ")[2] for r in inventory.cache if r.shared}


def inventories(store: str = "classic") -> st.SearchStrategy[Inventory]:
    """Hosts with every kind of object on them, in any order."""
    return drawn(lambda draw: _inventory(draw, store))


def _inventory(draw: Draw, store: str) -> Inventory:
    images = _images(draw)
    volumes = [Volume(f"v{n}", size=draw.size()) for n in range(draw.count(2))]
    networks = [Network(f"id{n}", f"n{n}", builtin=draw.yes()) for n in range(draw.count(2))]
    containers = [
        _container(draw, number, draw.choice(images), volumes, networks)
        for number in range(draw.count(5) if images else 0)
    ]
    cache = _cache(draw, images)
    if store == "containerd":
        images = [
            image._replace(content_size=sum(compressed_of(x.chain_id) for x in image.layers or ()))
            for image in images
        ]
    draw.shuffle(images)
    draw.shuffle(cache)
    total = draw.choice((None, None, None, None, 0, 1000, 10**6, 10**11))
    return Inventory(
        engine=Engine("e", "generated", "28", "1.51", "overlay2", store),
        taken_at=NOW,
        images=tuple(images),
        containers=tuple(containers),
        cache=tuple(cache),
        volumes=tuple(volumes),
        networks=tuple(networks),
        disk=Disk() if total is None else Disk(total, total // 2),
    )


def _container(
    draw: Draw, number: int, image: Image, volumes: list[Volume], networks: list[Network]
) -> Container:
    return Container(
        id=f"c{number}",
        name=f"name{number}",
        image_id=image.id,
        image=(image.tags or (image.id,))[0],
        state=draw.choice(_STATES),
        finished=draw.maybe_time(),
        writable_size=draw.size(),
        volumes=tuple(volume.name for volume in volumes if draw.yes()),
        networks=tuple(network.name for network in networks if draw.yes()),
    )


def _grace(draw: Draw) -> Grace:
    return Grace(
        once_tagged=draw.choice((0.0, 60.0, 600.0)),
        never_tagged=draw.choice((0.0, 60.0, 3600.0)),
        other=draw.choice((0.0, 600.0, 1e5)),
        tagged=draw.choice((0.0, 600.0, 1e5)),
    )


def _limits(draw: Draw) -> CacheLimits:
    return CacheLimits(
        budget_bytes=draw.choice((None, None, None, 0, 100, 5000, 10**9, 10**12)),
        budget_share=draw.choice((0.0, 0.1, 1.0)),
        fallback_bytes=draw.choice((0, 10_000)),
        unused_for=draw.choice((0.0, 600.0, 604_800.0)),
        keep_mounts=draw.yes(),
        least_bytes=draw.choice((0, 100, 10**9)),
        least_share=draw.choice((0.0, 0.5, 1.0)),
    )


policies = drawn(lambda draw: Policy(grace=_grace(draw), cache=_limits(draw)))
"""Routine ones."""
_PATTERNS = ("t1", "t*", "!t2", "u*:2", "*", "!t3:1", "r4", "s*@sha256:*")
_SPANS = (None, None, None, None, 0.0, 600.0, 1e5, 3e6)


def _protect(draw: Draw) -> Protect:
    return Protect(
        images=draw.some(_PATTERNS, 3),
        other_images=(draw.some(_PATTERNS, 2),) if draw.yes() else (),
        labels=draw.some(("keep", "keep=1", "k*", "team=*"), 1),
        official=draw.choice((False, False, True)),
        larger_than=draw.choice((None, None, 0, 500, 2000)),
        local=draw.yes(),
        newest=draw.choice((0, 0, 1)),
        used_within=draw.choice(_SPANS),
        min_age=draw.choice(_SPANS),
    )


def _rule(draw: Draw) -> Retention:
    return Retention(
        name=draw.choice(("one", "two")),
        images=draw.some(_PATTERNS, 2),
        keep=draw.choice((False, False, True)),
        unused_for=draw.choice(_SPANS),
        max_age=draw.choice(_SPANS),
        keep_last=draw.choice((0, 0, 1)),
    )


def any_policies() -> st.SearchStrategy[Policy]:
    """A policy of any level, with every kind of rule."""
    return drawn(_policy)


def _policy(draw: Draw) -> Policy:
    level = draw.choice(LEVELS)
    free = draw.choice((None, None, 0, 500, 2000, 10**6))
    return Policy(
        level=level,
        takes=TAKES[level]._replace(volumes=draw.yes()),
        grace=_grace(draw),
        cache=_limits(draw),
        protect=_protect(draw) if draw.yes() else Protect(),
        retention=tuple(_rule(draw) for _ in range(draw.randint(0, 2))),
        volumes=VolumeRules(
            remove=draw.choice(("never", "anonymous", "named")),
            names=draw.some(("*", "v1", "w*"), 1),
            unused_for=draw.choice((0.0, 600.0)),
        ),
        prune_filters=draw.choice(((), (), ("label!=keep",), ("label=team",))),
        include_local=draw.yes(),
        check_registry=draw.choice((False, False, True)),
        target=None if free is None else Mark(free_bytes=free),
    )


def usages() -> st.SearchStrategy[Usage]:
    """Some images known since some time, some of them used, some leased."""
    return drawn(_usage)


def _usage(draw: Draw) -> Usage:
    ids = [f"sha256:{number:064x}" for number in range(9)]
    leased = draw.some(("t1:1", "u2", ids[0]), 2) if draw.yes() else ()
    return Usage(
        {image_id: draw.time() for image_id in ids if draw.yes()},
        {("image", image_id): draw.time() for image_id in ids if draw.yes()},
        tuple(Lease(reference, draw.time()) for reference in leased),
    )


def gone(made: Plan) -> set[tuple[str, str]]:
    """Kind and ID of each object that a plan removes."""
    return {(verdict.kind, verdict.id) for verdict in made.removed}

"""Generated hosts: images whose layers form tries, chains of parents, containers, caches."""

from __future__ import annotations

from typing import Any

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

NOW = 1_750_000_000.0

ages = st.sampled_from(
    [-3600.0, 0.0, 1.0, 59.0, 60.0, 61.0, 599.0, 600.0, 3599.0, 3600.0, 90_000.0, 700_000.0, 3e7]
)
times = ages.map(lambda age: NOW - age)
sizes = st.sampled_from([0, 1, 2, 3, 10, 77, 1000, 4096, 10**9]) | st.integers(0, 10_000)
_ANSWERS = ((None, ""), (None, ""), (True, ""), (False, "unknown"), (None, "refused"))
"""What registries say of an image; without words where none was asked."""
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
    said = draw(st.sampled_from(_ANSWERS))
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
        labels=draw(st.sampled_from([{}, {}, {"keep": "1"}, {"team": "a"}])),
        in_registry=said[0],
        registry_said=said[1],
        from_registry=draw(st.sampled_from([None, True, False])),
    )


@st.composite
def caches(draw: st.DrawFn, images: list[Image]) -> list[CacheRecord]:
    """Build cache records in a tree with merges; parents come before their children.

    Some hold layers of the images, each standing on the record of the layer below: their names
    end with the chain ID, which is the truth that a plan is not told (see ``truth_of``).
    """
    records: list[CacheRecord] = []
    built = draw(st.lists(st.sampled_from(images), max_size=2)) if images else []
    for turn, image in enumerate(built):
        below: tuple[str, ...] = ()
        pulled = draw(st.integers(0, 2))
        for depth, (chain_id, size) in enumerate(image.layers or ()):
            record = CacheRecord(
                id=f"of{turn} {chain_id}",
                parents=below,
                description="pulled from base" if depth < pulled else "",
                size=0 if depth < pulled else size,
                created=draw(times),
                last_used=draw(st.none() | times),
                shared=True,
            )
            records.append(record)
            below = (record.id,)
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
            )
        )
    return records


def truth_of(inventory: Inventory) -> dict[str, str]:
    """Which layer each shared record of a generated host holds."""
    return {r.id: r.id.partition(" ")[2] for r in inventory.cache if r.shared}


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
        cache=tuple(draw(st.permutations(draw(caches(images))))),
        volumes=tuple(volumes),
        networks=tuple(networks),
        disk=draw(st.just(Disk()) | st.sampled_from([0, 1000, 10**6, 10**11]).map(_half_full)),
    )


def _half_full(total: int) -> Disk:
    return Disk(total, total // 2)


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
    tagged=st.sampled_from([0.0, 600.0, 1e5]),
)
limits = st.builds(
    CacheLimits,
    budget_bytes=st.none() | st.sampled_from([0, 100, 5000, 10**9, 10**12]),
    budget_share=st.sampled_from([0.0, 0.1, 1.0]),
    fallback_bytes=st.sampled_from([0, 10_000]),
    unused_for=st.sampled_from([0.0, 600.0, 604_800.0]),
    keep_mounts=st.booleans(),
    least_bytes=st.sampled_from([0, 100, 10**9]),
    least_share=st.sampled_from([0.0, 0.5, 1.0]),
)
policies = st.builds(
    lambda grace, cache: Policy(grace=grace, cache=cache), grace=graces, cache=limits
)
"""Routine ones."""
_patterns = st.sampled_from(["t1", "t*", "!t2", "u*:2", "*", "!t3:1", "r4", "s*@sha256:*"])
_spans = st.none() | st.sampled_from([0.0, 600.0, 1e5, 3e6])
_protects = st.builds(
    Protect,
    images=st.lists(_patterns, max_size=3).map(tuple),
    other_images=st.lists(st.lists(_patterns, max_size=2).map(tuple), max_size=1).map(tuple),
    labels=st.lists(st.sampled_from(["keep", "keep=1", "k*", "team=*"]), max_size=1).map(tuple),
    official=st.sampled_from([False, False, True]),
    larger_than=st.none() | st.sampled_from([0, 500, 2000]),
    local=st.booleans(),
    newest=st.sampled_from([0, 0, 1]),
    used_within=_spans,
    min_age=_spans,
)
_rules = st.lists(
    st.builds(
        Retention,
        name=st.sampled_from(["one", "two"]),
        images=st.lists(_patterns, max_size=2).map(tuple),
        keep=st.sampled_from([False, False, True]),
        unused_for=_spans,
        max_age=_spans,
        keep_last=st.sampled_from([0, 0, 1]),
    ),
    max_size=2,
).map(tuple)
_volumes = st.builds(
    VolumeRules,
    remove=st.sampled_from(["never", "anonymous", "named"]),
    names=st.lists(st.sampled_from(["*", "v1", "w*"]), max_size=1).map(tuple),
    unused_for=st.sampled_from([0.0, 600.0]),
)


@st.composite
def any_policies(draw: st.DrawFn) -> Policy:
    """A policy of any level, with every kind of rule."""
    level = draw(st.sampled_from(LEVELS))
    marks = st.sampled_from([0, 500, 2000, 10**6]).map(lambda free: Mark(free_bytes=free))
    return Policy(
        level=level,
        takes=TAKES[level]._replace(volumes=draw(st.booleans())),
        grace=draw(graces),
        cache=draw(limits),
        protect=draw(st.just(Protect()) | _protects),
        retention=draw(_rules),
        volumes=draw(_volumes),
        prune_filters=draw(st.sampled_from([(), (), ("label!=keep",), ("label=team",)])),
        include_local=draw(st.booleans()),
        check_registry=draw(st.sampled_from([False, False, True])),
        target=draw(st.none() | st.none() | marks),
    )


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Some images known since some time, some of them used, some leased."""
    seen = {f"sha256:{number:064x}": draw(st.none() | times) for number in range(9)}
    used = {("image", image_id): draw(st.none() | times) for image_id in seen}
    lease = st.builds(Lease, st.sampled_from(["t1:1", "u2", "sha256:" + "0" * 64]), times)
    return Usage(
        {image_id: when for image_id, when in seen.items() if when is not None},
        {key: when for key, when in used.items() if when is not None},
        tuple(draw(st.just([]) | st.lists(lease, max_size=2))),
    )

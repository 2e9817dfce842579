"""How many bytes each kind holds on a host: the figures behind status, images and explain."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from holystone.planner.holders import Share, blobs_of_records, holders, share
from holystone.planner.inventory import Blob, Container, Image, Inventory
from holystone.planner.sizes import content_alone, free_images
from holystone.planner.totals import Account, Beside, account
from holystone.planner.verdict import KINDS, Plan


class Stored(NamedTuple):
    """What all images hold together, each layer counted once. None where layers are not known."""

    stored: int | None
    unique: int | None
    """Bytes that are one image's alone."""
    shared: int | None
    """Bytes two or more images hold, counted once."""
    estimated: bool = False


class CacheBytes(NamedTuple):
    """Build cache by what holds it. ``own`` leaves out what images hold as well."""

    own: int
    in_use: int
    shared: int


class VolumeBytes(NamedTuple):
    """Bytes of the volumes whose size is known, and how many there are of the others."""

    known: int
    unknown: int


class Tally(NamedTuple):
    """Objects of one kind that go, objects that stay, and the bytes that come free."""

    kind: str
    going: int
    staying: int
    freed_bytes: int


def image_shares(images: Sequence[Image]) -> dict[str, Share | None]:
    """Each image's bytes told apart by who else holds them; None where its layers are not known.

    ``unique`` is what a plan says of the image where no other goes. Compressed content (containerd
    image store) counts as well.
    """
    count = holders(images)
    by_blob = all(image.blobs is not None for image in images)
    shares: dict[str, Share | None] = {}
    for image, alone in zip(images, content_alone(images, count), strict=True):
        if image.layers is None:
            shares[image.id] = None
            continue
        unique, shared = share(image, count)
        whole = image.content_size
        if by_blob and whole:
            whole = sum(blob.size for blob in set(image.blobs or ()))
        unique += alone.freed + image.metadata_size
        shares[image.id] = Share(unique, shared + max(0, whole - alone.freed))
    return shares


def stored_bytes(images: Sequence[Image]) -> int | None:
    """What these images (all of a host) hold together; None where layers were not asked for.

    One whose layers the engine cannot tell counts with its whole size.
    """
    if any(image.layers is None and not image.opaque for image in images):
        return None
    return sum(free_images(images, images)[0])


def images_stored(images: Sequence[Image], shares: dict[str, Share | None]) -> Stored:
    """What these images (all of a host) hold together, given their ``image_shares``."""
    stored = stored_bytes(images)
    if stored is None:
        return Stored(None, None, None)
    unique = sum(each.unique for each in shares.values() if each is not None)
    estimated = any(
        not image.exact or (image.content_size and image.blobs is None) for image in images
    )
    return Stored(stored, unique, max(0, stored - unique), estimated)


def held_by_images(inventory: Inventory) -> dict[str, int]:
    """The bytes of each build cache record that images hold as well, by ID.

    On the containerd image store a record holds separate bytes beside a blob that it shares with
    images, which the images count.
    """
    blobs: Mapping[str, Blob] = {}
    if inventory.engine.store == "containerd":
        blobs = blobs_of_records(inventory) or {}
    return {
        record.id: blobs[record.id].size
        if record.id in blobs
        else record.size
        if record.shared
        else 0
        for record in inventory.cache
    }


def cache_bytes(inventory: Inventory, only: Collection[str] | None = None) -> CacheBytes:
    """The bytes of the build cache, or of the records with these IDs, by what holds them."""
    held = held_by_images(inventory)
    own = in_use = shared = 0
    for record in inventory.cache:
        if only is not None and record.id not in only:
            continue
        others = held[record.id]
        own += record.size - others
        in_use += record.size - others if record.in_use else 0
        shared += others
    return CacheBytes(own, in_use, shared)


def volume_bytes(inventory: Inventory) -> VolumeBytes:
    """The bytes of the volumes, where the engine was asked for them."""
    known = [volume.size for volume in inventory.volumes if volume.size is not None]
    return VolumeBytes(sum(known), len(inventory.volumes) - len(known))


def account_of(inventory: Inventory, beside: Beside) -> Account | None:
    """Where the used bytes of the engine's disk are; None where it is not in sight."""
    return account(
        inventory.disk,
        beside,
        images=stored_bytes(inventory.images) or 0,
        containers=sum(container.writable_size for container in inventory.containers),
        cache=cache_bytes(inventory).own,
        volumes=volume_bytes(inventory).known,
    )


def tallies(plan: Plan) -> list[Tally]:
    """What a plan does, for each kind the host has any object of."""
    made = []
    for kind in KINDS:
        going = [v.freed_bytes for v in plan.verdicts if v.kind == kind and v.remove]
        staying = sum(v.kind == kind and not v.remove for v in plan.verdicts)
        if going or staying:
            made.append(Tally(kind, len(going), staying, sum(going)))
    return made


def unlisted(plan: Plan) -> int | None:
    """How many images have no verdict in a partial plan, since none of them can go.

    None where the engine does not count its images.
    """
    if plan.image_count is None:
        return None
    return max(0, plan.image_count - sum(v.kind == "image" for v in plan.verdicts))


def containers_of(inventory: Inventory) -> dict[str, list[Container]]:
    """The containers that refer to each image, by image ID."""
    users: defaultdict[str, list[Container]] = defaultdict(list)
    for container in inventory.containers:
        users[container.image_id].append(container)
    return dict(users)


def containers_with(inventory: Inventory) -> dict[str, list[Container]]:
    """The containers that mount each volume, by its name."""
    users: defaultdict[str, list[Container]] = defaultdict(list)
    for container in inventory.containers:
        for name in dict.fromkeys(container.volumes):
            users[name].append(container)
    return dict(users)


def last_use(containers: Sequence[Container], now: float) -> float | None:
    """When an image or a volume was last used, as far as its containers tell; UTC seconds."""
    moments = [
        now if not c.stopped and c.state != "created" else max(c.created, c.finished or 0.0)
        for c in containers
    ]
    return max((moment for moment in moments if moment > 0), default=None)

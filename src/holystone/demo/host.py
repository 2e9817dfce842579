"""The demo host for commands: images can be pulled too, and changes are kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from holystone.demo.contents import demo_beside, demo_inventory
from holystone.demo.images import image_named
from holystone.demo.memory_host import SINCE_LAST_LOOK, SimulatedHost
from holystone.demo.registry import catalogue, demo_registries, says_no
from holystone.demo.state import DemoState, Kept, KeptImage
from holystone.demo.usage import demo_sightings
from holystone.engine.host import Observed, Removal
from holystone.planner.inventory import Image, Inventory
from holystone.planner.names import Names, complete
from holystone.planner.reference import parse
from holystone.planner.usage import Lease, Usage
from holystone.planner.verdict import KINDS, Step
from holystone.registry.probe import Answer
from holystone.registry.pull import Progress, PullCancelled, PullFailed
from holystone.store.store import Store
from holystone.usage.from_inventory import present_keys
from holystone.usage.sighting import Bookmark, UsageUpdate

_DAMAGED = ("aquasec/trivy:0.53.0",)
"""Images of which a layer is damaged on the disk of the demo host, until they are pulled again."""


class DemoHost(SimulatedHost):
    """The demo host at ``now`` (UTC seconds), with what was changed on it before.

    Where nothing was, it is as it is built in at ``began``, which is now where that is not given.

    Time stands still on it, so that a plan and what becomes of it tell the same ages.

    ``memory`` keeps the uses that are seen; ``leases`` tells those given by a moment. Raises
    DemoStateError where the kept state makes no sense.
    """

    def __init__(
        self,
        state: DemoState,
        memory: Store,
        leases: Callable[[float], Sequence[Lease]],
        now: float,
        began: float | None = None,
    ) -> None:
        kept = state.read()
        self.began = kept.began if kept is not None else now if began is None else began
        inventory, usage = demo_inventory(self.began)
        super().__init__(
            inventory,
            usage,
            clock=lambda: now,
            registries=says_no(inventory.images),
            beside=demo_beside(inventory),
        )
        self.state = state
        self.memory = memory
        self.leases = leases
        self.shelves = demo_registries(self.began)
        self.key = inventory.engine.key
        self._known = catalogue(inventory.images, self.shelves)
        self._damaged = {image_named(inventory.images, name).id for name in _DAMAGED}
        if kept is not None:
            self._apply(kept)
        self.touched.clear()

    @property
    def damaged(self) -> set[str]:
        """The IDs of the images here that are damaged."""
        return self._damaged & self.images.keys()

    def usage(self, *, demand: bool = True) -> Usage:
        """What is known of the objects that are here, and the leases as they are now."""
        leases = tuple(self.leases(self._clock()))
        unread = bool(self.memory.leases_unread())
        return super().usage(demand=demand)._replace(leases=leases, leases_unread=unread)

    def keep_uses(self, inventory: Inventory) -> Observed:
        """Remember the uses since the last look; at the first all that are known of."""
        bookmark = self.memory.recall_bookmark(self.key)
        told = demo_sightings(self.began, self._known.values(), self.shelves, bookmark.looked)
        used = {each.image for each in told}
        added = self.memory.fold(
            self.key,
            UsageUpdate(
                engine_name=inventory.engine.name,
                at=inventory.taken_at,
                bookmark=Bookmark(looked=inventory.taken_at),
                sightings=tuple(told),
                images={i: image for i, image in self._known.items() if i in used},
                present=present_keys(inventory),
            ),
        )
        since = bookmark.looked or inventory.taken_at - SINCE_LAST_LOOK
        counted = added.counted if added else ()
        recent = tuple(each for each in counted if each.at >= since)
        return Observed(since, recent, kept=added is not None)

    def keep_moment(self) -> None:
        """Keep when this host began, so that later commands find the same ages. DemoStateError."""
        self.state.add(self.began, {}, {})

    def go_on(self) -> None:
        """Have time go on from now on."""
        self._clock = time.time

    # What is done to it, and kept.

    def _carry_out(self, step: Step) -> Removal:
        with self._kept():
            return super()._carry_out(step)

    def tag(self, image_id: str, reference: str) -> None:
        """Give an image a tag, which leaves the image that had it."""
        with self._kept():
            super().tag(image_id, reference)
            self._name_by_tags()

    def missing_bytes(self, image: Image) -> int:
        """The bytes of the layers of an image that are not here."""
        # Others are pulled at the same time.
        here = list(self.images.values())
        held = {layer.chain_id for each in here for layer in each.layers or ()}
        return sum(each.size for each in image.layers or () if each.chain_id not in held)

    def pulled(self, image: Image, reference: str) -> None:
        """An image came from a registry by this reference, with a tag, which moves, or a digest."""
        with self._kept():
            named = parse(reference).complete
            here = self.images.get(image.id)
            if here is None:
                pinned = image.digests if named.digest else ()
                self.add_image(image._replace(pinned=pinned, arrived=self._clock()))
                self._damaged.discard(image.id)
                self._first_seen[image.id] = self._clock()
            else:
                digests = tuple(dict.fromkeys((*here.digests, *image.digests)))
                self.images[image.id] = here._replace(digests=digests)
            if not named.digest and named.familiar not in self.images[image.id].tags:
                super().tag(image.id, named.familiar)
            self._name_by_tags()

    # Inside.

    def _name_by_tags(self) -> None:
        """Tell of images without a tag where they had one; those with a tag need no digest."""
        for image_id, image in self.images.items():
            if image.tags and image.pinned:
                self.images[image_id] = image._replace(pinned=())
            elif not image.tags and image.digests and not image.pinned:
                repositories = {each.partition("@")[0] for each in image.digests}
                self.images[image_id] = image._replace(tagged_in=tuple(sorted(repositories)))

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Keep what changes in this block, also where it is refused in the end."""
        with self._lock:
            ids, before = self._ids(), dict(self.images)
            try:
                yield
            finally:
                left = self._ids()
                gone = {kind: ids[kind] - left[kind] for kind in KINDS}
                images = {
                    image_id: KeptImage(image.tags, image.digests, image.arrived, image.last_tagged)
                    for image_id, image in self.images.items()
                    if before.get(image_id) != image
                }
                if images or any(gone.values()):
                    self.state.add(self.began, gone, images)

    def _ids(self) -> dict[str, set[str]]:
        """Which objects are here, by kind."""
        return {kind: set(objects) for kind, objects in self._objects().items()}

    def _objects(self) -> dict[str, dict[str, Any]]:
        records, others = (self.cache, self.builder_records), (self.volumes, self.networks)
        return dict(zip(KINDS, (self.containers, self.images, *records, *others), strict=True))

    def _apply(self, kept: Kept) -> None:
        """Make the host what it was when it was left. Raises DemoStateError."""
        known = self._ids()
        known["image"] |= self._known.keys()
        for kind, names in kept.gone.items():
            for name in sorted(names - known[kind]):
                self.state.refuse_unknown(kind, name)
        for kind, objects in self._objects().items():
            for name in kept.gone.get(kind, frozenset()) & objects.keys():
                del objects[name]
                if kind == "image":
                    self._stored.give_up(name)
                elif kind == "cache":
                    self._stored.give_up_record(name)
        for image_id, each in kept.images.items():
            self._bring(image_id, each)
        self._name_by_tags()
        self._mark_shared()

    def _bring(self, image_id: str, kept: KeptImage) -> None:
        """Make an image what it was, also one that came after the beginning."""
        image = self._known.get(image_id)
        if image is None:
            self.state.refuse_unknown("image", image_id)
        for name in kept.tags + kept.digests:
            if not complete(name):
                self.state.refuse_unknown("reference", name)
        if image_id not in self.images:
            self._stored.enter(image)
        pinned = image.pinned
        if kept.arrived is not None:
            self._damaged.discard(image_id)
            self._first_seen[image_id] = kept.arrived
            pinned = pinned if kept.tags else kept.digests
        self.images[image_id] = image._replace(pinned=pinned, **kept._asdict())


class DemoPuller:
    """Pulls and names the images of the demo host; see ``registry.pull.Images``."""

    keeps_digests = True

    def __init__(self, host: DemoHost) -> None:
        self.host = host
        self._cancelled = False

    def pull(
        self,
        reference: str,
        progress: Progress,
        *,
        platform: str = "",  # noqa: ARG002 - its images have one
    ) -> str:
        """Pull a reference, at once; answers the image's ID. Raises PullFailed, PullCancelled."""
        if self._cancelled:
            raise PullCancelled("interrupted")
        image = self.host.shelves.get(reference)
        if image is None:
            raise PullFailed(f"manifest for {reference} not found: manifest unknown")
        size = self.host.missing_bytes(image)
        self.host.pulled(image, reference)
        progress(size, size)
        return image.id

    def image_id(self, reference: str) -> str | None:
        """The ID of the image a reference means now; None where there is none."""
        return Names(tuple(self.host.images.values())).behind(reference) or None

    def references(self, image_id: str) -> set[str] | None:
        """The tags and digests of an image; None where it is not there."""
        image = self.host.images.get(image_id)
        return None if image is None else {*image.tags, *image.digests}

    def tag(self, image_id: str, tag: str) -> str:
        """Give an image a tag, unless another image has it; answers that image's ID, else empty."""
        holder = self.image_id(tag)
        if holder is not None:
            return "" if holder == image_id else holder
        self.host.tag(image_id, tag)
        return ""

    def cancel(self) -> None:
        """Let no pull begin any more."""
        self._cancelled = True


def ask(host: DemoHost, references: Iterable[str]) -> dict[str, Answer]:
    """What the registries of the demo host say of complete references."""
    answers = {}
    for reference in references:
        image = host.shelves.get(reference)
        digests = frozenset(each.partition("@")[2] for each in (image.digests if image else ()))
        said = "" if image else f"{parse(reference).domain} says 'manifest unknown'"
        answers[reference] = Answer(has=image is not None, said=said, digests=digests)
    return answers

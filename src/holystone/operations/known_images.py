"""What is known of a host's images: from memory, from the engine, and from its files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from holystone.engine import image_facts
from holystone.engine.client import Client
from holystone.engine.events import Event
from holystone.planner.inventory import Image, Inventory, Layer, Note, chain_ids
from holystone.planner.names import digest_names
from holystone.store.store import Store
from holystone.usage import arrivals
from holystone.usage.store_port import ImageFacts


class KnownImages:
    """The facts of the images of one host. Each is asked for once, then remembered."""

    def __init__(self, client: Client, memory: Store) -> None:
        self.client = client
        self.memory = memory
        self.key = ""
        """The engine, as the memory knows it."""
        self.root = ""
        """The engine's data folder; empty where it is not in sight."""
        self.facts: dict[str, ImageFacts] = {}
        self.news: dict[str, ImageFacts] = {}
        """What was learned in this run."""
        self.present: set[str] = set()
        self.odd: dict[str, Note] = {}
        """What the engine does not tell of single images, by ID."""
        self.stored_at: dict[str, float] = {}
        """When images were last stored, where the engine's files were asked."""
        self.tagged_at: dict[str, float | None] = {}
        """When tagged images last got a tag, where that was asked for."""

    def begin(self, key: str, root: str, inventory: Inventory) -> set[str]:
        """Recall what is known of these images. Returns the IDs of those known before."""
        self.key, self.root, self.odd = key, root, {}
        self.facts = self.memory.recall(key, layers=False)
        known = set(self.facts)
        changed = {}
        for image in inventory.images:
            fact = self.facts.get(image.id)
            if fact is None:
                # Of an artifact nothing is unpacked, and the engine has no history of it.
                none = () if image.artifact else None
                changed[image.id] = ImageFacts(inventory.taken_at, layers=none, diff_ids=none)
            elif image.tags and fact.inspected:
                # It is dated anew when it loses its tag.
                changed[image.id] = fact._replace(inspected=False, last_tagged=None)
        self.learn(changed, inventory)
        return known

    def end(self) -> None:
        """Keep what was learned of the images that are still there."""
        if self.news or not self.present.issuperset(self.facts):
            self.memory.remember(self.key, self.news, self.present)
            self.news = {}

    def learn(self, news: Mapping[str, ImageFacts], inventory: Inventory) -> None:
        """Keep new facts, for this run and, from its end on, for the next."""
        self.facts.update(news)
        self.news.update(news)
        self.present = {image.id for image in inventory.images}
        if inventory.partial:
            self.present.update(self.facts)

    def layered(self, inventory: Inventory) -> list[Image]:
        """The images with the chain IDs of their layers; sizes do not matter."""
        self._recall_layers()
        self._read_images(inventory, self._unread(inventory))
        inventory = self._inspect(inventory, self._unread(inventory))
        stacks = ((image, self.facts[image.id].diff_ids or ()) for image in inventory.images)
        return [
            image._replace(layers=tuple(Layer(chain, 0) for chain in chain_ids(diff_ids)))
            for image, diff_ids in stacks
        ]

    def date(self, inventory: Inventory, ids: Sequence[str]) -> Inventory:
        """The inventory with when these images, which have no tag, came and lost their tag."""
        self._read_times(inventory, ids)
        self._read_images(inventory, [i for i in ids if not self.facts[i].inspected])
        return self._inspect(inventory, [i for i in ids if not self.facts[i].inspected])

    def date_tagged(self, inventory: Inventory) -> Inventory:
        """The inventory with when its tagged images got their tags."""
        known = arrivals.dated(inventory.images, self.facts)
        unknown = [each for each in inventory.images if each.tags and each.id not in known]
        found = image_facts.inspect_images(self.client, unknown, self.facts)
        self.odd |= found.odd
        self.learn(arrivals.learn_dates(unknown, found.facts), inventory)
        self.tagged_at = arrivals.dated(inventory.images, self.facts)
        self._read_times(inventory, [image.id for image in inventory.images if image.tags])
        return self.apply(inventory)

    def weigh(self, inventory: Inventory) -> Inventory:
        """The inventory with the layers of every image; asks for those of new images only."""
        self._recall_layers()
        self._read_images(inventory, [i.id for i in inventory.images if self._is_light(i)])
        self._read_content(inventory)
        inventory = self._inspect(inventory, self._unread(inventory))
        store = inventory.engine.store
        weighed = image_facts.weigh_images(
            self.client,
            self.facts,
            [image for image in inventory.images if self._is_light(image)],
            store,
            # What build cache shares with images is found by the sizes of single layers.
            each_layer=any(record.type == "regular" for record in inventory.cache),
        )
        self.learn(weighed.known, inventory)
        self.facts.update(weighed.derived)
        if store == "containerd":
            self.facts.update(image_facts.weigh_others(self.client, inventory.images, self.facts))
        for image_id, note in weighed.odd.items():
            # An inspection that failed has the engine's words.
            said = note.said or (self.odd[image_id].said if image_id in self.odd else "")
            self.odd[image_id] = note._replace(said=said)
        return self.apply(inventory)

    def settle_digests(self, inventory: Inventory, events: Sequence[Event]) -> Inventory:
        """Find out of digests whether they are names or were left behind, as far as that goes."""
        store = inventory.engine.store
        doubtful = [
            i.id for i in inventory.images if not i.odd and not digest_names(i, store).certain
        ]
        if not doubtful:
            return inventory
        inventory = self.date(inventory, doubtful)
        images = [image for image in inventory.images if image.id in set(doubtful)]
        found = arrivals.pulled_by_tag(images, self.stored_at, events)
        news = {
            image_id: self.facts[image_id]._replace(
                tagged_in=tuple(sorted(names.union(self.facts[image_id].tagged_in)))
            )
            for image_id, names in found.items()
        }
        self.learn(news, inventory)
        return self.apply(inventory)

    def apply(self, inventory: Inventory) -> Inventory:
        """The inventory, its images with all that is known of them by now."""
        store = inventory.engine.store

        def known(image: Image) -> Image:
            image = image_facts.apply_facts(image, self.facts[image.id], store)
            if image.id in self.stored_at:
                arrived = max(image.arrived or 0.0, self.stored_at[image.id])
                image = image._replace(arrived=arrived)
            if image.id in self.tagged_at:
                image = image._replace(last_tagged=self.tagged_at[image.id])
            if image.id in self.odd and self.odd[image.id].problem == "layers":
                image = image._replace(opaque=image.opaque or image.layers is None)
            return image

        notes = dict.fromkeys((*inventory.notes, *self.odd.values()))
        return inventory._replace(images=tuple(map(known, inventory.images)), notes=tuple(notes))

    def _is_light(self, image: Image) -> bool:
        return self.facts[image.id].layers is None

    def _unread(self, inventory: Inventory) -> list[str]:
        """The images whose layers were not asked for yet."""
        return [i.id for i in inventory.images if self.facts[i.id].diff_ids is None]

    def _inspect(self, inventory: Inventory, ids: Collection[str]) -> Inventory:
        """Inspect these images, but for odd ones that stay; drops the ones that are gone."""
        wanted = set(ids)
        asked = [i for i in inventory.images if i.id in wanted and not i.odd]
        found = image_facts.inspect_images(self.client, asked, self.facts)
        self.odd |= found.odd
        gone = {image.id for image in asked}.difference(found.facts, found.odd)
        images = tuple(image for image in inventory.images if image.id not in gone)
        inventory = inventory._replace(images=images)
        self.learn(_undated(found.facts, inventory), inventory)
        return self.apply(inventory)

    def _recall_layers(self) -> None:
        """Take from memory the layers of those images that were weighed before."""
        for image_id, known in self.memory.recall(self.key).items():
            fact = self.facts.get(image_id)
            if fact is not None and fact.layers is None and known.diff_ids is not None:
                self.facts[image_id] = fact._replace(
                    layers=known.layers, exact=known.exact, diff_ids=known.diff_ids
                )

    def _read_times(self, inventory: Inventory, ids: Iterable[str]) -> None:
        """Take from the engine's files, where they are here, when these images were stored."""
        if self.root:
            self.stored_at.update(arrivals.file_times(self.root, inventory.engine, ids))

    def _read_images(self, inventory: Inventory, ids: Sequence[str]) -> None:
        """Take from the files of a classic store here what would need a call an image."""
        engine = inventory.engine
        if engine.store != "classic" or not self.root or not ids:
            return
        from holystone.engine.storage.classic import read_images

        found = read_images(self.root, engine.storage_driver, ids, self.facts)
        self.learn(_undated(found, inventory), inventory)

    def _read_content(self, inventory: Inventory) -> None:
        """Take from the files of a containerd store here what no call tells.

        The blobs are quicker read again than remembered.
        """
        if inventory.engine.store != "containerd" or not self.root:
            return
        from holystone.engine.storage.containerd import read_content

        told = read_content(self.root, [image.id for image in inventory.images], self.facts)
        told |= {
            i.id: image_facts.unpacked(i, told[i.id]) for i in inventory.images if i.id in told
        }
        new = {
            i: fact
            for i, fact in told.items()
            if fact.diff_ids is not None and self.facts[i].diff_ids is None
        }
        self.facts.update(told)
        self.learn(new, inventory)


def _undated(found: Mapping[str, ImageFacts], inventory: Inventory) -> dict[str, ImageFacts]:
    """The facts, those of tagged images without when they were tagged last.

    They can be tagged again before they lose their tags, so that date must not be kept.
    """
    tagged = {image.id for image in inventory.images if image.tags}
    return {
        image_id: fact._replace(inspected=False, last_tagged=None) if image_id in tagged else fact
        for image_id, fact in found.items()
    }


def keep_names(
    memory: Store, engine: str, digests: Mapping[str, Sequence[str]], now: float
) -> None:
    """Remember that these digests, by image ID, name images that came back just now.

    The classic store does not tell them from what a tag left behind, and to the events the pulls
    were holystone's own, which name nothing.
    """
    if not digests:
        return
    known = memory.recall(engine, layers=False)
    news = {}
    for image_id, names in digests.items():
        fact = known.get(image_id) or ImageFacts(first_seen=now)
        pinned = tuple(dict.fromkeys((*fact.pinned, *names)))
        news[image_id] = fact._replace(arrived=now, pinned=pinned)
    memory.remember(engine, news, {*known, *news})

"""A real engine as a host: observed, remembered and, step by step, relieved of what may go."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from holystone.engine import image_facts, observe
from holystone.engine.activity import Touched, used_since
from holystone.engine.client import Client
from holystone.engine.containers import inspect_containers, weighed_volume, with_log
from holystone.engine.events import EventStream
from holystone.engine.host import REMOVED, Observed, Removal
from holystone.engine.observe import Lists
from holystone.engine.remove import Remover
from holystone.engine.sight import Sight, disk
from holystone.operations.digests import keep_names
from holystone.planner.inventory import Disk, Image, Inventory, Layer, Note, chain_ids
from holystone.planner.names import complete, digest_names
from holystone.planner.totals import Beside
from holystone.planner.usage import Lease, Usage
from holystone.planner.verdict import Step
from holystone.usage import arrivals
from holystone.usage.store_port import ImageFacts, Memory
from holystone.usage.tracker import UsageTracker

if TYPE_CHECKING:
    from holystone.planner.saved_plan import Since
    from holystone.registry.confirm import Confirming

_WORKERS = {"classic": 4, "containerd": 32, "podman": 4}
"""Removals at a time by kind of store; beyond these the engines gain nothing."""

_MOST_NAMED = 30
"""References asked for by name; with more the whole list is as quick."""


class LiveHost:
    """The ``Host`` behind a Docker Engine API."""

    def __init__(
        self,
        client: Client,
        memory: Memory,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """``clock`` is this machine's; see ``engine.clock`` for which clock counts for what."""
        self.client = client
        self.memory = memory
        self.clock = clock
        self.workers = 1
        self.seen = Sight()
        self.key = ""
        self.facts: dict[str, ImageFacts] = {}
        self.news: dict[str, ImageFacts] = {}
        """What was learned in this run."""
        self.present: set[str] = set()
        self.odd: dict[str, Note] = {}
        """What the engine does not tell of single images, by ID."""
        self.uses = UsageTracker(client, memory)
        self.listed = False
        """Whether the manifest lists of Podman were asked for since the last look."""
        self.stored_at: dict[str, float] = {}
        """When images were last stored, where the engine's files were asked."""
        self.tagged_at: dict[str, float | None] = {}
        """When tagged images last got a tag, where that was asked for."""
        self.ended: dict[str, float] = {}
        """When containers were first seen stopped whose end the engine does not know, by ID."""
        self.ended_before: Mapping[str, float] = {}
        """The same as it is remembered."""
        self.confirming: Confirming | None = None
        """What registries said in this run; None until one is asked."""
        self.named: Mapping[str, Sequence[str]] = {}
        """The digests that name images which came back in this run, by ID."""
        self.touched = Touched(None)
        self.remover = Remover(client, self.touched, {}, 0.0)

    def now(self) -> float:
        """The time on the engine's clock, UTC seconds."""
        return self.clock() + self.client.clock.ahead

    def watch(self) -> None:
        """Follow the events from now on. Raises EngineError."""
        if self.touched.stream is None:
            stream = EventStream(self.client)
            self.touched.watch(stream)
            self.uses.history.watch(stream)
        else:
            self.touched.forget()

    def observe(self, *, sizes: bool = False, every: bool = True) -> Inventory:
        """Everything on the engine now; see ``Host.observe``."""
        lists = Lists(self.client, sizes=sizes, untagged=not every)
        begun = lists.begun
        now = self.now()
        inventory = observe.read_lists(lists, now)
        self.workers = _WORKERS[inventory.engine.store]
        if self.client.endpoint.scheme == "ssh":
            self.workers = self.client.width
        self.seen = Sight(inventory.disk.folder, inventory.disk.unseen, inventory.disk.images)
        self.key = f"{inventory.engine.id}/{inventory.engine.store}"
        self.uses.begin(self.key)
        if self.memory.has_open(self.key):
            if inventory.partial:
                return self.observe(sizes=sizes)
            self.memory.settle_open(inventory, begun)
        if inventory.partial:
            named = self._named(inventory)
            if named is None:
                return self.observe(sizes=sizes)
            inventory = named
        self.facts = self.memory.recall(self.key, layers=False)
        known = set(self.facts)
        self._learn(self._changed(inventory.images, now), inventory)
        self.touched.observed(inventory.images)
        cache = {record.id: record for record in inventory.cache}
        self.remover.close()
        self.remover = Remover(
            self.client,
            self.touched,
            cache,
            self.now(),
            self._leases,
            self.memory.leases_unread,
        )
        self.odd, self.listed = {}, False
        containers, odd = inspect_containers(
            self.client, inventory.containers, self.seen.root, inventory.engine.store
        )
        # Where the images are on a disk of their own, that is the one that is measured.
        logs = "" if self.seen.images else self.seen.root
        containers = tuple(with_log(each, logs, inventory.engine) for each in containers)
        inventory = inventory._replace(containers=containers, notes=(*inventory.notes, *odd))
        if sizes:
            weighed = (
                weighed_volume(each, self.seen.root, inventory.engine.store)
                for each in inventory.volumes
            )
            inventory = inventory._replace(volumes=tuple(weighed))
        if inventory.cache and inventory.engine.store == "classic" and self.seen.root:
            from holystone.engine.storage.cache_bases import with_base_sizes

            inventory = with_base_sizes(inventory, self.seen.root)
        self._note_ends(inventory)
        self.uses.look(inventory, known, lambda: self._layered(inventory))
        told = arrivals.learn(self.facts, inventory, self.uses.events, self.uses.bookmark)
        self._learn(told, inventory)
        if self.uses.missed:
            self._learn(arrivals.forget_dates(self.facts, self.facts), inventory)
        moved = arrivals.tagged_by(self.uses.events, self.touched.meant_by)
        self._learn(arrivals.forget_dates(self.facts, moved), inventory)
        inventory = self._settle_digests(self._with_facts(inventory))
        if any(not image.tags for image in inventory.images):
            inventory = self._with_lists(inventory)
        return inventory

    def _named(self, inventory: Inventory) -> Inventory | None:
        """A partial inventory with the images in use, now or lately; None where it takes all.

        What an image is called, and its labels, may keep the containers made from it.
        """
        store = inventory.engine.store
        if self.uses.list_due(inventory.taken_at):
            return None
        references = self.uses.named_since(store)
        if references is None:
            return None
        here = {image.id for image in inventory.images}
        users = [each for each in inventory.containers if each.image_id not in here]
        references.update(each.image for each in users if complete(each.image))
        if len(references) > _MOST_NAMED:
            return None
        found = observe.list_named(self.client, references, store)
        more = {image.id: image for image in found if image.id not in here}
        if any(each.image_id not in more for each in users):
            return None
        return inventory._replace(images=(*inventory.images, *more.values()))

    def date(self, inventory: Inventory) -> Inventory:
        """The inventory with when its untagged images lost their tag; see ``Host.date``."""
        return self._date(inventory, [image.id for image in inventory.images if not image.tags])

    def date_tagged(self, inventory: Inventory) -> Inventory:
        """The inventory with when its tagged images got their tags; see ``Host.date_tagged``."""
        known = arrivals.dated(inventory.images, self.facts)
        unknown = [each for each in inventory.images if each.tags and each.id not in known]
        found = image_facts.inspect_images(self.client, unknown, self.facts)
        self.odd |= found.odd
        self._learn(arrivals.learn_dates(unknown, found.facts), inventory)
        self.tagged_at = arrivals.dated(inventory.images, self.facts)
        self._read_times(inventory, [image.id for image in inventory.images if image.tags])
        self.uses.hint(inventory, self.tagged_at)
        return self._with_lists(self._with_facts(inventory))

    def weigh(self, inventory: Inventory) -> Inventory:
        """The inventory with the layers of every image; asks for those of new images only."""
        self._recall_layers()
        unread = [i.id for i in inventory.images if self.facts[i.id].layers is None]
        self._read_images(inventory, unread)
        self._read_content(inventory)
        inventory = self._inspect(inventory, [i.id for i in inventory.images if self._unknown(i)])
        light = [i for i in inventory.images if self.facts[i.id].layers is None]
        store = inventory.engine.store
        # What build cache shares with images is found by the sizes of single layers.
        cached = any(record.type == "regular" for record in inventory.cache)
        weighed = image_facts.weigh_images(self.client, self.facts, light, store, each_layer=cached)
        self._learn(weighed.known, inventory)
        self.facts.update(weighed.derived)
        if store == "containerd":
            from holystone.engine.image_facts import weigh_others

            self.facts.update(weigh_others(self.client, inventory.images, self.facts))
        self.odd |= {
            image_id: note if note.said else note._replace(said=self._said(image_id))
            for image_id, note in weighed.odd.items()
        }
        inventory = self._with_facts(inventory)
        if inventory.engine.store == "classic" and any(each.shared for each in inventory.cache):
            from holystone.engine.storage.cache_bases import with_dates, with_layers

            inventory = with_dates(self.client, inventory, self.seen.root)
            inventory = with_layers(inventory, self.seen.root)
        self.uses.weighed(inventory)
        return inventory

    def confirm(
        self, inventory: Inventory, image_ids: Sequence[str], *, anew: bool = False
    ) -> Inventory:
        """The inventory with what registries say of its images; see ``Host.confirm``."""
        if self.confirming is None:
            from holystone.registry.confirm import Confirming
            from holystone.registry.credentials import Credentials
            from holystone.registry.probe import Asker

            asker = Asker(self.client, Credentials(os.environ))
            self.confirming = Confirming(asker, self.memory, self.key, self.now)
        self.confirming.note_seen(self.uses.in_registries)
        return self.confirming.confirm(inventory, image_ids, anew=anew)

    def usage(self, *, demand: bool = True) -> Usage:
        """What is remembered of the objects last observed; see ``Host.usage``."""
        ahead = self.client.clock.ahead
        leases = (each._replace(until=each.until + ahead) for each in self._leases())
        told = Usage(
            first_seen={image_id: fact.first_seen for image_id, fact in self.facts.items()},
            last_used=self.uses.last,
            leases=tuple(leases),
            leases_unread=bool(self.memory.leases_unread()),
            ended=self.ended,
        )
        if not demand:
            return told
        return told._replace(
            references=self.uses.summaries("reference"),
            company=self.memory.recall_company(self.key),
            absent=self.memory.recall_absent(self.key),
            speeds=self.memory.recall_speeds(self.key),
        )

    def used_since(self, inventory: Inventory, moment: float) -> Since:
        """What the engine's events tell of use since then; see ``Host.used_since``."""
        return used_since(self.client, inventory, moment)

    def keep_uses(self, inventory: Inventory) -> Observed:
        """Remember what was seen of use; see ``Host.keep_uses``."""
        if not self.uses.before.looked:
            self.date_tagged(inventory)
        self.weigh(inventory)
        return self.uses.keep(always=True)

    def _leases(self) -> Sequence[Lease]:
        return self.memory.recall_leases(self.clock())

    def remove(self, step: Step) -> Removal:
        """Carry out one step; see ``Host.remove``."""
        removal = self.remover.remove(step)
        if removal.result == REMOVED:
            self._went(step)
        return removal

    def _went(self, step: Step) -> None:
        """Take note that an object is gone."""
        self.present.discard(step.id)
        self.uses.removed(step.kind, step.id, self.now())
        self.ended.pop(step.id, None)

    def remove_cache(self, steps: Sequence[Step]) -> list[Removal]:
        """Carry out steps on build cache records; see ``Host.remove_cache``."""
        return self.remover.remove_cache(steps)

    def look(self, steps: Sequence[Step], removals: Sequence[Removal]) -> list[Removal]:
        """What became of steps without an answer; see ``Host.look``."""
        from holystone.engine.remove import look

        told = look(self.client.sibling(), steps, removals)
        for step, removal in zip(steps, told, strict=True):
            if removal.result == REMOVED:
                self._went(step)
        return told

    def disk(self) -> Disk:
        """The file system under the engine's data now; unknown before ``observe``."""
        return disk(self.seen)

    def beside(self, inventory: Inventory) -> Beside:
        """What the engine's data folder holds beside its objects; see ``Host.beside``."""
        from holystone.engine.storage.beside import look

        seen = self.seen
        try:
            return look(seen.root, inventory.engine, inventory.containers, images=seen.images)
        except OSError:
            return Beside()  # A folder went while it was read.

    def keep_names(self, digests: Mapping[str, Sequence[str]]) -> None:
        """Have these digests, by image ID, be kept as names of images that came back."""
        self.named = digests

    def close(self) -> None:
        """Let go of every connection, and keep what was learned of what is still there."""
        # Before what is known of images that went is forgotten: of those that were used it stays.
        self.uses.keep()
        if self.news or not self.present.issuperset(self.facts):
            self.memory.remember(self.key, self.news, self.present)
        # Now that what is known of images that went is forgotten.
        keep_names(self.memory, self.key, self.named, self.now())
        if self.ended != self.ended_before:
            self.memory.remember_ends(self.key, self.ended)
        if self.touched.stream is not None:
            self.touched.stream.close()
        self.uses.history.close()
        self.remover.close()
        self.client.close()

    def _note_ends(self, inventory: Inventory) -> None:
        """Note which containers are stopped since nobody knows when: Podman after a power cut."""
        self.ended_before = self.memory.recall_ends(self.key)
        self.ended = {
            container.id: self.ended_before.get(container.id, inventory.taken_at)
            for container in inventory.containers
            if container.stopped and container.finished is None
        }

    def _layered(self, inventory: Inventory) -> list[Image]:
        """The images with the chain IDs of their layers, of whatever size."""
        self._recall_layers()
        self._read_images(inventory, [i.id for i in inventory.images if self._unknown(i)])
        inventory = self._inspect(inventory, [i.id for i in inventory.images if self._unknown(i)])
        stacks = ((image, self.facts[image.id].diff_ids or ()) for image in inventory.images)
        return [
            image._replace(layers=tuple(Layer(chain, 0) for chain in chain_ids(diff_ids)))
            for image, diff_ids in stacks
        ]

    def _date(self, inventory: Inventory, ids: Sequence[str]) -> Inventory:
        """The inventory with when these images, which have no tag, came and lost their tag."""
        self._read_times(inventory, ids)
        self._read_images(inventory, [i for i in ids if not self.facts[i].inspected])
        return self._inspect(inventory, [i for i in ids if not self.facts[i].inspected])

    def _with_lists(self, inventory: Inventory) -> Inventory:
        """The inventory with the manifest lists that images are in; these exist on Podman alone."""
        if inventory.engine.store != "podman" or self.listed:
            return inventory
        from holystone.engine.manifest_lists import with_lists

        self.listed = True
        return with_lists(self.client, inventory)

    def _read_times(self, inventory: Inventory, ids: Sequence[str]) -> None:
        """Take from the engine's files, where they are here, when these images were stored."""
        if self.seen.root:
            engine = inventory.engine
            self.stored_at.update(arrivals.file_times(self.seen.root, engine, ids))

    def _settle_digests(self, inventory: Inventory) -> Inventory:
        """Find out of digests whether they are names or were left behind, as far as that goes."""
        store = inventory.engine.store
        doubtful = [
            i.id for i in inventory.images if not i.odd and not digest_names(i, store).certain
        ]
        if not doubtful:
            return inventory
        inventory = self._date(inventory, doubtful)
        images = [image for image in inventory.images if image.id in set(doubtful)]
        found = arrivals.pulled_by_tag(images, self.stored_at, self.uses.events)
        news = {
            image_id: self.facts[image_id]._replace(
                tagged_in=tuple(sorted(names.union(self.facts[image_id].tagged_in)))
            )
            for image_id, names in found.items()
        }
        self._learn(news, inventory)
        return self._with_facts(inventory)

    def _said(self, image_id: str) -> str:
        """What the engine answered to an inspection that it failed."""
        return self.odd[image_id].said if image_id in self.odd else ""

    def _unknown(self, image: Image) -> bool:
        return self.facts[image.id].diff_ids is None

    def _changed(self, images: Iterable[Image], now: float) -> dict[str, ImageFacts]:
        """Facts of images that are new, or got a tag: it dates them anew when they lose it."""
        changed = {}
        for image in images:
            fact = self.facts.get(image.id)
            if fact is None:
                # Of an artifact nothing is unpacked, and the engine has no history of it.
                none = () if image.artifact else None
                changed[image.id] = ImageFacts(first_seen=now, layers=none, diff_ids=none)
            elif image.tags and fact.inspected:
                changed[image.id] = fact._replace(inspected=False, last_tagged=None)
        return changed

    def _inspect(self, inventory: Inventory, ids: Sequence[str]) -> Inventory:
        """Inspect these images, but for odd ones that stay; drops the ones that are gone."""
        wanted = set(ids)
        inspected = [i for i in inventory.images if i.id in wanted and not i.odd]
        asked = {image.id for image in inspected}
        found = image_facts.inspect_images(self.client, inspected, self.facts)
        self.odd |= found.odd
        gone = asked.difference(found.facts, found.odd)
        images = tuple(image for image in inventory.images if image.id not in gone)
        inventory = inventory._replace(images=images)
        self._learn(self._undated(found.facts, inventory), inventory)
        return self._with_facts(inventory)

    def _recall_layers(self) -> None:
        """Take from memory the layers of those images that were weighed before."""
        for image_id, known in self.memory.recall(self.key).items():
            fact = self.facts.get(image_id)
            if fact is not None and fact.layers is None and known.diff_ids is not None:
                self.facts[image_id] = fact._replace(
                    layers=known.layers, exact=known.exact, diff_ids=known.diff_ids
                )

    def _read_images(self, inventory: Inventory, ids: Sequence[str]) -> None:
        """Take from the files of a classic store here what would need a call an image."""
        engine = inventory.engine
        if engine.store != "classic" or not self.seen.root or not ids:
            return
        from holystone.engine.storage.classic import read_images

        found = read_images(self.seen.root, engine.storage_driver, ids, self.facts)
        self._learn(self._undated(found, inventory), inventory)

    def _read_content(self, inventory: Inventory) -> None:
        """Take from the files of a containerd store here what no call tells.

        The blobs are quicker read again than remembered.
        """
        if inventory.engine.store != "containerd" or not self.seen.root:
            return
        from holystone.engine.storage.containerd import read_content

        ids = [image.id for image in inventory.images]
        told = read_content(self.seen.root, ids, self.facts)
        told |= {
            i.id: image_facts.unpacked(i, told[i.id]) for i in inventory.images if i.id in told
        }
        new = {
            i: fact
            for i, fact in told.items()
            if fact.diff_ids is not None and self.facts[i].diff_ids is None
        }
        self.facts.update(told)
        self._learn(new, inventory)

    def _undated(self, found: dict[str, ImageFacts], inventory: Inventory) -> dict[str, ImageFacts]:
        """The facts, those of tagged images without when they were tagged last.

        They can be tagged again before they lose their tags, so that date must not be kept.
        """
        tagged = {image.id for image in inventory.images if image.tags}
        return {
            image_id: fact._replace(inspected=False, last_tagged=None)
            if image_id in tagged
            else fact
            for image_id, fact in found.items()
        }

    def _learn(self, news: Mapping[str, ImageFacts], inventory: Inventory) -> None:
        """Keep new facts, for this run and, from its end on, for the next."""
        self.facts.update(news)
        self.news.update(news)
        self.present = {image.id for image in inventory.images}
        if inventory.partial:
            self.present.update(self.facts)

    def _with_facts(self, inventory: Inventory) -> Inventory:
        """The inventory, its images with all that is known of them by now."""
        store = inventory.engine.store
        images = [
            image_facts.apply_facts(image, self.facts[image.id], store)
            for image in inventory.images
        ]
        if self.stored_at:
            images = [
                image._replace(arrived=max(image.arrived or 0.0, self.stored_at[image.id]))
                if image.id in self.stored_at
                else image
                for image in images
            ]
        if self.tagged_at:
            images = [
                image._replace(last_tagged=self.tagged_at.get(image.id, image.last_tagged))
                for image in images
            ]
        if self.odd:
            images = [
                image._replace(opaque=image.opaque or image.layers is None)
                if image.id in self.odd and self.odd[image.id].problem == "layers"
                else image
                for image in images
            ]
        notes = dict.fromkeys((*inventory.notes, *self.odd.values()))
        return inventory._replace(images=tuple(images), notes=tuple(notes))

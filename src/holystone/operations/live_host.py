"""A real engine as a host: observe it, remember facts about it, and remove objects step by step."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from holystone.engine import observe
from holystone.engine.activity import Touched, used_since
from holystone.engine.client import Client
from holystone.engine.containers import inspect_containers, weighed_volume, with_log
from holystone.engine.errors import EngineError
from holystone.engine.events import Event, EventStream
from holystone.engine.host import REMOVED, Observed, Removal
from holystone.engine.observe import Begun, Lists
from holystone.engine.remove import Remover, look
from holystone.engine.sight import Sight, disk
from holystone.operations.known_images import KnownImages, keep_names
from holystone.planner.builders import parted
from holystone.planner.inventory import Disk, Inventory
from holystone.planner.names import complete
from holystone.planner.totals import Beside
from holystone.planner.usage import Lease, Usage
from holystone.planner.verdict import Step
from holystone.store.hosts import identify
from holystone.store.store import Store
from holystone.usage import arrivals
from holystone.usage.tracker import UsageTracker

if TYPE_CHECKING:
    from holystone.planner.usage import Since
    from holystone.registry.confirm import Confirming

_WORKERS = {"classic": 4, "containerd": 32, "podman": 4}
"""Removals at a time by kind of store; beyond these the engines gain nothing."""

_MOST_NAMED = 30
"""Most references to request by name; with more the whole list is as quick."""


class First(NamedTuple):
    """What an engine listed, its images the untagged ones alone."""

    inventory: Inventory
    asked_at: float
    """When it was asked for that, UTC seconds on this machine's clock."""


class LiveHost:
    """The ``Host`` behind a Docker Engine API."""

    def __init__(
        self,
        client: Client,
        memory: Store,
        *,
        clock: Callable[[], float] = time.time,
        begun: Begun | None = None,
    ) -> None:
        """``clock`` is this machine's; see ``engine.clock`` for which clock counts for what.

        ``begun`` is what the engine was asked for already.
        """
        self.client = client
        self.memory = memory
        self.clock = clock
        self.begun = begun
        self.workers = 1
        self.seen = Sight()
        self.key = ""
        self.images = KnownImages(client, memory)
        self.uses = UsageTracker(client, memory)
        self.listed = False
        """Whether the manifest lists of Podman were asked for since the last look."""
        self.ended: dict[str, float] = {}
        """When containers were first seen stopped whose end the engine does not know, by ID."""
        self.ended_before: Mapping[str, float] = {}
        """The same as it is remembered."""
        self.confirming: Confirming | None = None
        """What registries said in this run; None until one is asked."""
        self.named: Mapping[str, Sequence[str]] = {}
        """The digests that name images which came back in this run, by ID."""
        self.touched = Touched(None)
        self.moves: deque[Event] = deque()
        """The events since the first look, where they are followed."""
        self.first: First | None = None
        """The last look, where it was partial, and events are followed since."""
        self.remover = Remover(client, self.touched, {}, 0.0)

    def now(self) -> float:
        """The time on the engine's clock, UTC seconds."""
        return self.clock() + self.client.clock.ahead

    def watch(self) -> None:
        """Follow the events from now on. Raises EngineError."""
        if self.touched.stream is not None:
            self.touched.forget()
            return
        stream = (self.begun and self.begun.stream) or EventStream(self.client)
        self.touched.watch(stream)
        self.uses.history.watch(stream)
        self.moves = stream.inbox()

    def observe(self, *, sizes: bool = False, every: bool = True) -> Inventory:
        """Everything on the engine now; see ``Host.observe``."""
        if self.begun is not None and self.begun.stream is not None and not self.touched.stream:
            self.watch()
        inventory, asked_at = self._listed(sizes=sizes, every=every)
        return self._known(inventory, asked_at, sizes=sizes)

    def complete(self, *, sizes: bool = False) -> Inventory:
        """The look that was just taken, with every image; see ``Host.complete``."""
        first, self.first = self.first, None
        if first is None or self._images_moved():
            return self.observe(sizes=sizes)
        inventory = observe.with_all_images(self.client, first.inventory)
        if self._images_moved():
            return self.observe(sizes=sizes)
        return self._known(inventory, first.asked_at, sizes=sizes)

    def identified(self, inventory: Inventory) -> Inventory:
        """The inventory with the UUID that the ledger gave its host."""
        engine, where = inventory.engine, self.client.endpoint.url
        host = identify(self.memory, engine, where, self.clock())
        return inventory._replace(engine=engine._replace(host=host))

    def _known(self, inventory: Inventory, asked_at: float, *, sizes: bool) -> Inventory:
        """What was listed, with what is remembered of it and what inspections tell."""
        inventory = self.identified(inventory)
        engine, store = inventory.engine, inventory.engine.store
        over_ssh = self.client.endpoint.scheme == "ssh"
        self.workers = self.client.width if over_ssh else _WORKERS[store]
        self.seen = Sight(inventory.disk.folder, inventory.disk.unseen, inventory.disk.images)
        self.key = engine.key
        self.uses.begin(self.key)
        if self.memory.has_open(self.key):
            if inventory.partial:
                return self.complete(sizes=sizes)
            self.memory.settle_open(self._with_open_builders(inventory), asked_at)
        if inventory.partial:
            named = self._named(inventory)
            if named is None:
                return self.complete(sizes=sizes)
            inventory = named
        known = self.images.begin(self.key, self.seen.root, inventory)
        self.touched.observed(inventory.images)
        self.remover.close()
        self.remover = Remover(
            self.client,
            self.touched,
            {record.id: record for record in inventory.cache},
            self.now(),
            self._leases,
            self.memory.leases_unread,
        )
        self.listed = False
        inventory = self._looked_into(inventory, sizes=sizes)
        self.ended_before = self.memory.recall_ends(self.key)
        # Podman does not know when containers stopped that a power cut ended.
        self.ended = {
            each.id: self.ended_before.get(each.id, inventory.taken_at)
            for each in inventory.containers
            if each.stopped and each.finished is None
        }
        self.uses.look(inventory, known, lambda: self.images.layered(inventory))
        events, facts = self.uses.events, self.images.facts
        self.images.learn(arrivals.learn(facts, inventory, events, self.uses.bookmark), inventory)
        if self.uses.missed:
            self.images.learn(arrivals.forget_dates(facts, facts), inventory)
        moved = arrivals.tagged_by(events, self.touched.meant_by)
        self.images.learn(arrivals.forget_dates(facts, moved), inventory)
        inventory = self.images.settle_digests(self.images.apply(inventory), events)
        if any(not image.tags for image in inventory.images):
            inventory = self._with_lists(inventory)
        return inventory

    def _with_open_builders(self, inventory: Inventory) -> Inventory:
        """The inventory with the builders that removals without a result are about."""
        open_ones = {parted(each)[0] for each in self.memory.open_builder_records(self.key)}
        if not open_ones:
            return inventory
        from holystone.engine.builders import with_builders

        return with_builders(self.client, inventory, open_ones.__contains__)

    def _listed(self, *, sizes: bool, every: bool) -> tuple[Inventory, float]:
        """What the engine lists, and when it was asked for that, on this machine's clock."""
        begun, self.begun, self.first = self.begun, None, None
        if begun is not None and (begun.lists.sizes, begun.lists.untagged) != (sizes, not every):
            begun.lists.close()
            begun = None
        if begun is None:
            self.moves.clear()
            lists, waited = Lists(self.client, sizes=sizes, untagged=not every), 0.0
        else:
            # What happened since they were asked for may not be in the lists. Measured before the
            # clock is read: a look must not be dated before it was asked for.
            lists, waited = begun.lists, max(0.0, time.time() - begun.lists.begun)
        inventory = observe.read_lists(lists, self.now() - waited)
        if inventory.partial and self.touched.stream is not None:
            self.first = First(inventory, lists.begun)
        return inventory, lists.begun

    def _images_moved(self) -> bool:
        """Whether an event since the first look is one of an image."""
        try:
            if self.touched.stream is not None:
                # Only received: an event names an image, and not all images are known yet.
                self.touched.stream.poll()
        except EngineError:
            return True
        return any(event.kind == "image" for event in self.moves)

    def _looked_into(self, inventory: Inventory, *, sizes: bool) -> Inventory:
        """The inventory with what inspections and files tell of containers, volumes and cache."""
        engine, root = inventory.engine, self.seen.root
        containers, odd = inspect_containers(self.client, inventory.containers, root, engine.store)
        # Where the images are on a disk of their own, that is the one that is measured.
        logs = "" if self.seen.images else root
        inventory = inventory._replace(
            containers=tuple(with_log(each, logs, engine) for each in containers),
            notes=(*inventory.notes, *odd),
        )
        if sizes:
            volumes = (weighed_volume(each, root, engine.store) for each in inventory.volumes)
            inventory = inventory._replace(volumes=tuple(volumes))
        if inventory.cache and engine.store == "classic" and root:
            from holystone.engine.storage.cache_bases import with_base_sizes

            inventory = with_base_sizes(inventory, root)
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
        untagged = [image.id for image in inventory.images if not image.tags]
        return self.images.date(inventory, untagged)

    def date_tagged(self, inventory: Inventory) -> Inventory:
        """The inventory with when its tagged images got their tags; see ``Host.date_tagged``."""
        dated = self.images.date_tagged(inventory)
        self.uses.hint(inventory, self.images.tagged_at)
        return self._with_lists(dated)

    def weigh(self, inventory: Inventory) -> Inventory:
        """The inventory with the layers of every image; see ``Host.weigh``."""
        inventory = self.images.weigh(inventory)
        if inventory.engine.store == "classic" and any(each.shared for each in inventory.cache):
            from holystone.engine.storage.cache_bases import with_holders

            inventory = with_holders(self.client, inventory, self.seen.root)
        self.uses.weighed(inventory)
        return inventory

    def _with_lists(self, inventory: Inventory) -> Inventory:
        """The inventory with the manifest lists that images are in; these exist on Podman alone."""
        if inventory.engine.store != "podman" or self.listed:
            return inventory
        from holystone.engine.manifest_lists import with_lists

        self.listed = True
        return with_lists(self.client, inventory)

    def ask_builders(self, inventory: Inventory, wanted: Callable[[str], bool]) -> Inventory:
        """The inventory with its builders outside the engine; see ``Host.ask_builders``."""
        from holystone.engine.builders import with_builders  # Few plans take it.

        asked = with_builders(self.client, inventory, wanted)
        self.remover.know_builders(asked.builders, self.now())
        return asked

    def confirm(
        self, inventory: Inventory, image_ids: Sequence[str], *, anew: bool = False
    ) -> Inventory:
        """The inventory with what registries say of its images; see ``Host.confirm``."""
        if self.confirming is None:
            from holystone.registry.confirm import confirming

            self.confirming = confirming(self.client, os.environ, self.memory, self.key, self.now)
        self.confirming.note_seen(self.uses.in_registries)
        return self.confirming.confirm(inventory, image_ids, anew=anew)

    def usage(self, *, demand: bool = True) -> Usage:
        """What is remembered of the objects last observed; see ``Host.usage``."""
        ahead = self.client.clock.ahead
        told = Usage(
            first_seen={image: fact.first_seen for image, fact in self.images.facts.items()},
            last_used=self.uses.last,
            leases=tuple(each._replace(until=each.until + ahead) for each in self._leases()),
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
        self._note(step, removal)
        return removal

    def _note(self, step: Step, removal: Removal) -> None:
        """Take note where an object is gone."""
        if removal.result == REMOVED:
            self.images.present.discard(step.id)
            self.uses.removed(step.kind, step.id, self.now())
            self.ended.pop(step.id, None)

    def remove_cache(self, steps: Sequence[Step]) -> list[Removal]:
        """Carry out steps on build cache records; see ``Host.remove_cache``."""
        return self.remover.remove_cache(steps)

    def remove_from_builder(self, steps: Sequence[Step]) -> list[Removal]:
        """Carry out steps on the records of one builder; see ``Host.remove_from_builder``."""
        return self.remover.remove_from_builder(steps)

    def look(self, steps: Sequence[Step], removals: Sequence[Removal]) -> list[Removal]:
        """The results of steps without an answer; see ``Host.look``."""
        told = look(self.client.sibling(), steps, removals, self.remover.container_of)
        for step, removal in zip(steps, told, strict=True):
            self._note(step, removal)
        return told

    def disk(self) -> Disk:
        """The file system under the engine's data now; unknown before ``observe``."""
        return disk(self.seen)

    def beside(self, inventory: Inventory) -> Beside:
        """What the engine's data folder holds beside its objects; see ``Host.beside``."""
        from holystone.engine.storage import beside

        seen = self.seen
        try:
            return beside.look(
                seen.root, inventory.engine, inventory.containers, images=seen.images
            )
        except OSError:
            return Beside()  # A folder went while it was read.

    def keep_names(self, digests: Mapping[str, Sequence[str]]) -> None:
        """Have these digests, by image ID, be kept as names of images that came back."""
        self.named = digests

    def keep(self) -> None:
        """Keep what was learned of what is still there."""
        # Before what is known of images that went is forgotten: of those that were used it stays.
        self.uses.keep()
        self.images.end()
        # Now that what is known of images that went is forgotten.
        keep_names(self.memory, self.key, self.named, self.now())
        if self.ended != self.ended_before:
            self.memory.remember_ends(self.key, self.ended)
            self.ended_before = dict(self.ended)

    def close(self) -> None:
        """Let go of every connection, and keep what was learned."""
        self.keep()
        if self.touched.stream is not None:
            self.touched.stream.close()
        self.uses.history.close()
        self.remover.close()
        self.client.close()

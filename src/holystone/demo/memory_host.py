"""A host in memory, for ``--host demo:`` and for tests."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from holystone.demo.engine import SimulatedEngine
from holystone.engine.errors import EngineRefused
from holystone.engine.host import FAILED, REMOVED, SKIPPED, Observed, Removal
from holystone.planner.inventory import Image, Inventory
from holystone.planner.names import Names
from holystone.planner.totals import Beside
from holystone.planner.usage import Since, Usage
from holystone.planner.verdict import Step
from holystone.usage.from_inventory import of_containers
from holystone.usage.sighting import Sighting, last_seen

SINCE_LAST_LOOK = 900.0
"""Seconds between the looks at a simulated host."""
USED = "used since planned"
"""The reason to skip what an event touched, in the words of the host behind a real engine."""


class SimulatedHost(SimulatedEngine):
    """A ``Host`` whose objects are those of an inventory, until they are removed or changed.

    ``clock`` gives the time, UTC seconds; by default it stands still at the inventory's.
    ``compressed`` and ``record_layers``: see ``SimulatedEngine``. ``before_remove`` is called with
    each step before it is carried out, and may change the host. ``registries`` has what
    registries answer, and in which words, by repository or digest as the engine writes it; of all
    others they have every image.
    """

    def __init__(
        self,
        inventory: Inventory,
        usage: Usage | None = None,
        *,
        clock: Callable[[], float] | None = None,
        compressed: Mapping[str, int] | None = None,
        record_layers: Mapping[str, str] | None = None,
        before_remove: Callable[[Step], None] | None = None,
        workers: int = 4,
        registries: Mapping[str, tuple[bool | None, str]] | None = None,
        beside: Beside = Beside(read=True),  # noqa: B008 - immutable
    ) -> None:
        clock = clock or (lambda: inventory.taken_at)
        super().__init__(inventory, clock, compressed, record_layers)
        self.workers = workers
        self.before_remove = before_remove
        self.registries = registries or {}
        self._answers: dict[str, tuple[bool | None, str, float]] = {}
        self._inventory = inventory
        self._beside = beside
        self._usage = usage or Usage()
        self._first_seen = dict(self._usage.first_seen)
        self._last_used = dict(self._usage.last_used)

    def watch(self) -> None:
        """Follow what is used from now on."""
        self.touched.clear()

    def observe(self, *, sizes: bool = False, every: bool = True) -> Inventory:  # noqa: ARG002
        """Everything on the host now; layers and all sizes are known without asking."""
        with self._lock:
            now = self._clock()
            for image_id in self.images:
                self._first_seen.setdefault(image_id, now)
            inventory = self._inventory._replace(
                taken_at=now,
                images=tuple(self.images.values()),
                containers=tuple(self.containers.values()),
                cache=tuple(self.cache.values()),
                volumes=tuple(
                    each if sizes else each._replace(size=None) for each in self.volumes.values()
                ),
                networks=tuple(self.networks.values()),
                disk=self.disk(),
                builders=(),
            )
            seen = last_seen(of_containers(inventory, Names(inventory.images)))
            for key, at in seen.items():
                self._last_used[key] = max(at, self._last_used.get(key, 0.0))
            return inventory

    def complete(self, *, sizes: bool = False) -> Inventory:
        """Everything: no look at this host is partial."""
        return self.observe(sizes=sizes)

    def date(self, inventory: Inventory) -> Inventory:
        """The inventory as it is: when an image lost its tag is always known here."""
        return inventory

    def date_tagged(self, inventory: Inventory) -> Inventory:
        """The same inventory: every date is known."""
        return inventory

    def weigh(self, inventory: Inventory) -> Inventory:
        """The inventory as it is: layers are always known here."""
        return inventory

    def ask_builders(self, inventory: Inventory, wanted: Callable[[str], bool]) -> Inventory:
        """The inventory with what is left in those of its builders that are wanted."""
        with self._lock:
            builders = [
                each._replace(
                    records=tuple(r for r in each.records if r.id in self.builder_records)
                    if each.records is not None and wanted(each.name)
                    else None
                )
                for each in self._inventory.builders
            ]
        return inventory._replace(builders=tuple(builders))

    def confirm(
        self, inventory: Inventory, image_ids: Sequence[str], *, anew: bool = False
    ) -> Inventory:
        """The inventory with what registries say: that they have it, or ``registries`` tells."""
        with self._lock:
            now = self._clock()
            for image in inventory.images:
                known = self._answers.get(image.id)
                if image.digests and image.id in image_ids and (anew or known is None):
                    self._answers[image.id] = (*self._ask(image), now)
            images = list(inventory.images)
            for place, image in enumerate(images):
                if image.id in self._answers:
                    has, said, at = self._answers[image.id]
                    images[place] = image._replace(
                        in_registry=has, registry_said=said, registry_asked=at
                    )
        return inventory._replace(images=tuple(images))

    def _ask(self, image: Image) -> tuple[bool | None, str]:
        names = (known for name in image.digests for known in (name, name.partition("@")[0]))
        return next((self.registries[n] for n in names if n in self.registries), (True, ""))

    def usage(self, *, demand: bool = True) -> Usage:  # noqa: ARG002 - all of it is in memory
        """What is known of the objects that are here, and the leases that were given."""
        here: dict[str, Collection[str]] = {
            "image": self.images,
            "volume": self.volumes,
            "network": self.networks,
        }
        with self._lock:
            return self._usage._replace(
                first_seen={i: seen for i, seen in self._first_seen.items() if i in self.images},
                last_used={
                    key: at for key, at in self._last_used.items() if key[1] in here.get(key[0], ())
                },
            )

    def used_since(self, inventory: Inventory, moment: float) -> Since:  # noqa: ARG002
        """What was used since then, by what is remembered: every use is."""
        with self._lock:
            used = {key for key, at in self._last_used.items() if at > moment}
        return Since(moment, frozenset(used))

    def keep_uses(self, inventory: Inventory) -> Observed:
        """The uses of the last while, as if the look before had been then; nothing is kept."""
        since = inventory.taken_at - SINCE_LAST_LOOK
        names = Names(inventory.images)
        counted = [
            Sighting(use.latest, reference, names.behind(reference))
            for reference, use in self._usage.references.items()
            if use.latest >= since
        ]
        return Observed(since, tuple(sorted(counted)))

    def remove(self, step: Step) -> Removal:
        """Carry out one step, unless something used its object since ``watch``."""
        if self.before_remove is not None:
            self.before_remove(step)
        with self._lock:
            if step.id in self.touched:
                return Removal(SKIPPED, USED)
            try:
                return self._carry_out(step)
            except EngineRefused as refusal:
                gone = refusal.status == 404
                return Removal(
                    SKIPPED, "already gone" if gone else f"the engine refused: {refusal.words}"
                )

    def remove_cache(self, steps: Sequence[Step]) -> list[Removal]:
        """Carry out steps on build cache records one by one."""
        return [self.remove(step) for step in steps]

    def remove_from_builder(self, steps: Sequence[Step]) -> list[Removal]:
        """Carry out steps on the records of a builder one by one."""
        return [self.remove(step) for step in steps]

    def look(self, steps: Sequence[Step], removals: Sequence[Removal]) -> list[Removal]:  # noqa: ARG002
        """The results as they are: this engine always answers."""
        return list(removals)

    def beside(self, inventory: Inventory) -> Beside:
        """What was given, without the logs of containers that are gone."""
        here = {container.id for container in inventory.containers}
        logs = tuple(log for log in self._beside.logs if log.container_id in here)
        return self._beside._replace(logs=logs)

    def close(self) -> None:
        """Nothing to let go of."""

    def _carry_out(self, step: Step) -> Removal:
        if step.kind == "image":
            # With the last tag of a repository its digests go as well.
            if any(self.delete_image(target) for target in step.targets):
                return Removal(REMOVED)
            return Removal(SKIPPED, "it has another reference by now, and lost only the old one")
        if step.kind == "container" and any(other in self.containers for other in step.after):
            return Removal(SKIPPED, "a container that needs it stayed")
        if step.kind == "cache":
            if self.prune_cache_record(step.id):
                return Removal(REMOVED)
            record = self.cache.get(step.id)
            if record is not None and record.in_use:
                return Removal(SKIPPED, "in use by a build")
            return Removal(SKIPPED, "another record that stays is made from it")
        if step.kind == "builder":
            gone = self.prune_builder_record(step.id)
            return Removal(REMOVED) if gone else Removal(SKIPPED, "its builder still needs it")
        delete = {
            "container": self.delete_container,
            "volume": self.delete_volume,
            "network": self.delete_network,
        }.get(step.kind)
        if delete is None:
            return Removal(FAILED, f"holystone cannot remove a {step.kind}")
        delete(step.id)
        return Removal(REMOVED)

"""A simulated engine that the images of a trace come to, with its uses in a real ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import NamedTuple

from holystone.demo.memory_host import SimulatedHost
from holystone.planner.demand import SPEED
from holystone.planner.inventory import Disk, Engine, Image, Inventory, Layer
from holystone.planner.names import complete, repository
from holystone.planner.ranking import WAIT
from holystone.planner.reference import parse
from holystone.planner.usage import Usage
from holystone.store.store import Store
from holystone.usage.from_inventory import present_keys
from holystone.usage.sighting import Bookmark, Sighting, UsageUpdate

ENGINE = Engine("trace", "trace", "28.5.0", "1.51", "overlay2")


class Pull(NamedTuple):
    """An image that comes over a link of 100 Mbit/s."""

    number: int
    """The image, by its number in the trace."""
    reference: str
    bytes: int
    begins: float
    """When its bytes begin to come, UTC seconds."""

    @property
    def ends(self) -> float:
        """When it is whole."""
        return self.begins + self.bytes / SPEED

    def coming(self, now: float) -> int:
        """The bytes of it that are not on the disk yet."""
        return min(self.bytes, max(0, int((self.ends - now) * SPEED)))


class TracedHost(SimulatedHost):
    """A host whose images are those of a trace, by number, and are pulled one after another.

    ``layers`` has those of each image. What is seen of use goes to ``memory``, and what a plan
    knows of it comes from there, as with an engine that is real.
    """

    def __init__(
        self,
        layers: Sequence[tuple[Layer, ...]],
        disk: Disk,
        memory: Store,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(Inventory(ENGINE, clock(), disk=disk), clock=clock, workers=1)
        self.layers = layers
        self.memory = memory
        self.pull: Pull | None = None
        self.pulled_bytes = 0
        self.stalls = 0
        self._seen: list[Sighting] = []
        self._used: dict[str, Image] = {}

    # What jobs do

    def has(self, number: int) -> bool:
        """Whether an image is here, whole."""
        return image_id(number) in self.images

    def begin(self, reference: str, number: int) -> Pull:
        """Begin to pull an image. Its layers that are here already are not removed meanwhile."""
        before = self._stored.total
        self._stored.enter(self._coming(number))
        missing = self._stored.total - before
        self.pulled_bytes += missing
        self.stalls += bool(missing)
        self.pull = Pull(number, reference, missing, self._clock() + WAIT)
        return self.pull

    def end(self) -> Pull:
        """The image that was pulled is here now."""
        pull, self.pull = self.pull, None
        if pull is None:
            raise ValueError("nothing is being pulled")
        now = self._clock()
        self.add_image(
            Image(
                image_id(pull.number),
                created=now,
                size=sum(each.size for each in self.layers[pull.number]),
                layers=self.layers[pull.number],
                arrived=now,
                from_registry=True,
            )
        )
        self._stored.give_up(self._coming(pull.number).id)
        return pull

    def use(self, reference: str, number: int, *, pulled: bool = False) -> None:
        """A job begins with an image that is here; the reference means it from now on."""
        found, full = image_id(number), parse(reference).complete
        image = self.images[found]
        named = f"{repository(full.familiar)}@sha256:{_digest(number)}"
        if full.digest:
            named = full._replace(tag="").familiar
            pinned = (*image.pinned, *({named} - {*image.pinned}))
            self.images[found] = image = image._replace(pinned=pinned)
        elif full.familiar not in image.tags:
            self.tag(found, full.familiar)
            image = self.images[found]
        self.images[found] = image._replace(
            digests=tuple(dict.fromkeys((*image.digests, named))),
            tagged_in=tuple(dict.fromkeys((*image.tagged_in, repository(full.familiar)))),
        )
        self.touched.add(found)
        self._used[found] = self.images[found]
        self._seen.append(Sighting(self._clock(), complete(reference), found, pulled=pulled))

    # What the agent asks

    def disk(self) -> Disk:
        """The disk, with so much of the image under way as is there."""
        disk = super().disk()
        if self.pull is None or disk.free_bytes is None:
            return disk
        return disk._replace(free_bytes=disk.free_bytes + self.pull.coming(self._clock()))

    def observe(self, *, sizes: bool = False, every: bool = True) -> Inventory:
        """Everything on the host now. What was seen of use since the last look is remembered."""
        inventory = super().observe(sizes=sizes, every=every)
        seen, used = self._seen, self._used
        self._seen, self._used = [], {}
        self.memory.fold(
            ENGINE.key,
            UsageUpdate(
                engine_name=ENGINE.name,
                at=inventory.taken_at,
                bookmark=Bookmark(looked=inventory.taken_at),
                sightings=tuple(seen),
                images=used,
                present=present_keys(inventory),
            ),
        )
        return inventory

    def usage(self, *, demand: bool = True) -> Usage:
        """What is remembered of the objects that are here and, with ``demand``, of references."""
        uses = self.memory.recall_uses(ENGINE.key)
        told = super().usage(demand=demand)
        told = told._replace(
            last_used={key: at for key, at in uses.items() if key[1] in self.images}
        )
        if not demand:
            return told
        return told._replace(
            references=self.memory.recall_summaries(ENGINE.key, "reference"),
            company=self.memory.recall_company(ENGINE.key),
            absent=self.memory.recall_absent(ENGINE.key),
        )

    def _coming(self, number: int) -> Image:
        return Image(f"coming {number}", layers=self.layers[number])


def image_id(number: int) -> str:
    """The ID of an image of a trace."""
    return f"sha256:{_digest(number)}"


def _digest(number: int) -> str:
    return sha256(str(number).encode()).hexdigest()

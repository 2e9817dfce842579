"""The seam between holystone and a host, real or simulated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    # What removes needs the results alone; the planner is imported while an engine works.
    from holystone.planner.inventory import Disk, Inventory
    from holystone.planner.totals import Beside
    from holystone.planner.usage import Since, Usage
    from holystone.planner.verdict import Step
    from holystone.usage.sighting import Sighting

REMOVED = "removed"
SKIPPED = "skipped"
FAILED = "failed"
UNKNOWN = "unknown"
NOT_TRIED = "not_tried"
"""How a removal ends. ``unknown``: it was asked for, and no answer came: it may have been made.
``not_tried``: the run ended before it was asked for."""

GONE = "the engine went away"
"""Why a step was not tried, or got no answer."""
ALREADY_GONE = "already gone"
"""The detail of a step whose object another client has removed."""
USED = "used since planned"
"""The detail of a step whose object was used since the plan was made."""


class Removal(NamedTuple):
    """How one step ended: one of the words above, and why."""

    result: str
    detail: str = ""
    lost: tuple[str, ...] = ()
    """The references that an image lost by this step, where the image itself was not removed."""


class Observed(NamedTuple):
    """The uses seen since the last look that stored anything."""

    since: float
    """When that look was, UTC seconds; 0 at the first."""
    counted: tuple[Sighting, ...] = ()
    """The uses of references, each once, in order of time."""
    missed: tuple[str, ...] = ()
    """Why there may have been more; empty where there were not."""
    kept: bool = True
    """Whether it is remembered."""


class Host(Protocol):
    """The interface of a host: observe, plan and execute need it."""

    workers: int
    """How many removals at a time the host gains from."""

    def watch(self) -> None:
        """Follow events from now on: call this before ``observe`` if objects will be removed."""

    def observe(self, *, sizes: bool = False, every: bool = True) -> Inventory:
        """Everything on the host now, as far as lists tell it.

        Without ``every`` it may leave out images that have a tag, and then sets ``partial``.

        With ``sizes`` also what costs the engine a walk over its files: the writable size of
        running containers, and volumes. Raises EngineError.
        """

    def complete(self, *, sizes: bool = False) -> Inventory:
        """The look that was just taken and is ``partial``, with every image. Raises EngineError.

        The other objects are as they were. Where images changed meanwhile, or the host cannot tell,
        it is a new look; ``sizes`` as in ``observe``.
        """

    def date(self, inventory: Inventory) -> Inventory:
        """The same inventory, its untagged images with when they last had a tag."""

    def date_tagged(self, inventory: Inventory) -> Inventory:
        """The same inventory, its tagged images with when they last got a tag."""

    def weigh(self, inventory: Inventory) -> Inventory:
        """The same inventory with the layers of every image. Raises EngineError."""

    def ask_builders(self, inventory: Inventory, wanted: Callable[[str], bool]) -> Inventory:
        """The same inventory with the builders outside the engine, some with their records.

        ``wanted`` takes the name of a builder and says whether to ask it; one that does not answer
        has a note. Raises EngineError where the engine itself does not answer.
        """

    def confirm(
        self, inventory: Inventory, image_ids: Sequence[str], *, anew: bool = False
    ) -> Inventory:
        """The same inventory, its images with what their registries say: ``in_registry``.

        They are asked about these images, unless they said yes or no within a day; of the others
        what is remembered is told. ``anew``: they are asked in any case. An image without a digest
        is as it was. No answer is no error: ``registry_said`` tells it.
        """

    def usage(self, *, demand: bool = True) -> Usage:
        """The stored facts about the objects last observed.

        ``demand``: with the past requests that decide what goes first where space runs out.
        """

    def used_since(self, inventory: Inventory, moment: float) -> Since:
        """The uses in the host's events since then (UTC seconds). Raises EngineError."""

    def keep_uses(self, inventory: Inventory) -> Observed:
        """Remember what was seen of use, which else ``close`` does; what it was.

        Asks beforehand for what can be told of the images only while they are here.
        """

    def remove(self, step: Step) -> Removal:
        """Carry out one step, unless something used its object since ``watch``.

        Safe to call from several threads. Raises EngineError where the engine no longer answers.
        """

    def remove_cache(self, steps: Sequence[Step]) -> list[Removal]:
        """Carry out steps on build cache records, which an engine deletes many at a time.

        Children come before parents: in the same call, or in an earlier one. Raises EngineError as
        ``remove``.
        """

    def remove_from_builder(self, steps: Sequence[Step]) -> list[Removal]:
        """Carry out steps on the records of one builder, as ``remove_cache`` does."""

    def look(self, steps: Sequence[Step], removals: Sequence[Removal]) -> list[Removal]:
        """The results of removals without an answer, by a look at their objects.

        ``removals`` are the results so far. One stays ``unknown`` where the engine still does not
        answer. Never fails.
        """

    def disk(self) -> Disk:
        """The file system under the engine's data as it is now."""

    def beside(self, inventory: Inventory) -> Beside:
        """The files in the engine's data folder beside the objects of its lists. Never fails."""

    def close(self) -> None:
        """Let go of every connection."""

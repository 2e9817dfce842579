"""Reserve images for a job: make leases, and end them early."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from holystone.operations.errors import OperationError, RequestError
from holystone.planner.glob import has_marks
from holystone.planner.inventory import Inventory
from holystone.planner.lookup import closest, covering, did_you_mean
from holystone.planner.names import familiar
from holystone.planner.reference import InvalidReference
from holystone.planner.usage import Lease
from holystone.store.store import Store
from holystone.store.use_log import Known, engines

_REFERENCE = "reference"
"""The kind under which the store keeps the uses of references."""


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases that were made or ended, and notes for the user."""

    leases: Sequence[Lease]
    notes: Sequence[str] = ()


def give(store: Store, images: Sequence[str], *, seconds: float, job: str = "") -> Leases:
    """Keep these images for ``seconds`` from now on; no clean takes them meanwhile.

    Raises RequestError for what is no image's name, and StoreError.
    """
    now = time.time()
    try:
        leases = store.leases.add(images, until=now + seconds, job=job, now=now)
    except InvalidReference as fault:
        raise RequestError(str(fault)) from None
    return Leases(leases, _unlike_known(store, images))


def release(store: Store, images: Sequence[str] = (), *, job: str | None = None) -> Leases:
    """End the leases on these images, or on all; of this job, or with None of any.

    Raises OperationError for a pattern that covers no lease, RequestError for what is no image's
    name, and StoreError.
    """
    now = time.time()
    names = [lease.reference for lease in store.leases.list(now)]
    try:
        ended = store.leases.release(_leased(names, images), job=job, now=now)
    except InvalidReference as fault:
        raise RequestError(str(fault)) from None
    near = "" if ended else next(filter(None, (did_you_mean(names, each) for each in images)), "")
    return Leases(ended, (f"nothing was released.{near}",) if near else ())


def tags_meant(inventory: Inventory, images: Sequence[str]) -> list[str]:
    """The images, with the tags on the host in place of each pattern.

    Raises OperationError for a pattern that covers nothing.
    """
    tags = [tag for image in inventory.images for tag in image.tags]
    found: dict[str, None] = {}
    for text in images:
        met = [text]
        if has_marks(text):
            met = list(filter(covering(tags, text), tags))
            if not met:
                near = did_you_mean(tags, text.strip("*?/"))
                raise OperationError(f"no image on this host is covered by {text!r}.{near}")
        found.update(dict.fromkeys(met))
    return list(found)


def _leased(names: Sequence[str], images: Sequence[str]) -> list[str]:
    """The images, with those of the leases in place of patterns and ends of names."""
    own = {familiar(name) for name in names}
    found: list[str] = []
    for text in images:
        if not has_marks(text) and familiar(text) in own:
            found.append(text)
            continue
        met = list(filter(covering(names, text), names))
        if not met and has_marks(text):
            near = did_you_mean(names, text)
            raise OperationError(f"there is no lease that {text!r} covers.{near}")
        found += met or [text]
    return list(dict.fromkeys(found))


def _unlike_known(store: Store, images: Sequence[str]) -> list[str]:
    """A note for each image never used here, if the name of another image ends like that."""
    none: list[Known] = []
    known = {
        familiar(name)
        for engine in store.try_read(engines, none)
        for name in store.recall_summaries(engine.key, _REFERENCE)
    }
    notes = []
    for text in images:
        name = familiar(text)
        if not known or name in known:
            continue
        ends = covering(known, text)
        if near := [each for each in closest(known, name) if ends(each)]:
            notes.append(
                f"no use of {name} is known here. Did you mean {' or '.join(near)}? The lease is "
                f"for {name}."
            )
    return notes

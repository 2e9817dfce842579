"""The objects of a host that names on a command line mean."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.operations.errors import OperationError
from holystone.outside.text import safe
from holystone.planner.inventory import Inventory
from holystone.planner.lookup import did_you_mean, find, names_of

_LISTS = {
    "image": ("image", "images"),
    "container": ("container", "containers"),
    "volume": ("volume", "volumes"),
    "cache": ("build cache record", "cache"),
}
"""What an object of each kind is called, and the command that lists it."""


def objects_meant(inventory: Inventory, kind: str, names: Sequence[str]) -> set[str]:
    """The IDs of the objects of a kind that any of these names means; of a volume its name.

    Raises OperationError for a name that means none, with those that are close.
    """
    meant: set[str] = set()
    for text in names:
        found = find(inventory, text, (kind,))
        if not found:
            what, command = _LISTS[kind]
            near = safe(did_you_mean(names_of(inventory, (kind,)), text))
            said = f"there is no {what} {text!r}.{near} `holystone {command}` lists them."
            raise OperationError(said)
        meant |= {each.id for each in found}
    return meant

"""A memory that keeps nothing, for tests of a single look at a host."""

from __future__ import annotations

from holystone.store.store import Store


class Forgetful(Store):
    """A store without a folder: nothing is read or kept."""

    def __init__(self) -> None:
        super().__init__("", lambda _: None)
        # Whatever the users of the machine have.
        self.recall_leases = lambda now: ()

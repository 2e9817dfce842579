"""Ask BuildKit in a builder's container, as ``docker buildx`` does: ``buildctl dial-stdio`` there.

The program hands its input and output on to BuildKit's socket. BuildKit then speaks the same
gRPC as the one inside an engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from holystone.engine.buildkit import MOST_PRUNED, list_records
from holystone.engine.cache import CacheRemover, doubted, prune_over
from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineUnreachable
from holystone.planner.builders import builders_of, record_id
from holystone.planner.inventory import Builder, CacheRecord, Inventory, Note

if TYPE_CHECKING:
    from holystone.engine.grpc import Channel

_DIAL = ("buildctl", "dial-stdio")


def open_builder(client: Client, container: str) -> Channel:
    """A connection to BuildKit in this running container, by ID; the caller's to close.

    Raises EngineRefused where there is no ``buildctl`` in it, EngineUnreachable, ProtocolError.
    """
    # Few commands ask a builder, and h2 takes 40 ms to import.
    from holystone.engine.exec_stream import ExecStream
    from holystone.engine.grpc import Channel

    return Channel(ExecStream(client, container, _DIAL))


def list_builder(client: Client, container: str) -> list[CacheRecord]:
    """The records that BuildKit in this container keeps, with BuildKit's own IDs. EngineError."""

    def ask() -> list[CacheRecord]:
        with closing(open_builder(client, container)) as channel:
            return list_records(channel)

    return doubted(ask, ask())


def with_builders(client: Client, inventory: Inventory, wanted: Callable[[str], bool]) -> Inventory:
    """The inventory with its builders, those asked for their records that ``wanted`` chooses.

    ``wanted`` takes a builder's name. One that does not answer has a ``problem``, and a note.
    Raises EngineUnreachable where the engine itself is gone.
    """
    builders = []
    notes = list(inventory.notes)
    for builder in builders_of(inventory):
        if wanted(builder.name):
            asked = _asked(client, builder)
            if asked.problem:
                notes.append(Note("builder", "builder", asked.name, asked.name, asked.problem))
            builders.append(asked)
        else:
            builders.append(builder)
    return inventory._replace(builders=tuple(builders), notes=tuple(notes))


def _asked(client: Client, builder: Builder) -> Builder:
    if builder.problem:
        return builder
    try:
        records = list_builder(client, builder.container)
    except EngineUnreachable:
        raise
    except EngineError as error:
        return builder._replace(problem=f"BuildKit did not answer: {error}")
    named = partial(_named, builder.name)
    return builder._replace(records=tuple(map(named, records)))


class BuilderRemover(CacheRemover):
    """Deletes records of one builder, by BuildKit's own IDs. Not for several threads at once."""

    def __init__(
        self, container: str, planned: Mapping[str, CacheRecord], listed_at: float
    ) -> None:
        """``container`` is the ID of the builder's; for the rest see ``CacheRemover``."""
        super().__init__(planned, listed_at)
        self.container = container

    def listed(self, client: Client) -> dict[str, CacheRecord]:
        """The builder's records as they are now, by ID. Raises EngineError."""
        return {record.id: record for record in list_builder(client, self.container)}

    def delete(self, client: Client, record_ids: Sequence[str]) -> Iterator[set[str]]:
        """The records that BuildKit deletes, call by call.

        Raises ProtocolError where a call broke off, and may have deleted some.
        """
        for start in range(0, len(record_ids), MOST_PRUNED):
            channel = open_builder(client, self.container)
            yield prune_over(channel, record_ids[start : start + MOST_PRUNED])


def _named(builder: str, record: CacheRecord) -> CacheRecord:
    """A record with IDs that are unique on the host."""
    parents = tuple(record_id(builder, parent) for parent in record.parents)
    return record._replace(id=record_id(builder, record.id), parents=parents)

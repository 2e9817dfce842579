"""Write the uses that a store knows of as a trace, which ``replay`` reads."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from holystone.operations.errors import OperationError
from holystone.planner.names import familiar
from holystone.replay.trace import written
from holystone.store import use_log
from holystone.store.store import Store

_DIGITS = 16
"""So many digits of a layer's chain ID name it: 64 bits, which no two have in common."""
_NOTHING = (
    "no usage is recorded yet. holystone observe records it, and so does every command that "
    "looks at a host"
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What a trace has in it. Times are UTC seconds, None where it has nothing."""

    uses: int = 0
    references: int = 0
    images: int = 0
    pulls: int = 0
    """How many uses had to pull their image."""
    first: float | None = None
    last: float | None = None


def export(store: Store, engine: str | None, put: Callable[[str], object]) -> Exported:
    """Give ``put`` every line of the trace of one engine; returns what was in it.

    ``engine`` is the name of its host, its ID, the host's UUID, or one of these two and its image
    store; None where only one is known. Raises OperationError where it is not clear which, and
    StoreError.
    """
    if not store.exists():
        raise OperationError(_NOTHING)
    return store.read(
        lambda database: write_trace(database, _chosen(use_log.engines(database), engine), put)
    )


def _chosen(engines: Sequence[use_log.Known], wanted: str | None) -> str:
    """The engine to export. Raises OperationError where it is not clear which."""
    if not engines:
        raise OperationError(_NOTHING)
    meant = [each.key for each in engines if wanted == each.key]
    meant = meant or [each.key for each in engines if wanted in (None, each.name, *_names(each))]
    if len(meant) == 1:
        return meant[0]
    names = [_names(each) for each in engines]
    # An engine has uses of two image stores where it was given the other one; and two hosts that
    # were made from one template have engines of one ID.
    count = Counter(name for each in names for name in set(each))
    told = [next((name for name in each if count[name] == 1), each[-1]) for each in names]
    known = "\n".join(f"  {i}  {each.name}" for i, each in zip(told, engines, strict=True))
    if wanted is None or meant:
        raise OperationError(
            f"uses of several engines are known; say which with --engine ID:\n{known}"
        )
    raise OperationError(f"no use is known of an engine {wanted!r}; known are:\n{known}")


def _names(engine: use_log.Known) -> tuple[str, ...]:
    """What tells an engine from others, the shortest first; the last does so for certain."""
    host, _, store = engine.key.rpartition("/")
    return engine.engine_id, f"{engine.engine_id}/{store}", host, engine.key


def write_trace(
    database: sqlite3.Connection, engine: str, put: Callable[[str], object]
) -> Exported:
    """Give ``put`` all that is known of the uses on an engine. Raises DamagedStoreError."""
    images = use_log.images(database, engine)
    name = cache(familiar)
    references, used = set(), set()
    uses = pulls = 0
    first = last = None

    def told() -> Iterator[tuple[float, str, str, bool]]:
        nonlocal uses, pulls, first, last
        for use in use_log.uses(database, engine):
            references.add(use.reference)
            used.add(use.image)
            first, last = use.at if first is None else first, use.at
            uses, pulls = uses + 1, pulls + use.pulled
            yield int(use.at), name(use.reference), str(use.image), use.pulled

    layers = {
        str(number): [
            (chain_id.rpartition(":")[2][:_DIGITS], size) for chain_id, size in each.layers
        ]
        for number, each in images.items()
    }
    created = {str(number): int(each.created) for number, each in images.items() if each.created}
    for line in written(layers, told(), created):
        put(f"{line}\n")
    return Exported(uses, len(references), len(used), pulls, first, last)

"""The store: stored facts about images and their use, runs, leases and pulls."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Concatenate, ParamSpec, TypeVar

from holystone.planner.names import complete
from holystone.store import audits, engine_facts, image_facts, scheduled, successes, use_log
from holystone.store import usage as uses
from holystone.store.database import Database
from holystone.store.leases import Leases
from holystone.store.runs import Runs
from holystone.usage.sighting import Bookmark

P = ParamSpec("P")
T = TypeVar("T")


def _read(
    action: Callable[Concatenate[sqlite3.Connection, P], T], nothing: Callable[[], T]
) -> Callable[Concatenate[Database, P], T]:
    """A method that reads; it answers ``nothing``, with a warning, where the ledger fails."""

    def method(self: Database, /, *arguments: P.args, **named: P.kwargs) -> T:
        return self.try_read(lambda database: action(database, *arguments, **named), nothing())

    return method


def _write(
    action: Callable[Concatenate[sqlite3.Connection, P], T],
) -> Callable[Concatenate[Database, P], T | None]:
    """A method that writes; it answers None, with a warning, where the ledger fails."""

    def method(self: Database, /, *arguments: P.args, **named: P.kwargs) -> T | None:
        return self.try_write(lambda database: action(database, *arguments, **named))

    return method


class Store(Database):
    """All that is remembered, in one state folder.

    The memory of a host is a help and not a condition: where the file cannot be used, there is a
    warning and nothing is remembered; where it can only be read (a full disk), a warning and
    nothing is kept.
    """

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        super().__init__(folder, warn)
        self.runs = Runs(self)
        """The runs and what they removed."""
        self.leases = Leases(self)
        """What jobs said they will need."""
        self.recall_leases = self.leases.current
        self.has_open = self.runs.has_open
        self.open_builder_records = self.runs.open_builder_records
        self.settle_open = self.runs.settle

    recall_engine = _read(engine_facts.recall_info, lambda: None)
    remember_engine = _write(engine_facts.remember_info)
    recall = _read(image_facts.recall, dict)
    remember = _write(image_facts.remember)
    recall_uses = _read(uses.recall, dict)
    recall_bookmark = _read(uses.recall_bookmark, Bookmark)
    recall_summaries = _read(uses.recall_summaries, dict)
    recall_company = _read(uses.recall_company, dict)
    recall_absent = _read(use_log.absent, dict)
    recall_pulls = _read(engine_facts.recall_pulls, dict)
    remember_pulls = _write(engine_facts.remember_pulls)
    recall_ends = _read(engine_facts.recall_ends, dict)
    remember_ends = _write(engine_facts.remember_ends)
    recall_registry = _read(engine_facts.recall_registry, dict)
    remember_registry = _write(engine_facts.remember_registry)
    fold = _write(uses.remember)
    recall_schedule = _read(scheduled.recall, dict)
    remember_schedule = _write(scheduled.remember)
    forget_schedule = _write(scheduled.forget)
    recall_successes = _read(successes.recall, dict)
    remember_success = _write(successes.remember)
    recall_audit = _read(audits.recall, lambda: None)
    remember_audit = _write(audits.remember)

    def recall_speeds(self, engine: str) -> dict[str, float]:
        """How fast images came from each registry, bytes a second; none where the ledger fails."""
        pulls = self.recall_pulls(engine)
        return {registry: speed.bytes_per_second for registry, speed in pulls.items()}

    @contextmanager
    def own_pulls(
        self, engine: str, references: Iterable[str], clock: Callable[[], float] = time.time
    ) -> Iterator[None]:
        """While holystone itself pulls or tags by these references: that is no use of them.

        ``clock`` is the engine's, which dates the events of these pulls.
        """
        wanted = [name for name in map(complete, references) if name]
        began = clock()
        self.try_write(lambda database: uses.begin_pulls(database, engine, wanted, began))
        try:
            yield
        finally:
            self.try_write(lambda database: uses.end_pulls(database, engine, began, clock()))

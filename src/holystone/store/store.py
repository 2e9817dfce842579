"""One ledger in one folder: opened when it is first needed, and never in the way of a clean."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from holystone.outside.text import safe
from holystone.planner.usage import Followers, Key, Use
from holystone.store import ends, engines, lease_file, registries
from holystone.store import image_facts as facts
from holystone.store import recovery as killed
from holystone.store import usage as uses
from holystone.store import use_log as past
from holystone.store.database import (
    FILE,
    DamagedStoreError,
    Opened,
    is_damage,
    is_no_text,
    open_database,
    roll_back,
    set_aside,
)
from holystone.store.folder import MEND, StoreError
from holystone.store.soundness import Mended, SpoiledError, in_words, mend, pass_over
from holystone.usage.sighting import Bookmark, Folded, UsageUpdate
from holystone.usage.store_port import ImageFacts, RegistryWord

if TYPE_CHECKING:
    from holystone.planner.inventory import Inventory
    from holystone.planner.usage import Lease
    from holystone.store.leases import Leases
    from holystone.store.pull_speeds import Speeds
    from holystone.store.runs import Runs

T = TypeVar("T")
_MOST_MENDED = 2
"""How often rows are looked for that make no sense, before the whole file is given up."""


class Store:
    """What is remembered between runs: of images and their use, runs, leases, pulls.

    It is the ``Memory`` of a host, and a memory is a help, not a condition: where the file cannot
    be used, ``warn`` is called once and nothing is remembered; where it can only be read (a full
    disk), once, and nothing is kept. What says that it raises StoreError does not warn instead.
    A damaged file is set aside in any case, with a warning, and a new one begun.

    Safe to use from several threads.
    """

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self.folder = os.path.abspath(folder) if folder else ""
        self.path = os.path.join(self.folder, FILE)
        self.warn = warn
        self._opened: Opened | None = None
        self._lock = threading.RLock()
        self._usable = True
        self._writable = True
        self._leases_lost = ""
        self._mended = 0

    @cached_property
    def runs(self) -> Runs:
        """The runs and what they removed."""
        from holystone.store.runs import Runs

        return Runs(self)

    @cached_property
    def leases(self) -> Leases:
        """What jobs said they will need."""
        from holystone.store.leases import Leases

        return Leases(self)

    @cached_property
    def speeds(self) -> Speeds:
        """How fast images came from each registry."""
        from holystone.store.pull_speeds import Speeds

        return Speeds(self)

    def recall_engine(self, mark: str, now: float) -> dict[str, Any] | None:
        """What an engine said of itself lately; None where the ledger does not have it."""
        return self.try_read(lambda database: engines.recall(database, mark, now), None)

    def remember_engine(self, mark: str, info: Mapping[str, Any], now: float) -> None:
        """Keep what an engine said of itself."""
        self.try_write(lambda database: engines.keep(database, mark, info, now))

    def recall(self, engine: str, *, layers: bool = True) -> dict[str, ImageFacts]:
        """What is known of this engine's images; nothing where the ledger fails."""
        return self.try_read(lambda database: facts.recall(database, engine, layers=layers), {})

    def remember(
        self, engine: str, news: Mapping[str, ImageFacts], present: Collection[str]
    ) -> None:
        """Keep these facts, and forget what is known of images that are gone."""
        self.try_write(lambda database: facts.remember(database, engine, news, present))

    def recall_uses(self, engine: str) -> dict[Key, float]:
        """When each object of this engine was last used; nothing where the ledger fails."""
        return self.try_read(lambda database: uses.recall(database, engine), {})

    def recall_bookmark(self, engine: str) -> Bookmark:
        """How far the history of this engine was read; nowhere where the ledger fails."""
        return self.try_read(lambda database: uses.recall_bookmark(database, engine), Bookmark())

    def recall_summaries(self, engine: str, kind: str) -> dict[str, Use]:
        """What is known of the uses of each of a kind; nothing where the ledger fails."""
        return self.try_read(lambda database: uses.recall_summaries(database, engine, kind), {})

    def recall_company(self, engine: str) -> dict[str, Followers]:
        """What was used soon after each reference; nothing where the ledger fails."""
        return self.try_read(lambda database: uses.recall_company(database, engine), {})

    def recall_absent(self, engine: str) -> dict[str, Sequence[tuple[str, int]]]:
        """The layers of what references last meant and is gone; none where the ledger fails."""
        none: dict[str, Sequence[tuple[str, int]]] = {}
        return self.try_read(lambda database: past.absent(database, engine), none)

    def recall_speeds(self, engine: str) -> dict[str, float]:
        """How fast images came from each registry; nothing where the ledger fails."""
        speeds = self.speeds.read(engine)
        return {registry: speed.bytes_per_second for registry, speed in speeds.items()}

    def recall_ends(self, engine: str) -> dict[str, float]:
        """When containers were first seen stopped; none where the ledger fails."""
        return self.try_read(lambda database: ends.recall(database, engine), {})

    def remember_ends(self, engine: str, ended: Mapping[str, float]) -> None:
        """Keep these, and forget all others of this engine."""
        self.try_write(lambda database: ends.remember(database, engine, ended))

    def recall_registry(self, engine: str) -> dict[str, RegistryWord]:
        """What registries said of images; nothing where the ledger fails."""
        return self.try_read(lambda database: registries.recall(database, engine), {})

    def remember_registry(
        self, engine: str, words: Mapping[str, RegistryWord], present: Collection[str]
    ) -> None:
        """Keep these answers, and forget references that are not among ``present``."""
        self.try_write(lambda database: registries.remember(database, engine, words, present))

    def fold(self, engine: str, update: UsageUpdate) -> Folded | None:
        """Add what a look saw, and forget objects that are gone; None where the ledger fails."""
        return self.try_write(lambda database: uses.remember(database, engine, update))

    @contextmanager
    def own_pulls(
        self, engine: str, references: Iterable[str], clock: Callable[[], float] = time.time
    ) -> Iterator[None]:
        """While holystone itself pulls or tags by these references: that is no use of them.

        ``clock`` is the engine's, which dates the events of these pulls.
        """
        from holystone.planner.names import complete

        wanted = [name for name in map(complete, references) if name]
        began = clock()
        self.try_write(lambda database: uses.begin_pulls(database, engine, wanted, began))
        try:
            yield
        finally:
            self.try_write(lambda database: uses.end_pulls(database, engine, began, clock()))

    def recall_leases(self, now: float) -> tuple[Lease, ...]:
        """The leases that have not ended; none where the ledger fails."""
        return self.leases.current(now)

    def has_open(self, engine: str) -> bool:
        """Whether removals on this engine are to be settled; no where the ledger fails."""
        return self.exists() and self.try_read(
            lambda database: killed.is_open(database, engine), otherwise=False
        )

    def settle_open(self, inventory: Inventory, looked_at: float) -> None:
        """Settle them by what is there; see ``Runs.settle``."""
        self.runs.settle(inventory, looked_at)

    def leases_unread(self) -> str:
        """Why there may be leases that cannot be read; empty where they can, or there are none."""
        if not self._leases_lost and self._may_have_leases():
            with self._lock:
                try:
                    self.read(lambda database: database.execute("SELECT * FROM lease").fetchall())
                except StoreError as error:
                    self._leases_lost = str(error)
        return self._leases_lost

    def exists(self) -> bool:
        """Whether there is anything to read; also where there is no folder, which reading tells."""
        return self._opened is not None or not self.folder or self._may_be_there()

    def read(self, action: Callable[[sqlite3.Connection], T]) -> T:
        """What this reads, all of it as it is at one moment. Raises StoreError."""

        def look(database: sqlite3.Connection) -> T:
            # Else what another process writes in between looks like a record that makes no sense.
            database.execute("BEGIN")
            try:
                return action(database)
            finally:
                roll_back(database)

        return self._do(look)

    def write(self, action: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """Make these changes, all or none. ``durable``: wait for the disk. Raises StoreError."""

        def change(database: sqlite3.Connection) -> T:
            if self._opened is not None and self._opened.trouble:
                raise StoreError(self._unwritten(self._opened.trouble))
            if durable:
                database.execute("PRAGMA synchronous = FULL")
            try:
                database.execute("BEGIN IMMEDIATE")
                result = action(database)
                database.execute("COMMIT")
            except BaseException:
                roll_back(database)
                raise
            finally:
                if durable:
                    database.execute("PRAGMA synchronous = NORMAL")
            return result

        return self._do(change)

    def try_read(self, action: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """What this reads, or ``otherwise`` where the ledger fails."""
        with self._lock:
            if not self._usable:
                return otherwise
            try:
                return self.read(action)
            except StoreError as error:
                self._usable = self._writable = False
                self.warn(f"{error}{self._stays(error)} Going on without memory of earlier runs.")
                return otherwise

    def try_write(
        self, action: Callable[[sqlite3.Connection], T], *, durable: bool = False
    ) -> T | None:
        """Make these changes, all or none; None where the ledger fails."""
        with self._lock:
            if not self._writable:
                return None
            try:
                return self.write(action, durable=durable)
            except StoreError as error:
                self._writable = False
                if self._opened is None:
                    self._usable = False
                    stays = self._stays(error)
                    self.warn(f"{error}{stays} Going on without memory of earlier runs.")
                else:
                    self.warn(f"{error} Going on; nothing of this run is remembered.")
                return None

    def _stays(self, error: StoreError) -> str:
        """What follows for leases from a ledger that cannot be read, in words."""
        if not self._may_have_leases():
            return ""
        self._leases_lost = str(error)
        return " Its leases cannot be read, so every image stays."

    def _may_have_leases(self) -> bool:
        return bool(self.folder) and self._may_be_there()

    def _may_be_there(self) -> bool:
        """Whether there is a file; also where nobody can tell, as where this user may not look."""
        try:
            os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                with suppress(sqlite3.Error):
                    opened.database.close()

    def _do(self, action: Callable[[sqlite3.Connection], T]) -> T:
        with self._lock:
            for _ in range(5):
                try:
                    if self._opened is None:
                        self._opened = open_database(self.folder)
                    return action(self._opened.database)
                except SpoiledError as error:
                    self._mend(str(error), texts=False)
                except DamagedStoreError as error:
                    self._set_aside(str(error))
                except sqlite3.Error as error:
                    if is_no_text(error):
                        self._mend(str(error), texts=True)
                        continue
                    if not self._is_damaged(error):
                        raise StoreError(self._unwritten(str(error))) from None
                    self._set_aside(str(error))
                except (OverflowError, UnicodeError) as error:
                    raise StoreError(self._unwritten(str(error))) from None
            raise StoreError(f"the ledger {self.path} is damaged again and again. {MEND}")

    def _unwritten(self, why: str) -> str:
        return f"cannot use the ledger {self.path}: {why}. {MEND}"

    def _is_damaged(self, error: sqlite3.Error) -> bool:
        """Whether the file is broken, and not only this use of it."""
        if isinstance(error, sqlite3.IntegrityError) and self._opened is not None:
            # An index that does not belong to its table looks like a record made twice.
            with suppress(sqlite3.Error):
                checked = self._opened.database.execute("PRAGMA integrity_check(1)").fetchone()
                return bool(checked != ("ok",))
        return is_damage(error)

    def _mend(self, fault: str, *, texts: bool) -> None:
        """Do without the rows that make no sense, and say what was lost. Raises StoreError.

        Where no such row is found, or it cannot be told apart, the file is set aside.
        """
        opened = self._opened
        if opened is None or self._mended >= _MOST_MENDED:
            self._set_aside(fault)
            return
        # What a quick look does not find, a slow one does.
        texts = texts or self._mended > 0
        self._mended += 1
        try:
            mended, again = self._without(opened, texts=texts)
        except sqlite3.Error as error:
            if is_damage(error):
                self._set_aside(str(error))
                return
            raise StoreError(self._unwritten(str(error))) from None
        opened.database.sound.clear()
        if mended:
            self.warn(
                f"the ledger {self.path} had rows that make no sense, and goes on without them. "
                f"Lost, by table: {in_words(mended)}.{again}"
            )

    def _without(self, opened: Opened, *, texts: bool) -> tuple[list[Mended], str]:
        """Remove what makes no sense, or pass it over where nothing can be written."""
        database = opened.database
        if opened.trouble:
            return pass_over(database, texts=texts), ""
        try:
            database.execute("BEGIN IMMEDIATE")
            mended = mend(database, texts=texts)
            again = self._leases_again(database) if "lease" in {m.table for m in mended} else ""
            database.execute("COMMIT")
        except sqlite3.OperationalError as error:
            roll_back(database)
            if is_damage(error):
                raise
            # A full disk, or somebody who writes all the time.
            return pass_over(database, texts=texts), ""
        except BaseException:
            roll_back(database)
            raise
        return mended, again

    def _leases_again(self, database: sqlite3.Connection) -> str:
        """Put back leases that the file beside the database still knows; answers that in words."""
        try:
            known = lease_file.read(self.folder).leases
        except StoreError as error:
            self._leases_lost = str(error)
            return " Its leases cannot be read elsewhere, so every image stays in this run."
        current = [each for each in known if each.until > time.time()]
        back = database.executemany("INSERT OR IGNORE INTO lease VALUES (?, ?, ?, ?)", current)
        return f" Leases put back from {lease_file.NAME}: {max(back.rowcount, 0)}."

    def _set_aside(self, fault: str) -> None:
        """Make room for a new file, and take the leases along. Raises StoreError."""
        leases = self._readable_leases()
        fault = safe(fault.partition(" with text ")[0])
        inode = None if self._opened is None else self._opened.inode
        self.close()
        name, rescued = set_aside(self.folder, inode)
        if name:
            told = ", ".join(f"{table} {count}" for table, count in rescued.items())
            rows = f" Rows rescued, by table: {told}." if rescued else ""
            lost = " Leases that were in it may be lost." if self._leases_lost else ""
            self.warn(
                f"the ledger {self.path} is damaged: {fault}. "
                f"It is now {name}, and a new one is begun.{rows}{lost}"
            )
        if leases:

            def take_along(database: sqlite3.Connection) -> None:
                database.executemany("INSERT OR IGNORE INTO lease VALUES (?, ?, ?, ?)", leases)
                publish(database, self.folder)

            from holystone.store.leases import publish

            self.write(take_along)

    def _readable_leases(self) -> list[lease_file.Kept]:
        """The leases of a file that is damaged somewhere: from it, and from the file beside it.

        Notes where neither can be read.
        """
        found: list[lease_file.Kept] = []
        try:
            if self._opened is not None:
                rows = self._opened.database.execute(
                    "SELECT reference, job, written, until FROM lease"
                ).fetchall()
                types = [str, str, str, float]
                found = [
                    lease_file.Kept(*row) for row in rows if [type(each) for each in row] == types
                ]
        except sqlite3.Error:
            pass
        try:
            beside = lease_file.read(self.folder)
        except StoreError as error:
            self._leases_lost = str(error)
            return found
        return [*beside.leases, *found]

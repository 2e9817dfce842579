"""Read and write the database: open it at first use, repair it or set it aside if it is damaged."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from types import EllipsisType
from typing import TypeVar

from holystone.outside.text import safe
from holystone.store import DamagedStoreError, StoreError, lease_file
from holystone.store.damage import set_aside
from holystone.store.folder import FILE, MEND
from holystone.store.opening import BESIDE, Opened, is_damage, open_database, roll_back
from holystone.store.schema import SpoiledError, in_words, mend, pass_over

T = TypeVar("T")
_MOST_TRIES = 5
_MOST_MENDED = 2
"""How often one call looks for rows that make no sense, before the whole file is given up."""
_SLOW_SECONDS = 0.5
_REST = 10.0
"""A fault that took long is tried again after ten times as long: it must not hold up a clean."""
_QUIET_SECONDS = 3600.0
"""Who was told that nothing is remembered need not hear for so long of each thing that is not."""
_UNREAD_SECONDS = 60.0
"""A failed look at the leases counts so long, also for a thread that asks a moment later."""


class Database:
    """The SQLite file of a state folder, made at the first write.

    ``read`` and ``write`` raise StoreError. ``try_read`` and ``try_write`` warn instead, once for
    each fault, and a later call tries again. A damaged file is set aside with a warning, and a new
    one begun. Safe to use from several threads.
    """

    def __init__(self, folder: str, warn: Callable[[str], None]) -> None:
        self.folder = os.path.abspath(folder) if folder else ""
        self.path = os.path.join(self.folder, FILE)
        self.warn = warn
        self._opened: Opened | None = None
        self._lock = threading.RLock()
        self._told: set[str] = set()
        self._quiet_until = 0.0
        self._rest_until = {"read": 0.0, "write": 0.0}
        self._leases_lost = ""
        self._leases_unread = ""
        self._unread_until = 0.0

    def exists(self) -> bool:
        """Whether there may be data; True without a folder too: reading then gives the error."""
        return self._opened is not None or not self.folder or self._may_be_there()

    def size(self) -> int | None:
        """Bytes of the file and of what SQLite keeps beside it; None where it cannot be seen."""
        if not self.folder:
            return None
        try:
            total = os.lstat(self.path).st_size
        except OSError:
            return None
        for suffix in BESIDE:
            # They come and go with the connections.
            with suppress(OSError):
                total += os.lstat(self.path + suffix).st_size
        return total

    def read(self, action: Callable[[sqlite3.Connection], T], nothing: T | EllipsisType = ...) -> T:
        """What this reads, all of it as of one moment. Raises StoreError.

        Where there is no file yet it answers ``nothing`` or, without that, makes one.
        """

        def look(connection: sqlite3.Connection) -> T:
            # Else what another process writes in between looks like a record that makes no sense.
            connection.execute("BEGIN")
            try:
                return action(connection)
            finally:
                roll_back(connection)

        return self._do(look) if nothing is ... or self.exists() else nothing

    def write(self, action: Callable[[sqlite3.Connection], T], *, durable: bool = False) -> T:
        """Make these changes, all or none. ``durable``: wait for the disk. Raises StoreError."""

        def change(connection: sqlite3.Connection) -> T:
            if self._opened is not None and self._opened.trouble:
                raise self._unusable(self._opened.trouble)
            if durable:
                connection.execute("PRAGMA synchronous = FULL")
            try:
                connection.execute("BEGIN IMMEDIATE")
                result = action(connection)
                connection.execute("COMMIT")
            except BaseException:
                roll_back(connection)
                raise
            finally:
                if durable:
                    connection.execute("PRAGMA synchronous = NORMAL")
            return result

        with self._lock:
            if self._opened is not None and self._opened.trouble:
                self.close()  # By now it may be possible to open it for writing.
            return self._do(change)

    def try_read(self, action: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """What this reads; ``nothing``, with a warning, where it fails."""
        return self._attempt("read", lambda: self.read(action), nothing)

    def try_write(
        self, action: Callable[[sqlite3.Connection], T], *, durable: bool = False
    ) -> T | None:
        """As ``write``; answers None, with a warning, where it fails."""
        return self._attempt("write", lambda: self.write(action, durable=durable), None)

    def leases_unread(self) -> str:
        """Why there may be leases that cannot be read; empty where they can, or there are none."""
        with self._lock:
            if self._leases_lost:
                return self._leases_lost
            if time.monotonic() >= self._unread_until:
                self._leases_unread = ""
                try:
                    if self.folder:
                        self.read(lambda c: c.execute("SELECT * FROM lease").fetchall(), [])
                except StoreError as error:
                    self._note_unread(error)
            return self._leases_unread

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            opened, self._opened = self._opened, None
            if opened is not None:
                with suppress(sqlite3.Error):
                    opened.connection.close()

    def _attempt(self, what: str, attempt: Callable[[], T], otherwise: T) -> T:
        with self._lock:
            began = time.monotonic()
            if began < self._rest_until[what]:
                return otherwise
            try:
                return attempt()
            except StoreError as error:
                ended = time.monotonic()
                if ended - began > _SLOW_SECONDS:
                    self._rest_until[what] = ended + _REST * (ended - began)
                if what == "write" and self._opened is not None:
                    if ended >= self._quiet_until:
                        self._warn_once(f"{error} Going on; nothing of this run is remembered.")
                    return otherwise
                stays = ""
                if self.folder and self._may_be_there():
                    self._note_unread(error)
                    stays = " Its leases cannot be read, so every image stays."
                if ended >= self._quiet_until:
                    self._warn_once(f"{error}{stays} Going on without memory of earlier runs.")
                    self._quiet_until = ended + _QUIET_SECONDS
                return otherwise

    def _note_unread(self, error: StoreError) -> None:
        self._leases_unread = str(error)
        resting = max(time.monotonic(), *self._rest_until.values())
        self._unread_until = resting + _UNREAD_SECONDS

    def _warn_once(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self.warn(message)

    def _may_be_there(self) -> bool:
        """Whether there is a file; also if that is unknown, since this user may not look."""
        try:
            os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True
        return True

    def _is_replaced(self) -> bool:
        """Whether the open file was removed, or set aside and replaced by another one."""
        try:
            return self._opened is not None and os.lstat(self.path).st_ino != self._opened.inode
        except FileNotFoundError:
            return True
        except OSError:
            return False

    def _do(self, action: Callable[[sqlite3.Connection], T]) -> T:
        mended = 0
        with self._lock:
            if self._is_replaced():
                self.close()
            for _ in range(_MOST_TRIES):
                try:
                    if self._opened is None:
                        self._opened = open_database(self.folder)
                    return action(self._opened.connection)
                except DamagedStoreError as error:
                    self._set_aside(str(error))
                except (SpoiledError, sqlite3.Error) as error:
                    # A text that cannot be decoded is a row that makes no sense.
                    no_text = str(error).startswith("Could not decode")
                    if isinstance(error, SpoiledError) or no_text:
                        self._mend(str(error), mended)
                        mended += 1
                    elif self._is_damaged(error):
                        self._set_aside(str(error))
                    else:
                        raise self._unusable(error) from None
                except (OverflowError, UnicodeError) as error:
                    raise self._unusable(error) from None
            raise StoreError(f"the ledger {self.path} is damaged again and again. {MEND}")

    def _unusable(self, why: object) -> StoreError:
        return StoreError(f"cannot use the ledger {self.path}: {why}. {MEND}")

    def _is_damaged(self, error: sqlite3.Error) -> bool:
        """Whether the file is broken, and not only this use of it."""
        if isinstance(error, sqlite3.IntegrityError) and self._opened is not None:
            # An index that does not belong to its table looks like a record made twice.
            with suppress(sqlite3.Error):
                checked = self._opened.connection.execute("PRAGMA integrity_check(1)").fetchone()
                return bool(checked != ("ok",))
        return is_damage(error)

    def _mend(self, fault: str, mended: int) -> None:
        """Go on without the rows that make no sense, and say what was lost. Raises StoreError.

        Where no such row is found, or it cannot be told apart, the file is set aside.
        """
        opened = self._opened
        if opened is None or mended >= _MOST_MENDED:
            self._set_aside(fault)
            return
        try:
            lost, again = self._without(opened)
        except DamagedStoreError as error:
            self._set_aside(str(error))
            return
        except sqlite3.Error as error:
            if is_damage(error):
                self._set_aside(str(error))
                return
            raise self._unusable(error) from None
        opened.connection.sound.clear()
        if lost:
            # A file that cannot be written is opened again at each attempt.
            warn = self._warn_once if opened.trouble else self.warn
            warn(
                f"the ledger {self.path} had rows that make no sense, and goes on without them. "
                f"Lost, by table: {in_words(lost)}.{again}"
            )

    def _without(self, opened: Opened) -> tuple[dict[str, int], str]:
        """Remove what makes no sense, or pass it over where nothing can be written.

        Leases that the file beside the database still has are put back; with that in words.
        """
        connection, again = opened.connection, ""
        if opened.trouble:
            return pass_over(connection), ""
        try:
            connection.execute("BEGIN IMMEDIATE")
            lost = mend(connection, texts=True)
            if "lease" in lost:
                known = self._published_leases()
                if known is None:
                    again = (
                        " Its leases cannot be read elsewhere, so every image stays in this run."
                    )
                else:
                    valid = [each for each in known if each.until > time.time()]
                    back = lease_file.put_back(connection, valid)
                    again = f" Leases put back from {lease_file.NAME}: {back}."
            connection.execute("COMMIT")
        except BaseException as error:
            roll_back(connection)
            if not isinstance(error, sqlite3.OperationalError) or is_damage(error):
                raise
            # A full disk, or somebody who writes all the time.
            return pass_over(connection), ""
        return lost, again

    def _set_aside(self, fault: str) -> None:
        """Make room for a new file, and take the leases along. Raises StoreError."""
        leases = [*(self._published_leases() or ())]
        inode = None
        if self._opened is not None:
            inode = self._opened.inode
            with suppress(sqlite3.Error):
                leases += lease_file.sound_rows(self._opened.connection)
        self.close()
        name, rescued = set_aside(self.folder, inode)
        if name:
            told = ", ".join(f"{table} {count}" for table, count in rescued.items())
            rows = f" Rows rescued, by table: {told}." if rescued else ""
            lost = " Leases that were in it may be lost." if self._leases_lost else ""
            self.warn(
                f"the ledger {self.path} is damaged: {safe(fault.partition(' with text ')[0])}. "
                f"It is now {name}, and a new one is begun.{rows}{lost}"
            )
        if leases:

            def take_along(connection: sqlite3.Connection) -> None:
                lease_file.put_back(connection, leases)
                lease_file.publish(connection, self.folder)

            self.write(take_along)

    def _published_leases(self) -> Sequence[lease_file.Kept] | None:
        """The leases in the file beside the database; None, and noted, where it is unreadable."""
        try:
            return lease_file.read(self.folder).leases
        except StoreError as error:
            self._leases_lost = str(error)
            return None

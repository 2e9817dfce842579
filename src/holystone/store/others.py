"""The leases of the other users of this machine, from their state folders, where they can be read.

Looked for: root's folder; the usual one below the home folder of each user that the passwd database
lists; and below each folder in ``/home``. A user who names another folder is not found.
"""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

from holystone.planner.usage import Lease
from holystone.store import lease_file
from holystone.store.folder import OF_A_USER, OF_ROOT, user_name

_PATIENCE = 3.0
"""Seconds for a look at all of them: a home folder may be on a server that does not answer."""
_LONGEST = 31 * 86400.0
"""Seconds: a lease that ends later was not given by holystone."""


class Place(NamedTuple):
    """Where a user keeps leases."""

    path: str
    uid: int


class Others:
    """What the other users of the machine have leased. Never fails; says once what it left out."""

    def __init__(self, own: str, warn: Callable[[str], None]) -> None:
        """``own`` is the state folder that is read anyway."""
        self._own = os.path.realpath(own) if own else ""
        self._warn = warn
        self._read: dict[str, lease_file.Found] = {}
        self._told: set[str] = set()
        self._places: list[Place] | None = None
        self._leases: tuple[Lease, ...] = ()
        self._stuck = False

    def current(self, now: float) -> tuple[Lease, ...]:
        """Those that have not ended, the first to end first."""
        if not self._stuck:
            # In a thread of its own: a folder of somebody else must not hold up a clean.
            looking = threading.Thread(target=self._look, args=(now,), daemon=True)
            looking.start()
            looking.join(_PATIENCE)
            if looking.is_alive():
                self._stuck = True
                self._say("the leases of other users take too long to read and may not all count.")
        return tuple(each for each in self._leases if each.until > now)

    def _look(self, now: float) -> None:
        found: list[Lease] = []
        if self._places is None:
            self._places = list(places(self._own))
        for place in self._places:
            found += self._of(place, now)
        self._leases = tuple(sorted(found, key=lambda lease: (lease.until, lease.reference)))

    def _of(self, place: Place, now: float) -> list[Lease]:
        def known(mark: tuple[int, ...]) -> lease_file.Content | None:
            before = self._read.get(place.path)
            return before.content if before is not None and before.mark == mark else None

        try:
            read = lease_file.read_of(place.path, place.uid, known)
        except OSError:
            # There are none, or they are not for this user to read.
            return []
        except ValueError as fault:
            self._say(f"the leases in {place.path} do not count: {fault}.")
            return []
        self._read[place.path] = read
        leases = read.content.leases
        good = [each for each in leases if each.until <= now + _LONGEST]
        wrong = read.content.wrong + len(leases) - len(good)
        if wrong:
            self._say(f"{wrong} of the leases in {place.path} make no sense and do not count.")
        whose = user_name(place.uid, number=False)
        return [lease_file.as_lease(each, whose) for each in good if each.until > now]

    def _say(self, message: str) -> None:
        if message not in self._told:
            self._told.add(message)
            self._warn(lease_file.printable(message))


def places(own: str) -> Iterator[Place]:
    """The files in which other users may keep leases, each once."""
    seen = set()
    for folder, uid in _folders():
        if uid == os.geteuid() or (folder, uid) in seen:
            continue
        seen.add((folder, uid))
        if os.path.realpath(folder) != own:
            yield Place(os.path.join(folder, lease_file.NAME), uid)


def _folders() -> Iterator[tuple[str, int]]:
    yield OF_ROOT, 0
    for user in pwd.getpwall():
        if os.path.isabs(user.pw_dir):
            yield os.path.join(user.pw_dir, OF_A_USER), user.pw_uid
    try:
        homes = list(os.scandir("/home"))
    except OSError:
        return
    for home in homes:
        try:
            uid = home.stat(follow_symlinks=False).st_uid
        except OSError:
            continue
        if uid != 0:
            yield os.path.join(home.path, OF_A_USER), uid

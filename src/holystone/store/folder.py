"""Open the state folder and its files so that other users cannot redirect or replace them.

Every part of the path, and every file, is opened without following a link of another user, and its
owner is checked. A folder that a group may write, with the setgid bit, is shared: each member of
the group is trusted, and the files are the group's.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple, Self

from holystone.outside.home import home
from holystone.store import StoreError

FILE = "holystone.db"
MEND = "Pass another --state folder, or set HOLYSTONE_STATE."
GROUP = "HOLYSTONE_STATE_GROUP"
"""The variable that names the group which shares the folder."""
OF_ROOT = "/var/lib/holystone"
OF_A_USER = os.path.join(".local", "state", "holystone")
"""Below the user's home folder."""
NONE = (
    "there is no state folder: HOME has no absolute path, and the user {uid} has no entry in the "
    "passwd database. Set HOME or HOLYSTONE_STATE, or pass --state."
)
_ALONE = 0o600
_GROUP = 0o660
_SHARED = 0o2770
_MOST_LINKS = 40
_PATH_ONLY = getattr(os, "O_PATH", os.O_RDONLY)
_ENTER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class UnsafeError(StoreError):
    """An untrusted user could change the content of the state folder, or has done so."""


class Found(NamedTuple):
    """Which file has a name: another one may take it."""

    device: int
    inode: int


def default_folder(environ: Mapping[str, str]) -> str:
    """Where the ledger is kept unless ``--state`` says otherwise; empty where there is no place.

    ``HOLYSTONE_STATE`` where that is set; ``/var/lib/holystone`` for root, so that every job on a
    runner shares one memory; otherwise ``$XDG_STATE_HOME/holystone``
    (``~/.local/state/holystone``).
    """
    if environ.get("HOLYSTONE_STATE"):
        return os.path.abspath(environ["HOLYSTONE_STATE"])
    if os.geteuid() == 0:
        return OF_ROOT
    state = environ.get("XDG_STATE_HOME", "")
    # The specification says to pass over a relative one.
    if os.path.isabs(state):
        return os.path.join(state, "holystone")
    folder = home(environ)
    return os.path.join(folder, OF_A_USER) if folder else ""


class Folder:
    """An open state folder, closed at the end of a ``with``."""

    def __init__(self, path: str, descriptor: int, *, shared: bool, group: int) -> None:
        """``group`` is the group of a shared folder."""
        self.path = path
        self.descriptor = descriptor
        self.shared = shared
        self.group = group
        self.mode = _GROUP if shared else _ALONE
        """The rights of the files in it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def open(self, name: str, flags: int) -> int:
        """A descriptor of a file in it. Raises OSError, and UnsafeError for one not to be used."""
        flags |= os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            file = os.open(name, flags, self.mode, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EMLINK):
                raise self._unsafe(name, "it is a symbolic link") from None
            raise
        try:
            found = os.fstat(file)
            self._check(name, found)
            if self._is_too_open(found):
                os.fchmod(file, self.mode)
        except BaseException:
            os.close(file)
            raise
        return file

    def secure(self, name: str, *, make: bool) -> Found | None:
        """Check a file that SQLite will open; create a missing one if ``make`` is true.

        Answers which one it is; None where there is none. It is not opened: to close it again
        would end the locks that this process has on it. Raises OSError, UnsafeError.
        """
        for _ in range(3):
            try:
                file = os.open(
                    name, _PATH_ONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.descriptor
                )
            except FileNotFoundError:
                if not make:
                    return None
                with suppress(FileExistsError):
                    os.mknod(name, stat.S_IFREG | self.mode, dir_fd=self.descriptor)
                continue
            try:
                found = os.fstat(file)
                self._check(name, found)
                if self._is_too_open(found):
                    # By way of the descriptor: the name may be a link by now.
                    with suppress(OSError):
                        os.chmod(f"/proc/self/fd/{file}", self.mode)
            finally:
                os.close(file)
            return Found(found.st_dev, found.st_ino)
        raise self._unsafe(name, "it comes and goes")

    def _check(self, name: str, found: os.stat_result) -> None:
        if stat.S_ISLNK(found.st_mode):
            raise self._unsafe(name, "it is a symbolic link")
        if not stat.S_ISREG(found.st_mode):
            raise self._unsafe(name, "it is not a regular file")
        if found.st_nlink > 1:
            raise self._unsafe(name, "it has another name as well (a hard link)")
        trusted = found.st_uid in (os.geteuid(), 0)
        if not trusted and not (self.shared and found.st_gid == self.group):
            raise self._unsafe(name, f"it belongs to {user_name(found.st_uid)}")

    def _is_too_open(self, found: os.stat_result) -> bool:
        """Whether the file is this user's and has other rights than it should have."""
        rights = stat.S_IMODE(found.st_mode)
        if found.st_uid != os.geteuid() or rights == self.mode:
            return False
        # One that somebody made read-only stays so.
        return bool(rights & ~self.mode) or (self.shared and bool(rights & 0o200))

    def _unsafe(self, name: str, why: str) -> UnsafeError:
        what = "the ledger " if name.startswith(FILE) else ""
        return UnsafeError(
            f"cannot use {what}{os.path.join(self.path, name)}: {why}. "
            f"Look at what put it there, and remove it. {MEND}"
        )


def open_folder(path: str, *, make: bool = True) -> Folder:
    """The state folder; a missing one is created for this user alone if ``make`` is true.

    Raises OSError, and UnsafeError where a user who is not trusted could put files into it, or
    another folder in its place.
    """
    if not path:
        raise UnsafeError(NONE.format(uid=os.getuid()))
    descriptor = _walk(os.path.abspath(path), make=make)
    try:
        found = os.fstat(descriptor)
        shared = _check_folder(path, found)
        return Folder(path, descriptor, shared=shared, group=found.st_gid)
    except BaseException:
        os.close(descriptor)
        raise


def replace_file(folder: str, name: str, content: bytes) -> None:
    """Write a file of the state folder, all or nothing. Raises StoreError."""
    new = f"{name}.new"
    try:
        with open_folder(folder) as place:
            file = place.open(new, os.O_WRONLY | os.O_CREAT)
            with os.fdopen(file, "wb") as stream:
                stream.truncate(0)
                stream.write(content)
                stream.flush()
                os.fsync(file)
            here = place.descriptor
            os.rename(new, name, src_dir_fd=here, dst_dir_fd=here)
    except OSError as error:
        raise StoreError(f"cannot write {os.path.join(folder, name)}: {error.strerror}.") from None


def user_name(uid: int, *, number: bool = True) -> str:
    """The name of a user, with the number; the number alone where the system knows no name."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
    return f"{name} (uid {uid})" if number else name


def _walk(path: str, *, make: bool) -> int:
    """A descriptor of the folder at an absolute path, with every step to it checked."""
    left = [part for part in path.split("/") if part]
    here, at = os.open("/", _PATH_ONLY | _ENTER), "/"
    links = 0
    try:
        while True:
            _check_parent(path, at, os.fstat(here))
            if not left:
                break
            part = left.pop(0)
            if (target := _link(here, part)) is not None:
                links += 1
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)  # noqa: TRY301
                left = [each for each in target.split("/") if each and each != "."] + left
                if target.startswith("/"):
                    os.close(here)
                    here, at = os.open("/", _PATH_ONLY | _ENTER), "/"
                continue
            below = _enter(here, part, make=make, last=not left)
            os.close(here)
            here, at = below, os.path.normpath(os.path.join(at, part))
            if not left:
                return here
        # The folder is the root of the file system, or a link led there.
        return os.open(".", os.O_RDONLY | _ENTER, dir_fd=here)
    except BaseException:
        with suppress(OSError):
            os.close(here)
        raise


def _enter(parent: int, name: str, *, make: bool, last: bool) -> int:
    """Open a folder on the way, and make it where it is missing.

    That a process may pass through one does not mean that it may list it.
    """
    flags = _ENTER | (os.O_RDONLY if last else _PATH_ONLY)
    try:
        return os.open(name, flags, dir_fd=parent)
    except FileNotFoundError:
        if not make:
            raise
    try:
        os.mkdir(name, 0o700 if last else 0o755, dir_fd=parent)
    except FileExistsError:
        return os.open(name, flags, dir_fd=parent)
    folder = os.open(name, flags, dir_fd=parent)
    group = _group()
    if last and group is not None:
        try:
            os.fchown(folder, -1, group)
            os.fchmod(folder, _SHARED)
        except OSError as error:
            os.close(folder)
            os.rmdir(name, dir_fd=parent)
            raise UnsafeError(
                f"cannot give the new state folder to the group that {GROUP} names: "
                f"{error.strerror}. Let root make it, or a member of the group."
            ) from None
    return folder


def _group() -> int | None:
    """The number of the group that is to share the folder, None where none is asked for."""
    name = os.environ.get(GROUP, "")
    if not name:
        return None
    try:
        return int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except (KeyError, ValueError):
        raise UnsafeError(f"{GROUP} is {name!r}, and there is no such group.") from None


def _link(parent: int, name: str) -> str | None:
    """Where a symbolic link in a folder leads; None where this is none. Raises UnsafeError."""
    try:
        found = os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(found.st_mode):
        return None
    if not _is_trusted(found.st_uid):
        raise UnsafeError(
            f"the way to the state folder leads over the link {name!r}, which belongs to "
            f"{user_name(found.st_uid)}. {MEND}"
        )
    return os.readlink(name, dir_fd=parent)


def _check_parent(path: str, at: str, found: os.stat_result) -> None:
    """Refuse a folder on the way where a stranger could put another one in place of the next."""
    if not _is_trusted(found.st_uid):
        raise UnsafeError(
            f"cannot use the state folder {path}: {at} above it belongs to "
            f"{user_name(found.st_uid)}, who could put another folder in its place. {MEND}"
        )
    if found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise UnsafeError(
            f"cannot use the state folder {path}: everybody can write into {at} above it (mode "
            f"{stat.S_IMODE(found.st_mode):o}, owner {user_name(found.st_uid)}). "
            f"Mend it with 'chmod o-w {at}'. {MEND}"
        )


def _check_folder(path: str, found: os.stat_result) -> bool:
    """Whether the folder is shared by a group. Raises UnsafeError where it cannot be trusted."""
    owner, rights = found.st_uid, stat.S_IMODE(found.st_mode)
    about = f"cannot use the state folder {path}: "
    if owner not in (os.geteuid(), 0):
        raise UnsafeError(
            f"{about}it belongs to {user_name(owner)}, not to {user_name(os.geteuid())} or root. "
            f"Mend it with 'chown {os.geteuid()} {path}', or share it with a group: "
            f"'chown root:GROUP {path}' and 'chmod 2770 {path}'. {MEND}"
        )
    if rights & stat.S_IWOTH:
        raise UnsafeError(
            f"{about}everybody can write into it (mode {rights:o}, owner {user_name(owner)}). "
            f"Mend it with 'chmod 700 {path}', or share it with a group: 'chgrp GROUP {path}' "
            f"and 'chmod 2770 {path}'. {MEND}"
        )
    shared = bool(rights & stat.S_IWGRP and rights & stat.S_ISGID)
    group = _group()
    if group is not None and not (shared and found.st_gid == group):
        raise UnsafeError(
            f"{about}{GROUP} asks to share it with {os.environ[GROUP]}, and it is not (mode "
            f"{rights:o}, group {found.st_gid}). Mend it with 'chgrp -R {os.environ[GROUP]} {path}'"
            f", 'chmod 2770 {path}' and 'chmod 660 {path}/*'; or unset {GROUP}."
        )
    if owner != os.geteuid() and not shared:
        raise UnsafeError(
            f"{about}it belongs to root alone (mode {rights:o}). To share it with a group: "
            f"'chgrp GROUP {path}' and 'chmod 2770 {path}'. {MEND}"
        )
    return shared


def _is_trusted(uid: int) -> bool:
    """Whether what belongs to this user may lead to the state folder.

    In a user namespace, where user IDs are not all of the machine's, all of the system may belong
    to the user that stands for unknown ones.
    """
    if uid in (os.geteuid(), 0):
        return True
    overflow, in_namespace = 65534, False
    with suppress(OSError, ValueError), open("/proc/sys/kernel/overflowuid") as file:
        overflow = int(file.read(32))
    with suppress(OSError, ValueError), open("/proc/self/uid_map") as file:
        inside, outside, count = file.readline().split()
        in_namespace = (inside, outside) != ("0", "0") or int(count) < 2**32 - 2
    return uid == overflow and in_namespace

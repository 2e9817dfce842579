"""The sockets of the server: bound and listening, with the rights they are to have."""

from __future__ import annotations

import errno
import grp
import ipaddress
import os
import secrets
import socket
import stat
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from holystone.operations.agent_socket import too_long
from holystone.outside.text import safe, said

_BACKLOG = 128
_MODE = 0o660


class ListenError(Exception):
    """The server cannot listen there. The message says where, why, and the mend."""


class ListenSettingsError(ListenError):
    """What the settings ask for cannot work, however often it is tried."""


class UnixSocket(NamedTuple):
    """A unix socket that listens."""

    socket: socket.socket
    path: str
    device: int
    inode: int

    def remove(self) -> None:
        """Remove it, unless something else has its place by now."""
        with suppress(OSError):
            there = os.lstat(self.path)
            if (there.st_dev, there.st_ino) == (self.device, self.inode):
                os.unlink(self.path)


def listen_unix(path: str, gid: int | None, group: str) -> UnixSocket:
    """Listen on a unix socket with mode 0660 and this group, by number and name; None: as it comes.

    What a dead agent left is replaced. Raises ListenError for everything else that has this place.
    """
    check_place(path)
    _check_free(path)
    folder, name = os.path.split(path)
    # It gets its rights under a name that nobody knows, and its place when it listens.
    draft = os.path.join(folder, f".{secrets.token_hex(3)}")
    draft = draft if len(draft) <= len(path) else f"{path[: -min(7, len(name))]}{draft[-7:]}"
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(made.fileno(), 0o600)
        made.bind(draft)
        try:
            if gid is not None:
                os.chown(draft, -1, gid, follow_symlinks=False)
            os.chmod(draft, _MODE)
            made.listen(_BACKLOG)
            there = os.lstat(draft)
            os.rename(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        made.close()
        if gid is not None and error.errno == errno.EPERM:
            mend = f"The user of the agent must be in the group {safe(group)}"
            raise ListenSettingsError(_cannot(path, error, mend)) from None
        lasts = error.errno in (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR)
        kind = ListenSettingsError if lasts else ListenError
        raise kind(_cannot(path, error, _folder_mend(folder))) from None
    except BaseException:
        made.close()
        raise
    made.settimeout(0)
    return UnixSocket(made, path, there.st_dev, there.st_ino)


def _cannot(path: str, error: OSError, mend: str) -> str:
    return f"cannot listen on the socket {safe(path)}: {said(error)}. {mend}"


def _folder_mend(folder: str) -> str:
    return f"Make the folder {safe(folder)} for the user of the agent, or name another socket"


def group_id(group: str) -> int | None:
    """The number of a group; None where none is named. Raises ListenSettingsError."""
    if not group:
        return None
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        if group.isascii() and group.isdigit() and len(group) < 10:
            return int(group)
    mend = "Correct agent.socket_group, or make it with groupadd"
    raise ListenSettingsError(f"there is no group {safe(group)}. {mend}") from None


def check_place(path: str) -> None:
    """Raise ListenSettingsError where no socket can be, or where something else is."""
    if trouble := too_long(path):
        raise ListenSettingsError(trouble)
    folder = os.path.dirname(path) or "."
    try:
        if not stat.S_ISDIR(os.stat(folder).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=True):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        mode = os.lstat(path).st_mode if os.path.lexists(path) else stat.S_IFSOCK
    except OSError as error:
        raise ListenSettingsError(_cannot(path, error, _folder_mend(folder))) from None
    if stat.S_ISLNK(mode):
        mend = "A link is not followed: remove it, or name another socket"
        raise ListenSettingsError(f"{safe(path)} is a symbolic link. {mend}")
    if not stat.S_ISSOCK(mode):
        raise ListenSettingsError(f"{safe(path)} is there and is no socket. Name another one")


def _check_free(path: str) -> None:
    """Raise ListenError where another agent listens there."""
    if not os.path.lexists(path):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            return
        except OSError as error:
            why = f"cannot tell whether an agent listens there: {said(error)}"
            raise ListenError(f"the socket {safe(path)} is there, and {why}") from None
    mend = "If that is another agent stop it, else name another socket"
    raise ListenError(f"something listens on the socket {safe(path)} already. {mend}")


def is_loopback(address: str) -> bool:
    """Whether this IP address is of this machine alone."""
    found = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    return bool((mapped or found).is_loopback)


def resolve(listen: str) -> tuple[str, Sequence[tuple[int, str, int]]]:
    """The name in ``HOST:PORT``, and each family, address and port it means. Raises ListenError."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else -1
    if not host or not 0 <= number <= 0xFFFF:
        mend = "Write HOST:PORT, like 127.0.0.1:9469 or [::1]:9469"
        raise ListenSettingsError(f"cannot listen at {safe(listen)!r}: {mend}")
    try:
        found = socket.getaddrinfo(host, number, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ListenError(f"cannot listen at {safe(listen)}: {said(error)}") from None
    places = [(int(each[0]), str(each[4][0]), number) for each in found]
    return host.lower(), list(dict.fromkeys(places))


def listen_tcp(listen: str, places: Sequence[tuple[int, str, int]]) -> list[socket.socket]:
    """Listen at these places; with port 0 at one port for all. Raises ListenError."""
    made: list[socket.socket] = []
    last: OSError | None = None
    try:
        for family, address, port in places:
            wanted = port or (made[0].getsockname()[1] if made else 0)
            each = socket.socket(family, socket.SOCK_STREAM)
            made.append(each)
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                each.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                each.bind((address, wanted))
                each.listen(_BACKLOG)
            except OSError as error:
                made.pop().close()
                # localhost may have an IPv6 address on a machine that has no IPv6.
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                last = error
                continue
            each.settimeout(0)
        if not made and last is not None:
            raise last
    except OSError as error:
        for each in made:
            each.close()
        mend = "Choose another port in agent.listen, or with --listen"
        message = f"cannot listen at {safe(listen)}: {said(error)}. {mend}"
        # What has the port may end, and an address may come.
        kind = ListenSettingsError if isinstance(error, PermissionError) else ListenError
        raise kind(message) from None
    return made

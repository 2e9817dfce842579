"""Who is at the other end of a connection, and on which listener."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Collection
from typing import NamedTuple

SOCKET, LOOPBACK, NETWORK = "socket", "loopback", "network"
"""What a listener is: the unix socket, TCP on this machine only, TCP for others too."""


class Peer(NamedTuple):
    """One end of a connection."""

    listener: str
    """``socket``, ``loopback`` or ``network``."""
    address: str = ""
    """Its IP address; empty on the unix socket."""
    uid: int | None = None
    """Its user, on the unix socket."""
    names: Collection[str] = ()
    """On loopback: the names by which this listener may be called in the header Host."""

    @property
    def is_owner(self) -> bool:
        """Whether it is root or the user of the agent, over the unix socket."""
        return self.listener == SOCKET and self.uid in (0, os.geteuid())

    @property
    def key(self) -> str:
        """What its failed attempts are counted by."""
        return f"{self.listener} {self.address if self.uid is None else self.uid}"


NOBODY = Peer(NETWORK)
"""A peer of whom nothing is known: it gets nothing without a token."""


def user_of(connection: socket.socket) -> int | None:
    """The user at the other end of a unix socket; None where the kernel does not say."""
    try:
        size = struct.calcsize("3i")
        found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    except OSError:
        return None
    uid: int = struct.unpack("3i", found)[1]
    # A user that has no number in the user namespace of the agent.
    return uid if uid >= 0 else None

"""The unix socket of the agent: where it is, and how long its path may be."""

from __future__ import annotations

import os
from collections.abc import Mapping

from holystone.outside.text import safe

SOCKET_NAME = "agent.sock"
_OF_ROOT = "/run/holystone"
"""The folder that systemd makes for the service of root (``RuntimeDirectory=``)."""
_LONGEST = 107
"""Bytes of the path of a unix socket, on Linux."""


def own_socket(folder: str, environ: Mapping[str, str]) -> str:
    """Where an agent with this state folder listens by default.

    In the folder that systemd made for it, which others can get to; without one in the state
    folder.
    """
    made = environ.get("RUNTIME_DIRECTORY", "").partition(":")[0]
    return os.path.join(made or folder, SOCKET_NAME)


def find_socket(folder: str, environ: Mapping[str, str]) -> str:
    """The socket of a running agent, as the commands look for it; empty where there is none.

    In the state folder; then where a service of this user's systemd has it, and one of root's.
    """
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    of_user = [os.path.join(runtime, "holystone")] if os.path.isabs(runtime) else []
    for place in (folder, *of_user, _OF_ROOT):
        path = os.path.join(place, SOCKET_NAME)
        if os.path.exists(path):
            return path
    return ""


def too_long(path: str) -> str:
    """What is wrong with a path that is too long, and the mend; empty where it is not."""
    if len(os.fsencode(path)) <= _LONGEST:
        return ""
    return (
        f"the path of the socket has more than {_LONGEST} bytes: {safe(path)}. Name a shorter one "
        "in agent.socket, or with --socket"
    )

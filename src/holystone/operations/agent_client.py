"""Ask the agent of this machine, over its unix socket."""

from __future__ import annotations

import grp
import json
import os
import socket
import struct
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any

from holystone.operations.agent_socket import too_long
from holystone.operations.errors import OperationError
from holystone.outside.text import safe, said

PATIENCE = 2.0
"""Seconds for an answer that the agent has at hand."""


class AgentRefused(OperationError):
    """The agent answered, and did not do what it was asked for."""


class NoAgent(OperationError):
    """No agent answers there."""


class AnothersAgent(PermissionError):
    """The agent is neither of root nor of this user."""


def agent_connection(path: str, patience: float = PATIENCE) -> HTTPConnection:
    """A connection to the agent, if it is one of root or of this user. Raises OSError."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.settimeout(patience)
        sock.connect(path)
        _check_peer(sock)
    except BaseException:
        sock.close()
        raise
    connection = HTTPConnection("localhost")
    connection.sock = sock
    return connection


def _check_peer(sock: socket.socket) -> None:
    """Raise PermissionError where the agent is somebody else's: it could tell anything."""
    peer = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    if struct.unpack("3i", peer)[1] not in (0, os.geteuid()):
        raise AnothersAgent


def _closed(path: str) -> str:
    """Why this user may not ask the agent there, and the mend."""
    about = f"this user may not use the agent's socket {safe(path)}: "
    try:
        number = os.stat(path).st_gid
    except OSError:
        return f"{about}its folder is closed to other users. Run the command as root, with sudo."
    try:
        group = grp.getgrgid(number).gr_name
    except KeyError:
        group = str(number)
    return (
        f"{about}it is open to its owner and to the group {safe(group)}. Run the command with "
        "sudo, or set agent.socket_group in the agent's configuration to a group that this user "
        "is in."
    )


def ask(path: str, method: str, target: str, body: object = None, patience: float = 10.0) -> Any:
    """What the agent answers, from JSON. Raises NoAgent, AgentRefused."""
    if trouble := too_long(path):
        raise NoAgent(f"no agent answers: {trouble}")
    content = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"} if content else {}
    try:
        with closing(agent_connection(path, patience)) as connection:
            connection.request(method, target, content, headers)
            answer = connection.getresponse()
            told = json.loads(answer.read())
    except AnothersAgent:
        raise NoAgent(
            f"the agent at {safe(path)} is that of another user, so its answers are not trusted. "
            "Run this command as that user, or as root with sudo."
        ) from None
    except PermissionError:
        raise NoAgent(_closed(path)) from None
    except (OSError, HTTPException, ValueError) as error:
        why = said(error) if isinstance(error, OSError) else safe(str(error))
        why = why or type(error).__name__
        raise NoAgent(
            f"no agent answers at {path}: {why}. Start it with holystone agent, or name its socket "
            "with --socket."
        ) from None
    if answer.status >= 400:
        fault = told.get("error") if isinstance(told, dict) else None
        words = fault if isinstance(fault, dict) else {}
        reply = " ".join(safe(str(words[key])) for key in ("message", "mend") if words.get(key))
        raise AgentRefused(f"the agent refuses: {reply or answer.status}")
    return told

"""Whom the socket of an agent is closed to, and what that user is told."""

from __future__ import annotations

import grp
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from holystone.operations.agent_client import NoAgent, ask
from tests.users import COLLEAGUE, STRANGER, as_user, folder_for_all, needs_root


@pytest.fixture
def listening() -> Iterator[Path]:
    """A socket with the rights of the agent's, in a folder that everybody may enter."""
    with folder_for_all() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = folder / "agent.sock"
        listener.bind(str(path))
        path.chmod(0o660)
        listener.listen()
        yield path


def refusal(path: Path) -> str:
    """What ``ask`` says."""
    with pytest.raises(NoAgent) as refused:
        ask(str(path), "GET", "/api/v1/status")
    return str(refused.value)


@needs_root
def test_a_socket_of_a_group_this_user_is_not_in(listening: Path) -> None:
    group = grp.getgrgid(os.stat(listening).st_gid).gr_name

    def told() -> None:
        said = refusal(listening)
        assert f"may not use the agent's socket {listening}: " in said
        assert f"the group {group}" in said
        assert "agent.socket_group" in said
        assert "sudo" in said
        assert "Start it" not in said

    as_user(STRANGER, told)


@needs_root
def test_a_socket_in_a_closed_folder(listening: Path) -> None:
    listening.parent.chmod(0o700)

    def told() -> None:
        said = refusal(listening)
        assert "its folder is closed to other users" in said
        assert "sudo" in said

    as_user(STRANGER, told)


@needs_root
def test_the_agent_of_another_user() -> None:
    with folder_for_all() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = folder / "agent.sock"
        listener.bind(str(path))
        # The system tells of the user who began to listen.
        as_user(COLLEAGUE, listener.listen)
        said = refusal(path)
    assert said.startswith(f"the agent at {path} is that of another user")
    assert "with sudo" in said

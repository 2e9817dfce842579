"""Where the socket of an agent is, and where the commands look for one."""

from __future__ import annotations

from pathlib import Path

from holystone.operations.agent_socket import find_socket, own_socket


def test_a_service_listens_where_others_get_to() -> None:
    assert own_socket("/state", {}) == "/state/agent.sock"
    assert own_socket("/state", {"RUNTIME_DIRECTORY": "/run/holystone:/run/b"}) == (
        "/run/holystone/agent.sock"
    )


def test_a_running_agent_is_found_in_the_state_folder_first(tmp_path: Path) -> None:
    state, runtime = tmp_path / "state", tmp_path / "run"
    (runtime / "holystone").mkdir(parents=True)
    state.mkdir()
    environ = {"XDG_RUNTIME_DIR": str(runtime)}
    of_service = runtime / "holystone/agent.sock"
    of_service.touch()
    assert find_socket(str(state), environ) == str(of_service)
    assert find_socket(str(state), {"XDG_RUNTIME_DIR": "run"}) in ("", "/run/holystone/agent.sock")
    (state / "agent.sock").touch()
    assert find_socket(str(state), environ) == str(state / "agent.sock")

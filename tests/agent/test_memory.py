"""The agent does not grow."""

from __future__ import annotations

from pathlib import Path

from holystone.operations.agent_client import ask
from tests.agent.running import FULL, QUIET, RunningAgent

_MOST = 8_000_000


def resident(agent: RunningAgent) -> int:
    """Bytes of memory that the process of this agent has."""
    assert agent.process is not None
    pages = Path(f"/proc/{agent.process.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


def test_many_requests_leave_nothing_behind(tmp_path: Path) -> None:
    with RunningAgent("demo:", tmp_path / "a", QUIET + FULL) as agent:
        agent.ready()

        def many(count: int) -> int:
            for _ in range(count):
                ask(str(agent.socket), "GET", "/api/v1/plan?level=weekly")
            return resident(agent)

        before = many(150)
        assert many(600) - before < _MOST

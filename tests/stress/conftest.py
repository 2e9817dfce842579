"""How long the stress lasts, and its figures at the end of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import Command

FIGURES = pytest.StashKey[list[str]]()
"""A line for each engine."""


@pytest.fixture
def holystone(tmp_path: Path) -> Command:
    """The command, in a home of its own."""
    return Command(tmp_path)


@pytest.fixture
def stress_seconds(pytestconfig: pytest.Config) -> float:
    """For how many seconds jobs and cleans go on."""
    return float(pytestconfig.getoption("--stress-seconds"))


@pytest.fixture
def figures_told(pytestconfig: pytest.Config) -> list[str]:
    """Lines for the summary."""
    return pytestconfig.stash.setdefault(FIGURES, [])


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Show the figures of the stress."""
    if lines := config.stash.get(FIGURES, []):
        terminalreporter.section("STRESS", sep="=")
        for line in lines:
            terminalreporter.write_line(line)

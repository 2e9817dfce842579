"""What several tests of the agent work with: its log, and a receiver of alerts."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from holystone.agent import logs, webhook
from tests.agent.receiver import Receiver, receiving


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log as text."""
    stream = io.StringIO()
    logs.set_up("text", stream)
    yield stream
    logs.set_up()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A webhook."""
    with receiving() as made:
        yield made


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiver is asked without a proxy, and nothing signs what it gets."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv(webhook.SECRET, raising=False)

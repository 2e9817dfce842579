"""A client of the engine at a URL, real or scripted."""

from __future__ import annotations

from holystone.engine.client import Client
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import parse_host


def client_of(url: str, timeout: float = 60.0) -> Client:
    """A client that asks this engine; ``timeout`` is in seconds."""
    return Client(parse_host(url, "test", "test"), timeout, connect)

"""One ``DELETE``, and whether the engine can have carried it out where no answer comes."""

from __future__ import annotations

from typing import Any

from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused, EngineUnreachable, ProtocolError


class NoAnswer(EngineError):
    """The engine was asked to delete something, and may have done so: no usable answer came."""


def delete(client: Client, path: str) -> Any:
    """``DELETE`` a path of the negotiated API version; the engine's answer.

    Raises EngineRefused where it says no, EngineUnreachable where it was certainly not asked, and
    NoAnswer where it may have been.
    """
    return ask(client, client.versioned(path))


def ask(client: Client, path: str) -> Any:
    """``DELETE`` exactly this path; as ``delete``."""
    try:
        return client.request("DELETE", path)
    except EngineRefused:
        raise
    except EngineError as error:
        if _was_not_sent(client, error):
            raise
        raise NoAnswer(str(error)) from None


def _was_not_sent(client: Client, error: EngineError) -> bool:
    """Whether there was no connection to send the request over.

    An engine that hangs took the request, and over ssh a connection can break with its first
    answer.
    """
    return (
        isinstance(error, EngineUnreachable)
        and not isinstance(error, ProtocolError)
        and client.endpoint.scheme != "ssh"
    )

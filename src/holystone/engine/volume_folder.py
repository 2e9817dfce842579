"""Where an engine keeps its volumes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from holystone.engine.client import Client
from holystone.engine.containers import libpod
from holystone.engine.errors import EngineError
from holystone.engine.reading import read_one


def volume_folder(client: Client, root: str) -> str:
    """The folder of the engine's own volumes: in its data folder, unless Podman says otherwise.

    ``root`` is the data folder.
    """
    usual = f"{root}/volumes"
    version = client.negotiate()
    if version.podman:
        with suppress(EngineError):
            (answer,) = client.send([("GET", f"{libpod(version)}/info")])
            return read_one(dict, answer, _told) or usual
    return usual


def _told(info: Mapping[str, Any]) -> str:
    path = str(info["store"]["volumePath"])
    return path if os.path.isabs(path) and "\0" not in path else ""

"""Whether the logs of containers have a limit, as the engine tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holystone.engine.client import Client
from holystone.engine.containers import libpod
from holystone.engine.errors import EngineError
from holystone.engine.reading import read_one


def log_limits(client: Client, ids: Sequence[str]) -> dict[str, bool | None]:
    """Whether each of these containers has a limit on its log; None where that is not known.

    Raises EngineError where the engine no longer answers.
    """
    found: dict[str, bool | None] = {}
    version = client.negotiate()
    # Podman tells the limit in its own interface alone.
    begins = libpod(version) if version.podman else client.versioned("")
    requests = [("GET", f"{begins}/containers/{each}/json") for each in ids]
    for container, answer in zip(ids, client.send(requests), strict=True):
        try:
            found[container] = read_one(dict, answer, _limited)
        except EngineError:
            found[container] = None  # It went, or the engine stumbled over it.
    return found


def _limited(told: Mapping[str, Any]) -> bool | None:
    config = told["HostConfig"]["LogConfig"]
    if config["Type"] == "local":
        return True  # 20 MB in five files, where nothing else is said.
    if config["Type"] in ("k8s-file", "json-file") and "Size" in config:
        return bool(str(config["Size"]).rstrip("B").strip("0"))  # Podman: "0B" is no limit.
    return "max-size" in (config.get("Config") or {})

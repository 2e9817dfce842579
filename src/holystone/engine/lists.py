"""The lists of all objects, asked for at once and read when the answers are wanted."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from holystone.engine.client import Client, Pending, abandon

DF_BY_TYPE = (1, 42)
"""The API version from which ``/system/df`` answers for one kind alone."""
_VERBOSE = (1, 52)
"""The API version from which ``/system/df`` lists objects only where it is asked to."""
_FAULT = 500
_UNTAGGED = "/images/json?filters=%7B%22dangling%22%3A%5B%22true%22%5D%7D"
_MANIFESTS = (1, 47)
"""The API version from which the list of images tells sizes of content."""


class Answers(NamedTuple):
    """What the engine answered, as JSON."""

    info: Any
    images: Any
    networks: Any
    volumes: Any
    containers: Any


class Lists:
    """The lists of one engine, under way."""

    def __init__(self, client: Client, *, sizes: bool, untagged: bool = False) -> None:
        """Ask for them; does not wait. With ``sizes`` also for what takes a walk over files.

        ``untagged``: of the images list those alone that no image here has for a parent and that
        have no tag. A containerd store weighs each image that it lists, which takes it about 8 ms.
        Raises EngineError where the engine cannot be asked.
        """
        self.begun = time.time()
        """When they were asked for, by the clock of this machine."""
        self.client = client
        self.sizes = sizes
        self.untagged = untagged
        self.no_sizes = ""
        """Why the containers come without their sizes, though these were asked for."""
        version = client.negotiate()
        paths = {
            "info": "/info",
            "images": _UNTAGGED if untagged else "/images/json?all=1",
            "networks": "/networks",
            "volumes": "/volumes",
            "containers": "/containers/json?all=1",
        }
        if sizes:
            paths["containers"] += "&size=1"
        if not version.podman and version.api >= _MANIFESTS:
            paths["images"] += "&manifests=1"
        self._usage = "/system/df" if sizes else ""
        """What to ask for sizes and the build cache; empty where that is not needed."""
        if not version.podman:
            self._usage = cache_usage(client)
            if sizes and version.api >= DF_BY_TYPE:
                self._usage += "&type=volume"
        self._told: dict[str, Any] = {}
        if version.podman and client.info is not None:
            # It takes Podman 60 ms, and tells nothing that changes.
            self._told["info"] = client.info
            del paths["info"]
        self._pending: list[tuple[tuple[str, ...], Pending]] = []
        if "info" in paths:
            # It is read first: how many images there are says how long their list may take.
            self._ask({"info": paths.pop("info")})
        self._ask(paths)
        self._measuring = self._begin([self._usage] if self._usage else [])

    def answers(self) -> Answers:
        """Wait for the engine and read what it says. Raises EngineError."""
        try:
            while self._pending:
                self._read_next()
        except BaseException:
            self.close()
            raise
        info = self._told["info"]
        self.client.info = info if isinstance(info, dict) else None
        return Answers(**self._told)

    def usage(self) -> Any:
        """What ``/system/df`` says; nothing where it was not needed. Raises EngineError."""
        answers = self.client.finish(self._measuring)
        return answers[0].checked().json() if answers else {}

    def ask_usage(self) -> Any:
        """Ask for ``/system/df`` once more. Raises EngineError."""
        return self.client.get(self._usage or "/system/df")

    def ask_cache(self) -> Any:
        """Ask for the build cache alone, if there is such a thing. Raises EngineError."""
        podman = self.client.negotiate().podman
        return {} if podman else self.client.get(cache_usage(self.client))

    def close(self) -> None:
        """Give up on answers that nobody has read."""
        for _, pending in self._pending:
            abandon(pending)
        self._pending.clear()
        abandon(self._measuring)

    def _ask(self, paths: Mapping[str, str]) -> None:
        """Send the requests for these, by their name among the answers."""
        self._pending.append((tuple(paths), self._begin(paths.values())))

    def _begin(self, paths: Iterable[str]) -> Pending:
        return self.client.begin([("GET", self.client.versioned(path)) for path in paths])

    def _read_next(self) -> None:
        """Read the answers to what was asked first."""
        names, pending = self._pending.pop(0)
        for name, answer in zip(names, self.client.finish(pending), strict=True):
            if name == "containers" and self.sizes and answer.status >= _FAULT:
                # One whose files are lost cannot be measured.
                self.no_sizes = f"{answer.status}: {answer.words()}"
                self._told[name] = self.client.get("/containers/json?all=1")
            else:
                self._told[name] = answer.checked().json()
            if name == "info":
                self.client.told_time(self._told[name])


def cache_usage(client: Client) -> str:
    """What to ask for the build cache, alone where the engine can tell it alone."""
    api = client.negotiate().api
    if api < DF_BY_TYPE:
        return "/system/df"
    return "/system/df?type=build-cache" + ("&verbose=1" if api >= _VERBOSE else "")

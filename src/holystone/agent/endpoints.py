"""The engine's endpoints that the agent calls: the allow-list for a proxy before the socket.

Docker's alone: Podman has an interface of its own beside them. A test holds this table against what
is really asked.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Endpoint(NamedTuple):
    """A method and a path of the engine's API, without the version before it."""

    method: str
    path: str
    """``{id}`` and ``{name}`` stand for any text; that of a name may have slashes."""
    jobs: str
    """Which jobs need it."""
    purpose: str

    @property
    def pattern(self) -> str:
        """A regular expression for the path without version and query."""
        return (
            re.escape(self.path)
            .replace(r"\{id\}", "[^/]+")
            .replace(r"\{name\}", "[A-Za-z0-9_.:/@-]+")
        )

    def matches(self, method: str, path: str) -> bool:
        """Whether a request, with its version and query, is one of these."""
        asked = path.partition("?")[0]
        return method == self.method and re.fullmatch(VERSION + self.pattern, asked) is not None


VERSION = r"(/v[0-9.]+)?"
"""A regular expression for the version before a path."""

_ALL, _CLEANS, _PULLS = "all", "routine, weekly, deep, level", "refresh, restore"

ENDPOINTS = (
    Endpoint("GET", "/_ping", _ALL, "the engine's version and clock"),
    Endpoint("GET", "/version", _ALL, "the same, where a proxy hides the engine's name"),
    Endpoint("GET", "/info", _ALL, "which engine it is, and where its data is"),
    Endpoint("GET", "/events", _ALL, "what is used, and what changed"),
    Endpoint("GET", "/system/df", _ALL, "build cache, sizes of volumes"),
    Endpoint("GET", "/containers/json", _ALL, "the containers"),
    Endpoint("GET", "/containers/{id}/json", _ALL, "what a container uses, when it ended"),
    Endpoint("GET", "/images/json", _ALL, "the images"),
    Endpoint("GET", "/images/{name}/json", _ALL, "the layers of an image, what a name means"),
    Endpoint(
        "GET", "/images/{name}/history", _ALL,
        "sizes of layers, where the engine's disk is not in sight",
    ),
    Endpoint("GET", "/networks", _ALL, "the networks"),
    Endpoint("GET", "/volumes", _ALL, "the volumes"),
    Endpoint(
        "POST", "/grpc", _ALL,
        "BuildKit: when a build used what, and removal of cache records. Where a proxy forbids it, "
        "`/build/prune` does, and less is known of builds",
    ),
    Endpoint(
        "GET", "/distribution/{name}/json", "weekly, deep, level, refresh",
        "whether the registry still has an image",
    ),
    Endpoint("DELETE", "/containers/{id}", _CLEANS, "removes a container"),
    Endpoint("DELETE", "/images/{name}", _CLEANS, "removes a tag, a digest or an image"),
    Endpoint("DELETE", "/networks/{id}", "weekly, deep", "removes a network"),
    Endpoint("DELETE", "/volumes/{name}", "weekly, deep", "removes a volume"),
    Endpoint("POST", "/build/prune", _CLEANS, "removes cache records by ID, without `/grpc`"),
    Endpoint(
        "GET", "/networks/{id}", "weekly, deep",
        "whether a network is still there, after the engine failed to remove it",
    ),
    Endpoint("GET", "/volumes/{name}", "weekly, deep", "the same of a volume"),
    Endpoint(
        "POST", "/containers/{id}/exec", "weekly, deep",
        "a builder that has a budget: `buildctl dial-stdio` in its container. As an exec is full "
        "access to the container, allow it only where `[builders]` sets a budget",
    ),
    Endpoint("POST", "/exec/{id}/start", "weekly, deep", "the input and output of that program"),
    Endpoint("POST", "/images/create", _PULLS, "pulls an image"),
    Endpoint("POST", "/images/{name}/tag", "restore", "gives an image its tag again"),
    Endpoint("GET", "/images/{name}/get", "verify", "reads an image, to check its layers"),
    Endpoint("GET", "/images/get", "verify", "reads several images that share layers"),
)  # fmt: skip
"""In the order of the documentation."""

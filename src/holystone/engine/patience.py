"""How long an engine may be silent, by what it was asked.

Most calls are answered at once: ping, version, info, lists, inspections, past events, a tag. An
engine that says nothing for ``--timeout`` (10 s) to one of these hangs, and the command ends.

Some calls are silent because the engine works. These may be silent ``AT_WORK`` times as long (5
minutes), as long as the engine still answers a ping, which is asked each time ``--timeout`` has
passed without a byte:

- ``DELETE`` of an image, container, volume or network: it answers once the files are gone, and
  for a large image on a slow disk that takes minutes.
- ``/system/df`` and lists with ``size=1``: it walks the files of volumes and containers first.
- ``POST /build/prune``, and BuildKit's ``Prune`` over ``POST /grpc``: it deletes its records first.
- ``GET /images/get`` and ``/images/{id}/get``: a classic engine and Podman write the whole export
  to their disk before the first byte.
- ``POST /images/create``: it tells its progress, but waits silently for a registry, and Podman
  while it unpacks a layer.

``GET /images/json`` stands between: the containerd store weighs each image (8 to 17 ms,
moby#53077), so each image that ``/info`` counts adds ``AN_IMAGE``.

A registry that is asked through the engine has a patience of its own: ``registry.PATIENCE``.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from holystone.engine.errors import EngineSilent, ProtocolError
from holystone.engine.transport.address import Endpoint, silent

AT_WORK = 30
"""Times as long may be silent what works."""
AN_IMAGE = 0.05
"""Seconds for each image in a list: about three times what the slowest store takes."""
WORKING_GRPC = "POST /grpc, at work"
"""What an upgraded connection asks where a call of BuildKit takes its time."""

_WORKS = re.compile(
    r"DELETE |POST (/v[\d.]+)?/(images/create|build/prune)\b|GET (/v[\d.]+)?/system/df\b"
    r"|GET (/v[\d.]+)?/images/([^/]+/)?get\b|GET [^?]*\?(.*&)?size=(1|true)\b"
)
_LIST = re.compile(r"GET (/v[\d.]+)?/images/json\b")


class Patience:
    """Decides for all connections to one engine whether a silence goes on being waited for."""

    def __init__(self, endpoint: Endpoint, ping: Callable[[], bool]) -> None:
        """``ping`` tells whether the engine answers one on a connection of its own."""
        self.endpoint = endpoint
        self.ping = ping
        self.images = 0
        """How many images the engine counts, where it told."""

    def allowed(self, request: str, timeout: float) -> float:
        """Seconds for which the answer to a request may pause; ``timeout`` is what was asked for.

        ``request`` is the method and the path.
        """
        if request == WORKING_GRPC or _WORKS.match(request):
            return timeout * AT_WORK
        if _LIST.match(request):
            return timeout + self.images * AN_IMAGE
        return timeout

    def wait_on(self, request: str, timeout: float, waited: float) -> None:
        """Return where the answer is to be waited for, after so many seconds without a byte.

        Raises EngineSilent where the engine hangs, and ProtocolError where it does other work, and
        only this call takes too long.
        """
        allowed = self.allowed(request, timeout)
        if allowed <= timeout:
            raise self.hung(request, timeout)
        if not self.ping():
            raise self.hung(request, waited)
        if waited >= allowed:
            raise ProtocolError(
                f"the engine did not answer {request} within {waited:g} s, and answers a ping all "
                "the while. It may be busy: try --timeout with a longer time."
            )

    def hung(self, request: str, waited: float) -> EngineSilent:
        """The error of an engine that says nothing."""
        return silent(self.endpoint, request, waited)

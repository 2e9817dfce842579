"""Decide who may do what, before a request reaches its route.

| | reads | writes |
|---|---|---|
| unix socket | whom the file's rights let in | root, the agent's user, a token that may write |
| TCP on loopback | everybody on this machine | a token that may write |
| TCP elsewhere | a token; ``/healthz`` without | a token that may write |
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from holystone.agent.web.errors import ApiError
from holystone.agent.web.peer import LOOPBACK, NOBODY, SOCKET, Peer
from holystone.agent.web.tokens import WRITE, Token, Tokens

OPEN = "/healthz"
"""What everybody may ask."""
SAFE_METHODS = ("GET", "HEAD")
_MOST_FAILURES = 10
_PERIOD = 60.0
_MOST_PEERS = 1024
_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="holystone"'}
_MAKE_ONE = (
    "holystone agent token NAME --scope {} makes one; send it as Authorization: Bearer TOKEN"
)


class Failures:
    """How often each peer gave a wrong token lately. Remembers the latest peers only."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait(self, key: str) -> int:
        """Seconds until this peer may try a token again; 0 where it may now."""
        began, count = self._seen.get(key, (0.0, 0))
        if count < _MOST_FAILURES:
            return 0
        return max(0, math.ceil(began + _PERIOD - self.clock()))

    def note(self, key: str) -> None:
        """Count a wrong token."""
        now = self.clock()
        began, count = self._seen.pop(key, (now, 0))
        if now - began >= _PERIOD:
            began, count = now, 0
        self._seen[key] = (began, count + 1)
        if len(self._seen) > _MOST_PEERS:
            self._seen.popitem(last=False)


class Access:
    """Lets a request pass, or says why not."""

    def __init__(self, tokens: Tokens, failures: Failures) -> None:
        self.tokens = tokens
        self.failures = failures

    def check(self, scope: Scope) -> str:
        """Who asks, as the history names them. Raises ApiError where they may not."""
        peer: Peer = scope.get("state", {}).get("peer", NOBODY)
        headers = Headers(scope=scope)
        _check_site(peer, headers, scope)
        if scope["path"] == OPEN and scope["method"] in SAFE_METHODS:
            return "api"
        token = self._token(peer, headers)
        if scope["method"] in SAFE_METHODS:
            if token is None and peer.listener not in (SOCKET, LOOPBACK):
                raise _unauthorized("reading takes a token here", _MAKE_ONE.format("read"))
        elif token is not None and token.scope != WRITE and not peer.is_owner:
            message = f"the token {token.name} may read, not write"
            raise ApiError(403, "forbidden", message, _MAKE_ONE.format("write"))
        elif token is None and not peer.is_owner:
            who = "takes a token that may write"
            if peer.listener == SOCKET:
                who = "is for root and the user of the agent, or takes a token that may write"
            raise _unauthorized(f"this {who}", _MAKE_ONE.format("write"))
        return "api" if token is None else token.name

    def _token(self, peer: Peer, headers: Headers) -> Token | None:
        """Whose token the request has, None where it has none. Raises ApiError for a wrong one."""
        given = headers.getlist("authorization")
        if not given:
            return None
        if wait := self.failures.wait(peer.key):
            retry = {"Retry-After": str(wait)}
            message = "too many wrong tokens from here"
            raise ApiError(429, "too_many", message, f"Try again in {wait} s.", retry)
        kind, _, secret = given[0].strip().partition(" ")
        found = None
        if len(given) == 1 and kind.lower() == "bearer":
            found = self.tokens.who(secret.strip())
        if found is None:
            self.failures.note(peer.key)
            raise _unauthorized("this token is not known", _MAKE_ONE.format("read"))
        return found


def _unauthorized(message: str, mend: str) -> ApiError:
    return ApiError(401, "unauthorized", message, mend, _CHALLENGE)


def _check_site(peer: Peer, headers: Headers, scope: Scope) -> None:
    """Refuse what a page of another site made a browser send. Raises ApiError.

    On loopback also the name it was called by: a site can have its own name lead to 127.0.0.1.
    """
    host = headers.get("host", "").lower()
    if peer.listener == LOOPBACK and _name(host) not in peer.names:
        names = ", ".join(sorted(peer.names))
        mend = f"Call it by one of: {names}."
        raise ApiError(421, "wrong_host", "the agent does not answer to this name", mend)
    origin = headers.get("origin")
    if origin is not None and origin.lower() != f"{scope['scheme']}://{host}":
        raise ApiError(403, "cross_site", "the agent does not serve pages of other sites")
    from_site = headers.get("sec-fetch-site", "none")
    if from_site not in ("none", "same-origin"):
        opened = headers.get("sec-fetch-mode") == "navigate" and scope["method"] in SAFE_METHODS
        if not opened or headers.get("sec-fetch-dest", "document") != "document":
            raise ApiError(403, "cross_site", "the agent does not serve pages of other sites")


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""

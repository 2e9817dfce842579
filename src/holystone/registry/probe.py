"""Whether registries have the images of a host, and what tags mean there: asked by the engine.

Docker has ``GET /distribution/{name}/json`` for that. Podman lacks it; its
``GET /libpod/manifests/{name}/json`` asks the registry for any image, with the logins of Podman
itself (it passes no others on), and answers 404 to every problem.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import zip_longest
from typing import NamedTuple

from holystone.engine.client import Client
from holystone.engine.errors import EngineError
from holystone.engine.transport.http import Response
from holystone.planner.reference import parse
from holystone.registry.credentials import Credentials, CredentialsError

PATIENCE = 20.0
"""Seconds a registry may be silent. The engine itself would go on trying for minutes."""
AUTH_HEADER = "X-Registry-Auth"
IN_FLIGHT = 8
"""Requests under way at a time, to all registries together; over ssh it is one."""
_SILENCES = 3
"""After so many requests in a row without an answer a registry is not asked any more."""
_LACKING = ("manifest unknown", "name unknown", "not found")
_REFUSING = ("no basic auth credentials", "unauthorized", "authentication required", "denied")
_TOO_MANY = ("toomanyrequests", "too many requests")
"""What a registry says that limits how often it may be asked, as Docker Hub does."""
_NO_SUCH_CALL = ("page not found", "is not supported")
_SINGLE = "treating single images as manifest lists is not implemented"
"""How Podman ends when the registry sent a manifest of OCI for one platform, which it quotes."""
_SHOWN = 160
"""Characters of an error that are shown."""


class Answer(NamedTuple):
    """What a registry says of an image: ``Image.in_registry`` and ``Image.registry_said``."""

    has: bool | None
    said: str = ""
    silent: bool = False
    """Whether the registry gave no answer at all."""
    late: bool = False
    """Whether that took all the time it had."""
    digests: frozenset[str] = frozenset()
    """What the reference means there now: the image's digest, on Podman those of all platforms.

    Podman tells none of an image for one platform."""


class Asker:
    """Asks registries through one engine, several requests at a time.

    A registry that gives no answer several times in a row is not asked again, nor one that lets a
    question run out of time and has answered none: what it did counts for as long as this object
    lives. Never raises for what an engine or a registry answers.
    """

    def __init__(
        self, client: Client, credentials: Credentials, *, patience: float = PATIENCE
    ) -> None:
        """``patience``: seconds a registry may be silent."""
        self.client = client
        self.credentials = credentials
        self.patience = patience
        self._silences: dict[str, list[Answer]] = {}
        """By registry the answers since its last real one."""
        self._heard: set[str] = set()
        """Registries that gave a real answer."""
        self._lock = threading.Lock()

    def ask(self, groups: Iterable[Sequence[str]]) -> dict[str, Answer]:
        """The answers on these complete references; those asked of one group end with a yes.

        Groups are asked side by side, also those of one registry; the references of a group one
        after the other, until a registry has one of them.
        """
        turns = _in_turn(dict.fromkeys(tuple(group) for group in groups if group))
        waiting = iter(turns)
        answers: dict[str, Answer] = {}

        def work() -> None:
            own = self.client.sibling()
            own.timeout = min(2 * self.client.timeout, self.patience)
            with closing(own):
                for group in waiting:
                    for reference in group:
                        answers[reference] = self._answer(own, reference)
                        if answers[reference].has:
                            break

        self.client.negotiate()
        at_a_time = 1 if self.client.endpoint.scheme == "ssh" else IN_FLIGHT
        count = min(len(turns), at_a_time)
        threads = [threading.Thread(target=work, daemon=True) for _ in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    def _answer(self, client: Client, reference: str) -> Answer:
        domain = parse(reference).domain
        with self._lock:
            silences = self._silences.setdefault(domain, [])
            hangs = domain not in self._heard and any(each.late for each in silences)
            if silences and (hangs or len(silences) >= _SILENCES):
                return silences[-1]
        try:
            header = self.credentials.header(domain)
        except CredentialsError as error:
            return Answer(None, str(error))
        answer = _ask(client, domain, reference, {AUTH_HEADER: header} if header else {})
        with self._lock:
            if answer.silent:
                silences.append(answer)
            else:
                silences.clear()
                self._heard.add(domain)
        return answer


def _in_turn(groups: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The groups, a first one of each registry, then a second: a slow one delays no other."""
    by_registry: dict[str, list[tuple[str, ...]]] = {}
    for group in groups:
        by_registry.setdefault(parse(group[0]).domain, []).append(group)
    rounds = zip_longest(*by_registry.values())
    return [group for each in rounds for group in each if group is not None]


def _ask(client: Client, domain: str, reference: str, headers: Mapping[str, str]) -> Answer:
    podman = client.negotiate().podman
    path = client.versioned(f"/distribution/{reference}/json")
    if podman:
        path = f"/v4.0.0/libpod/manifests/{reference}/json"
    began = time.monotonic()
    try:
        (response,) = client.finish(client.begin([("GET", path)], headers))
    except EngineError as error:
        late = time.monotonic() - began >= client.timeout
        said = f"no answer from {domain} within {client.timeout:g} s" if late else str(error)
        return Answer(None, said, silent=True, late=late)
    if response.status < 300:
        return Answer(has=True, digests=_digests(response, podman=podman))
    words = response.words()
    lower = words.lower()
    if podman and lower.endswith(_SINGLE):
        return Answer(has=True)
    # The end of an error in Go's manner has its cause; Podman begins with the image.
    if words.startswith("reading image "):
        words = words.partition('": ')[2] or words
    words = words if len(words) <= _SHOWN else f"… {words[-_SHOWN:]}"

    def says(signs: tuple[str, ...]) -> bool:
        return any(sign in lower for sign in signs)

    if says(_NO_SUCH_CALL):
        return Answer(None, "this engine cannot ask a registry", silent=True)
    if response.status in (401, 403) or says(_REFUSING):
        return Answer(None, f"{domain} refuses access: {words}")
    if response.status == 404 and says(_LACKING):
        return Answer(has=False, said=f"{domain} says {words!r}")
    silent = podman or response.status >= 500 or response.status == 429 or says(_TOO_MANY)
    return Answer(None, f"no answer from {domain}: {words}", silent=silent)


def _digests(response: Response, *, podman: bool) -> frozenset[str]:
    """The digests in an answer on an image that is there; none where it has none."""
    try:
        told = response.json()
    except EngineError:
        return frozenset()
    entries = told.get("manifests" if podman else "Descriptor") if isinstance(told, dict) else None
    listed = entries if isinstance(entries, list) else [entries]
    digests = (each.get("digest") for each in listed if isinstance(each, dict))
    return frozenset(each for each in digests if isinstance(each, str) and each)

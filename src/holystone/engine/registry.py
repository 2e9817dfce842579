"""Whether registries have the images of a host, and what tags mean there: asked by the engine.

Docker has ``GET /distribution/{name}/json`` for that. Podman lacks it; its
``GET /libpod/manifests/{name}/json`` asks the registry for any image, with the logins of Podman
itself (it passes no others on), and answers 404 whatever is wrong.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.core.inventory import Image, Inventory
from holystone.core.reference import InvalidReference, parse
from holystone.engine.api import Client
from holystone.engine.credentials import Credentials, CredentialsError
from holystone.engine.errors import EngineError
from holystone.engine.transport.http import Response

PATIENCE = 20.0
"""Seconds a registry may be silent. The engine itself would go on trying for minutes."""
AUTH_HEADER = "X-Registry-Auth"
_REGISTRIES_AT_A_TIME = 4
_LACKING = ("manifest unknown", "name unknown", "not found")
_REFUSING = ("no basic auth credentials", "unauthorized", "authentication required", "denied")
_NO_SUCH_CALL = ("page not found", "is not supported")
_SHOWN = 160
"""How much of an error is told."""


class Answer(NamedTuple):
    """What a registry says of an image: ``Image.in_registry`` and ``Image.registry_said``."""

    has: bool | None
    said: str = ""
    silent: bool = False
    """Whether the registry gave no answer at all."""
    digests: frozenset[str] = frozenset()
    """What the reference means there now: the image's digest, on Podman those of all platforms.

    Podman tells none of an image for one platform."""


def confirm(
    client: Client,
    credentials: Credentials,
    inventory: Inventory,
    image_ids: Iterable[str],
    *,
    patience: float = PATIENCE,
) -> Inventory:
    """The inventory, each of these images with what its registries say of its digests.

    It is there where one of them has it. Never raises for what an engine or a registry answers.
    ``patience``: seconds a registry may be silent.
    """
    asked = set(image_ids)
    references = {image.id: _references(image) for image in inventory.images if image.id in asked}
    by_registry: dict[str, list[str]] = {}
    for domain, reference in dict.fromkeys(each for known in references.values() for each in known):
        by_registry.setdefault(domain, []).append(reference)
    answers = _ask_all(client, credentials, by_registry, patience)
    images = []
    for image in inventory.images:
        known = [answers[reference] for _, reference in references.get(image.id, ())]
        if known:
            has, said = _together(known)
            images.append(image._replace(in_registry=has, registry_said=said))
        else:
            images.append(image)
    return inventory._replace(images=tuple(images))


def ask(
    client: Client,
    credentials: Credentials,
    references: Iterable[str],
    *,
    patience: float = PATIENCE,
) -> dict[str, Answer]:
    """What registries say of complete references, with a tag or with a digest.

    Never raises for what an engine or a registry answers.
    """
    by_registry: dict[str, list[str]] = {}
    for reference in dict.fromkeys(references):
        by_registry.setdefault(parse(reference).domain, []).append(reference)
    return _ask_all(client, credentials, by_registry, patience)


def _references(image: Image) -> list[tuple[str, str]]:
    """The registry and the complete reference of each of an image's digests."""
    found = []
    for text in image.digests:
        try:
            reference = parse(text)
        except InvalidReference:
            continue
        found.append((reference.domain, str(reference._replace(tag=""))))
    return found


def _together(answers: Sequence[Answer]) -> tuple[bool | None, str]:
    """What several answers on one image come to: a doubt outweighs a no, a yes everything."""
    if any(answer.has for answer in answers):
        return True, ""
    decisive = next((answer for answer in answers if answer.has is None), answers[0])
    return decisive.has, decisive.said


def _ask_all(
    client: Client,
    credentials: Credentials,
    by_registry: Mapping[str, Sequence[str]],
    patience: float,
) -> dict[str, Answer]:
    """The answer on every reference. Registries are asked side by side."""
    waiting = deque(by_registry.items())
    answers: dict[str, Answer] = {}

    def ask_next() -> None:
        own = client.sibling()
        own.timeout = min(client.timeout, patience)
        try:
            while True:
                try:
                    domain, references = waiting.popleft()
                except IndexError:
                    return
                answers.update(_ask_registry(own, credentials, domain, references))
        finally:
            own.close()

    client.negotiate()
    count = min(len(waiting), 1 if client.endpoint.scheme == "ssh" else _REGISTRIES_AT_A_TIME)
    threads = [threading.Thread(target=ask_next, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def _ask_registry(
    client: Client, credentials: Credentials, domain: str, references: Sequence[str]
) -> dict[str, Answer]:
    """The answers of one registry. Once it answers none of several it is not asked any more."""
    try:
        header = credentials.header(domain)
    except CredentialsError as error:
        return dict.fromkeys(references, Answer(None, str(error)))
    headers = {AUTH_HEADER: header} if header else {}
    answers: dict[str, Answer] = {}
    silence: Answer | None = None
    for start in range(0, len(references), client.width):
        batch = references[start : start + client.width]
        if silence is not None:
            answers.update(dict.fromkeys(batch, silence))
            continue
        told = _ask(client, domain, batch, headers)
        answers.update(zip(batch, told, strict=True))
        if all(answer.silent for answer in told):
            silence = told[0]
    return answers


def _ask(
    client: Client, domain: str, references: Sequence[str], headers: Mapping[str, str]
) -> list[Answer]:
    podman = client.negotiate().podman
    paths = [
        f"/v4.0.0/libpod/manifests/{reference}/json"
        if podman
        else client.versioned(f"/distribution/{reference}/json")
        for reference in references
    ]
    began = time.monotonic()
    try:
        responses = client.finish(client.begin((("GET", path) for path in paths), headers))
    except EngineError as error:
        late = time.monotonic() - began >= client.timeout
        said = f"no answer from {domain} within {client.timeout:g} s" if late else str(error)
        return [Answer(None, said, silent=True)] * len(references)
    return [_judged(response, domain, podman=podman) for response in responses]


def _cause(words: str) -> str:
    """The end of an error in Go's manner, where its cause is; Podman begins with the image."""
    if words.startswith("reading image "):
        words = words.partition('": ')[2] or words
    return words if len(words) <= _SHOWN else f"… {words[-_SHOWN:]}"


def _digests(response: Response, *, podman: bool) -> frozenset[str]:
    """The digests in an answer on an image that is there; none where it has none."""
    try:
        told = response.json()
    except EngineError:
        return frozenset()
    entries = told.get("manifests" if podman else "Descriptor") if isinstance(told, dict) else None
    if not isinstance(entries, list):
        entries = [entries]
    digests = (each.get("digest") for each in entries if isinstance(each, dict))
    return frozenset(each for each in digests if isinstance(each, str) and each)


def _judged(response: Response, domain: str, *, podman: bool) -> Answer:
    if response.status < 300:
        return Answer(has=True, digests=_digests(response, podman=podman))
    words = response.words()
    lower = words.lower()
    words = _cause(words)
    if any(sign in lower for sign in _NO_SUCH_CALL):
        return Answer(None, "this engine cannot ask a registry", silent=True)
    if response.status in (401, 403) or any(sign in lower for sign in _REFUSING):
        return Answer(None, f"{domain} refuses access: {words}")
    if response.status == 404 and any(sign in lower for sign in _LACKING):
        return Answer(has=False, said=f"{domain} says {words!r}")
    silent = podman or response.status >= 500
    return Answer(None, f"no answer from {domain}: {words}", silent=silent)

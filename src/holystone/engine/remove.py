"""Remove one object at a time: look at it once more, then request it by name, never by force.

A container or pod stays if another one that needs it stayed. If a removal got no usable answer, a
look at the object afterwards decides its result.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from typing import Any
from urllib.parse import quote

from holystone.engine.activity import Touched
from holystone.engine.builders import BuilderRemover, list_builder
from holystone.engine.cache import CacheRemover, list_cache
from holystone.engine.client import Client
from holystone.engine.containers import libpod
from holystone.engine.errors import EngineError, EngineRefused, EngineUnreachable, ProtocolError
from holystone.engine.host import (
    ALREADY_GONE,
    FAILED,
    GONE,
    REMOVED,
    SKIPPED,
    UNKNOWN,
    USED,
    Removal,
)
from holystone.engine.parse import references as references_in
from holystone.engine.reading import FAULT, NOT_FOUND, image_is_gone, is_gone, read_one, says_gone
from holystone.engine.transport.http import Response
from holystone.planner.builders import parted
from holystone.planner.container_groups import POD
from holystone.planner.inventory import Builder, CacheRecord
from holystone.planner.protection import lease_on
from holystone.planner.usage import Lease
from holystone.planner.verdict import Left, Step, lost

_OK = 200
_CONFLICT = 409
NEEDED = "a container that needs it stayed"
PATIENCE = 4.0
"""Seconds for an engine that went away to answer again."""
_LEAST_WAIT = 0.5
_PAUSE = 0.2
_SECOND_LOOK = 1.0
"""Seconds after which what is still there is looked at once more: an engine that stood still
carries out late what it was asked."""
_PATHS = {"container": "containers/{}/json", "image": "images/{}/json", "volume": "volumes/{}",
          "network": "networks/{}"}  # fmt: skip


class NoAnswer(EngineError):
    """The engine was asked to delete something, and may have done so: no usable answer came."""


class Remover:
    """Removes objects of one engine. Safe to call from several threads."""

    def __init__(
        self,
        client: Client,
        touched: Touched,
        cache: Mapping[str, CacheRecord],
        cache_seen: float,
        leases: Callable[[], Sequence[Lease]] = tuple,
        leases_unread: Callable[[], str] = str,
    ) -> None:
        """``cache`` are the build cache records as planned, listed at ``cache_seen``.

        ``leases`` tells those that count now, ``leases_unread`` why there may be more.
        """
        self.leases = leases
        self.leases_unread = leases_unread
        self.client = client
        self.touched = touched
        self._cache_remover = CacheRemover(cache, cache_seen)
        self._builders: dict[str, BuilderRemover] = {}
        self._local = threading.local()
        self._siblings: list[Client] = []

    def remove(self, step: Step) -> Removal:
        """Carry out a step on a container or an image; see ``Host.remove``."""
        if self.touched.follow(step.id):
            return Removal(SKIPPED, USED)
        client = self._own_client()
        try:
            if step.kind == "container":
                return _remove_container(client, step)
            if step.kind == "image":
                return self._remove_image(client, step)
            if step.kind in ("volume", "network"):
                delete(client, client.versioned(f"/{step.kind}s/{step.id}"))
                return Removal(REMOVED)
        except EngineRefused as refusal:
            return _settled(client, step, refusal)
        except NoAnswer as error:
            return Removal(UNKNOWN, f"{GONE}: {error}")
        return Removal(FAILED, f"holystone cannot remove a {step.kind}")

    def remove_cache(self, steps: Sequence[Step]) -> list[Removal]:
        """Delete build cache records; see ``CacheRemover.remove``.

        Builds send no event when they use a record, so records are listed again just before.
        """
        self.touched.follow()
        try:
            return self._cache_remover.remove(self._own_client(), [step.id for step in steps])
        except EngineRefused as refusal:
            return [_refused(refusal)] * len(steps)

    def know_builders(self, builders: Sequence[Builder], seen: float) -> None:
        """Take the builders with their records as planned, listed at ``seen``."""
        for builder in builders:
            if builder.records is not None:
                planned = {parted(record.id)[1]: record for record in builder.records}
                self._builders[builder.name] = BuilderRemover(builder.container, planned, seen)

    def remove_from_builder(self, steps: Sequence[Step]) -> list[Removal]:
        """Delete records of one builder, as ``remove_cache`` does."""
        self.touched.follow()
        builder, _ = parted(steps[0].id)
        try:
            own_ids = [parted(step.id)[1] for step in steps]
            return self._builders[builder].remove(self._own_client(), own_ids)
        except EngineRefused as refusal:
            return [Removal(SKIPPED, f"builder {builder} no longer answers: {refusal}")] * len(
                steps
            )

    def container_of(self, builder: str) -> str:
        """The ID of a builder's container; empty where the builder was not asked."""
        known = self._builders.get(builder)
        return "" if known is None else known.container

    def close(self) -> None:
        """Let go of the connections of all threads."""
        for client in self._siblings:
            client.close()

    def _own_client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._local.client = self.client.sibling()
            self._siblings.append(client)
        return client

    def _remove_image(self, client: Client, step: Step) -> Removal:
        """Delete an image by its references, or by ID where it has none.

        Children have gone before, and ``noprune`` keeps the engine from taking parents that have
        a verdict of their own.
        """
        if lease := lease_on(self.leases(), step.id, step.targets):
            job = f" by job {lease.job}" if lease.job else ""
            user = f" of user {lease.user}" if lease.user else ""
            return Removal(SKIPPED, f"leased{job}{user} since planned")
        if self.leases_unread():
            return Removal(SKIPPED, "perhaps leased: the leases cannot be read any more")
        if self.touched.references_moved:
            observed = self.touched.names.by_id.get(step.id)
            known = {*observed.tags, *observed.digests} if observed else set()
            if new := references(client, step.id).difference(known):
                return Removal(SKIPPED, f"{USED}: it is now {min(new)}")
        gone: list[str] = []
        for target in step.targets:
            try:
                answer = delete(client, client.versioned(f"/images/{target}?noprune=1"))
            except EngineRefused as refusal:
                settled = _settled(client, step, refusal)
                also = tuple(dict.fromkeys((*gone, *settled.lost)))
                return settled._replace(lost=() if settled.result == REMOVED else also)
            except NoAnswer as error:
                return Removal(UNKNOWN, f"{GONE}: {error}", tuple(gone))
            except EngineError as error:
                if not gone:
                    raise
                return Removal(FAILED, f"{GONE}: {error}", tuple(gone))
            if not answer or "Deleted" in str(answer):
                # With the last tag of a repository its digests go too. Podman's answer is empty
                # where other images hold the same layers.
                return Removal(REMOVED)
            told = answer if isinstance(answer, list) else ()
            named = [target, *(str(each["Untagged"]) for each in told if "Untagged" in each)]
            gone += [name for name in named if name not in gone]
        said = "it has another reference by now, and lost only the old one"
        return Removal(SKIPPED, said, tuple(gone))


def _settled(client: Client, step: Step, refusal: EngineRefused) -> Removal:
    """The result of a removal that the engine refused: the object may still be gone.

    After a fault the engine may have carried out all of it or a part. Another run may have taken
    the object at the same moment, which engines answer with all kinds of errors. And Podman 4
    takes untagged parents along with their last child, and then complains of the parents it could
    not take.
    """
    podman = client.negotiate().podman
    fault = refusal.status >= FAULT
    told = _refused(refusal)
    if not (podman or fault):
        return told
    try:
        (now,) = client.send([("GET", client.versioned(_path_of(step)))])
        left = _left_of(step, now)
    except EngineError as error:
        return Removal(UNKNOWN, f"{told.detail}; then {error}") if fault else told
    if left is None:
        return Removal(UNKNOWN, told.detail) if fault else told
    if not left.there:
        if podman and step.kind == "image" and (step.after or refusal.status == _CONFLICT):
            return Removal(REMOVED)
        if says_gone(refusal.words) or not fault:
            return Removal(SKIPPED, ALREADY_GONE)
        return Removal(REMOVED, f"the engine answered {refusal.status}, and it is gone")
    if podman and step.kind == "container" and _is_untouched(now):
        return Removal(SKIPPED, f"the engine refused: {refusal.words}")
    return told._replace(lost=left.lost if fault else ())


def _refused(refusal: EngineRefused) -> Removal:
    """An engine that says no is right: gone already or in use is a skip, a fault is a failure."""
    if refusal.status == NOT_FOUND:
        return Removal(SKIPPED, ALREADY_GONE)
    in_use = "in use" in refusal.words or "being used" in refusal.words
    if refusal.status == _CONFLICT or in_use:
        return Removal(SKIPPED, f"the engine refused: {refusal.words}")
    return Removal(FAILED, f"the engine answered {refusal.status}: {refusal.words}")


def _remove_container(client: Client, step: Step) -> Removal:
    """Delete a container, and its pod if the step asks for that. Raises EngineRefused, NoAnswer.

    What needs it went before; where one of these is still there, it stays too.
    """
    answers = client.send(
        ("GET", client.versioned(f"/containers/{other}/json")) for other in step.after
    )
    if not all(map(is_gone, answers)):
        return Removal(SKIPPED, NEEDED)
    for target in step.targets:
        if not target.startswith(POD):
            delete(client, client.versioned(f"/containers/{target}"))
        elif step.targets == (target,):
            return _remove_pod(client, step, target.removeprefix(POD))
        else:
            with suppress(EngineRefused):
                # Its last container is gone, so what is left of the pod is a name.
                _remove_pod(client, step, target.removeprefix(POD))
    return Removal(REMOVED)


def _remove_pod(client: Client, step: Step, pod: str) -> Removal:
    """Delete a pod with its infra container, unless it has others by now. Raises EngineRefused."""
    path = f"{libpod(client.negotiate())}/pods/{pod}"
    told = client.request("GET", f"{path}/json")
    members = (told.get("Containers") or ()) if isinstance(told, dict) else ()
    if any(str(each.get("Id")) != step.id for each in members if isinstance(each, dict)):
        return Removal(SKIPPED, "its pod has other containers by now")
    delete(client, path)
    return Removal(REMOVED)


def _is_untouched(answer: Response) -> bool:
    """Whether a container is as it was, after Podman answered its removal with a fault.

    Podman answers 500 for every reason: that others depend on it, that it is the infra container
    of a pod, that it runs. It looks for these before it begins; from then on a container is
    ``removing`` (``libpod/runtime_ctr.go``, ``removeContainer``).
    """
    told = answer.json() if answer.status == _OK else None
    state = told.get("State") if isinstance(told, dict) else None
    return isinstance(state, dict) and state.get("Status") not in ("removing", None)


def delete(client: Client, path: str) -> Any:
    """``DELETE`` exactly this path; the engine's answer.

    Raises EngineRefused where it says no, EngineUnreachable where it was certainly not asked, and
    NoAnswer where it may have been.
    """
    try:
        return client.request("DELETE", path)
    except EngineRefused:
        raise
    except EngineError as error:
        # An engine that hangs took the request, and over ssh a connection can break with its first
        # answer.
        unsent = isinstance(error, EngineUnreachable) and not isinstance(error, ProtocolError)
        if unsent and client.endpoint.scheme != "ssh":
            raise
        raise NoAnswer(str(error)) from None


def references(client: Client, image_id: str) -> set[str]:
    """The tags and digests of an image as they are now. Raises EngineError."""
    (answer,) = client.send([("GET", client.versioned(f"/images/{image_id}/json"))])
    return read_one(dict, answer, references_in)


def _path_of(step: Step) -> str:
    return "/" + _PATHS[step.kind].format(quote(step.id, safe=":/@"))


def _left_of(step: Step, answer: Response) -> Left | None:
    """What is left of a step's object; None if the answer does not show it."""
    if image_is_gone(answer) if step.kind == "image" else is_gone(answer):
        return Left(there=False)
    if answer.status != _OK:
        return None
    if step.kind != "image":
        return Left(there=True)
    told = answer.json()
    if not isinstance(told, dict):
        return None
    named = [target for target in step.targets if target != step.id]
    return Left(there=True, lost=lost(named, references_in(told)))


def look(
    client: Client,
    steps: Sequence[Step],
    removals: Sequence[Removal],
    container_of: Callable[[str], str] = lambda _: "",
) -> list[Removal]:
    """The results of steps without an answer; they stay ``unknown`` if the engine is away.

    ``client`` is the caller's alone, ``container_of`` tells the container of a builder by its name.
    What is still there is looked at twice.
    """
    until = time.monotonic() + PATIENCE
    whole = client.timeout
    found: dict[int, Left] = {}
    left = dict(enumerate(steps))
    with closing(client):
        for pause in (0.0, _SECOND_LOOK):
            time.sleep(pause)
            until += pause
            while left:
                # An engine that stands still takes connections, and must not be waited for long.
                client.timeout = min(whole, max(_LEAST_WAIT, until - time.monotonic()))
                try:
                    found |= _look_once(client, left, container_of)
                    break
                except EngineError:
                    client.close()
                    if time.monotonic() + _PAUSE > until:
                        return [_told(each, found.get(n)) for n, each in enumerate(removals)]
                    time.sleep(_PAUSE)
            left = {n: step for n, step in left.items() if n in found and found[n].there}
            if not left:
                break
    return [_told(each, found.get(n)) for n, each in enumerate(removals)]


def _look_once(
    client: Client, steps: Mapping[int, Step], container_of: Callable[[str], str]
) -> dict[int, Left]:
    """What is left of each object by its place. Raises EngineError."""
    records = ("cache", "builder")
    others = {place: step for place, step in steps.items() if step.kind not in records}
    answers = client.send(("GET", client.versioned(_path_of(step))) for step in others.values())
    told = {n: _left_of(step, now) for (n, step), now in zip(others.items(), answers, strict=True)}
    found = {place: left for place, left in told.items() if left is not None}
    cached = {place: step for place, step in steps.items() if step.kind == "cache"}
    if cached:
        listed = list_cache(client)
        found |= {place: Left(there=step.id in listed) for place, step in cached.items()}
    kept = {place: parted(step.id) for place, step in steps.items() if step.kind == "builder"}
    for builder in {name for name, _ in kept.values()}:
        try:
            ids = {record.id for record in list_builder(client, container_of(builder))}
        except EngineUnreachable:
            raise
        except EngineError:
            continue  # What is left in it is not known.
        own = {place: own_id for place, (name, own_id) in kept.items() if name == builder}
        found |= {place: Left(there=own_id in ids) for place, own_id in own.items()}
    return found


def _told(removal: Removal, left: Left | None) -> Removal:
    """The result of a removal without an answer, by what is left of its object."""
    if left is None:
        return removal
    if not left.there:
        return Removal(REMOVED, left.detail)
    also = tuple(dict.fromkeys((*removal.lost, *left.lost)))
    return Removal(FAILED, Left(there=True, lost=also).detail, also)

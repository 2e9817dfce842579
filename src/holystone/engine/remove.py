"""One removal at a time: looked at once more, then asked of the engine by name, never by force.

A container or pod stays where one that needs it stayed after all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from holystone.engine.activity import Touched
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
from holystone.engine.looking import left_of, path_of, references
from holystone.engine.reading import FAULT, NOT_FOUND, is_gone, says_gone
from holystone.engine.remove_cache import CacheRemover
from holystone.engine.transport.http import Response
from holystone.planner.container_groups import POD
from holystone.planner.inventory import CacheRecord
from holystone.planner.protection import lease_on
from holystone.planner.usage import Lease
from holystone.planner.verdict import Step

_OK = 200
_CONFLICT = 409
NEEDED = "a container that needs it stayed"


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
        self._cache = cache, cache_seen
        self._cache_remover: CacheRemover | None = None
        self._local = threading.local()
        self._siblings: list[Client] = []

    def remove(self, step: Step) -> Removal:
        """Carry out a step on a container or an image; see ``Host.remove``."""
        if self.touched.follow(step.id):
            return Removal(SKIPPED, USED)
        client = self._own_client()
        try:
            if step.kind == "container":
                return remove_container(client, step)
            if step.kind == "image":
                return self._remove_image(client, step)
            if step.kind in ("volume", "network"):
                delete(client, f"/{step.kind}s/{step.id}")
                return Removal(REMOVED)
        except EngineRefused as refusal:
            return _settled(client, step, refusal)
        except NoAnswer as error:
            return Removal(UNKNOWN, f"{GONE}: {error}")
        return Removal(FAILED, f"holystone cannot remove a {step.kind}")

    def remove_cache(self, steps: Sequence[Step]) -> list[Removal]:
        """Delete build cache records; see ``CacheRemover.remove``.

        No event tells of a build that uses a record, so they are listed anew just before.
        """
        self.touched.follow()
        if self._cache_remover is None:
            self._cache_remover = CacheRemover(*self._cache)
        try:
            return self._cache_remover.remove(self._own_client(), [step.id for step in steps])
        except EngineRefused as refusal:
            return [_refused(refusal)] * len(steps)

    def close(self) -> None:
        """Let go of the connections of all threads."""
        for client in self._siblings:
            client.close()

    def _own_client(self) -> Client:
        """The calling thread's own client."""
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
        lost: list[str] = []
        for target in step.targets:
            try:
                answer = delete(client, f"/images/{target}?noprune=1")
            except EngineRefused as refusal:
                settled = _settled(client, step, refusal)
                return settled._replace(lost=_also(lost, settled))
            except NoAnswer as error:
                return Removal(UNKNOWN, f"{GONE}: {error}", tuple(lost))
            except EngineError as error:
                if not lost:
                    raise
                return Removal(FAILED, f"{GONE}: {error}", tuple(lost))
            if not answer or "Deleted" in str(answer):
                # With the last tag of a repository its digests go too. Podman's answer is empty
                # where other images hold the same layers.
                return Removal(REMOVED)
            lost += [name for name in _untagged(answer, target) if name not in lost]
        said = "it has another reference by now, and lost only the old one"
        return Removal(SKIPPED, said, tuple(lost))


def _untagged(answer: Any, target: str) -> list[str]:
    """The references that an image lost with one of them, as the engine tells."""
    told = answer if isinstance(answer, list) else ()
    return [target, *(str(each["Untagged"]) for each in told if "Untagged" in each)]


def _also(lost: Sequence[str], settled: Removal) -> tuple[str, ...]:
    """What an image lost in all; nothing where it went altogether."""
    return () if settled.result == REMOVED else tuple(dict.fromkeys((*lost, *settled.lost)))


def _settled(client: Client, step: Step, refusal: EngineRefused) -> Removal:
    """What became of an object whose removal the engine refused: it may be gone all the same.

    After a fault the engine may have carried out all of it or a part. Another run may have taken
    the object at the same moment, which engines answer with all kinds of errors. And Podman 4
    takes untagged parents along with their last child, and then complains of the parents it could
    not take.
    """
    podman = client.negotiate().podman
    fault = refusal.status >= FAULT
    if not (podman or fault):
        return _refused(refusal)
    try:
        (now,) = client.send([("GET", client.versioned(path_of(step.kind, step.id)))])
        left = left_of(step, now)
    except EngineError as error:
        left, now = None, None
        said = f"; then {error}"
    else:
        said = ""
    if left is None or now is None:
        told = _refused(refusal)
        return Removal(UNKNOWN, told.detail + said) if fault else told
    if not left.there:
        of_images = podman and step.kind == "image"
        if of_images and (step.after or refusal.status == _CONFLICT):
            return Removal(REMOVED)
        if says_gone(refusal.words) or not fault:
            return Removal(SKIPPED, ALREADY_GONE)
        return Removal(REMOVED, f"the engine answered {refusal.status}, and it is gone")
    if podman and step.kind == "container" and is_untouched(now):
        return Removal(SKIPPED, f"the engine refused: {refusal.words}")
    return _refused(refusal)._replace(lost=left.lost if fault else ())


def _refused(refusal: EngineRefused) -> Removal:
    """An engine that says no is right: gone already or in use is a skip, a fault is a failure."""
    if refusal.status == NOT_FOUND:
        return Removal(SKIPPED, ALREADY_GONE)
    in_use = "in use" in refusal.words or "being used" in refusal.words
    if refusal.status == _CONFLICT or in_use:
        return Removal(SKIPPED, f"the engine refused: {refusal.words}")
    return Removal(FAILED, f"the engine answered {refusal.status}: {refusal.words}")


def remove_container(client: Client, step: Step) -> Removal:
    """Delete a container, and its pod where the step says so. Raises EngineRefused, NoAnswer.

    What needs it went before; where one of these is still there, it stays too.
    """
    answers = client.send(
        ("GET", client.versioned(f"/containers/{other}/json")) for other in step.after
    )
    if not all(map(is_gone, answers)):
        return Removal(SKIPPED, NEEDED)
    for target in step.targets:
        if not target.startswith(POD):
            delete(client, f"/containers/{target}")
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
    delete_exactly(client, path)
    return Removal(REMOVED)


def is_untouched(answer: Response) -> bool:
    """Whether a container is as it was, after Podman answered its removal with a fault.

    Podman answers 500 whatever its reason: that others depend on it, that it is the infra container
    of a pod, that it runs. It looks for these before it begins; from then on a container is
    ``removing`` (``libpod/runtime_ctr.go``, ``removeContainer``).
    """
    if answer.status != _OK:
        return False
    told = answer.json()
    state = told.get("State") if isinstance(told, dict) else None
    return isinstance(state, dict) and state.get("Status") not in ("removing", None)


def delete(client: Client, path: str) -> Any:
    """``DELETE`` a path of the negotiated API version; the engine's answer.

    Raises EngineRefused where it says no, EngineUnreachable where it was certainly not asked, and
    NoAnswer where it may have been.
    """
    return delete_exactly(client, client.versioned(path))


def delete_exactly(client: Client, path: str) -> Any:
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

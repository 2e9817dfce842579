"""One removal at a time: looked at once more, then asked of the engine by name, never by force."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence

from holystone.core.decision import Step
from holystone.core.inventory import CacheRecord
from holystone.core.protection import lease_on
from holystone.core.usage import Lease
from holystone.engine import observe
from holystone.engine.api import Client
from holystone.engine.crew import ALREADY_GONE
from holystone.engine.errors import EngineRefused
from holystone.engine.host import FAILED, REMOVED, SKIPPED, Removal
from holystone.engine.reading import FAULT, NOT_FOUND, is_gone
from holystone.engine.touched import Touched

USED = "used since planned"
_CONFLICT = 409
_NEEDED = Removal(SKIPPED, "BuildKit keeps it: a build uses it, or another record stands on it")


class Remover:
    """Removes objects of one engine. Safe to call from several threads."""

    def __init__(
        self,
        client: Client,
        touched: Touched,
        cache: Mapping[str, CacheRecord],
        cache_seen: float,
        leases: Callable[[], Sequence[Lease]] = tuple,
    ) -> None:
        """``cache`` are the build cache records as planned, listed at ``cache_seen``.

        ``leases`` tells those that count now.
        """
        self.leases = leases
        self.client = client
        self.touched = touched
        self.cache = cache
        self.cache_seen = cache_seen
        self._local = threading.local()
        self._siblings: list[Client] = []

    def remove(self, step: Step) -> Removal:
        """Carry out a step on a container or an image; see ``Host.remove``."""
        if self.touched.follow(step.id):
            return Removal(SKIPPED, USED)
        client = self._own_client()
        try:
            if step.kind == "container":
                client.delete(f"/containers/{step.id}")
                return Removal(REMOVED)
            if step.kind == "image":
                return self._remove_image(client, step)
            if step.kind in ("volume", "network"):
                client.delete(f"/{step.kind}s/{step.id}")
                return Removal(REMOVED)
        except EngineRefused as refusal:
            return _settled(client, step, refusal)
        return Removal(FAILED, f"holystone cannot remove a {step.kind}")

    def remove_cache(self, steps: Sequence[Step]) -> list[Removal]:
        """Delete build cache records with one prune that names them and nothing else.

        No event tells of a build that uses a record, so they are listed anew just before.
        """
        self.touched.follow()
        client = self._own_client()
        try:
            now = observe.list_cache(client)
            removals = {step.id: self._use_of_record(step.id, now) for step in steps}
            named = [record_id for record_id, removal in removals.items() if removal is None]
            gone = _prune(client, named)
        except EngineRefused as refusal:
            return [_refused(refusal)] * len(steps)
        return [
            removals[step.id] or (Removal(REMOVED) if step.id in gone else _NEEDED)
            for step in steps
        ]

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
            return Removal(SKIPPED, f"leased{job} since planned")
        if self.touched.references_moved:
            observed = self.touched.names.by_id.get(step.id)
            known = {*observed.tags, *observed.digests} if observed else set()
            if new := observe.references(client, step.id).difference(known):
                return Removal(SKIPPED, f"{USED}: it is now {min(new)}")
        for target in step.targets:
            answer = client.delete(f"/images/{target}?noprune=1")
            if not answer or "Deleted" in str(answer):
                # With the last tag of a repository its digests go too. Podman's answer is empty
                # where other images hold the same layers.
                return Removal(REMOVED)
        return Removal(SKIPPED, "it has another reference by now, and lost only the old one")

    def _use_of_record(self, record_id: str, now: Mapping[str, CacheRecord]) -> Removal | None:
        """Why a build cache record is no longer to be removed, or None."""
        record = now.get(record_id)
        if record is None:
            return Removal(SKIPPED, ALREADY_GONE)
        planned = self.cache.get(record_id, record)
        used = (record.usage_count, record.last_used) != (planned.usage_count, planned.last_used)
        if record.type == "exec.cachemount" and (record.last_used or 0) <= self.cache_seen:
            used = False  # The list itself: to measure a mount counts as using it.
        return Removal(SKIPPED, USED) if used or record.in_use else None


def _prune(client: Client, records: Sequence[str]) -> Collection[str]:
    """Ask BuildKit to delete these records; the IDs of those it deleted.

    It deletes what no other record stands on, until nothing of the named is left that it can.
    """
    from urllib.parse import quote

    if not records:
        return ()
    # The filter is a regular expression that may match anywhere, hence the anchors.
    filters = quote(json.dumps({"id": [f'"^({"|".join(records)})$"']}))
    answer = client.request("POST", client.versioned(f"/build/prune?all=1&filters={filters}"))
    return answer.get("CachesDeleted") or () if isinstance(answer, dict) else ()


def _settled(client: Client, step: Step, refusal: EngineRefused) -> Removal:
    """What became of an object whose removal the engine refused: it may be gone all the same.

    Another run may have taken it at the same moment, which engines answer with all kinds of
    errors. And Podman 4 takes untagged parents along with their last child, and then complains of
    the parents it could not take.
    """
    podman = client.negotiate().podman
    if podman or refusal.status >= FAULT:
        (now,) = client.send([("GET", client.versioned(f"/{step.kind}s/{step.id}/json"))])
        if is_gone(now):
            taken_along = podman and (step.after or refusal.status == _CONFLICT)
            return Removal(REMOVED) if taken_along else Removal(SKIPPED, ALREADY_GONE)
    return _refused(refusal)


def _refused(refusal: EngineRefused) -> Removal:
    """An engine that says no is right: gone already or in use is a skip, a fault is a failure."""
    if refusal.status == NOT_FOUND:
        return Removal(SKIPPED, ALREADY_GONE)
    in_use = "in use" in refusal.words or "being used" in refusal.words
    if refusal.status == _CONFLICT or in_use:
        return Removal(SKIPPED, f"the engine refused: {refusal.words}")
    return Removal(FAILED, f"the engine answered {refusal.status}: {refusal.words}")

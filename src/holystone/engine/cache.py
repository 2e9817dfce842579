"""Build cache records: as an engine lists them, and deleted by ID.

BuildKit deletes a record once nothing refers to it: no build, and no record made from it. One call
that names many records deletes them leaves first, and never one that a build uses. Records that
remain are listed and requested again until nothing changes any more; the rest get a reason why they
stay.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from holystone.engine.buildkit import MOST_PRUNED, is_plain, open_channel, prune
from holystone.engine.client import Client
from holystone.engine.clock import timestamp
from holystone.engine.errors import EngineError, EngineRefused, ProtocolError
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
from holystone.engine.parse import id_of
from holystone.engine.reading import FAULT, of_kind, patiently, read_list
from holystone.planner.inventory import CacheRecord

if TYPE_CHECKING:
    from holystone.engine.grpc import Channel

BUSY = Removal(SKIPPED, "in use by a build")
UNEXPLAINED = Removal(SKIPPED, "the engine kept it and did not say why")
UNNAMEABLE = Removal(FAILED, "its ID cannot be named in a prune call without naming others")
BY_TYPE = (1, 42)
"""The API version from which ``/system/df`` answers for one kind alone."""
_VERBOSE = (1, 52)
"""The API version from which ``/system/df`` lists objects only where it is asked to."""
_DOUBTS = (0.0, 0.1, 0.3, 0.9)
"""Seconds before each further look where much of the build cache claims to be in use."""
_MUCH = 4
"""One record in so many that claims to be in use is much."""
_PAUSES = (0.0, 0.05, 0.2, 0.5, 1.0)
"""Seconds before each round: a look at the records and a call that deletes what can go."""
_IN_A_URL = 100
"""Records in one ``POST /build/prune``, leaves first. The engine compiles the regular expression
that names them anew for each record it looks at, so one that names 500 takes twice as long."""
_CONFLICT = 409
_LONGEST_NAME = 60


def cache_record(entry: Mapping[str, Any]) -> CacheRecord:
    """A build cache record of ``GET /system/df``.

    Its parents are ``Parents``, on older engines ``Parent``; engines 26.1 to 28.5 spell the key
    with a blank before it.
    """
    parents = entry.get("Parents") or entry.get(" Parents") or ()
    if not parents and entry.get("Parent"):
        parents = (entry["Parent"],)
    return CacheRecord(
        id=id_of(entry, "ID"),
        parents=tuple(str(parent) for parent in parents),
        type=str(entry.get("Type") or "regular"),
        description=str(entry.get("Description") or ""),
        size=max(0, int(entry.get("Size") or 0)),
        created=timestamp(entry.get("CreatedAt")) or 0.0,
        last_used=timestamp(entry.get("LastUsedAt")),
        usage_count=int(entry.get("UsageCount") or 0),
        in_use=bool(entry.get("InUse")),
        shared=bool(entry.get("Shared")),
    )


def disk_usage(answer: Mapping[str, Any], kind: str) -> Any:
    """The entries of one kind (``Images Containers Volumes BuildCache``) in ``GET /system/df``.

    Up to API 1.51 they stand under the kind; from 1.53 on under ``ImageUsage`` and so on, in
    ``Items``, and 1.52 has both.
    """
    usage = answer.get(f"{kind.removesuffix('s')}Usage")
    if isinstance(usage, Mapping) and usage.get("Items"):
        return usage["Items"]
    return answer.get(kind) or []


def cache_usage(client: Client) -> str:
    """The request for the build cache, alone if the engine can list it alone."""
    api = client.negotiate().api
    if api < BY_TYPE:
        return "/system/df"
    return "/system/df?type=build-cache" + ("&verbose=1" if api >= _VERBOSE else "")


def list_cache(client: Client) -> dict[str, CacheRecord]:
    """The build cache records as they are now, by ID. Raises EngineError."""
    return {record.id: record for record in doubted(partial(ask_cache, client), ask_cache(client))}


def ask_cache(client: Client) -> list[CacheRecord]:
    """The build cache records as the engine lists them now. Raises EngineError."""
    ask = partial(client.get, cache_usage(client))
    entries = disk_usage(of_kind(dict, patiently(ask), "/system/df"), "BuildCache")
    records, _ = read_list(cache_record, entries, "/system/df", "cache")
    return records


def doubted(ask: Callable[[], list[CacheRecord]], records: list[CacheRecord]) -> list[CacheRecord]:
    """The records, asked for again by ``ask`` while many of them claim to be in use.

    BuildKit holds a record while it measures it for the first caller, and tells other callers that
    it is in use: after a restart, or after large builds, that can be nearly all of them. Two equal
    answers, with a moment in between, are believed. Raises EngineUnreachable, ProtocolError.
    """
    for pause in _DOUBTS:
        busy = {record.id for record in records if record.in_use}
        if len(busy) * _MUCH < len(records) or not busy:
            break
        time.sleep(pause)
        try:
            records = ask()
        except EngineRefused:
            break  # What it said before is all there is.
        if pause and busy == {record.id for record in records if record.in_use}:
            break
    return records


class CacheRemover:
    """Deletes build cache records of one engine. Not for several threads at once."""

    def __init__(self, planned: Mapping[str, CacheRecord], listed_at: float) -> None:
        """``planned`` are the records as the plan saw them, listed at ``listed_at``."""
        self.planned = planned
        self.listed_at = listed_at
        self._bereft: dict[str, tuple[float, float]] = {}
        """Records that lost a child here, by ID, and between which moments."""
        self._over_grpc = True
        self._fault = ""
        """The engine's error in place of a deletion."""

    def remove(self, client: Client, record_ids: Sequence[str]) -> list[Removal]:
        """Delete these records, each after those made from it; what was done with each.

        Raises EngineError where the engine does not answer at all.
        """
        done = {i: UNNAMEABLE for i in record_ids if not is_plain(i)}
        asked: set[str] = set()
        try:
            self._remove(client, [i for i in record_ids if i not in done], done, asked)
        except EngineError as error:
            if not asked and not any(removal.result == REMOVED for removal in done.values()):
                raise
            maybe, never = (Removal(how, f"{GONE}: {error}") for how in (UNKNOWN, FAILED))
            return [done.get(i) or (maybe if i in asked else never) for i in record_ids]
        return [done[i] for i in record_ids]

    def listed(self, client: Client) -> dict[str, CacheRecord]:
        """The records as they are now, by ID. Raises EngineError."""
        return list_cache(client)

    def _remove(
        self, client: Client, left: list[str], done: dict[str, Removal], asked: set[str]
    ) -> None:
        """Delete what is left, round by round, and note in ``done`` what was done with each.

        ``asked`` gets the records that a call which broke off may have deleted.
        """
        free: list[str] = []
        unchanged = 0
        for pause in _PAUSES:
            if not left:
                return
            time.sleep(pause)
            now = self.listed(client)
            for i in left:
                if i not in now:
                    done[i] = Removal(REMOVED) if i in asked else Removal(SKIPPED, ALREADY_GONE)
            left = [i for i in left if i not in done]
            before, free = free, self._free(left, now)
            unchanged = unchanged + 1 if free == before else 0
            if not free or unchanged > 1:
                break
            gone, broken = self._prune(client, free, now)
            done.update((i, Removal(REMOVED)) for i in gone)
            asked.update(broken)
            left = [i for i in left if i not in done]
        if left:
            now = self.listed(client)
            children = _children(now)
            for i in left:
                if i in asked and i not in now:
                    done[i] = Removal(REMOVED)
                elif i in asked and self._fault:
                    done[i] = Removal(FAILED, self._fault)
                else:
                    done[i] = self._why_it_stays(now.get(i), children[i])

    def _free(self, record_ids: Sequence[str], now: Mapping[str, CacheRecord]) -> list[str]:
        """Those of the records that can go as things are, children before parents."""
        children = _children(now)
        free: dict[str, None] = {}
        for i in record_ids:
            in_use = now[i].in_use or self._is_used(now[i])
            if not in_use and all(child.id in free for child in children[i]):
                free[i] = None
        return list(free)

    def _why_it_stays(self, record: CacheRecord | None, children: Sequence[CacheRecord]) -> Removal:
        if record is None:
            return Removal(SKIPPED, ALREADY_GONE)
        if self._is_used(record):
            return Removal(SKIPPED, USED)
        if record.in_use:
            return BUSY
        if not children:
            return UNEXPLAINED
        name = " ".join(children[0].description.split())
        if len(name) > _LONGEST_NAME:
            name = name[: _LONGEST_NAME - 1] + "…"
        said = f"{children[0].id} ({name})" if name else children[0].id
        return Removal(SKIPPED, f"another record that stays is made from it: {said}")

    def _is_used(self, record: CacheRecord) -> bool:
        """Whether a record was used since the plan."""
        planned = self.planned.get(record.id, record)
        uses = record.usage_count - planned.usage_count
        if not uses and record.last_used == planned.last_used:
            return False
        last_used = record.last_used or 0
        if record.type == "exec.cachemount" and last_used <= self.listed_at:
            return False  # The list itself: to measure a mount counts as using it.
        # BuildKit marks a record as used, once, at the moment at which it loses its last child.
        began, ended = self._bereft.get(record.id, (1.0, 0.0))
        return uses > 1 or not began <= last_used <= ended

    def _prune(
        self, client: Client, record_ids: Sequence[str], now: Mapping[str, CacheRecord]
    ) -> tuple[set[str], set[str]]:
        """Ask BuildKit to delete these records: those it did, and those it may have.

        There are some of the second kind where a call broke off. Raises EngineError where the
        engine refuses.
        """
        gone: set[str] = set()
        began = client.clock.now()
        try:
            for deleted in self.delete(client, record_ids):
                gone |= deleted.intersection(record_ids)
        except ProtocolError:
            return gone, set(record_ids) - gone
        except EngineRefused as refusal:
            if refusal.status < FAULT:
                raise
            self._fault = f"the engine answered {refusal.status}: {refusal.words}"
            return gone, set(record_ids) - gone
        finally:
            ended = client.clock.now()
            if client.clock.ahead:
                # Known to half a second.
                began, ended = began - 0.5, ended + 0.5
            for parent in {parent for i in gone for parent in now[i].parents}:
                self._bereft[parent] = self._bereft.get(parent, (began, ended))[0], ended
        return gone, set()

    def delete(self, client: Client, record_ids: Sequence[str]) -> Iterator[set[str]]:
        """The records that BuildKit deletes, call by call: over gRPC, unless a proxy blocks it.

        Raises ProtocolError where a call broke off, and may have deleted some.
        """
        left = list(record_ids)
        while left and self._over_grpc:
            self._over_grpc = False
            try:
                channel = open_channel(client, works=True)
            except EngineError:
                break
            deleted = prune_over(channel, left[:MOST_PRUNED])
            self._over_grpc = True
            del left[:MOST_PRUNED]
            yield deleted
        for start in range(0, len(left), _IN_A_URL):
            # The filter is a regular expression that may match anywhere, hence the anchors.
            names = "|".join(left[start : start + _IN_A_URL])
            filters = quote(json.dumps({"id": [f'"^({names})$"']}))
            path = client.versioned(f"/build/prune?all=1&filters={filters}")
            try:
                answer = client.request("POST", path)
            except EngineRefused as refusal:
                if refusal.status != _CONFLICT:
                    raise
                continue  # Another prune is running.
            yield set(answer.get("CachesDeleted") or ()) if isinstance(answer, dict) else set()


def prune_over(channel: Channel, record_ids: Sequence[str]) -> set[str]:
    """Have BuildKit delete these records, and close the channel; which of them it deleted.

    Raises ProtocolError where the call broke off, and may have deleted some.
    """
    with closing(channel):
        try:
            return prune(channel, record_ids)
        except EngineError as error:
            raise ProtocolError(f"BuildKit broke off a prune: {error}") from None


def _children(records: Mapping[str, CacheRecord]) -> defaultdict[str, list[CacheRecord]]:
    children: defaultdict[str, list[CacheRecord]] = defaultdict(list)
    for record in records.values():
        for parent in record.parents:
            children[parent].append(record)
    return children

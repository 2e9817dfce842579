"""The build cache records as an engine lists them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from holystone.engine.client import Client
from holystone.engine.clock import timestamp
from holystone.engine.errors import EngineRefused
from holystone.engine.parse import id_of
from holystone.engine.reading import of_kind, patiently, read_list
from holystone.planner.inventory import CacheRecord

BY_TYPE = (1, 42)
"""The API version from which ``/system/df`` answers for one kind alone."""
_VERBOSE = (1, 52)
"""The API version from which ``/system/df`` lists objects only where it is asked to."""
_DOUBTS = (0.0, 0.1, 0.3, 0.9)
"""Seconds before each further look where much of the build cache claims to be in use."""
_MUCH = 4
"""One record in so many that claims to be in use is much."""


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
    """What to ask for the build cache, alone where the engine can tell it alone."""
    api = client.negotiate().api
    if api < BY_TYPE:
        return "/system/df"
    return "/system/df?type=build-cache" + ("&verbose=1" if api >= _VERBOSE else "")


def list_cache(client: Client) -> dict[str, CacheRecord]:
    """The build cache records as they are now, by ID. Raises EngineError."""
    return {record.id: record for record in doubted(client, _ask_cache(client))}


def _ask_cache(client: Client) -> list[CacheRecord]:
    ask = partial(client.get, cache_usage(client))
    entries = disk_usage(of_kind(dict, patiently(ask), "/system/df"), "BuildCache")
    records, _ = read_list(cache_record, entries, "/system/df", "cache")
    return records


def doubted(client: Client, records: list[CacheRecord]) -> list[CacheRecord]:
    """The records, asked for again while many of them claim to be in use.

    BuildKit holds a record while it measures it, for whoever asked first, and says to others that
    it is in use: after a restart, or after large builds, that can be nearly all of them. What it
    says twice, with a moment in between, is believed.
    Raises EngineUnreachable, ProtocolError.
    """
    for pause in _DOUBTS:
        busy = {record.id for record in records if record.in_use}
        if len(busy) * _MUCH < len(records) or not busy:
            break
        time.sleep(pause)
        try:
            records = _ask_cache(client)
        except EngineRefused:
            break  # What it said before is all there is.
        if pause and busy == {record.id for record in records if record.in_use}:
            break
    return records

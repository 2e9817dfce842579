"""The JSON documents of ``volumes``, ``containers`` and ``cache``; see ``document``."""

from __future__ import annotations

from holystone.present.document import Document, about, decided, fields
from holystone.present.lists import cache as of_cache
from holystone.present.lists import containers as of_containers
from holystone.present.lists import volumes as of_volumes
from holystone.present.lists.objects import Seen

_DATES = "created_at=created last_used_at=used"


def volumes(seen: Seen) -> Document:
    """The document of ``volumes --json``, largest first."""
    told = [
        fields(row.volume, "name driver anonymous size_bytes=size")
        | fields(row, f"{_DATES} containers project? builder?")
        | decided(row.verdict)
        for row in of_volumes.rows(seen)
    ]
    return about(seen.inventory) | {"volumes": told}


def containers(seen: Seen) -> Document:
    """The document of ``containers --json``, largest first."""
    told = [
        fields(row.container, "id name image image_id state")
        | fields(row, "exit_code size_bytes=size writable_bytes=writable log_bytes=log")
        | fields(row, _DATES)
        | fields(row.container, "volumes")
        | decided(row.verdict)
        for row in of_containers.rows(seen)
    ]
    return about(seen.inventory) | {"containers": told}


def cache(seen: Seen) -> Document:
    """The document of ``cache --json``, those first that free most."""
    told = [
        fields(row.record, "id type description parents size_bytes=size")
        | fields(row, "unique_bytes=unique shared_bytes=shared")
        | fields(row.record, "shared_with_images=shared in_use times_used=usage_count")
        | fields(row, _DATES)
        | decided(row.verdict)
        for row in of_cache.rows(seen)
    ]
    return about(seen.inventory) | {"cache": told}

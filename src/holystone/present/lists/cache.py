"""The rows of ``holystone cache``: every build cache record with what it alone holds."""

from __future__ import annotations

from dataclasses import dataclass

from holystone.planner.inventory import CacheRecord
from holystone.planner.units import format_size
from holystone.present import figures
from holystone.present.lists import filters as by
from holystone.present.lists.objects import (
    ObjectRow,
    Seen,
    age_filters,
    date_fields,
    date_orders,
    id_field,
    known_time,
    use_filter,
    verdict_fields,
    verdict_filters,
    verdict_orders,
)
from holystone.present.lists.table import Field, Filter, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(ObjectRow):
    """A build cache record."""

    record: CacheRecord
    shared: int
    """Bytes that images hold as well."""

    @property
    def unique(self) -> int:
        """Bytes that no image holds: what comes free with it."""
        return self.record.size - self.shared

    @property
    def handle(self) -> str:
        """Its ID, by which docker knows it in full only."""
        return self.record.id


def rows(seen: Seen, *, whole: bool = False) -> list[Row]:
    """All records, those that free most first."""
    inventory, verdicts = seen.inventory, seen.verdicts("cache")
    shared = figures.held_by_images(inventory)
    listed = [
        Row(
            verdict=verdicts[record.id],
            created=known_time(record.created),
            used=known_time(record.last_used),
            now=inventory.taken_at,
            whole=whole,
            record=record,
            shared=shared[record.id],
        )
        for record in inventory.cache
    ]
    return sorted(listed, key=lambda row: (-row.unique, -row.record.size, row.record.id))


TABLE: Table[Row] = Table(
    (
        id_field(Row),
        Field("Description", "the build step", lambda row: row.record.description),
        Field("Type", "regular, source.local, exec.cachemount, ...", lambda row: row.record.type),
        Field("Parents", "the IDs of the records that it was made from",
              lambda row: row.record.parents),
        Field("Size", "what the engine says", lambda row: format_size(row.record.size)),
        Field("SizeBytes", "the same in bytes", lambda row: row.record.size),
        Field("UniqueSize", "what no image holds: it comes free",
              lambda row: format_size(row.unique)),
        Field("UniqueBytes", "the same in bytes", lambda row: row.unique),
        Field("SharedSize", "what images hold as well", lambda row: format_size(row.shared)),
        Field("SharedBytes", "the same in bytes", lambda row: row.shared),
        Field("Shared", "whether an image shares it", lambda row: row.record.shared),
        Field("InUse", "whether a build uses it now", lambda row: row.record.in_use),
        Field("UsageCount", "how often builds used it", lambda row: row.record.usage_count),
        *date_fields(Row, made="when it was made", use="when a build last used it"),
        *verdict_fields(Row),
    ),
    {
        "size": lambda row: row.record.size,
        "unique": lambda row: row.unique,
        "shared": lambda row: row.shared,
        "description": lambda row: row.record.description,
        "name": lambda row: row.record.description,
        "type": lambda row: row.record.type,
        "id": lambda row: row.record.id,
        **date_orders(Row),
        "uses": lambda row: row.record.usage_count,
        **verdict_orders(Row),
    },
    (
        Filter("id", "the start of the ID", by.start(lambda row: row.record.id)),
        Filter("parent", "the ID of a record that it was made from, or a pattern",
               by.text(lambda row: row.record.parents)),
        Filter("description", "a part of the build step, or a pattern",
               by.part(lambda row: (row.record.description,))),
        Filter("name", "the same", by.part(lambda row: (row.record.description,))),
        Filter("type", "its type: exec.cachemount", by.text(lambda row: (row.record.type,))),
        Filter("inuse", "true: a build uses it now", by.flag(lambda row: row.record.in_use)),
        Filter("shared", "true: images hold some or all of it",
               by.flag(lambda row: row.record.shared)),
        *age_filters(Row, made="made"),
        use_filter(Row, use="a build last used it"),
        Filter("size", "its size: 'size>1GB'", by.size(lambda row: row.record.size)),
        Filter("unique", "what no image holds: 'unique>1GB'", by.size(lambda row: row.unique)),
        Filter("uses", "how often builds used it: 'uses>3'",
               by.number(lambda row: row.record.usage_count)),
        *verdict_filters(Row),
    ),
)  # fmt: skip

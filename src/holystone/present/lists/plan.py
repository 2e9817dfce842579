"""The rows of ``holystone plan``: every object with its verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from holystone.planner.builders import records_of
from holystone.planner.inventory import Inventory
from holystone.planner.units import format_size
from holystone.planner.verdict import KINDS, Plan
from holystone.present import figures, reasons
from holystone.present.format import ago, name_of, short_id, timestamp
from holystone.present.lists import filters as by
from holystone.present.lists.objects import ObjectRow, verdict_filters
from holystone.present.lists.table import Field, Filter, Table, where_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(ObjectRow):
    """An object of any kind. The last use of a container is its end."""

    size: int | None
    """Bytes, as the engine reports them; None if it does not."""
    labels: Mapping[str, str]
    tagged: bool

    @property
    def age(self) -> float | None:
        """Seconds since it was made, at least 0; None where that is not known."""
        return None if self.created is None else max(0.0, self.now - self.created)

    @property
    def name(self) -> str:
        """Its name, else its ID."""
        if self.verdict.kind in ("cache", "builder") or not any(self.verdict.names):
            return self.identifier
        return self.verdict.names[0]

    @property
    def identifier(self) -> str:
        """Its ID, shortened where that was not refused; a volume has its name."""
        is_short = self.whole or self.verdict.kind in ("volume", "builder")
        return self.verdict.id if is_short else short_id(self.verdict.id)

    @property
    def call(self) -> str:
        """What a table calls it."""
        return self.name if self.whole and not any(self.verdict.names) else name_of(self.verdict)


def rows(
    inventory: Inventory, plan: Plan, *, whole: bool = False, going: bool = False
) -> list[Row]:
    """The rows in the order of the kinds, of each the largest first; ``going``: no others."""
    users = figures.containers_of(inventory)
    now = inventory.taken_at
    of: dict[tuple[str, str], tuple[int | None, float, float | None, Mapping[str, str], bool]] = {}
    for image in inventory.images:
        used = figures.last_use(users.get(image.id, []), now)
        of["image", image.id] = (image.size, image.created, used, image.labels, bool(image.tags))
    for each in inventory.containers:
        used = each.finished if each.idle else now
        of["container", each.id] = (each.freed_bytes, each.created, used, each.labels, True)
    for record in inventory.cache:
        of["cache", record.id] = (record.size, record.created, record.last_used, {}, True)
    for i, record in records_of(inventory).items():
        of["builder", i] = (record.size, record.created, record.last_used, {}, True)
    for volume in inventory.volumes:
        of["volume", volume.name] = (volume.size, volume.created, None, volume.labels, True)
    for network in inventory.networks:
        of["network", network.id] = (None, network.created, None, network.labels, True)
    listed = []
    for verdict in plan.removed if going else plan.verdicts:
        size, created, used, labels, tagged = of.get(
            (verdict.kind, verdict.id), (None, 0.0, None, {}, True)
        )
        listed.append(
            Row(
                verdict=verdict, size=size, created=created or None, used=used, labels=labels,
                tagged=tagged, now=now, whole=whole,
            )
        )  # fmt: skip
    return sorted(listed, key=_usual)


def _usual(row: Row) -> tuple[int, bool, int, str]:
    """What goes before what stays, the largest first."""
    verdict = row.verdict
    return (KINDS.index(verdict.kind), not verdict.remove, -verdict.freed_bytes, row.name)


_KINDS = "container, image, cache, builder, volume or network"

TABLE: Table[Row] = Table(
    (
        Field("Kind", _KINDS, lambda row: row.verdict.kind),
        Field("ID", "its ID, 12 digits of it without --no-trunc", lambda row: row.identifier),
        Field("Name", "its first name, else its ID", lambda row: row.name),
        Field("Names", "all of its names", lambda row: list(filter(None, row.verdict.names))),
        Field("Verdict", "keep or remove", lambda row: row.action),
        Field("Freed", "what comes free with it", lambda row: format_size(row.verdict.freed_bytes)),
        Field("FreedBytes", "the same in bytes", lambda row: row.verdict.freed_bytes),
        Field("Size", "what the engine says of its size",
              lambda row: where_known(format_size, row.size)),
        Field("SizeBytes", "the same in bytes", lambda row: row.size),
        Field("CreatedAt", "when it was made", lambda row: where_known(timestamp, row.created)),
        Field("CreatedSince", "how long ago that is", lambda row: where_known(ago, row.age)),
        Field("LastUsedAt", "its last use, of a container its end",
              lambda row: where_known(timestamp, row.used)),
        Field("LastUsedSince", "how long ago that is", lambda row: where_known(ago, row.idle)),
        Field("Labels", "its labels", lambda row: row.labels),
        Field("Rule", "the rule that decides", lambda row: row.verdict.reasons[0].rule),
        Field("Reason", "why, in words", lambda row: reasons.texts(row.verdict.reasons)),
    ),
    {
        "size": lambda row: row.size,
        "freed": lambda row: row.verdict.freed_bytes,
        "name": lambda row: row.name,
        "kind": lambda row: KINDS.index(row.verdict.kind),
        "id": lambda row: row.verdict.id,
        "age": lambda row: row.age,
        "created": lambda row: row.created,
        "last-use": lambda row: row.idle,
        "used": lambda row: row.idle,
        "verdict": lambda row: row.action,
        "rule": lambda row: row.verdict.reasons[0].rule,
    },
    (
        Filter("kind", _KINDS,
               by.choice(lambda row: row.verdict.kind, KINDS)),
        *verdict_filters(Row),
        Filter("reference", "an image: its reference, a pattern of it, or the end of its name",
               by.reference(lambda r: r.verdict.names if r.verdict.kind == "image" else ())),
        Filter("name", "a part of the name, or a pattern", by.part(lambda row: row.verdict.names)),
        Filter("id", "the start of the ID", by.start(lambda row: row.verdict.id)),
        Filter("label", "a label: key or key=value; several must all be there",
               by.label(lambda row: row.labels), all_of=True),
        Filter("dangling", "true: images without a tag", by.flag(lambda row: not row.tagged)),
        Filter("before", "made before this image", by.moment(lambda r: r.created, later=False)),
        Filter("since", "made after this image", by.moment(lambda row: row.created, later=True)),
        Filter("until", "made longer ago than this: 24h", by.least_age(lambda row: row.age)),
        Filter("age", "how long ago it was made: 'age>7d'", by.age(lambda row: row.age)),
        Filter("used", "how long ago it was used: 'used>7d'", by.age(lambda row: row.idle)),
        Filter("size", "its size: 'size>1GB'", by.size(lambda row: row.size)),
        Filter("freed", "what comes free with it: 'freed>1GB'",
               by.size(lambda row: row.verdict.freed_bytes)),
    ),
)  # fmt: skip

OF_KEPT = frozenset(("verdict", "rule", "reason"))
"""Filters that ask for objects that stay as well."""

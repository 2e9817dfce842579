"""The rows of ``holystone containers``: every container with what it wrote and its log."""

from __future__ import annotations

from dataclasses import dataclass

from holystone.planner.inventory import Container
from holystone.planner.units import format_size
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
from holystone.present.lists.table import Field, Filter, Table, where_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(ObjectRow):
    """A container in any state."""

    container: Container
    writable: int | None
    """Bytes of its writable layer; None where the engine could not measure it."""
    log: int | None
    """Bytes of its log; None where the engine's data folder is not in sight."""

    @property
    def size(self) -> int | None:
        """Its writable layer and its log, as far as that is known."""
        return None if self.writable is None else self.writable + (self.log or 0)

    @property
    def name(self) -> str:
        """Its name, else its ID."""
        return self.container.name or self.identifier

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None where it has not ended."""
        return self.container.exit_code if self.container.stopped else None


def rows(seen: Seen, *, whole: bool = False) -> list[Row]:
    """All containers, the largest first."""
    inventory, verdicts = seen.inventory, seen.verdicts("container")
    logs: dict[str, int] = {}
    for log in seen.beside.logs:
        logs[log.container_id] = logs.get(log.container_id, 0) + log.size
    unmeasured = any(
        note.problem == "usage" and note.kind == "container" for note in inventory.notes
    )
    listed = []
    for each in inventory.containers:
        row = Row(
            verdict=verdicts[each.id],
            created=known_time(each.created),
            used=known_time(each.finished) if each.idle else inventory.taken_at,
            now=inventory.taken_at,
            whole=whole,
            container=each,
            # Those that have ended are measured one by one.
            writable=None if unmeasured and not each.idle else each.writable_size,
            log=logs.get(each.id, 0) if seen.beside.read else each.log_size or None,
        )
        listed.append(row)
    return sorted(listed, key=lambda row: (row.size is None, -(row.size or 0), row.name))


TABLE: Table[Row] = Table(
    (
        id_field(Row),
        Field("Name", "its name, else its ID", lambda row: row.name),
        Field("Image", "the image, as it was named", lambda row: row.container.image),
        Field("ImageID", "the ID of the image", lambda row: row.container.image_id),
        Field("State", "running, exited, created, paused, ...", lambda row: row.container.state),
        Field("ExitCode", "what it ended with", lambda row: row.exit_code),
        Field("Size", "its writable layer and its log",
              lambda row: where_known(format_size, row.size)),
        Field("SizeBytes", "the same in bytes", lambda row: row.size),
        Field("WritableSize", "its writable layer",
              lambda row: where_known(format_size, row.writable)),
        Field("WritableBytes", "the same in bytes", lambda row: row.writable),
        Field("LogSize", "its log, where the engine's data folder is in sight",
              lambda row: where_known(format_size, row.log)),
        Field("LogBytes", "the same in bytes", lambda row: row.log),
        *date_fields(Row, made="when it was made", use="when it ended; now while it runs"),
        Field("Volumes", "the volumes that it mounts", lambda row: row.container.volumes),
        Field("Labels", "its labels", lambda row: row.container.labels),
        *verdict_fields(Row),
    ),
    {
        "size": lambda row: row.size,
        "writable": lambda row: row.writable,
        "log": lambda row: row.log,
        "name": lambda row: row.name,
        "id": lambda row: row.container.id,
        "image": lambda row: row.container.image,
        "state": lambda row: row.container.state,
        **date_orders(Row),
        **verdict_orders(Row),
    },
    (
        Filter("name", "a part of the name, or a pattern", by.part(lambda row: (row.name,))),
        Filter("id", "the start of the ID", by.start(lambda row: row.container.id)),
        Filter("ancestor", "its image: a reference, a pattern of it, or the end of its name",
               by.reference(lambda row: (row.container.image,))),
        Filter("label", "a label: key or key=value; several must all be there",
               by.label(lambda row: row.container.labels), all_of=True),
        Filter("status", "its state: running, exited, created",
               by.text(lambda row: (row.container.state,))),
        Filter("exited", "what it ended with: exited=137", by.number(lambda row: row.exit_code)),
        Filter("volume", "a volume that it mounts, a part of its name, or a pattern",
               by.part(lambda row: row.container.volumes)),
        Filter("network", "a network that it is in, or a pattern",
               by.text(lambda row: row.container.networks)),
        *age_filters(Row, made="made"),
        use_filter(Row, use="it ended"),
        Filter("size", "its writable layer and its log: 'size>1GB'",
               by.size(lambda row: row.size)),
        Filter("writable", "its writable layer: 'writable>1GB'",
               by.size(lambda row: row.writable)),
        Filter("log", "its log: 'log>100MB'", by.size(lambda row: row.log)),
        *verdict_filters(Row),
    ),
)  # fmt: skip

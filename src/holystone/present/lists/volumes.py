"""The rows of ``holystone volumes``: every volume with its size and who uses it."""

from __future__ import annotations

from dataclasses import dataclass

from holystone.planner.builders import builder_of_volume
from holystone.planner.inventory import Volume
from holystone.planner.runner_caches import runner_cache
from holystone.planner.units import format_size
from holystone.present import figures
from holystone.present.lists import filters as by
from holystone.present.lists.objects import (
    ObjectRow,
    Seen,
    age_filters,
    date_fields,
    date_orders,
    known_time,
    use_filter,
    verdict_fields,
    verdict_filters,
    verdict_orders,
)
from holystone.present.lists.table import Field, Filter, Table, where_known


@dataclass(frozen=True, slots=True, kw_only=True)
class Row(ObjectRow):
    """A volume."""

    volume: Volume
    containers: tuple[str, ...]
    """The names of those that mount it, stopped ones included."""

    @property
    def project(self) -> str:
        """The project whose cache of GitLab Runner it is; empty where it is none."""
        cache = runner_cache(self.volume)
        return "" if cache is None else cache.of

    @property
    def builder(self) -> str:
        """The builder outside the engine that keeps its cache in it; empty where none does."""
        return builder_of_volume(self.volume.name)

    @property
    def handle(self) -> str:
        """Its name, which docker takes in full only."""
        return self.volume.name


def rows(seen: Seen, *, whole: bool = False) -> list[Row]:
    """All volumes, the largest first, those of unknown size last."""
    inventory, verdicts = seen.inventory, seen.verdicts("volume")
    users = figures.containers_with(inventory)
    listed = []
    for volume in inventory.volumes:
        containers = users.get(volume.name, [])
        uses = (
            figures.last_use(containers, inventory.taken_at),
            seen.last_used.get(("volume", volume.name)),
        )
        row = Row(
            verdict=verdicts[volume.name],
            created=known_time(volume.created),
            used=max((each for each in uses if each is not None), default=None),
            now=inventory.taken_at,
            whole=whole,
            volume=volume,
            containers=tuple(container.name for container in containers),
        )
        listed.append(row)
    return sorted(listed, key=lambda row: (_unmeasured(row), -(row.volume.size or 0)))


def _unmeasured(row: Row) -> bool:
    return row.volume.size is None


TABLE: Table[Row] = Table(
    (
        Field("Name", "its name", lambda row: row.volume.name),
        Field("Driver", "its driver", lambda row: row.volume.driver),
        Field("Anonymous", "whether the engine gave it its name", lambda row: row.volume.anonymous),
        Field("Size", "its size; empty where it is not known",
              lambda row: where_known(format_size, row.volume.size)),
        Field("SizeBytes", "the same in bytes", lambda row: row.volume.size),
        *date_fields(Row, made="when it was made", use="when a container last used it"),
        Field("Containers", "how many containers mount it", lambda row: len(row.containers)),
        Field("ContainerNames", "what they are called", lambda row: row.containers),
        Field("Project", "the project whose cache of GitLab Runner it is; else empty",
              lambda row: row.project),
        Field("Builder", "the builder outside the engine that keeps its cache in it; else empty",
              lambda row: row.builder),
        Field("Labels", "its labels", lambda row: row.volume.labels),
        *verdict_fields(Row),
    ),
    {
        "size": lambda row: row.volume.size,
        "name": lambda row: row.volume.name,
        "driver": lambda row: row.volume.driver,
        **date_orders(Row),
        "containers": lambda row: len(row.containers),
        "project": lambda row: row.project,
        **verdict_orders(Row),
    },
    (
        Filter("name", "a part of the name, or a pattern",
               by.part(lambda row: (row.volume.name,))),
        Filter("driver", "its driver", by.text(lambda row: (row.volume.driver,))),
        Filter("label", "a label: key or key=value; several must all be there",
               by.label(lambda row: row.volume.labels), all_of=True),
        Filter("dangling", "true: no container mounts it",
               by.flag(lambda row: not row.containers)),
        Filter("anonymous", "true: the engine gave it its name",
               by.flag(lambda row: row.volume.anonymous)),
        *age_filters(Row, made="made"),
        use_filter(Row, use="a container last used it"),
        Filter("size", "its size: 'size>1GB'", by.size(lambda row: row.volume.size)),
        Filter("container", "the name of a container that mounts it, a part of it, or a pattern",
               by.part(lambda row: row.containers)),
        Filter("containers", "how many containers mount it: containers=0",
               by.number(lambda row: len(row.containers))),
        Filter("project", "the project whose cache of GitLab Runner it is: its number, a part of "
               "its path, or a pattern",
               by.part(lambda row: (row.project,) if row.project else ())),
        Filter("builder", "the builder outside the engine that keeps its cache in it: a part of "
               "its name, or a pattern",
               by.part(lambda row: (row.builder,) if row.builder else ())),
        *verdict_filters(Row),
    ),
)  # fmt: skip

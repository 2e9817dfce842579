"""The volume of a builder outside the engine in an account: what is in it, by its own BuildKit."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from holystone.operations.audit.record import Entry, Part
from holystone.planner.inventory import Builder, CacheRecord
from holystone.planner.units import format_duration, format_size


def of_builder(entry: Entry, builder: Builder, now: float) -> Entry:
    """The entry of a builder's volume, with its records as parts, the largest first.

    Where BuildKit could not be asked the evidence says why. ``now``: UTC seconds.
    """
    if builder.records is None:
        why = f"volume of builder {builder.name}"
        why += f", which was not asked: {builder.problem}" if builder.problem else ""
        frees = f"docker buildx rm removes the builder; or start it, and {_budget(builder)}"
        if not builder.container:
            name = shlex.quote(builder.volume)
            frees = f"holystone rm --kind volume {name}: its builder has no container any more"
        return entry._replace(evidence=why, frees=frees)
    records = sorted(builder.records, key=lambda each: (-each.size, each.id))
    said = f"volume of builder {builder.name}, whose BuildKit tells of {_summary(records)}"
    parts = tuple(
        Part(each.description or each.id, each.size, _detail(each, now)) for each in records
    )
    frees = f"{_budget(builder)}; or docker buildx prune with the builder of node {builder.name}"
    return entry._replace(evidence=said, parts=parts, frees=frees)


def _budget(builder: Builder) -> str:
    return (
        f'give it a budget: budgets = ["{builder.name}=20GB"] below [builders] in holystone.toml, '
        "and holystone clean weekly"
    )


def _summary(records: Sequence[CacheRecord]) -> str:
    """How many records there are, by type, and how many bytes a build uses."""
    if not records:
        return "no record"
    types: dict[str, int] = {}
    for record in records:
        types[record.type] = types.get(record.type, 0) + record.size
    largest = sorted(types.items(), key=lambda item: (-item[1], item[0]))
    by_type = ", ".join(f"{name} {format_size(size)}" for name, size in largest)
    used = sum(record.size for record in records if record.in_use)
    in_use = f"; in use {format_size(used)}" if used else ""
    count = "1 record" if len(records) == 1 else f"{len(records)} records"
    return f"{count} with {format_size(sum(types.values()))}: {by_type}{in_use}"


def _detail(record: CacheRecord, now: float) -> str:
    """The type of a record, whether it is in use or shared, and when it was used."""
    words = [record.type]
    words += ["in use"] if record.in_use else []
    words += ["shared with an image"] if record.shared else []
    if record.latest > 0:
        words.append(f"{record.sign} {format_duration(max(0.0, now - record.latest))} ago")
    return ", ".join(words)

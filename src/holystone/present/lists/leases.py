"""The rows of ``holystone lease list``: the leases there are."""

from __future__ import annotations

from typing import NamedTuple

from holystone.planner.names import familiar
from holystone.planner.usage import Lease
from holystone.present.format import age, clock, timestamp
from holystone.present.lists import filters as by
from holystone.present.lists.table import Field, Filter, Table


class Row(NamedTuple):
    """A lease, seen at a moment."""

    lease: Lease
    now: float

    @property
    def left(self) -> float:
        """Seconds until it ends."""
        return self.lease.until - self.now


TABLE: Table[Row] = Table(
    (
        Field("Image", "the image, as it was written", lambda row: row.lease.reference),
        Field("Name", "the image as docker calls it", lambda row: familiar(row.lease.reference)),
        Field("Until", "when it ends", lambda row: clock(row.lease.until, row.now)),
        Field("UntilAt", "the same with its date", lambda row: timestamp(row.lease.until)),
        Field("Left", "how long that is from now", lambda row: age(row.left)),
        Field("LeftSeconds", "the same in seconds", lambda row: round(row.left)),
        Field("Job", "whose it is", lambda row: row.lease.job),
    ),
    {
        "name": lambda row: row.lease.reference,
        "image": lambda row: row.lease.reference,
        "left": lambda row: row.left,
        "until": lambda row: row.lease.until,
        "job": lambda row: row.lease.job or None,
    },
    (
        Filter("reference", "a reference, a pattern of it, or the end of its name",
               by.reference(lambda row: (familiar(row.lease.reference),))),
        Filter("name", "a part of the reference, or a pattern",
               by.part(lambda row: (row.lease.reference,))),
        Filter("job", "whose it is", by.text(lambda row: (row.lease.job,))),
        Filter("left", "how long it lasts from now: 'left<1h'", by.age(lambda row: row.left)),
    ),
)  # fmt: skip

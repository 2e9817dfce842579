"""The rows of ``holystone observe``: references that were used."""

from __future__ import annotations

from typing import NamedTuple

from holystone.planner.units import format_duration
from holystone.planner.usage import Use
from holystone.present.format import ago, short_id, short_reference, timestamp
from holystone.present.lists import filters as by
from holystone.present.lists.table import Field, Filter, Table, where_known


class Row(NamedTuple):
    """A reference that was used since the last look."""

    reference: str
    uses: int
    ever: Use
    image: str
    """The ID of the image behind it at the latest of these; empty where it was not here."""
    now: float = 0.0
    whole: bool = False
    """Whether IDs are written in full."""

    @property
    def idle(self) -> float:
        """Seconds since its last use."""
        return max(0.0, self.now - self.ever.last)

    @property
    def image_id(self) -> str:
        """The ID of the image, shortened where that was not refused."""
        return self.image if self.whole else short_id(self.image)


TABLE: Table[Row] = Table(
    (
        Field("Reference", "the reference; a digest is cut without --no-trunc",
              lambda row: row.reference if row.whole else short_reference(row.reference)),
        Field("Uses", "how often since the last look", lambda row: row.uses),
        Field("UsesEver", "how often ever", lambda row: row.ever.count),
        Field("FirstUsedAt", "its first use", lambda row: timestamp(row.ever.first)),
        Field("LastUsedAt", "its last use", lambda row: timestamp(row.ever.last)),
        Field("LastUsedSince", "how long ago that is", lambda row: ago(row.idle)),
        Field("Every", "how far apart its uses are",
              lambda row: where_known(format_duration, row.ever.gap)),
        Field("EverySeconds", "the same in seconds", lambda row: row.ever.gap),
        Field("ImageID", "the image behind it, 12 digits without --no-trunc",
              lambda row: row.image_id),
    ),
    {
        "uses": lambda row: row.uses,
        "ever": lambda row: row.ever.count,
        "name": lambda row: row.reference,
        "reference": lambda row: row.reference,
        "last-use": lambda row: row.idle,
        "used": lambda row: row.idle,
        "age": lambda row: row.now - row.ever.first,
        "every": lambda row: row.ever.gap,
    },
    (
        Filter("reference", "a reference, a pattern of it, or the end of its name",
               by.reference(lambda row: (row.reference,))),
        Filter("name", "a part of the reference, or a pattern",
               by.part(lambda row: (row.reference,))),
        Filter("image", "the start of the image's ID", by.start(lambda row: row.image)),
        Filter("uses", "how often since the last look: 'uses>2'", by.number(lambda row: row.uses)),
        Filter("ever", "how often ever: 'ever>10'", by.number(lambda row: row.ever.count)),
        Filter("used", "how long ago it was used: 'used<1h'", by.age(lambda row: row.idle)),
        Filter("every", "how far apart its uses are: 'every<1d'", by.age(lambda r: r.ever.gap)),
    ),
)  # fmt: skip

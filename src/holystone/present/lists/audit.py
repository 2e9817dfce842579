"""The rows of ``holystone audit``: every entry of the account of a disk."""

from __future__ import annotations

from typing import NamedTuple

from holystone.operations.audit.kinds import KINDS, frees, safety
from holystone.operations.audit.record import DARK, Account, Audit, Entry, Kind, Safety
from holystone.planner.units import format_size
from holystone.present.lists import filters as by
from holystone.present.lists.table import Field, Filter, Table


class Row(NamedTuple):
    """An entry, on its disk."""

    entry: Entry
    account: Account

    @property
    def dark(self) -> bool:
        """Whether no record of the engine names it."""
        return self.entry.kind in DARK

    @property
    def share(self) -> float:
        """Its part of the used bytes, 0 to 1."""
        return self.entry.size / self.account.used if self.account.used else 0.0


def rows(audit: Audit) -> list[Row]:
    """The entries of all disks, the largest first."""
    found = [Row(entry, account) for account in audit.accounts for entry in account.entries]
    return sorted(found, key=lambda row: -row.entry.size)


TABLE: Table[Row] = Table(
    (
        Field("Kind", "what it is", lambda row: row.entry.kind),
        Field("KindTitle", "the same in words", lambda row: KINDS[row.entry.kind].title),
        Field("Name", "its name", lambda row: row.entry.name),
        Field("Size", "its bytes on the disk", lambda row: format_size(row.entry.size)),
        Field("SizeBytes", "the same as a number", lambda row: row.entry.size),
        Field("ApparentBytes", "the lengths of its files", lambda row: row.entry.apparent),
        Field("Share", "its part of the used bytes", lambda row: f"{row.share:.1%}"),
        Field("Files", "how many files and folders", lambda row: row.entry.files),
        Field("Path", "where it lies", lambda row: row.entry.path),
        Field("ID", "the engine's ID of it", lambda row: row.entry.id),
        Field("Holders", "who needs it: images, containers", lambda row: row.entry.holders),
        Field("Project", "the project whose cache of GitLab Runner it is; else empty",
              lambda row: row.entry.project),
        Field("Evidence", "how it is known what it is", lambda row: row.entry.evidence),
        Field("Frees", "what frees it", lambda row: frees(row.entry)),
        Field("Safety", "how safe that is", lambda row: safety(row.entry)),
        Field("Dark", "whether no record of the engine names it", lambda row: row.dark),
        Field("Disk", "where its disk is mounted", lambda row: row.account.mount),
    ),
    {
        "size": lambda row: row.entry.size,
        "apparent": lambda row: row.entry.apparent,
        "files": lambda row: row.entry.files,
        "kind": lambda row: list(Kind).index(row.entry.kind),
        "name": lambda row: row.entry.name,
        "path": lambda row: row.entry.path or None,
        "disk": lambda row: row.account.mount,
    },
    (
        Filter("kind", "what it is: image, volume, log, orphan and others",
               by.choice(lambda row: row.entry.kind, tuple(Kind))),
        Filter("name", "a part of its name, or a pattern",
               by.part(lambda row: (row.entry.name,))),
        Filter("path", "a part of its path, or a pattern",
               by.part(lambda row: (row.entry.path,))),
        Filter("holder", "a part of the name of who needs it, or a pattern",
               by.part(lambda row: row.entry.holders)),
        Filter("project", "the project whose cache of GitLab Runner it is: its number, a part of "
               "its path, or a pattern",
               by.part(lambda row: (row.entry.project,) if row.entry.project else ())),
        Filter("size", "its bytes on the disk: 'size>1GB'",
               by.size(lambda row: row.entry.size)),
        Filter("dark", "true: no record of the engine names it", by.flag(lambda row: row.dark)),
        Filter("safety", "how safe it is to free: safe, costs, loses, never, unknown",
               by.choice(lambda row: safety(row.entry), tuple(Safety))),
    ),
)  # fmt: skip

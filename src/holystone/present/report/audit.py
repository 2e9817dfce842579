"""``holystone audit``: where the bytes of the engine's disk are, on one screen."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.operations.audit.kinds import KINDS, frees, safety
from holystone.operations.audit.record import (
    DARK,
    Account,
    Audit,
    Entry,
    Kind,
    Safety,
    by_kind,
    total,
)
from holystone.outside.heaps import File
from holystone.planner.units import format_duration, format_size
from holystone.present.document import Document, fields, preamble
from holystone.present.format import ago, counted, engine_name, is_hash, safe, short_id
from holystone.present.lists.audit import Row as Listed
from holystone.present.lists.audit import rows as all_rows
from holystone.present.table import Cell, Column, Row, paragraph, render
from holystone.present.terminal import Look

TOP = 10
"""Entries named in a section, where nothing else is asked for."""
_SCREEN = 20
"""Lines of the first table that a terminal shows together with what is above it."""
_PARTS = 3
"""Parts of an entry that are named. The JSON document has all of them."""
_NOT_TOP = (Kind.FILE_SYSTEM, *DARK)
_REST = (Kind.OTHER, Kind.DELETED)
_KINDS = (
    Column("KIND"),
    Column("BYTES", right=True),
    Column("SHARE", right=True),
    Column("COUNT", right=True, drop=1),
    Column("SAFE", drop=2),
    Column("WHAT FREES IT", prose=True, style="dim"),
)
_ENTRIES = (
    Column("KIND", drop=1),
    Column("NAME", gives_way=True, least=22),
    Column("BYTES", right=True),
    Column("DETAIL", prose=True, style="dim"),
)
_STYLES = {
    Safety.SAFE: "green",
    Safety.COSTS: "yellow",
    Safety.LOSES: "red",
    Safety.NEVER: "dim",
    Safety.UNKNOWN: "bold",
}
_SAFE = {
    Safety.SAFE: "yes",
    Safety.COSTS: "costs a pull or build",
    Safety.LOSES: "loses data",
    Safety.NEVER: "no",
    Safety.UNKNOWN: "look first",
}
_LIMIT = (
    '{ "log-driver": "json-file", "log-opts": { "max-size": "10m", "max-file": "3" } }',
    "in /etc/docker/daemon.json; it holds for containers that are made after a restart of dockerd.",
)
_LIMIT_PODMAN = (
    "[containers]",
    "log_size_max = 10485760",
    "in /etc/containers/containers.conf; it holds for containers that are made from then on.",
)


def render_audit(
    audit: Audit, look: Look, *, top: int | None = TOP, listed: Sequence[Listed] | None = None
) -> str:
    """The account; ``listed``: these entries alone.

    ``top`` is how many entries a section names; None: all.
    """
    if listed is not None:
        return "\n".join(_list(audit, listed, look))
    lines = paragraph(f"{safe(audit.engine.name)}: {engine_name(audit.engine)}", look, style="bold")
    for account in audit.accounts:
        lines += _disk(audit, account, look)
        lines += _kinds(account, look)
        lines += _largest("Largest of the engine", _engines(account), look, top)
        rest = [each for each in account.entries if each.kind in _REST]
        lines += _largest("Largest of the rest", rest, look, top if top is None else top // 2)
    lines += _projects(audit, look, top)
    lines += _dark(audit, look, top)
    lines += _logs(audit, look, top)
    lines += _notes(audit, look)
    return "\n".join(lines).rstrip()


def _disk(audit: Audit, account: Account, look: Look) -> list[str]:
    used, size = format_size(account.used), format_size(account.total)
    said = (
        f"{safe(account.mount)} ({safe(account.file_system)}): {used} of {size} used, "
        f"{format_size(account.free)} free{_reserved(account)}. {account.share_named:.1%} of the "
        "used bytes have a name."
    )
    if audit.seconds:
        said += f" Read in {format_duration(audit.seconds)}."
    where = f"Data folder: {safe(audit.root)}" if audit.root else ""
    return [*(paragraph(where, look, style="dim") if where else []), *paragraph(said, look), ""]


def _reserved(account: Account) -> str:
    """Why used and free are less than the size; empty where they are not."""
    if not account.reserved:
        return ""
    without = format_size(account.total - account.reserved)
    return (
        f", {format_size(account.reserved)} reserved for root (holystone status leaves these out "
        f"of the size: {without})"
    )


def _kinds(account: Account, look: Look) -> list[str]:
    groups = sorted(by_kind(account.entries).items(), key=lambda item: -total(item[1]))
    rows: list[Row] = []
    for kind, entries in groups:
        about = KINDS[kind]
        rows.append(
            (
                Cell(about.title, "yellow" if kind in DARK else ""),
                format_size(total(entries)),
                _share(total(entries), account),
                str(len(entries)),
                Cell(_SAFE[about.safety], _STYLES[about.safety]),
                about.frees,
            )
        )
    rows.append((Cell("used", "bold"), format_size(account.used), "100.0%", "", "", "as df counts"))
    lines = render(_KINDS, rows, look)
    if look.elide and len(lines) > _SCREEN:
        # What frees a kind would take more lines than the numbers: the screen is for these.
        lines = render(_KINDS[:-1], [row[:-1] for row in rows], look)
        hint = "WHAT FREES IT has no room here: a wider terminal or holystone audit --json shows it"
        lines += paragraph(hint, look, indent=2, style="dim")
    return [look.paint("Where it is", "heading"), *lines, ""]


def _share(size: int, account: Account) -> str:
    return f"{size / account.used:.1%}" if account.used else ""


def _engines(account: Account) -> list[Entry]:
    """The entries of the engine that have no section of their own."""
    return [each for each in account.entries if each.kind not in (*_NOT_TOP, *_REST)]


def _largest(title: str, found: Sequence[Entry], look: Look, top: int | None) -> list[str]:
    shown = found if top is None else found[:top]
    if not shown:
        return []
    rows: list[Row] = [_row(each) for each in shown]
    lines = [look.paint(title, "heading"), *render(_ENTRIES, rows, look)]
    return [*lines, *_more(len(found) - len(shown), look), ""]


def _more(count: int, look: Look) -> list[str]:
    if not count:
        return []
    return [look.paint(f"  {look.ellipsis} and {count} more (--all lists them)", "dim")]


def _row(entry: Entry) -> Row:
    return (
        entry.kind.value,
        _name(entry),
        format_size(entry.size),
        safe(_detail(entry)),
    )


def _name(entry: Entry) -> str:
    """What an entry is called: IDs as short as docker shows them."""
    name = entry.name
    if name.startswith("sha256:") or is_hash(name):
        return short_id(name)
    return safe(name)


def _detail(entry: Entry) -> str:
    """What is to be said of an entry beside its name and size."""
    parts = []
    if entry.kind in (Kind.IMAGE, Kind.CONTENT, Kind.TWICE) and len(entry.holders) > 1:
        parts.append(f"shared by {counted(len(entry.holders), 'image')}")
    elif entry.kind is Kind.VOLUME:
        users = ", ".join(entry.holders)
        parts.append(f"mounted by {users}" if users else "no container mounts it")
    if entry.kind is Kind.LOG:
        parts.append({True: "limited", False: "no limit", None: "limit not known"}[entry.limited])
    if entry.evidence:
        parts.append(entry.evidence)
    large, sparse = entry.largest, entry.sparse
    if large.size * 2 >= entry.size > 0:
        parts.append(f"the largest file: {large.path} ({format_size(large.size)})")
    if sparse.apparent > 2 * sparse.size and sparse.hole > 1_000_000:
        length, size = format_size(sparse.apparent), format_size(sparse.size)
        parts.append(f"sparse: {sparse.path} is {length} long and takes {size}")
    if not parts and entry.kind in (Kind.OTHER, Kind.LAZY, Kind.UNKNOWN):
        parts.append(counted(entry.files, "file") if entry.files else "")
    most = [f"{part.name} ({format_size(part.size)})" for part in entry.parts[:_PARTS]]
    parts += [f"the largest: {', '.join(most)}"] if most else []
    return "; ".join(filter(None, parts))


def _projects(audit: Audit, look: Look, top: int | None) -> list[str]:
    """GitLab Runner's cache volumes by project, the largest first."""
    projects: dict[str, list[Entry]] = {}
    for account in audit.accounts:
        for each in account.entries:
            if each.project:
                projects.setdefault(each.project, []).append(each)
    found = sorted(projects.items(), key=lambda item: (-total(item[1]), item[0]))
    if not found:
        return []
    rows: list[Row] = []
    for project, entries in found if top is None else found[:top]:
        latest = max((each.used for each in entries if each.used is not None), default=None)
        when = "use not seen" if latest is None else f"last used {ago(audit.taken_at - latest)}"
        detail = f"{counted(len(entries), 'volume')}, {when}"
        rows.append((safe(project), format_size(total(entries)), detail))
    lines = [look.paint("GitLab Runner's caches by project", "heading")]
    lines += render(_ENTRIES[1:], rows, look, header=False)
    return [*lines, *_more(len(found) - len(rows), look), ""]


def _dark(audit: Audit, look: Look, top: int | None) -> list[str]:
    found = audit.dark
    kinds = by_kind(found)
    parts = [f"{KINDS[kind].title} {format_size(total(group))}" for kind, group in kinds.items()]
    heading = f"Dark bytes: {format_size(total(found))}"
    heading += f" ({', '.join(parts)})" if len(parts) > 1 else ""
    if not found:
        return [look.paint("Dark bytes: none", "heading"), ""]
    shown = found if top is None else found[:top]
    lines = [look.paint(heading, "heading")]
    for each in shown:
        lines += render(_ENTRIES[1:3], [(_name(each), format_size(each.size))], look, header=False)
        where = f"{each.path}: " if each.path else ""
        lines += paragraph(safe(f"{where}{_detail(each)}"), look, indent=4, style="dim")
        advice = f"{frees(each)} (safe: {_SAFE[safety(each)]})"
        lines += paragraph(safe(advice), look, indent=4, style="dim")
    return [*lines, *_more(len(found) - len(shown), look), ""]


def _logs(audit: Audit, look: Look, top: int | None) -> list[str]:
    found = [
        each
        for account in audit.accounts
        for each in account.entries
        if each.kind is Kind.LOG and each.limited is False and each.size
    ]
    if not found:
        return []
    said = f"Logs without a limit: {len(found)}, {format_size(total(found))}"
    shown = found if top is None else found[:top]
    rows: list[Row] = [(safe(e.name), format_size(e.size), safe(e.path)) for e in shown]
    columns = (_ENTRIES[1], _ENTRIES[2], Column("PATH", prose=True, style="dim"))
    lines = [look.paint(said, "heading"), *render(columns, rows, look, header=False)]
    lines += _more(len(found) - len(shown), look)
    lines += paragraph("holystone truncates no log. What limits the logs of new containers:", look)
    mend = _LIMIT_PODMAN if audit.engine.store == "podman" else _LIMIT
    return [*lines, *(f"  {line}" for line in mend), ""]


def _notes(audit: Audit, look: Look) -> list[str]:
    lines = [line for note in audit.notes for line in paragraph(f"Note: {safe(note)}.", look)]
    for account in audit.accounts:
        if account.unreadable_count:
            first = ", ".join(map(safe, account.unreadable[:3]))
            count = counted(account.unreadable_count, "folder")
            said = f"{count} could not be read, and count as the file system itself: {first}."
            lines += paragraph(said, look, style="yellow")
    return lines


def _list(audit: Audit, listed: Sequence[Listed], look: Look) -> list[str]:
    if not listed:
        return ["No entry of this account matches --filter."]
    rows = [_row(row.entry) for row in listed]
    size = sum(row.entry.size for row in listed)
    count = len(all_rows(audit))
    shown = f"{len(rows)} of {counted(count, 'entry').replace('entrys', 'entries')}"
    return [*render(_ENTRIES, rows, look), "", f"{shown}, {format_size(size)}."]


def document(audit: Audit, listed: Sequence[Listed] | None = None) -> Document:
    """The document of ``audit --json``; ``listed``: of these entries alone, in this order."""
    accounts = []
    for account in audit.accounts:
        entries = account.entries
        if listed is not None:
            entries = tuple(row.entry for row in listed if row.account is account)
        kinds = {
            kind.value: {"bytes": total(group), "count": len(group)}
            for kind, group in by_kind(account.entries).items()
        }
        accounts.append(
            fields(account, "mount file_system total_bytes=total used_bytes=used free_bytes=free")
            | fields(account, "reserved_bytes=reserved")
            | {
                "named_bytes": account.named,
                "named_share": round(account.share_named, 5),
                "kinds": kinds,
                "entries": [entry_document(each) for each in entries],
            }
            | fields(account, "unreadable unreadable_count")
        )
    return preamble(audit.engine, audit.taken_at, audit.disk, ()) | {
        "seconds": round(audit.seconds, 3),
        "data_folder": audit.root,
        "dark_bytes": total(audit.dark),
        "disks": accounts,
        "remarks": list(audit.notes),
    }


def entry_document(entry: Entry) -> Document:
    """The document of one entry."""
    return (
        fields(entry, "kind name size_bytes=size apparent_bytes=apparent files path id holders")
        | {"dark": entry.kind in DARK}
        | fields(entry, "limited evidence")
        | {"frees": frees(entry), "safety": safety(entry).value}
        | {"largest_file": _file(entry.largest), "sparsest_file": _file(entry.sparse)}
        | fields(entry, "project? last_used_at=used")
        | {"parts": [fields(part, "name size_bytes=size detail") for part in entry.parts]}
    )


def _file(file: File) -> Document | None:
    return fields(file, "path size_bytes=size apparent_bytes=apparent") if file.path else None

"""``holystone status``: what uses the disk and what a clean would free, on one screen."""

from __future__ import annotations

from holystone.planner.holders import Share
from holystone.planner.inventory import Disk, Inventory
from holystone.planner.policy import Watermarks
from holystone.planner.totals import Beside
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan
from holystone.present import figures, notes, reasons
from holystone.present.apart import names_of
from holystone.present.format import ago, engine_name, plural, safe
from holystone.present.report import verdicts
from holystone.present.report.disk import account_rows
from holystone.present.report.parts import section
from holystone.present.report.plan import total
from holystone.present.table import INDENT, Cell, Column, Row, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.store.audits import AuditSum

LARGEST = 5
BAR = 30
_KINDS = (
    Column("kind"),
    Column("count", right=True),
    Column("bytes", right=True),
    Column("note", prose=True, style="dim"),
)
_IMAGES = (
    Column("NAME", gives_way=True, least=22),
    Column("SIZE", right=True),
    Column("UNIQUE", right=True, drop=1),
    Column("SHARED", right=True, drop=2),
    Column("VERDICT", prose=True, style="dim"),
)
_REACHED = {
    "critical": "Above the critical watermark: holystone clean --watermarks makes room.",
    "high": "Above the high watermark: holystone clean --watermarks makes room.",
    "inodes": "Too many of its inodes are in use.",
}


def render(
    inventory: Inventory,
    plan: Plan,
    look: Look,
    *,
    endpoint: str,
    marks: Watermarks,
    beside: Beside = Beside(),  # noqa: B008 - immutable
    audit: AuditSum | None = None,
) -> str:
    """The host on one screen. ``endpoint`` is the engine's address, ``audit`` the last one."""
    engine = inventory.engine
    title = f"{safe(engine.name)}: {engine_name(engine)}, API {safe(engine.api_version)}"
    lines = paragraph(title, look, style="bold")
    lines += paragraph(safe(endpoint), look, style="dim")
    shares = figures.image_shares(inventory.images)
    rows: list[Row] = [*(_kinds(inventory, shares) or [("nothing", "", "", "")])]
    rows += account_rows(inventory, beside)
    lines += ["", *_disk(inventory.disk, marks, look), *section("Stored", _KINDS, rows, look)]
    lines += _audited(audit, inventory.taken_at, look) if audit else []
    lines += ["", look.paint(f"A {plan.level} clean", "heading"), *_promise(plan, look), ""]
    lines += _largest(inventory, plan, shares, look)
    if inventory.notes:
        lines += ["", *notes.lines(inventory.notes, look)]
    return "\n".join(lines).rstrip()


def _audited(audit: AuditSum, now: float, look: Look) -> list[str]:
    named = min(1.0, audit.named / audit.used) if audit.used else 1.0
    told = f"{named:.1%} of {format_size(audit.used)} named, {format_size(audit.dark)} dark"
    said = f"Audited {ago(max(0.0, now - audit.at))}: {told} (holystone audit)."
    return paragraph(said, look, indent=INDENT, style="dim")


def _disk(disk: Disk, marks: Watermarks, look: Look) -> list[str]:
    heading = look.paint("Disk", "heading")
    if disk.total_bytes is None or disk.free_bytes is None:
        said = f"not in sight: {safe(disk.unseen)}"
        return [heading, *paragraph(said, look, indent=2), ""] if disk.unseen else []
    share = (disk.total_bytes - disk.free_bytes) / disk.total_bytes if disk.total_bytes else 0.0
    width = min(BAR, look.width - 4)
    full = min(width, max(0, round(share * width)))
    reached = marks.reached(disk)
    style = "red" if reached == "critical" else "yellow" if reached else "green"
    above = paragraph(_REACHED[reached], look, indent=2, style=style) if reached else []
    bar = f"  {look.paint('█' * full, style)}{look.paint('░' * (width - full), 'dim')}"
    free, whole = format_size(disk.free_bytes), format_size(disk.total_bytes)
    said = f"{share:.0%} used, {free} free of {whole}"
    if 4 + width + len(said) <= look.width or not look.wrap:
        return [heading, f"{bar}  {said}", *above, ""]
    return [heading, bar, *paragraph(said, look, indent=2), *above, ""]


def _kinds(
    inventory: Inventory, shares: dict[str, Share | None]
) -> list[tuple[str, str, str, str]]:
    """A row for each kind: how many, how many bytes, and what is to be known about those."""
    rows = []
    if inventory.images:
        stored = figures.images_stored(inventory.images, shares)
        size = note = ""
        if stored.stored is not None:
            size = ("~" if stored.estimated else "") + format_size(stored.stored)
        if stored.unique is not None and stored.shared is not None:
            shared = f"{format_size(stored.shared)} shared (counted once)"
            note = f"{format_size(stored.unique)} unique, {shared}"
        rows.append(("image", len(inventory.images), size, note))
    if inventory.containers:
        running = sum(container.state == "running" for container in inventory.containers)
        size = format_size(sum(c.writable_size for c in inventory.containers))
        rows.append(("container", len(inventory.containers), size, f"{running} running"))
    if inventory.cache:
        cache = figures.cache_bytes(inventory)
        parts = [f"{format_size(cache.in_use)} in use"] if cache.in_use else []
        if cache.shared:
            parts.append(f"another {format_size(cache.shared)} shared with images")
        note = ", ".join(parts) or "none of it in use"
        rows.append(("cache", len(inventory.cache), format_size(cache.own), note))
    elif any(note.problem == "usage" and note.kind == "cache" for note in inventory.notes):
        rows.append(("cache", 0, "", "not reported by the engine"))
    if inventory.volumes:
        volumes = figures.volume_bytes(inventory)
        size = format_size(volumes.known) if volumes.unknown < len(inventory.volumes) else ""
        note = f"the size of {volumes.unknown} is not known" if volumes.unknown else ""
        rows.append(("volume", len(inventory.volumes), size, note))
    return [(plural(kind), str(count or ""), size, note) for kind, count, size, note in rows]


def _promise(plan: Plan, look: Look) -> list[str]:
    """What the plan frees, by kind, and what it leaves for later."""
    inner = look._replace(width=look.width - INDENT)
    lines = paragraph(total(plan) if plan.removed else "Would free nothing.", inner)
    going = [tally for tally in figures.tallies(plan) if tally.going]
    if len(going) > 1:
        each = ", ".join(f"{plural(t.kind)} {format_size(t.freed_bytes)}" for t in going)
        lines += paragraph(f"By kind: {each}.", inner, style="dim")
    lines += verdicts.held(plan, inner) + verdicts.young(plan, inner)
    return [" " * INDENT + line for line in lines]


def _largest(
    inventory: Inventory, plan: Plan, shares: dict[str, Share | None], look: Look
) -> list[str]:
    """The largest images, with what keeps each."""
    of = {verdict.id: verdict for verdict in plan.verdicts if verdict.kind == "image"}
    images = sorted(inventory.images, key=lambda image: (-image.size, image.id))[:LARGEST]
    if not images:
        return []
    name = names_of(of[image.id] for image in images)
    rows: list[Row] = []
    for image in images:
        verdict, share = of[image.id], shares[image.id]
        action, style = ("remove", "yellow") if verdict.remove else ("keep", "dim")
        unique = "—" if share is None else format_size(share.unique)
        shared = "—" if share is None else format_size(share.shared)
        why = Cell(f"{action}: {reasons.briefs(verdict.reasons)}", style)
        rows.append((name(verdict), format_size(image.size), unique, shared, why))
    return [look.paint("Largest images", "heading"), *render_table(_IMAGES, rows, look)]

"""``holystone status``: one screen of where the disk went and what a clean would free."""

from __future__ import annotations

from holystone.planner.holders import Share
from holystone.planner.inventory import Disk, Inventory
from holystone.planner.policy import Watermarks
from holystone.planner.totals import Beside
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan
from holystone.present import figures, notes, reasons
from holystone.present.apart import names_of
from holystone.present.format import engine_name, plural, safe
from holystone.present.report import account, remaining
from holystone.present.report.plan import total
from holystone.present.table import INDENT, Cell, Column, Row, paragraph
from holystone.present.table import render as render_table
from holystone.present.terminal import Look

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


def render(
    inventory: Inventory,
    plan: Plan,
    look: Look,
    *,
    endpoint: str,
    marks: Watermarks,
    beside: Beside = Beside(),  # noqa: B008 - immutable
) -> str:
    """The host on one screen. ``endpoint`` is the engine's address."""
    engine = inventory.engine
    lines = paragraph(
        f"{safe(engine.name)}: {engine_name(engine)}, API {safe(engine.api_version)}",
        look,
        style="bold",
    )
    lines += paragraph(safe(endpoint), look, style="dim")
    lines += ["", *_disk(inventory.disk, marks, look), look.paint("Stored", "heading")]
    shares = figures.image_shares(inventory.images)
    rows = _kinds(inventory, shares) or [("nothing", "", "", "")]
    rows += account.rows(inventory, beside)
    lines += render_table(_KINDS, rows, look, header=False)
    lines += ["", look.paint(f"A {plan.level} clean", "heading"), *_promise(plan, look), ""]
    lines += _largest(inventory, plan, shares, look)
    if inventory.notes:
        lines += ["", *notes.lines(inventory.notes, look)]
    return "\n".join(lines).rstrip()


_REACHED = {
    "critical": "Above the critical watermark: holystone clean --watermarks makes room.",
    "high": "Above the high watermark: holystone clean --watermarks makes room.",
    "inodes": "Too many of its inodes are in use.",
}


def _disk(disk: Disk, marks: Watermarks, look: Look) -> list[str]:
    if disk.total_bytes is None or disk.free_bytes is None:
        if not disk.unseen:
            return []
        said = f"not in sight: {safe(disk.unseen)}"
        return [look.paint("Disk", "heading"), *paragraph(said, look, indent=2), ""]
    used = disk.total_bytes - disk.free_bytes
    share = used / disk.total_bytes if disk.total_bytes else 0.0
    width = min(BAR, look.width - 4)
    full = min(width, max(0, round(share * width)))
    reached = marks.reached(disk)
    style = "red" if reached == "critical" else "yellow" if reached else "green"
    above = paragraph(_REACHED[reached], look, indent=2, style=style) if reached else []
    bar = look.paint("█" * full, style) + look.paint("░" * (width - full), "dim")
    said = (
        f"{share:.0%} used, {format_size(disk.free_bytes)} free of {format_size(disk.total_bytes)}"
    )
    if 4 + width + len(said) <= look.width or not look.wrap:
        return [look.paint("Disk", "heading"), f"  {bar}  {said}", *above, ""]
    return [look.paint("Disk", "heading"), f"  {bar}", *paragraph(said, look, indent=2), *above, ""]


def _kinds(inventory: Inventory, shares: dict[str, Share | None]) -> list[Row]:
    """A row for each kind: how many, how many bytes, and what is to be known about those."""
    stored = figures.images_stored(inventory.images, shares)
    running = sum(container.state == "running" for container in inventory.containers)
    cache = figures.cache_bytes(inventory)
    volumes = figures.volume_bytes(inventory)
    rows: list[Row] = []
    if inventory.images:
        note = ""
        if stored.unique is not None and stored.shared is not None:
            note = (
                f"{format_size(stored.unique)} unique, {format_size(stored.shared)} shared "
                "(counted once)"
            )
        about = "~" if stored.estimated else ""
        size = "" if stored.stored is None else about + format_size(stored.stored)
        rows.append((plural("image"), str(len(inventory.images)), size, note))
    if inventory.containers:
        size = format_size(sum(c.writable_size for c in inventory.containers))
        rows.append(
            (plural("container"), str(len(inventory.containers)), size, f"{running} running")
        )
    if inventory.cache:
        parts = [f"{format_size(cache.in_use)} in use"] if cache.in_use else []
        if cache.shared:
            parts.append(f"another {format_size(cache.shared)} shared with images")
        rows.append(
            (
                plural("cache"),
                str(len(inventory.cache)),
                format_size(cache.own),
                ", ".join(parts) or "none of it in use",
            )
        )
    elif any(note.problem == "usage" and note.kind == "cache" for note in inventory.notes):
        rows.append((plural("cache"), "", "", "not reported by the engine"))
    if inventory.volumes:
        size = format_size(volumes.known) if volumes.unknown < len(inventory.volumes) else ""
        note = f"the size of {volumes.unknown} is not known" if volumes.unknown else ""
        rows.append((plural("volume"), str(len(inventory.volumes)), size, note))
    return rows


def _promise(plan: Plan, look: Look) -> list[str]:
    """What the plan frees, by kind, and what it leaves for later."""
    inner = look._replace(width=look.width - INDENT)
    lines = paragraph(total(plan) if plan.removed else "Would free nothing.", inner)
    going = [tally for tally in figures.tallies(plan) if tally.going]
    if len(going) > 1:
        each = ", ".join(f"{plural(t.kind)} {format_size(t.freed_bytes)}" for t in going)
        lines += paragraph(f"By kind: {each}.", inner, style="dim")
    lines += remaining.held(plan, inner) + remaining.young(plan, inner)
    return [" " * INDENT + line for line in lines]


def _largest(
    inventory: Inventory, plan: Plan, shares: dict[str, Share | None], look: Look
) -> list[str]:
    """The largest images, with what keeps each."""
    verdicts = {verdict.id: verdict for verdict in plan.verdicts if verdict.kind == "image"}
    images = sorted(inventory.images, key=lambda image: (-image.size, image.id))[:LARGEST]
    if not images:
        return []
    name = names_of(verdicts[image.id] for image in images)
    rows: list[Row] = []
    for image in images:
        verdict, share = verdicts[image.id], shares[image.id]
        action = "remove" if verdict.remove else "keep"
        rows.append(
            (
                name(verdict),
                format_size(image.size),
                "—" if share is None else format_size(share.unique),
                "—" if share is None else format_size(share.shared),
                Cell(
                    f"{action}: {reasons.briefs(verdict.reasons)}",
                    "yellow" if verdict.remove else "dim",
                ),
            )
        )
    return [look.paint("Largest images", "heading"), *render_table(_IMAGES, rows, look)]

"""The report of a host as one HTML page that needs nothing from elsewhere."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import holystone
from holystone.operations.report import HostReport
from holystone.planner.pieces import Piece
from holystone.planner.totals import Beside
from holystone.planner.units import format_duration, format_size
from holystone.planner.verdict import Plan, Rule
from holystone.present import figures, notes, reasons
from holystone.present.beside import folder, limit
from holystone.present.format import counted, engine_name, promised, run_name, waited
from holystone.present.html import timeline, treemap
from holystone.present.html.bar import parts_of
from holystone.present.html.filled import filled
from holystone.present.html.named import KEPT, SAYS, Judged, Named, shortened
from holystone.present.report.verdicts import young_text
from holystone.replay.advice import LEAST_SPAN, LEAST_USES
from holystone.replay.past import Pulls, Saved
from holystone.store.records import RunSummary

_TOP = 20
_REASONS = 4
_RUNS = 12


class Past(NamedTuple):
    """What the ledger tells of the uses of a host."""

    pulls: Pulls = Pulls()
    saved: Saved | None = None
    """None where the past is too short."""
    bandwidth: int = 0
    """Bytes a second at which the images came."""
    measured: bool = False
    """Whether that was measured on this host, or is an assumption."""
    span: float = 0.0
    """Seconds from the first to the last use that is recorded."""


class Row(NamedTuple):
    """One piece of the disk in a table."""

    anchor: str
    name: str
    kind: str
    size: int
    fate: str
    why: str
    whole: int | None
    """The whole size of an image, with what it shares; None for everything else."""


class _Level(NamedTuple):
    """What one clean would do."""

    level: str
    promise: str
    kinds: Sequence[figures.Tally]
    why: Sequence[tuple[str, int, int]]
    """The main reasons: what such objects have in common, how many they are, their bytes."""
    kept: int
    young: str
    """What stays because it is too recent, and until when; empty where nothing does."""
    no_volumes: bool
    """Whether volumes stay since this level takes none."""


def page(report: HostReport, past: Past) -> str:
    """The page. What a clean would do are the figures of ``plan --json``."""
    named = Named(report)
    drawn = treemap.mapped(report.pieces, named)
    shown = [cell.piece for cell in drawn.cells if cell.piece is not None]
    rows = _rows(sorted(shown, key=lambda piece: -piece.size), named, report)
    beside = _beside(report.beside)
    sized = sorted([*rows, *beside[:_BESIDE]], key=lambda row: -row.size)
    all_rows = [*sized, *_without_bytes(report, named)]
    disk, inventory = report.inventory.disk, report.inventory
    used = None
    if disk.total_bytes is not None and disk.free_bytes is not None:
        used = disk.total_bytes - disk.free_bytes
    told = figures.account_of(inventory, report.beside)
    tables = [(kind, [row for row in all_rows if row.kind == kind]) for kind in _TABLES]
    return filled(
        "report.html.jinja",
        title=f"Disk report: {inventory.engine.name}",
        name=inventory.engine.name,
        engine=engine_name(inventory.engine),
        endpoint=report.endpoint,
        taken=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(inventory.taken_at)),
        disk=disk,
        used=used,
        account=told,
        parts=parts_of(told, report.beside, disk.total_bytes or 0),
        reached=report.marks.reached(disk),
        levels=[_level(level, plan) for level, plan in report.plans.items()],
        map=drawn,
        anchors=_anchors(rows, shown),
        others=_others(drawn, beside[_BESIDE:]),
        size_of_map=(treemap.WIDTH, treemap.HEIGHT),
        says=SAYS,
        fates=_fates(report, named),
        top=sized[:_TOP],
        tables=[(_TABLES[kind], kind, of_kind) for kind, of_kind in tables],
        rowless=_rowless(report, tables),
        timeline=timeline.timeline(report),
        frame=timeline.FRAME,
        size_of_timeline=(timeline.WIDTH, timeline.HEIGHT),
        runs=[_run(run) for run in report.runs[:_RUNS]],
        totals=_totals(report.runs),
        past=past,
        missing=_missing(past),
        saved_time=waited(past.saved.seconds) if past.saved else "",
        notes=[notes.text(note) for note in inventory.notes],
        version=holystone.__version__,
    )


_TABLES = {
    "image": "Images",
    "shared": "Layers that several objects share",
    "cache": "Build cache",
    "volume": "Volumes",
    "container": "Containers",
    "log": "Logs of containers",
    "orphan": "Orphans",
}
_BARE = 120
"""So many of the objects without bytes of their own have a row."""
_BESIDE = 60
"""So many of the logs and orphans have a row."""


def _rows(pieces: Sequence[Piece], named: Named, report: HostReport) -> list[Row]:
    sizes = {("image", image.id): image.size for image in report.inventory.images}
    rows = []
    for number, piece in enumerate(pieces, 1):
        first = piece.holders[0]
        if len(piece.holders) == 1:
            object_ = named.judged(first)
            whole = sizes.get(first)
            why, kind, fate = object_.why, object_.kind, object_.fate
        else:
            kind, whole, fate = "shared", None, named.fate(piece.holders)
            why = _kept_by([named.judged(each) for each in piece.holders], fate)
        rows.append(Row(f"r{number}", named.name(piece), kind, piece.size, fate, why, whole))
    return rows


def _beside(found: Beside) -> list[Row]:
    """A row for each log and orphan, the largest first. They are on no list of the engine."""
    rows = []
    for number, log in enumerate(found.logs, 1):
        known = limit(log)
        why = f"log of a container{f', {known}' if known else ''}; no clean takes logs"
        rows.append(Row(f"l{number}", shortened(log.name), "log", log.size, KEPT, why, None))
    for number, orphan in enumerate(found.orphans, 1):
        why = "no layer has this folder; sudo holystone audit tells more"
        rows.append(Row(f"o{number}", folder(orphan), "orphan", orphan.size, KEPT, why, None))
    return sorted(rows, key=lambda row: -row.size)


def _kept_by(holders: Sequence[Judged], fate: str) -> str:
    """Why bytes stay that several objects hold, or when they go."""
    if fate != KEPT:
        return f"a {fate} clean takes all {len(holders)} that share it"
    keeping = [each for each in holders if each.fate == KEPT]
    if not keeping:
        return "no clean takes all of them"
    said = f"{keeping[0].name} stays: {keeping[0].why}"
    others = len(keeping) - 1
    if not others:
        return said
    return f"{said}; {counted(others, 'other')} that {'share' if others > 1 else 'shares'} it too"


def _without_bytes(report: HostReport, named: Named) -> list[Row]:
    """Rows of objects no byte of which comes free with them alone, the largest images first."""
    sizes = {("image", image.id): image.size for image in report.inventory.images}
    alone = {piece.holders[0] for piece in report.pieces if len(piece.holders) == 1}
    *_, plan = report.plans.values()
    found = [(each.kind, each.id) for each in plan.verdicts if each.kind in _TABLES]
    bare = [key for key in found if key not in alone]
    bare.sort(key=lambda key: (-sizes.get(key, 0), key))
    rows = []
    for number, key in enumerate(bare[:_BARE], 1):
        it = named.judged(key)
        rows.append(Row(f"z{number}", it.name, it.kind, 0, it.fate, it.why, sizes.get(key)))
    return rows


def _rowless(
    report: HostReport, tables: Sequence[tuple[str, Sequence[Row]]]
) -> dict[str, tuple[int, int]]:
    """By kind how many objects have no row of their own, and how many there are."""
    *_, plan = report.plans.values()
    there = Counter(verdict.kind for verdict in plan.verdicts)
    return {
        kind: (there[kind] - len(rows), there[kind])
        for kind, rows in tables
        if there[kind] > len(rows)
    }


def _missing(past: Past) -> str:
    """What the recorded past is too short of to be replayed."""
    lacks = []
    if past.pulls.uses < LEAST_USES:
        lacks.append(f"it takes {LEAST_USES} uses of images, and there are {past.pulls.uses}")
    if past.span < LEAST_SPAN:
        span = format_duration(past.span)
        lacks.append(
            f"the uses must cover {format_duration(LEAST_SPAN)} at least, and they cover {span}"
        )
    return "; ".join(lacks)


def _anchors(rows: Sequence[Row], pieces: Sequence[Piece]) -> dict[Piece, str]:
    ordered = sorted(pieces, key=lambda piece: -piece.size)
    return {piece: row.anchor for piece, row in zip(ordered, rows, strict=True)}


def _others(drawn: treemap.Map, beside: Sequence[Row]) -> dict[str, tuple[int, int]]:
    """By kind how many have no row of their own, and their bytes."""
    found: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
    for cell in drawn.cells:
        if cell.piece is None:
            count, size = found[cell.kind]
            found[cell.kind] = (count + cell.pieces, size + cell.size)
    for row in beside:
        count, size = found[row.kind]
        found[row.kind] = (count + 1, size + row.size)
    return dict(found)


def _fates(report: HostReport, named: Named) -> dict[str, int]:
    """The bytes of all pieces by how they are judged: the legend of the map."""
    sums: Counter[str] = Counter(dict.fromkeys(SAYS, 0))
    for piece in report.pieces:
        sums[named.fate(piece.holders)] += piece.size
    return dict(sums)


def _level(level: str, plan: Plan) -> _Level:
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for verdict in plan.removed:
        label = reasons.label(verdict.reasons[0].rule)
        counts[label] += 1
        sizes[label] += verdict.freed_bytes
    main = sorted(counts, key=lambda label: (-sizes[label], -counts[label], label))[:_REASONS]
    volumes = [each for each in plan.verdicts if each.kind == "volume"]
    left = any(each.reasons[0].rule == Rule.LEVEL for each in volumes)
    return _Level(
        level,
        promised(plan) if plan.steps else "nothing",
        [each for each in figures.tallies(plan) if each.going],
        [(label, counts[label], sizes[label]) for label in main],
        len(plan.kept),
        # With the date: the page may be read days later.
        young_text(plan, 0.0),
        left and not any(each.remove for each in volumes),
    )


def _run(run: RunSummary) -> dict[str, str | int]:
    return {
        "id": run.id,
        "when": time.strftime("%Y-%m-%d %H:%M", time.gmtime(run.started)),
        "what": run_name(run.level),
        "removed": run.removed,
        "freed": format_size(run.freed_bytes),
        "ended": run.interrupted or run.state,
    }


def _totals(runs: Sequence[RunSummary]) -> dict[str, str | int] | None:
    if not runs:
        return None
    return {
        "runs": len(runs),
        "since": time.strftime("%Y-%m-%d", time.gmtime(min(run.started for run in runs))),
        "removed": sum(run.removed for run in runs),
        "freed": format_size(sum(run.freed_bytes for run in runs)),
    }

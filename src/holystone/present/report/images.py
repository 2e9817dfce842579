"""``holystone images``: every reference with its bytes, unique and shared, and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from holystone.core.decision import Plan, Verdict
from holystone.core.inventory import Image, Inventory
from holystone.core.layers import Share
from holystone.core.units import format_size
from holystone.present import figures, notes, reasons
from holystone.present.apart import shortened
from holystone.present.report.listing import FOLD_AFTER
from holystone.present.table import INDENT, Cell, Column, Row, paragraph, shows
from holystone.present.table import render as render_table
from holystone.present.terminal import Look
from holystone.present.wording import SHORT_ID, age, count_of, counted, safe

NONE = "<none>"
"""How the docker command writes a repository or a tag that is not there."""
UNKNOWN = "—"

_COLUMNS = (
    Column("REPOSITORY", gives_way=True, least=18),
    Column("TAG", gives_way=True, least=9),
    Column("ID", drop=3, style="dim"),
    Column("SIZE", right=True),
    Column("UNIQUE", right=True, drop=1),
    Column("SHARED", right=True, drop=5),
    Column("CREATED", right=True, drop=6),
    Column("USED", right=True, drop=4),
    Column("VERDICT", drop=2),
)


def render(inventory: Inventory, plan: Plan, look: Look, *, every: bool = False) -> str:
    """A row for each reference, largest image first. Without ``every`` nameless ones are folded."""
    if not inventory.images:
        return "There are no images on this host."
    shares = figures.image_shares(inventory.images)
    stored = figures.images_stored(inventory.images, shares)
    users = figures.containers_of(inventory)
    verdicts = {verdict.id: verdict for verdict in plan.verdicts if verdict.kind == "image"}
    images = sorted(inventory.images, key=lambda image: (-image.size, image.tags, image.id))
    steps = {i for i, verdict in verdicts.items() if verdict.reasons[0].rule == "parent"}
    nameless = [
        image for image in images if not image.tags and not image.digests and image.id not in steps
    ]
    fold = not every and len(nameless) > FOLD_AFTER + 2
    folded = {image.id for image in nameless[FOLD_AFTER:]} if fold else set()
    hidden = folded if every else folded | steps
    shown = [image for image in images if image.id not in hidden]
    short = shortened(image.id for image in shown)
    rows: list[Row] = []
    for image in shown:
        used = figures.last_use(users.get(image.id, []), inventory.taken_at)
        verdict = verdicts[image.id]
        rows += _rows(image, short(image.id), shares[image.id], used, verdict, inventory.taken_at)
    columns: Sequence[Column] = _COLUMNS
    if "ID" not in shows(columns, rows, look):
        columns, rows = _without_ids(rows)
    lines = render_table(columns, rows, look)
    if steps and not every:
        note = f"{look.ellipsis} and {counted(len(steps), 'step')} of classic builds"
        lines += paragraph(f"{note} (--all lists them)", look, indent=INDENT, style="dim")
    if folded:
        unique = sum(share.unique for i in folded if (share := shares[i]) is not None)
        note = f"{look.ellipsis} and {len(folded)} more untagged images"
        note += f", {format_size(unique)} unique" if unique else ""
        lines += paragraph(f"{note} (--all lists them)", look, indent=INDENT, style="dim")
    lines += ["", *paragraph(_total(inventory, stored), look)]
    return "\n".join([*lines, *notes.lines(inventory.notes, look)])


_TAG, _ID = 1, 2
"""Places of columns."""


def _without_ids(rows: Sequence[Row]) -> tuple[list[Column], list[Row]]:
    """The table where there is no room for IDs: what has no tag shows its ID in place of one."""
    columns = [column for place, column in enumerate(_COLUMNS) if place != _ID]
    # An ID that is cut in its middle is of no use.
    columns[0] = columns[0]._replace(least=15)
    columns[_TAG] = columns[_TAG]._replace(least=SHORT_ID)
    told: list[Row] = []
    for row in rows:
        cells = list(row)
        identifier = cells.pop(_ID)
        if cells[_TAG] == NONE:
            cells[_TAG] = identifier
        told.append(tuple(cells))
    return columns, told


def _rows(
    image: Image,
    short: str,
    share: Share | None,
    used: float | None,
    verdict: Verdict,
    now: float,
) -> list[Row]:
    """A row for each tag of the image; where it has none, one with its repository if it has one."""
    names = [split_tag(tag) for tag in image.tags]
    if not names:
        repositories = {digest.partition("@")[0]: None for digest in image.digests}
        names = [(repository, NONE) for repository in repositories] or [(NONE, NONE)]
    rest = (
        short,
        format_size(image.size),
        UNKNOWN if share is None else format_size(share.unique),
        UNKNOWN if share is None else format_size(share.shared),
        age(now - image.created) if image.created > 0 else UNKNOWN,
        UNKNOWN if used is None else "now" if used >= now else age(now - used),
        _verdict(verdict),
    )
    return [(safe(repository), safe(tag), *rest) for repository, tag in names]


def _verdict(verdict: Verdict) -> Cell:
    if verdict.remove:
        return Cell("remove", "yellow")
    return Cell(f"keep: {reasons.label(verdict.reasons[0].rule)}")


def split_tag(reference: str) -> tuple[str, str]:
    """Repository and tag of a reference: ``("localhost:5000/app", "v1")``."""
    repository, colon, tag = reference.rpartition(":")
    if not colon or "/" in tag:
        return reference, NONE
    return repository, tag


def _total(inventory: Inventory, stored: figures.Stored) -> str:
    count = count_of(len(inventory.images), "image")
    references = counted(sum(len(image.tags) for image in inventory.images), "tag")
    if stored.stored is None:
        return f"{count}, {references}."
    about = "about " if stored.estimated else ""
    return (
        f"{count}, {references}, {about}{format_size(stored.stored)} stored "
        "(what images share counts once)."
    )

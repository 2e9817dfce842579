"""The HTML report: the figures of the plan, everything escaped, small for any host."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from holystone.planner.inventory import Container, Disk, Inventory, Volume
from holystone.planner.policy import LEVELS
from holystone.planner.totals import Beside, Log, Orphan
from holystone.planner.units import format_size
from holystone.present import document
from holystone.present.beside import folder
from holystone.present.html.named import KEPT, SAYS, Named, fitted_end
from holystone.present.html.page import Past, page
from holystone.present.html.treemap import HEIGHT, WIDTH, mapped
from holystone.replay.past import Pulls
from holystone.store.records import DONE, RunSummary
from tests.present import host
from tests.present.disk_report import DAY, ENGINE, NOW, Seen, hostile_host, large_host, report_of

_TAGS = {
    "a", "bdi", "body", "code", "dd", "defs", "div", "dl", "dt", "footer", "h1", "h2", "h3", "head",
    "header", "html", "li", "line", "main", "meta", "p", "path", "pattern", "polyline", "rect",
    "section", "strong", "style", "svg", "table", "tbody", "td", "text", "th", "thead", "title",
    "tr", "tspan", "ul",
    "span",
}  # fmt: skip


def test_figures_are_those_of_the_plan() -> None:
    report = report_of(host.inventory())
    said = "".join(Seen(page(report, Past())).texts)
    for level in LEVELS:
        told = document.plan(report.plans[level])
        assert format_size(told["freed_bytes"]) in said
        gone = {(item["kind"], item["id"]) for item in told["items"] if item["action"] == "remove"}
        area = sum(piece.size for piece in report.pieces if piece.freed_by(gone))
        assert area == told["freed_bytes"]


def test_areas_of_the_map_are_bytes() -> None:
    report = report_of(large_host(300))
    drawn = mapped(report.pieces, Named(report))
    assert sum(cell.size for cell in drawn.cells) == drawn.total
    assert drawn.total == sum(piece.size for piece in report.pieces)
    for kind in drawn.kinds:
        share = kind.box.w * kind.box.h / (WIDTH * HEIGHT)
        assert share == pytest.approx(kind.size / drawn.total, rel=1e-6)
    for cell in drawn.cells:
        assert 0 <= cell.box.x <= cell.box.x + cell.box.w <= WIDTH + 1e-6
        assert 0 <= cell.box.y <= cell.box.y + cell.box.h <= HEIGHT + 1e-6


@pytest.mark.parametrize("longer", ["", "-of-a-long-name" * 20, "&" * 300])
@pytest.mark.parametrize("images", [1_000, 10_000])
def test_a_page_of_a_large_host_is_small(images: int, longer: str) -> None:
    text = page(report_of(large_host(images, longer=longer)), Past())
    assert len(text.encode()) < 500_000
    assert re.search(r"\d+ others, too small for the map", text)


def test_every_link_has_its_place() -> None:
    for inventory in (host.inventory(), large_host(1_000), hostile_host()):
        seen = Seen(page(report_of(inventory), Past()))
        assert len(seen.links) > 20
        assert {link.removeprefix("#") for link in seen.links} <= set(seen.anchors)
        assert all(link.startswith("#") for link in seen.links)
        assert len(seen.anchors) == len(set(seen.anchors))


def test_hostile_names_are_only_text() -> None:
    text = page(report_of(hostile_host(), endpoint='"><script>'), Past())
    seen = Seen(text)
    assert set(seen.tags) <= _TAGS
    assert not [name for name in seen.attributes if name.startswith("on")]
    assert not re.search("[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]", text)
    assert "<script>document.title='owned'</script>" in "".join(seen.texts)
    assert "49" not in "".join(each for each in seen.texts if "7*7" in each)


def test_the_policy_of_the_page_lets_nothing_in() -> None:
    text = page(report_of(host.inventory()), Past())
    assert (
        "content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'\"" in text
    )
    assert "://" not in text.replace("unix:///var/run/docker.sock", "")


@pytest.mark.parametrize("disk", [Disk(), Disk(100_000_000_000, 99_000_000_000)])
def test_an_empty_host(disk: Disk) -> None:
    text = page(report_of(Inventory(ENGINE, NOW, disk=disk)), Past())
    assert "The engine has no images" in text
    assert "Nothing would go." in text
    assert "would free nothing" in text
    assert "There is nothing on this host to clean." in text
    assert "All of it" not in text
    assert "No run on this host is recorded yet" in text
    assert ("not in sight" in text.partition("</header>")[0]) is (disk.total_bytes is None)


def test_a_short_past_is_said_to_be_short() -> None:
    text = page(report_of(host.inventory()), Past(Pulls(7, 3, 1)))
    assert "Too little is recorded" in text
    assert "it takes 20 uses of images, and there are 7; the uses must cover" in text
    text = page(report_of(host.inventory()), Past(Pulls(225, 3, 1), span=2220.0))
    assert "Too little is recorded to compute this: the uses must cover" in text
    assert "37 min" in text


def test_logs_and_orphans_are_named() -> None:
    logs = tuple(Log(f"{n}", f"job-{n}", f"/l/{n}", (90 - n) * 10**9, False) for n in range(70))
    orphans = (Orphan("/var/lib/docker/overlay2/88f6811ab5d8ffff", 99 * 10**9),)
    beside = Beside(read=True, logs=logs, orphans=orphans)
    text = page(replace(report_of(host.inventory()), beside=beside), Past())
    largest = text.partition('id="top"')[2].partition("</table>")[0]
    assert largest.index("overlay2/88f6811ab5d8<") < largest.index("job-0<")
    assert "log of a container, no limit" in largest
    assert "11 others<" in text
    seen = Seen(text)
    assert {link.removeprefix("#") for link in seen.links} <= set(seen.anchors)


def test_where_the_disk_is_in_sight_the_page_never_doubts_it() -> None:
    seen = page(report_of(host.inventory()), Past())
    assert "No sample or run has noted this disk yet" in seen
    unseen = page(report_of(host.inventory()._replace(disk=Disk())), Past())
    assert "not in sight, so its past" in unseen


def test_images_without_bytes_of_their_own_have_rows() -> None:
    inventory = host.inventory()
    first = inventory.images[0]
    twin = first._replace(id=f"sha256:{'e' * 64}", tags=("twin:1",), metadata_size=0)
    report = report_of(inventory._replace(images=(*inventory.images, twin)))
    assert "<bdi>twin:1</bdi></th>" in page(report, Past())


def test_a_reason_is_of_a_level_that_takes_others() -> None:
    volumes = (
        Volume("a" * 64, size=10**9, created=NOW - 400 * DAY, anonymous=True),
        Volume("b" * 64, size=10**9, created=NOW - 60, anonymous=True),
    )
    report = report_of(Inventory(ENGINE, NOW, volumes=volumes, disk=Disk(10**11, 10**10)))
    named = Named(report)
    gone, stays = (named.judged(("volume", volume.name)) for volume in volumes)
    assert gone.fate == "weekly"
    assert (stays.fate, "takes no volumes" in stays.why) == (KEPT, False)
    text = page(report, Past())
    assert "A deep clean takes no volumes." in text
    assert "but a deep one takes no volumes" in text
    assert "more</span>" in text


def test_too_recent_is_told_with_its_date() -> None:
    young = Container("c" * 64, "job", "i", "app", "exited", created=NOW - 60, finished=NOW - 50)
    text = page(report_of(Inventory(ENGINE, NOW, containers=(young,))), Past())
    assert re.search(r"Too recent, kept for now: 1 container \(eligible from \d{4}-", text)
    assert "A routine clean would free nothing" in text


def test_runs_that_are_not_listed_are_counted() -> None:
    runs = [
        RunSummary(
            n, ENGINE.key, "r", "unix:///x", "routine", "", NOW - n * 60, NOW - n * 60 + 5, DONE,
            "", 1, 1, False, 1, 1, 0, 0, None, None,
        )
        for n in range(43)
    ]  # fmt: skip
    assert "The newest 12 of 43 runs are listed" in page(
        report_of(host.inventory(), runs=runs), Past()
    )


def test_colour_is_not_alone() -> None:
    text = page(report_of(host.inventory()), Past())
    titles = re.findall(r"<title>([^<]*)</title><rect class", text)
    assert titles
    assert all(any(says in title for says in SAYS.values()) for title in titles)
    for level in LEVELS:
        assert f'<pattern id="{level}"' in text


@pytest.mark.parametrize(
    ("name", "columns", "shown"),
    [
        ("registry.example.com/team/app:1", 40, "registry.example.com/team/app:1"),
        ("registry.example.com/team/app:1", 20, "…/team/app:1"),
        ("registry.example.com/team/app:1", 8, "…/app:1"),
        ("registry.example.com/team/app:1", 5, "app:1"),
        ("registry.example.com/team/app:1", 4, ""),
        ("postgres:16-alpine", 10, "postgres:…"),
        ("https://", 3, ""),
    ],
)
def test_the_end_of_a_name_tells_images_apart(name: str, columns: int, shown: str) -> None:
    assert fitted_end(name, columns) == shown


def test_a_folder_on_its_way_out_differs_from_the_one_that_stays() -> None:
    name = "/var/lib/docker/overlay2/" + "0123456789ab" * 5
    assert folder(Orphan(name, 1)) == "overlay2/0123456789ab"
    assert folder(Orphan(f"{name}-removing", 1)) == "overlay2/0123456789ab-removing"

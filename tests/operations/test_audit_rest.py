"""The rest of a disk in its account: folders by name, and the file that dominates one."""

from __future__ import annotations

from typing import Any

from holystone.operations.audit.pile import Pile
from holystone.operations.audit.record import Account, Audit, Entry, Kind
from holystone.operations.audit.rest import folders
from holystone.outside.heaps import File, Heap
from holystone.planner.inventory import Engine
from holystone.present.report.audit import document, render_audit
from holystone.present.terminal import Look

MB = 1_000_000
CORE = File(90 * MB, 90 * MB, "/srv/dump/core")
IMAGE = File(4096, 900 * MB, "/srv/dump/disk.img")
PILE = {
    "": Heap(30 * MB, 30 * MB, 4),
    "var": Heap(20 * MB, 20 * MB, 9),
    "var/lib": Heap(40 * MB, 40 * MB, 7),
    "srv/dump": Heap(100 * MB, 990 * MB, 3, 0.0, CORE, IMAGE),
}


def audited(*more: Entry) -> Audit:
    entries = (*folders(Pile(PILE), ["/"], 190 * MB), *more)
    account = Account("/", "ext4", 400 * MB, 190 * MB, 210 * MB, entries)
    return Audit(Engine("e", "host", "28.5", "1.51", "overlay2"), "/d", 0.0, 1.0, (account,))


def test_a_folder_whose_folders_are_apart_is_its_files_alone() -> None:
    names = {each.size // MB: each.name for each in audited().accounts[0].entries}
    assert names == {
        20: "files directly in /var",
        30: "files directly in /",
        40: "/var/lib",
        100: "/srv/dump",
    }


def test_the_file_that_dominates_a_folder_and_the_sparse_one_are_named() -> None:
    text = render_audit(audited(), Look())
    (line,) = [each for each in text.splitlines() if each.strip().startswith("other  /srv/dump ")]
    assert "the largest file: /srv/dump/core (90.0 MB)" in line
    assert "sparse: /srv/dump/disk.img is 900 MB long and takes 4.10 kB" in line
    (told,) = [each for each in _entries(audited()) if each["name"] == "/srv/dump"]
    assert told["largest_file"]["path"] == "/srv/dump/core"
    assert told["sparsest_file"]["apparent_bytes"] == 900 * MB


def test_empty_logs_are_not_listed_as_without_a_limit() -> None:
    empty = Entry(Kind.LOG, "quiet", 0, limited=False)
    full = Entry(Kind.LOG, "loud", MB, limited=False)
    assert "Logs without a limit" not in render_audit(audited(empty), Look())
    assert "Logs without a limit: 1, 1.00 MB" in render_audit(audited(empty, full), Look())


def test_the_first_table_fits_a_screen() -> None:
    more = [Entry(kind, "name", MB) for kind in Kind if kind is not Kind.OTHER]
    lines = render_audit(audited(*more), Look(width=80, elide=True)).splitlines()
    start = lines.index("Where it is")
    table = lines[start : lines.index("", start)]
    assert len(table) <= 24
    assert len([each for each in table if "orphans" in each]) == 1


def _entries(audit: Audit) -> list[dict[str, Any]]:
    (disk,) = document(audit)["disks"]
    return list(disk["entries"])

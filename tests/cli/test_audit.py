"""``holystone audit`` at the command line: the demo host, lists, errors."""

from __future__ import annotations

import os

import pytest

from holystone.operations.audit.audit import data_folder
from holystone.operations.audit.record import Account, Audit, Entry, Kind
from holystone.operations.errors import RequestError
from holystone.planner.inventory import Disk, Engine, Inventory
from holystone.present.report.audit import render_audit
from holystone.present.terminal import Look
from tests.cli.command import Command
from tests.users import STRANGER, as_user, folder_for_all, needs_root


def test_the_first_screen_says_where_the_disk_went(holystone: Command) -> None:
    done = holystone("audit", "--host", "demo:")
    assert done.code == 0
    lines = done.lines
    headings = ["Where it is", "Largest of the engine", "Largest of the rest"]
    assert [line for line in lines if line in headings] == headings
    assert "Dark bytes: 1.29 GB" in lines
    assert any(line.split()[:3] == ["used", "182", "GB"] for line in lines)
    assert len(lines) < 60


def test_the_sum_is_the_disk(holystone: Command) -> None:
    told = holystone("audit", "--host", "demo:", "--json").json
    (disk,) = told["disks"]
    assert disk["used_bytes"] == told["disk"]["total_bytes"] - told["disk"]["free_bytes"]
    assert sum(each["size_bytes"] for each in disk["entries"]) == disk["used_bytes"]
    assert sum(each["bytes"] for each in disk["kinds"].values()) == disk["used_bytes"]


def test_status_shows_the_sum_of_the_last_audit(holystone: Command) -> None:
    assert holystone("status", "--host", "demo:", "--json").json["last_audit"] is None
    told = holystone("audit", "--host", "demo:", "--json").json
    last = holystone("status", "--host", "demo:", "--json").json["last_audit"]
    assert last["used_bytes"] == told["disks"][0]["used_bytes"]
    assert last["dark_bytes"] == told["dark_bytes"]
    (line,) = [line for line in holystone("status", "--host", "demo:").lines if "Audited" in line]
    assert "100.0% of 182 GB named, 1.29 GB dark (holystone audit)." in line


def test_bytes_reserved_for_root_and_kinds_of_dark_bytes_are_told() -> None:
    engine = Engine("id", "host", "28.5.1", "1.51", "overlay2")
    entries = (Entry(Kind.ORPHAN, "a", 3_000_000), Entry(Kind.LEFTOVER, "b", 1_000_000))
    account = Account("/", "ext4", 100_000_000, 4_000_000, 90_000_000, entries)
    told = render_audit(Audit(engine, "/d", 0.0, 1.0, (account,)), Look(width=200))
    assert (
        "4.00 MB of 100 MB used, 90.0 MB free, 6.00 MB reserved for root "
        "(holystone status leaves these out of the size: 94.0 MB)."
    ) in told
    assert "Dark bytes: 4.00 MB (orphans 3.00 MB, leftovers 1.00 MB)" in told


def test_entries_are_filtered_sorted_and_formatted(holystone: Command) -> None:
    audit = ("audit", "--host", "demo:")
    done = holystone(*audit, "--filter", "kind=volume", "--sort", "size", "--format", "{{.Name}}")
    assert len(done.lines) == 12
    assert done.lines[-1].startswith("b1f207f2c2b3")
    largest = holystone(*audit, "--sort", "-size", "--top", "1", "--format", "{{.SizeBytes}}")
    assert len(largest.lines) == 1
    dark = holystone(*audit, "--filter", "dark=true", "--json").json["disks"][0]["entries"]
    assert [each["kind"] for each in dark] == ["orphan"]
    assert "No entry" in holystone(*audit, "--filter", "name=nothing-like-it").out


def test_all_names_every_entry(holystone: Command) -> None:
    entries = holystone("audit", "--host", "demo:", "--json").json["disks"][0]["entries"]
    every = holystone("audit", "--host", "demo:", "--all").out
    assert "more (--all" not in every
    assert len(every.splitlines()) > len(entries)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--all", "--top", "3"), "only one of them"),
        (("--top", "0"), "not a number from 1 on"),
        (("--top", "many"), "not a number from 1 on"),
        (("--filter", "kind=picture"), "picture"),
        (("--filter", "colour=red"), "no filter 'colour'"),
        (("--sort", "weight"), "nothing can be sorted by"),
        (("--json", "--format", "{{.Name}}"), "only one of them"),
    ],
)
def test_options_that_make_no_sense(
    holystone: Command, options: tuple[str, ...], said: str
) -> None:
    assert said in holystone("audit", "--host", "demo:", *options).failed(64)


def inventory(disk: Disk, name: str = "host") -> Inventory:
    engine = Engine("id", name, "28.5.1", "1.51", "overlay2", root="/var/lib/docker")
    return Inventory(engine, 0.0, disk=disk)


@pytest.mark.parametrize(
    ("disk", "name", "said"),
    [
        (
            Disk(unseen="there is no folder /var/lib/docker here"),
            "docker-desktop",
            "Docker Desktop",
        ),
        (Disk(unseen="the engine is reached by ssh"), "host", "by ssh. Run holystone audit on the"),
        (Disk(), "host", "nothing tells where it is"),
    ],
)
def test_an_engine_whose_files_are_elsewhere(disk: Disk, name: str, said: str) -> None:
    with pytest.raises(RequestError, match=said):
        data_folder(inventory(disk, name))


@needs_root
def test_a_user_who_may_not_read_the_folder_is_told_so() -> None:
    with folder_for_all() as folder:
        (folder / "overlay2").mkdir(mode=0o710)
        seen = inventory(Disk(1, 1, folder=str(folder)))

        def refused() -> None:
            with pytest.raises(RequestError, match=r"only root may read .*/overlay2\. Run sudo"):
                data_folder(seen)
            with pytest.raises(RequestError, match=r"sudo holystone audit -H unix:///other\.sock$"):
                data_folder(seen, "unix:///other.sock")

        def allowed() -> None:
            assert data_folder(seen) == str(folder)

        allowed()
        as_user(STRANGER, refused)
        # As a rootless engine has it.
        os.chown(folder / "overlay2", STRANGER, STRANGER)
        as_user(STRANGER, allowed)

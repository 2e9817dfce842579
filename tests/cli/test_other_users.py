"""Leases of another user of the machine: they count, and the commands say whose they are."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.command import POWERLESS, Command
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import answers, misbehaving
from tests.users import STRANGER, as_program, folder_for_all, needs_root

ID = "sha256:" + "a" * 64
IMAGE = {"Id": ID, "RepoTags": ["app:1"], "Created": 1, "Size": 5}
SCRIPT = {
    **EMPTY,
    "GET /images/json": answers([IMAGE]),
    f"GET /images/{ID}/json": answers(IMAGE | {"RootFS": {"Layers": ["sha256:" + "b" * 64]}}),
    f"GET /images/{ID}/history": answers([{"Id": ID, "Created": 1, "Size": 5}]),
}


@needs_root
def test_their_leases_count_and_are_told_of(holystone: Command) -> None:
    with folder_for_all() as place, misbehaving(SCRIPT) as host:
        home = place / "ci"
        home.mkdir()
        os.chown(home, STRANGER, STRANGER)
        passwd = place / "passwd"
        known = Path("/etc/passwd").read_text()
        passwd.write_text(f"{known}ci:x:{STRANGER}:{STRANGER}::{home}:/bin/sh\n")
        mount = f'mount --bind {passwd} /etc/passwd && exec "$@"'
        here = ("unshare", "--mount", "sh", "-c", mount, "sh")
        done = holystone.under(
            (*here, *as_program(STRANGER)),
            *("lease", "app:1", "--for", "1h", "--job", "7"),
            HOME=str(home),
            HOLYSTONE_STATE=None,
        )
        assert (done.code, done.err) == (0, "")
        (lease,) = holystone.under(here, "lease", "list", "--json").json["leases"]
        assert (lease["reference"], lease["job"], lease["user"]) == ("app:1", "7", "ci")
        listed = holystone.under(here, "lease", "list").lines
        assert listed[0].split()[-1] == "USER"
        assert listed[1].split()[-1] == "ci"
        done = holystone.under(here, "explain", "app:1", "-H", host)
        assert "leased by job 7 of user ci until" in done.out
        done = holystone.under(here, "clean", "deep", "--yes", "--json", "-H", host)
        (item,) = [each for each in done.json["items"] if each["kind"] == "image"]
        assert item["action"] == "keep"
        assert holystone("lease", "release", "--all").out == "There was no such lease.\n"


@needs_root
def test_whom_the_state_folder_is_closed_to_is_told_so(holystone: Command) -> None:
    """What nobody may look at is not taken for empty: no runs, no leases."""
    with folder_for_all() as place, misbehaving(SCRIPT) as host:
        home = place / "theirs"
        home.mkdir(mode=0)
        user, where = POWERLESS, {"HOLYSTONE_STATE": str(home / "state")}
        for command in (("history",), ("history", "1"), ("history", "export"), ("lease", "list")):
            done = holystone.under(user, *command, **where)
            assert done.code == 1, (command, done)
            assert "cannot use the state folder" in done.err, command
            assert "Permission denied" in done.err, command
            assert done.out == "", command
        asked = ("--include-local", "--json", "-H", host)
        done = holystone.under(user, "plan", "deep", *asked, **where)
        (item,) = [each for each in done.json["items"] if each["kind"] == "image"]
        assert item["action"] == "keep"
        assert "every image stays" in done.err
        done = holystone.under(user, "clean", "deep", "--yes", *asked, **where)
        assert done.code == 12
        assert "Its leases cannot be read" in done.err


def test_a_state_folder_that_cannot_be_looked_at_is_not_empty(
    holystone: Command, tmp_path: Path
) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    done = holystone("history", "--state", loop)
    assert done.code == 1
    assert "loop" in done.err
    with misbehaving(SCRIPT) as host:
        done = holystone("plan", "deep", "--include-local", "--json", "--state", loop, "-H", host)
    (item,) = [each for each in done.json["items"] if each["kind"] == "image"]
    assert item["action"] == "keep"
    assert "every image stays" in done.err

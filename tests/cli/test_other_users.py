"""Leases of another user of the machine: they count, and the commands say whose they are."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.command import Command
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

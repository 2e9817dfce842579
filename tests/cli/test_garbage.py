"""Garbage in every table of the ledger: each command works, and says once what was lost."""

from __future__ import annotations

import shutil
import sqlite3

import pytest

from holystone.store.folder import FILE
from holystone.store.schema import LOST
from tests.cli.command import Command
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import answers, misbehaving
from tests.store.examples import opened
from tests.store.test_garbage import columns, fill, spoil

ID = "sha256:" + "a" * 64
SCRIPT = {
    **EMPTY,
    "GET /info": answers({"ID": "engine", "Name": "runner", "Driver": "overlay2"}),
    "GET /images/json": answers([{"Id": ID, "RepoTags": ["app:1"], "Created": 1, "Size": 5}]),
    f"GET /images/{ID}/json": answers({"Id": ID, "RepoTags": ["app:1"], "Created": 1, "Size": 5}),
    f"GET /images/{ID}/history": answers([{"Id": ID, "Created": 1, "Size": 5}]),
}
WITH_ENGINE = ("plan", "status", "explain app", "observe", "clean", "plan weekly", "restore 1 -n")
WITHOUT = ("history", "history 1", "history export -", "lease list", "lease node --for 1h")
FAILS_WITHOUT_USES = "history export -"
"""Where the only engine of which uses are known is garbage there is nothing to export."""


@pytest.mark.parametrize(
    ("value", "turn"),
    [("x'00ff00'", 1), ("CAST(x'fffe41' AS TEXT)", 3), ("9e999", 4), ("'{broken'", 7)],
)
def test_every_command_works(holystone: Command, value: str, turn: int) -> None:
    with opened(holystone.state) as ledger:
        fill(ledger)
    spoilt = [
        table
        for table in LOST
        if spoil(holystone.state, table, list(columns(table))[turn % len(columns(table))], value)
    ]
    assert len(spoilt) > len(LOST) / 2
    before = holystone.home / "before"
    shutil.copytree(holystone.state, before)
    notes = 0
    with misbehaving(SCRIPT) as host:
        for command in (*WITH_ENGINE, *WITHOUT):
            # Each command meets the garbage itself.
            shutil.rmtree(holystone.state)
            shutil.copytree(before, holystone.state)
            options = ("-H", host) if command in WITH_ENGINE else ()
            done = holystone(*command.split(), *options)
            if command != FAILS_WITHOUT_USES:
                assert done.code == 0, (command, done)
            assert "Traceback" not in done.err
            assert "error in holystone" not in done.err
            assert done.err.count("had rows that make no sense") <= 1
            notes += done.err.count("had rows that make no sense")
            assert not list(holystone.state.glob("*.damaged-*")), (command, done)
        assert notes > 3
        again = holystone("clean", "-H", host)
        again = holystone("clean", "-H", host)
        assert (again.code, again.err) == (0, "")
    with sqlite3.connect(holystone.state / FILE) as database:
        assert database.execute("SELECT count(*) FROM run").fetchone()[0] >= 3
    database.close()

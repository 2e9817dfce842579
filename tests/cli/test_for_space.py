"""A clean for space: refused without an opening line, and told apart in the history."""

from __future__ import annotations

from holystone.present.report import history
from holystone.present.terminal import Look
from holystone.store.records import RunSummary
from tests.cli.command import Command

RUN = RunSummary(
    1, "id/classic", "runner", "unix:///x", "routine", "", 0.0, 1.0, "done", "", 1, 5, False, 5,
    1, 0, 0, 100, 105, 40 * 10**9,
)  # fmt: skip


def test_an_impossible_target_is_refused_without_an_opening_line(holystone: Command) -> None:
    done = holystone("clean", "--until-free", "900TB", "--host", "demo:")
    assert (done.code, done.out) == (64, "")
    assert done.err


def test_history_says_how_much_was_to_be_free() -> None:
    look = Look(width=160)
    assert " until 40.0 GB free" in history.table(history.Listed([RUN], 1), look)
    document = history.document(history.Listed([RUN], 1))
    assert document["runs"][0]["target_free_bytes"] == 40 * 10**9
    plain = RUN._replace(target_free=None)
    assert "until" not in history.table(history.Listed([plain], 1), look)

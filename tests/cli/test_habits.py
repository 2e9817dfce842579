"""What is typed out of habit or by mistake is answered with what to type, and does no harm."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from holystone.operations.restore import Restoration
from holystone.present.report import history, restore
from holystone.present.terminal import Look
from holystone.store.records import RunSummary
from tests.cli.command import Command

DEMO = ("-H", "demo:")
RUN = RunSummary(
    1, "id/classic", "runner", "unix:///x", "routine", "", 0.0, 1.0, "done", "", 1, 5, False, 5,
    1, 0, 0, 100, 105, 40 * 10**9,
)  # fmt: skip


@pytest.mark.parametrize("options", ["-a", "-af", "-fa", "-qa", "-faf", "-all"])
def test_everything_as_docker_prune_has_it(holystone: Command, options: str) -> None:
    assert "everything unused goes with holystone clean deep" in holystone("clean", options).err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["config"], "ACTION is one of show, check, schema, init"),
        (["protect", "."], "unrecognized arguments: '.'. holystone protect --from . reads"),
        (["lease", "ls"], "did you mean holystone lease list?"),
        (["lease", "rm", "redis"], "did you mean holystone lease release?"),
        (["help", "lease", "foo"], "Its actions are: lease list, lease release"),
        (["help", "clean", "foo"], "clean has no action 'foo'"),
        (["images", "--digests"], "there is no option --digests."),
        (["images", "--tree"], "there is no option --tree."),
        (["images", "--revers"], "did you mean --reverse?"),
        (["history", "--since", "1M"], "'1M' could mean minutes or months"),
        (["clean", "--min-age", "2 M"], "could mean minutes or months"),
        (["history", "--since", "99999999999d"], "is before any run there can be"),
        (["clean", "--report", ""], "argument --report: it is empty, as a variable is"),
        (["clean", "--state="], "argument --state: it is empty"),
        (["plan", "--out", ""], "argument --out: it is empty"),
        (["plan", "--config", ""], "argument --config: it is empty"),
        (["replay", "a\nall is well"], r"TRACE: 'a\nall is well' has a control character in it"),
        (["advise", "a\u2028b"], r"'a\u2028b' has a control character in it"),
        (["history", "export", "a\x1b[2J"], r"'a\x1b[2J' has a control character in it"),
        (["protect", "--from", "a\rb"], r"'a\rb' has a control character in it"),
        (["plan", "--state", "a\u202eb"], r"'a\u202eb' has a control character in it"),
    ],
)
def test_what_is_wrong_is_answered_with_the_mend(
    holystone: Command, words: list[str], said: str
) -> None:
    assert said in holystone(*words).failed(64)


@pytest.mark.parametrize("host", ["demo", "demo:foo"])
@pytest.mark.parametrize("command", ["plan", "history", "lease list"])
def test_the_demo_host_has_one_name(holystone: Command, command: str, host: str) -> None:
    said = holystone(*command.split(), "-H", host)
    assert said.code == 1
    assert "the built-in host is written demo: with nothing behind it" in said.err


def test_help_of_an_action_is_that_of_its_command(holystone: Command) -> None:
    for command, action in (("lease", "release"), ("history", "export"), ("config", "check")):
        assert holystone("help", command, action) == holystone("help", command)


def test_a_report_that_cannot_be_written_is_refused_before_the_clean(
    holystone: Command, tmp_path: Path
) -> None:
    for place in (tmp_path / "nowhere" / "report.json", tmp_path, Path("/proc/report.json")):
        done = holystone("clean", *DEMO, "--report", str(place))
        assert (done.code, done.out) == (1, "")
        assert "cannot write the report to" in done.err
        assert "Nothing was removed" in done.err
    report = tmp_path / "report.json"
    assert holystone("clean", *DEMO, "--report", str(report)).code == 0
    assert [each.name for each in tmp_path.glob("*.json")] == ["report.json"]


def test_a_far_guess_is_not_made(holystone: Command) -> None:
    assert "Did you mean" not in holystone("images", "nope", *DEMO).err
    assert "Did you mean" in holystone("images", "pyhton", *DEMO).err


def test_a_filter_that_nothing_meets(holystone: Command) -> None:
    said = holystone("images", *DEMO, "--filter", "size>1TB").out
    assert said.startswith("No image on this host matches --filter; ")


def test_damage_is_told_with_its_mend(holystone: Command) -> None:
    found = holystone("verify", *DEMO)
    assert found.code == 1
    assert "the content of layer " in found.out
    assert "is damaged (its digest is " in found.out
    assert "`holystone verify --repair` removes a damaged image" in found.out
    assert "--repair" not in holystone("verify", *DEMO, "--repair").out


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_line_is_wider_than_the_terminal(holystone: Command, width: int) -> None:
    look = Look(width=width, elide=True)
    lines = history.table(history.Listed([RUN], 1), look).splitlines()
    lines += restore.render(Restoration(RUN, ()), look).splitlines()
    lines += holystone("--help", COLUMNS=str(width)).lines
    assert [line for line in lines if cell_len(line) > width] == []


def test_an_impossible_target_is_refused_without_an_opening_line(holystone: Command) -> None:
    done = holystone("clean", "--until-free", "900TB", *DEMO)
    assert (done.code, done.out) == (64, "")
    assert done.err


def test_history_says_how_much_was_to_be_free() -> None:
    look = Look(width=160)
    assert " until 40.0 GB free" in history.table(history.Listed([RUN], 1), look)
    document = history.document(history.Listed([RUN], 1))
    assert document["runs"][0]["target_free_bytes"] == 40 * 10**9
    plain = RUN._replace(target_free=None)
    assert "until" not in history.table(history.Listed([plain], 1), look)

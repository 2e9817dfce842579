"""Arguments: help, versions, and one clear line with code 64 for what makes no sense."""

from __future__ import annotations

import pytest

from holystone import __version__
from tests.cli.command import Command

COMMANDS = ("status", "images", "volumes", "containers", "cache", "plan", "clean", "explain")


@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version(holystone: Command, option: str) -> None:
    done = holystone(option)
    assert done == (0, f"holystone {__version__}\n", "")


def test_no_command_shows_what_there_is(holystone: Command) -> None:
    done = holystone()
    assert done.code == 64
    assert done.err == ""
    assert done == (64, holystone("--help").out, "")
    for command in COMMANDS:
        assert f"\n  {command} " in done.out


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_names_commands_and_exit_codes(holystone: Command, word: str) -> None:
    done = holystone(word)
    assert done.code == 0
    assert done.out.startswith("usage: holystone COMMAND [OPTIONS]\n")
    for code in (
        "0 done",
        "1 error",
        "2 changes pending",
        "3 some",
        "10 engine",
        "64 usage",
        "130",
    ):
        assert code in done.out
    assert max(map(len, done.lines)) <= 80


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(holystone: Command, command: str) -> None:
    done = holystone(command, "--help", COLUMNS="80")
    assert done.code == 0
    assert done.err == ""
    assert done.out.startswith(f"usage: holystone {command} ")
    for option in ("--host", "--context", "--timeout", "--state", "--json", "--color", "--verbose"):
        assert option in done.out
    assert max(map(len, done.lines)) <= 80
    assert holystone(command, "-h", COLUMNS="80") == done


def test_help_in_a_narrow_terminal(holystone: Command) -> None:
    done = holystone.on_terminal("clean", "--help", columns=60)
    assert done.code == 0
    assert max(map(len, done.lines)) <= 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plam"], "there is no command 'plam'. Did you mean plan?"),
        (["xyzzy"], "there is no command 'xyzzy'. See holystone --help."),
        ([""], "there is no command ''."),
        (["plan", "--jsno"], "there is no option --jsno (did you mean --json?)"),
        (["plan", "--xyzzy", "3"], "there is no option --xyzzy. See holystone plan --help."),
        (["plan", "--tim", "3"], "there is no option --tim (did you mean --timeout?)"),
        (["plan", "--js"], "there is no option --js "),
        (["status", "routine"], "unrecognized arguments: routine"),
        (["plan", "--until-free", "40"], "'40' has no unit; write it like 40GB"),
        (["plan", "--until-free", "77444389632"], "has no unit; write it like 77444389632B"),
        (["plan", "-x"], "there is no option -x."),
        (["plan", "rutine"], "argument LEVEL: invalid choice: 'rutine' (choose from 'routine'"),
        (["plan", "--", "rutine"], "argument LEVEL: invalid choice: 'rutine'"),
        (["plan", "routine", "routine"], "unrecognized arguments: routine"),
        (["clean", "--host"], "argument -H/--host: expected one argument"),
        (["clean", "--min-age", "soon"], "'soon' is not a duration; write it like 90s, 10m"),
        (["clean", "--min-age", "10"], "'10' is not a duration"),
        (["clean", "--min-age", "999999999w"], "'999999999w' is older than anything can be"),
        (["clean", "--cache-budget", "lots"], "'lots' is not a size; write it like 500MB, 40GB"),
        (["clean", "--cache-budget", "10%"], "'10%' is not a size"),
        (["clean", "--timeout", "1 parsec"], "'1 parsec' is not a duration"),
        (["clean", "--timeout", "0"], "'0' is no time to wait"),
        (["clean", "--timeout", "999999999w"], "'999999999w' is no time to wait"),
        (["clean", "--color", "pink"], "argument --color: invalid choice: 'pink'"),
        (["explain"], "the following arguments are required: REFERENCE"),
        (["explain", "--kind", "pod", "x"], "argument --kind: invalid choice: 'pod'"),
    ],
)
def test_usage_errors(holystone: Command, arguments: list[str], words: str) -> None:
    said = holystone(*arguments).failed(64)
    assert words in said
    assert "--help." in said


def test_options_between_arguments(holystone: Command) -> None:
    done = holystone("plan", "--json", "-H", "demo:", "routine", "--min-age=0s")
    assert done.code == 0
    assert done.json["level"] == "routine"


def test_closed_streams(holystone: Command) -> None:
    """What the caller has closed is no reason to fail, nor a number for a socket."""
    for line in ("holystone plan -H demo: >&-", "holystone --help >&-", "holystone --version 2>&-"):
        assert holystone.shell(line).code == 0
    assert holystone.shell("holystone clean -H demo: <&- >&- 2>&-") == (0, "", "")
    assert holystone.shell("holystone plan -H nowhere:// 2>&-").code == 1


@pytest.mark.parametrize("command", ["--version", "plan -H demo: --json", "status -H demo:"])
def test_an_answer_that_nothing_takes(holystone: Command, command: str) -> None:
    done = holystone.shell(f"holystone {command} > /dev/full")
    assert done == (
        1, "", "holystone: cannot write to standard output: No space left on device\n"
    )  # fmt: skip


def test_a_clean_does_its_work_though_a_full_disk_takes_no_log(holystone: Command) -> None:
    done = holystone.shell(
        "holystone clean -H demo: > /dev/full",
        GITHUB_STEP_SUMMARY=str(holystone.home / "summary"),
    )
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "clean freed" in (holystone.home / "summary").read_text()


def test_a_reader_that_leaves(holystone: Command) -> None:
    one = holystone.shell("holystone images -H demo: | head -n 1")
    assert one.code == 0
    assert one.err == ""
    assert "REPOSITORY" in one.out
    codes = {
        "plan -H demo: --detailed-exitcode": 2,
        "clean -H demo:": 0,
        "clean -H demo: --json": 0,
        "plan --help": 0,
        "--version": 0,
        "explain -H demo: nothing-of-this-name": 1,
    }
    for command, code in codes.items():
        line = f"{{ sleep 0.3; holystone {command}; echo $? >&2; }} | true"
        assert holystone.shell(line).err.splitlines()[-1] == str(code), command

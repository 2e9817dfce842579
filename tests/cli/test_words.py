"""Options stand before the command, after it and between its arguments, and mean the same."""

from __future__ import annotations

import argparse
import shlex
from importlib import import_module
from pathlib import Path

import pytest

from holystone.cli.commands import COMMANDS
from holystone.cli.finding import find_command, no_command
from holystone.cli.parser import Parser
from tests.cli.command import Command

ARGUMENTS = {
    "explain": ["python:3.12-slim"],
    "config": ["check"],
    "replay": ["a.jsonl"],
    "lease": ["redis"],
    "history": ["7"],
    "restore": ["7", "redis"],
    "verify": ["redis", "node"],
    "refresh": ["redis", "node"],
    "plan": ["weekly"],
    "report": ["disk.html"],
    "clean": ["deep"],
    "init": ["gitlab"],
    "rm": ["redis", "node"],
}
"""Arguments for the commands that take some."""
VALUES = {
    "--until-free": "40GB",
    "--until-used": "70%",
    "--cache-budget": "5GB",
    "--budget": "5GB",
    "--bandwidth": "5MB/s",
    "--window": "22:00-06:00",
    "--order": "lru",
    "--parallel": "3",
    "--limit": "3",
    "--top": "3",
    "--min-age": "2h",
    "--max-plan-age": "2h",
    "--timeout": "3s",
    "--wait": "3s",
    "--for": "2h",
    "--since": "2026-01-02",
    "--sort": "-name",
    "--format": "- {{json .}}",
}
"""Values for the options that take no plain word."""


def parser(command: str) -> Parser:
    made: Parser = import_module(f"holystone.cli.{command}").parser()
    return made


def parsed(*words: str) -> tuple[str, argparse.Namespace]:
    """The command, and its options, as a whole command line means them."""
    found = (words[0], list(words[1:]))
    if words[0] not in COMMANDS:
        told = find_command(words, tuple(COMMANDS))
        assert told is not None
        found = told
    return found[0], parser(found[0]).parse_args(found[1])


CASES = [
    (command, name)
    for command in COMMANDS
    for name in parser(command).known
    if name not in ("-h", "--help", "-V", "--version")
]


@pytest.mark.parametrize(("command", "name"), CASES)
def test_every_option_stands_in_every_place(command: str, name: str) -> None:
    made = parser(command)
    action = made.known[name]
    option = [name]
    if action.nargs != 0:
        value = next(iter(action.choices)) if action.choices else VALUES.get(name, "word")
        if action.dest == "filter":
            value = "age>1d" if command == "history" else "name=-x"
        option += [next((VALUES[n] for n in action.option_strings if n in VALUES), value)]
    needed = [
        word
        for other in made._actions
        if other.required and other.option_strings and other is not action
        for word in (other.option_strings[0], "x")
    ]
    arguments = ARGUMENTS.get(command, [])
    usual = parsed(command, *needed, *arguments, *option)
    places = [
        [*option, command, *needed, *arguments],
        [*needed, *option, command, *arguments],
        [command, *option, *needed, *arguments],
        [command, *arguments[:1], *option, *arguments[1:], *needed],
    ]
    if action.nargs != 0 and name.startswith("--"):
        joined = "=".join(option)
        places += [[joined, command, *needed, *arguments], [command, *arguments, *needed, joined]]
    for words in places:
        assert parsed(*words) == usual, words


@pytest.mark.parametrize(
    ("words", "same"),
    [
        ("--volumes clean deep", "clean deep --volumes"),
        ("clean --volumes deep", "clean deep --volumes=anonymous"),
        ("clean --volumes named deep", "clean deep --volumes=named"),
        ("-c plan plan", "plan -c plan"),
        ("--config config config show", "config show --config config"),
        ("-vHdemo: plan", "plan -v -H demo:"),
        ("-vH demo: plan --json", "plan --json -v --host demo:"),
        ("--json lease list", "lease list --json"),
        ("lease redis --for 2h node", "lease redis node --for 2h"),
        ("--json -- plan", "plan --json"),
        ("--engine e history export --state s file", "history export file --engine e --state s"),
        ("verify -- -x", "verify -- -x"),
        ("history --limit=3", "--limit 3 history"),
    ],
)  # fmt: skip
def test_words_that_could_be_several_things(words: str, same: str) -> None:
    assert parsed(*words.split()) == parsed(*same.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--until-free 40GB images", "images: there is no option --until-free: it is an option of"),
        ("--until-free 40GB images", "it is an option of plan and clean. See holystone images "),
        ("--yes plan", "plan: there is no option --yes: it is an option of clean and rm."),
        ("--jsno plan", "holystone plan: there is no option --jsno (did you mean --json?)."),
        ("plan -x", "holystone plan: there is no option -x."),
        ("plan -xn", "holystone plan: there is no option -xn (did you mean -n?)."),
        ("--xyzzy", "holystone: there is no option --xyzzy. See holystone --help."),
        ("--json", "holystone: no command given. Try: holystone plan."),
        ("--host", "holystone: no command given."),
        ("--json plam", "there is no command 'plam'. Did you mean plan?"),
        ("--host demo: prune", "there is no command 'prune'. Type holystone clean."),
        ("prune -f", "there is no command 'prune'. Type holystone clean."),
        ("df", "there is no command 'df'. Type holystone status."),
        ("ls", "there is no command 'ls'. Type holystone images."),
        ("system prune -a", "there is no command 'system prune'. Type holystone clean."),
        ("system df", "there is no command 'system df'. Type holystone status."),
        ("image", "there is no command 'image'. Type holystone status."),
        ("rmi redis", "there is no command 'rmi'. Type holystone rm NAME."),
        ("image rm redis", "there is no command 'image rm'. Type holystone rm NAME."),
        ("help cleen", "there is no command 'cleen'. Did you mean clean?"),
        ("help df", "there is no command 'df'. Type holystone status."),
        ("clean -a", "there is no option -a: everything unused goes with holystone clean deep."),
        ("clean --filter until=24h", "there is no option --filter: what stays is said by ["),
        ("protect redis:7", "unrecognized arguments: redis:7. holystone protect --from PATH"),
        ("status redis", "unrecognized arguments: redis. One image is shown by holystone explain"),
        ("observe redis", "unrecognized arguments: redis. See holystone observe --help."),
        ("clean wekly", "did you mean weekly? See holystone clean --help."),
        ("plan --until-free 50%", "For 50% free type --until-used 50%."),
        ("clean --until-free 20%", "For 20% free type --until-used 80%."),
        ("clean --until-free '20 percent'", "For 20% free type --until-used 80%."),
        ("clean --until-used 40GB", "To have that much free type --until-free 40GB."),
        ("clean --until-used '40 GB'", "type --until-free 40GB."),
        ("clean --until-used 70", "'70' is not a share of the disk; write it like 70%."),
        ("clean --until-used 0.7", "'0.7' is not a share of the disk; write it like 70%."),
        ("clean --until-free 40 GB", "'40' has no unit; write it like 40GB."),
    ],
)  # fmt: skip
def test_what_is_said_of_words_that_are_wrong(holystone: Command, words: str, said: str) -> None:
    told = holystone(*shlex.split(words)).failed(64)
    assert said in told
    assert "--help." in told


@pytest.mark.parametrize("size", ["40GB", "40 GB", "40gb", "40G", "40GiB", "40Gi", "40e"])
def test_units_as_they_are_typed(size: str) -> None:
    if size == "40e":
        with pytest.raises(SystemExit):
            parsed("plan", "--until-free", size)
    else:
        free = parsed("plan", "--until-free", size)[1].until_free
        assert free == (40 * 2**30 if "i" in size else 40 * 10**9)


def test_what_is_typed_instead_is_a_command() -> None:
    from holystone.cli import finding

    for typed, meant in finding._MEANT.items():
        assert typed.split()[0] not in COMMANDS
        assert meant.split()[0] in COMMANDS
        assert f"holystone {meant}" in no_command(typed.split(), tuple(COMMANDS))


@pytest.mark.parametrize(
    "words", ["--host demo: plan", "plan --host demo:", "-H demo: --json plan"]
)
def test_runs_with_options_before_the_command(holystone: Command, words: str) -> None:
    done = holystone(*words.split())
    assert (done.code, done.err) == (0, "")
    assert done.json["level"] == "routine" if "--json" in words else "Plan of a routine" in done.out


@pytest.mark.parametrize(
    "words", ["help plan", "--help plan", "plan --help", "-h plan", "--host x plan -h"]
)
def test_help_of_a_command(holystone: Command, words: str) -> None:
    done = holystone(*words.split())
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("usage: holystone plan ")
    assert "\nexamples:\n" in done.out


def test_version_in_every_place(holystone: Command) -> None:
    usual = holystone("--version")
    for words in ("version", "-V", "plan --version", "--version plan", "--json --version"):
        assert holystone(*words.split()) == usual, words
    assert usual.out.strip().endswith(holystone("--json", "version").json["version"])


EXAMPLES = [
    (command, line, told) for command in COMMANDS for line, told in parser(command).examples
]


def test_every_command_has_an_example() -> None:
    assert {command for command, _, _ in EXAMPLES} == set(COMMANDS)


@pytest.mark.parametrize(("command", "line", "told"), EXAMPLES, ids=[each[1] for each in EXAMPLES])
def test_examples_are_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, line: str, told: str
) -> None:
    """Each is run where that needs no more than the demo host."""
    monkeypatch.chdir(tmp_path)
    program, *words = shlex.split(line)
    assert (program, words[0]) == ("holystone", command)
    assert told
    assert len(line) <= 58, "a narrow terminal shows it in one line"
    assert parsed(*words)[0] == command
    if command == "agent":
        return  # It does not end, or makes itself a service of this machine: see tests/agent.
    known = parser(command).known
    # Of config only check looks at a host.
    takes_host = "--host" in known and not {"--host", "show", "init"}.intersection(words)
    done = Command(tmp_path)(*words, *(["--host", "demo:"] if takes_host else []))
    assert "in holystone itself" not in done.err
    assert done.code != 64, done.err


def test_force_on_clean_changes_nothing_and_says_so(holystone: Command) -> None:
    """docker prune -f does not ask; here only a deep clean asks, and only --yes goes ahead."""
    removed = set()
    for option in ("--verbose", "-f", "--force"):
        state = holystone.home / option
        done = holystone("clean", option, "-H", "demo:", "--json", "--state", state)
        assert done.code == 0
        removed.add(done.json["outcome"]["removed"])
        said = "never removes by force, and a clean at level routine does not ask."
        assert (said in done.err) == (option != "--verbose")
    assert len(removed) == 1


def test_force_does_not_stand_for_yes(holystone: Command) -> None:
    done = holystone("clean", "deep", "-f", "-H", "demo:")
    assert done.code == 64
    assert "and a deep clean asks all the same. --yes goes ahead without asking." in done.err
    assert "nothing was removed" in done.err
    agreed = holystone("clean", "deep", "-fy", "-H", "demo:")
    assert agreed.code == 0
    assert "never removes by force.\n" in agreed.err


def test_dry_run_of_a_plan_and_of_a_clean(holystone: Command) -> None:
    usual = holystone("plan", "-H", "demo:", "--json")
    for words in ("plan -n", "plan --dry-run", "clean -n", "-n clean", "-n plan"):
        done = holystone(*words.split(), "-H", "demo:", "--json")
        assert (done.code, done.err) == (0, "")
        assert len(done.json["items"]) == len(usual.json["items"])
        assert "outcome" not in done.json

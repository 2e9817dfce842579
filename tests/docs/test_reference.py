"""Every command, option, exit code, rule and JSON field is documented, and nothing else is."""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
import tomllib
from importlib import import_module
from typing import Any

import pytest

from holystone.cli import exit_codes
from holystone.cli.commands import COMMANDS
from holystone.operations.audit.record import Entry, Kind, Part
from holystone.outside.heaps import File
from holystone.planner.inventory import Disk, Engine, Note
from holystone.planner.verdict import KINDS
from holystone.present.document import last_audit, preamble
from holystone.present.reasons import RULES
from holystone.present.report.audit import entry_document
from holystone.scan import findings as found
from holystone.store.audits import AuditSum
from tests.docs.examples import Example, run
from tests.docs.tracked import texts

FIELDS = {
    "plan --json": "plan",
    "clean --json": "clean",
    "status --json": "status",
    "images --json": "images",
    "volumes --json": "volumes",
    "audit --json": "audit",
    "containers --json": "containers",
    "cache --json": "cache",
    "explain --json": "explain python:3.12-slim",
}
"""Sections of docs/reference/json.md, and the command that prints their document."""
COMMON = "Options of every command"
SHARED = "Options of plan and clean"
LISTS = "Options of lists"
LISTING = (
    "audit",
    "images",
    "volumes",
    "containers",
    "cache",
    "plan",
    "history",
    "observe",
    "lease",
)
"""The commands that have them."""


def section(document: str, heading: str) -> str:
    """The text under a heading of the second level."""
    parts = re.split(r"^## +(.+?) *$", texts()[document], flags=re.MULTILINE)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert heading in named, f"{document} has no section {heading!r}"
    return named[heading]


def first_cells(text: str) -> list[str]:
    """The first cell of every row of the tables in a text."""
    return [
        row[1] for row in re.finditer(r"^\| *(.*?) *\|", text, re.MULTILINE) if row[1].strip("-: ")
    ]


def codes(cells: list[str]) -> set[str]:
    """What stands between backquotes in them."""
    return {code for cell in cells for code in re.findall(r"`([^`]+)`", cell)}


def options_of(command: str) -> dict[str, argparse.Action]:
    """The options and arguments of a command, each by what it is called on the command line."""
    parser: argparse.ArgumentParser = import_module(f"holystone.cli.{command}").parser()
    return {
        name: action
        for action in parser._actions
        for name in action.option_strings or [str(action.metavar)]
    }


def documented_options(heading: str) -> set[str]:
    """The options the tables of a section are about, without their values."""
    return {
        code.split()[0]
        for code in codes(first_cells(section("docs/reference/commands.md", heading)))
    }


def test_every_command_is_documented() -> None:
    headings = set(
        re.findall(r"^## holystone (.+)$", texts()["docs/reference/commands.md"], re.MULTILINE)
    )
    assert headings == set(COMMANDS)
    listed = {code.split()[1] for code in codes(first_cells(section("README.md", "Commands")))}
    assert listed == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_documented(command: str) -> None:
    options = set(options_of(command))
    common = documented_options(COMMON) & options
    if command in ("plan", "clean"):
        common |= documented_options(SHARED)
    if command in LISTING:
        common |= documented_options(LISTS)
    assert documented_options(f"holystone {command}") | common == options
    assert documented_options(COMMON) - set(options_of("status")) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_choice_is_documented(command: str) -> None:
    headings = (f"holystone {command}", SHARED, COMMON)
    text = "".join(section("docs/reference/commands.md", heading) for heading in headings)
    for name, action in options_of(command).items():
        missing = [choice for choice in action.choices or () if f"`{choice}`" not in text]
        assert missing == [], name


def test_every_exit_code_is_documented() -> None:
    known = {str(value) for name, value in vars(exit_codes).items() if name.isupper()}
    assert set(first_cells(section("docs/reference/commands.md", "Exit codes"))) - {"code"} == known


def test_readme_is_short() -> None:
    assert texts()["README.md"].count("\n") < 130


def test_every_rule_is_documented() -> None:
    assert codes(first_cells(section("docs/reference/rules.md", "The rules"))) == set(RULES)
    left_out = section("docs/how-to/protect.md", "What is left out")
    assert codes(first_cells(left_out)) == set(found.RULES)


@pytest.mark.parametrize("heading", FIELDS)
def test_every_field_is_documented(heading: str) -> None:
    command = f"holystone {FIELDS[heading]} --host demo: --json 2>/dev/null"
    vain = {"./holystone.toml": '[grace]\nother = "0s"\n'}
    (line,) = run(Example(command, [], 1, 1, vain))
    documented = codes(first_cells(section("docs/reference/json.md", heading)))
    documented |= codes(first_cells(section("docs/reference/json.md", "Every document")))
    if heading == "clean --json":
        documented |= codes(first_cells(section("docs/reference/json.md", "plan --json")))
    groups = {name for name in documented if name.endswith("[]")}
    document = json.loads(line)
    if document.get("notes") == []:
        # The demo host has nothing that is odd.
        noted = preamble(Engine("", "", "", "", ""), 0.0, Disk(), [Note("usage", "cache")])
        document["notes"] = noted["notes"]
    if heading == "status --json":
        document["last_audit"] = last_audit(AuditSum(0.0, 0, 0, 0))
    if heading == "audit --json":
        # No volume of it is that of a builder, and it is seen whole.
        (disk,) = document["disks"]
        file = File(path="/file")
        entry = Entry(Kind.BUILDER, "", 0, holders=("",), parts=(Part("", 0),))
        held = entry_document(entry._replace(largest=file, sparse=file))
        disk["entries"], disk["unreadable"], document["remarks"] = [held], [""], [""]
    leaves = fields(document)
    inner = {name for name in groups if any(leaf.startswith(f"{name}.") for leaf in leaves)}
    assert documented - inner == leaves


def fields(value: Any, path: str = "") -> set[str]:
    """The paths of all that a document tells; the facts of a rule or an object are one."""
    if isinstance(value, list):
        return {name for each in value for name in fields(each, f"{path}[]")} or {f"{path}[]"}
    if not isinstance(value, dict) or path.endswith("facts"):
        return {path}
    if path == "clean.kinds":
        assert set(value) <= set(KINDS)
        value = {"KIND": next(iter(value.values()))}
    if path == "disks[].kinds":
        assert set(value) <= set(Kind)
        value = {"KIND": next(iter(value.values()))}
    return {
        name
        for key, each in value.items()
        for name in fields(each, f"{path}.{key}" if path else key)
    }


def test_nothing_is_needed_beyond_the_standard_library_but_what_the_project_asks_for() -> None:
    """The agent's libraries are in its room; the configuration knows one where it is installed."""
    project = tomllib.loads(texts()["pyproject.toml"])["project"]
    needed, extra = project["dependencies"], project["optional-dependencies"]["agent"]
    packages, more = _names(needed), {each.replace("-", "_") for each in _names(extra)}
    for path, text in texts().items():
        if path.startswith("src/") and path.endswith(".py"):
            room = path.split("/")[2]
            allowed = packages | (more if room == "agent" else set())
            allowed |= {"cronsim"} if path == "src/holystone/config/kinds.py" else set()
            found = {
                name.partition(".")[0]
                for node in ast.walk(ast.parse(text))
                for name in imported(node)
            }
            assert found - {*sys.stdlib_module_names, "holystone"} <= allowed, path


def _names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w-]", each)[0].lower().removeprefix("py") for each in requirements}


def imported(node: ast.AST) -> list[str]:
    """The modules a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "holystone"] if not node.level else []
    return []

"""What a run imports, and when: the engine works while the rest of the program is loaded."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import SOURCE
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import misbehaving

_RUN = """
import sys
from holystone.cli.main import main
from holystone.engine import observe

class Spied(observe.Lists):
    def __init__(self, *arguments, **named):
        print("asked", "holystone.planner.plan" in sys.modules, file=sys.stderr)
        super().__init__(*arguments, **named)

observe.Lists = Spied
code = main(sys.argv[1:])
print("loaded", *sorted(sys.modules), file=sys.stderr)
raise SystemExit(code)
"""
_NOT_NEEDED = {
    "difflib", "pydantic", "rich.console", "shutil", "tempfile", "tomlkit", "tomllib",
    "holystone.operations.plan_file", "holystone.present.document", "holystone.present.ci",
    "h2", "holystone.planner.saved_plan", "holystone.present.progress",
    "holystone.engine.transport.failures",
}  # fmt: skip
"""What a clean or a plan needs only for what was not asked here: files, JSON, wrong words."""


@pytest.mark.parametrize("command", ["clean", "plan", "clean -n", "clean weekly"])
def test_the_engine_is_asked_before_the_planner_is_imported(tmp_path: Path, command: str) -> None:
    with misbehaving(EMPTY) as host:
        done = _python(tmp_path, "-c", _RUN, *command.split(), "-H", host)
        lists = [each for each in host.requests if "/images/json" in each]
    assert done.returncode == 0, done.stderr
    asked = re.findall("asked (True|False)", done.stderr)
    assert asked[0] == "False"
    assert len(asked) == len(lists), "what was asked ahead is read"
    loaded = set(done.stderr.partition("loaded ")[2].split())
    assert not loaded & _NOT_NEEDED


def test_the_version_needs_no_parser(tmp_path: Path) -> None:
    done = _python(tmp_path, "-X", "importtime", "-m", "holystone", "--version")
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "holystone.cli.main" in loaded
    assert not loaded & {"argparse", "dataclasses", "http.client", "holystone.cli.session"}


def _python(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {"HOME": str(home), "HOLYSTONE_STATE": str(home / "state"), "PYTHONPATH": SOURCE}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=home, env=environ, capture_output=True, text=True, check=False
    )

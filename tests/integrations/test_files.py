"""The files of each target: as the published schemas and the programs that read them want them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holystone.operations.ci_targets import TARGETS
from tests.integrations.copies import FOLDER, copies

SCHEMAS = {
    "gitlab/.gitlab-ci.yml": ("vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
    "github/.github/workflows/backend.yml": ("vendor.github-workflows",),
    "github/.github/actions/holystone-clean/action.yml": ("vendor.github-actions",),
    "woodpecker/.woodpecker.yml": ("vendor.woodpecker-ci",),
    "drone/.drone.yml": ("vendor.drone-ci",),
    "agent/compose.yaml": ("vendor.compose-spec",),
}
SCRIPTS = [path for path, (content, _) in copies().items() if content.startswith("#!/bin/sh\n")]


def test_the_copies_are_what_init_writes() -> None:
    """``python -m tests.integrations.copies`` mends it."""
    written = {
        path
        for path in FOLDER.rglob("*")
        if path.is_file() and path.relative_to(FOLDER).parts[1:] != ("README.md",)
    }
    assert written == set(copies())
    for path, (content, executable) in copies().items():
        assert path.read_text() == content
        assert bool(path.stat().st_mode & 0o100) == executable


def test_every_target_has_its_readme() -> None:
    assert [name for name in TARGETS if not (FOLDER / name / "README.md").is_file()] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_published_schema(name: str) -> None:
    schema, *more = SCHEMAS[name]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *more]
    done = subprocess.run([*command, FOLDER / name], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts(script: Path) -> None:
    subprocess.run(["sh", "-n", script], check=True)
    if shellcheck := shutil.which("shellcheck"):
        subprocess.run([shellcheck, script], check=True)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemd_units(tmp_path: Path) -> None:
    """As the manager would read them; the program has to exist."""
    for unit in (FOLDER / "systemd").glob("holystone-*"):
        text = unit.read_text().replace("ExecStart=holystone", f"ExecStart={sys.executable}")
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_every_clean_of_a_job_runs_whatever_became_of_it() -> None:
    """What no schema tells: the words of each system for that are there."""
    always = "always()\n        continue-on-error: true\n        uses: ./.github/actions"
    for name, words in {
        "github/.github/workflows/backend.yml": always,
        "jenkins/Jenkinsfile": "always {\n            sh '''",
        "woodpecker/.woodpecker.yml": "status: [success, failure]",
        "drone/.drone.yml": "status: [success, failure]",
    }.items():
        assert words in (FOLDER / name).read_text(), name

"""What each system runs in a job, run as it would: the clean's two lines, its report, its code."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.test_text import FIRST, LAST
from tests.engines import Engine
from tests.engines.places import DOCKER
from tests.integrations.copies import FOLDER

ACTION = FOLDER / "github" / ".github" / "actions" / "holystone-clean"
REPORT = "holystone-report.json"


def shell(line: str, folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    """The exit code and standard output of a line, run by sh as by a job."""
    done = subprocess.run(
        ["sh", "-e", "-c", line],
        cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def action(folder: Path, on_path: dict[str, str], **inputs: str) -> tuple[int, str, str, str]:
    """Run the action's script as GitHub does: code, log, outputs and step summary."""
    files = {name: folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    for file in files.values():
        file.touch()
    github = {"GITHUB_ACTIONS": "true", **{name: str(file) for name, file in files.items()}}
    usual = {
        "COMMAND": "holystone", "LEVEL": "routine", "HOLYSTONE_CONFIG": "", "OPTIONS": "",
        "REPORT": REPORT, "GITHUB_ACTION_PATH": str(ACTION),
    }  # fmt: skip
    line = 'sh "$GITHUB_ACTION_PATH/clean.sh"'
    assert line in (ACTION / "action.yml").read_text()
    code, log = shell(line, folder, on_path | github | usual | inputs)
    return code, log, *(file.read_text() for file in files.values())  # type: ignore[return-value]


def test_github_action(on_path: dict[str, str], tmp_path: Path) -> None:
    code, log, outputs, summary = action(tmp_path, on_path)
    assert code == 0
    assert log.startswith(FIRST)
    assert log.endswith(f"{LAST}\n")
    assert "::group::What went (51)\n" in log
    freed = json.loads((tmp_path / REPORT).read_text())["outcome"]["freed_bytes"]
    assert outputs == f"freed-bytes={freed}\nremoved=51\n"
    assert summary.startswith("### holystone: routine clean freed 39.7 GB\n")


def test_github_action_takes_more_options(on_path: dict[str, str], tmp_path: Path) -> None:
    code, log, outputs, _ = action(tmp_path, on_path, LEVEL="deep", OPTIONS="--yes --min-age 0s")
    assert code == 0
    assert log.startswith("🧹 Cleaning up at level deep...")
    assert int(re.findall(r"removed=(\d+)", outputs)[0]) > 51


def test_github_action_fails_as_the_clean_does(on_path: dict[str, str], tmp_path: Path) -> None:
    """And tells nothing of a clean before it."""
    (tmp_path / REPORT).write_text('{"outcome":{"freed_bytes":1,"removed":1}}\n')
    nowhere = {"DOCKER_HOST": "unix:///nowhere.sock"}
    code, _, outputs, summary = action(tmp_path, on_path | nowhere)
    assert (code, outputs, summary) == (10, "", "")
    assert not (tmp_path / REPORT).exists()


@pytest.mark.parametrize(("host", "ending"), [
    ("demo:", LAST), ("unix:///nowhere.sock", "holystone ended with exit code 10"),
])  # fmt: skip
def test_buildkite_hook(on_path: dict[str, str], tmp_path: Path, host: str, ending: str) -> None:
    """It never changes how the job ends."""
    hook = FOLDER / "buildkite" / ".buildkite" / "hooks" / "pre-exit"
    code, log = shell(str(hook), tmp_path, on_path | {"DOCKER_HOST": host, "BUILDKITE": "true"})
    assert code == 0
    assert log.startswith("--- :soap: holystone\n")
    assert log.endswith(f"{ending}\n")


@pytest.mark.parametrize(("host", "ending"), [
    ("demo:", LAST), ("unix:///nowhere.sock", "holystone ended with exit code 10"),
])  # fmt: skip
def test_jenkins_step(on_path: dict[str, str], tmp_path: Path, host: str, ending: str) -> None:
    text = (FOLDER / "jenkins" / "Jenkinsfile").read_text()
    (line,) = re.findall(r"^ +sh '(.* clean .*)'$", text, re.MULTILINE)
    (command,) = re.findall(r"HOLYSTONE = '(.*)'", text)
    jenkins = {"JENKINS_URL": "http://jenkins.example.com", "HOLYSTONE": command}
    code, log = shell(line, tmp_path, on_path | jenkins | {"DOCKER_HOST": host})
    assert code == 0
    assert log.endswith(f"{ending}\n")
    assert (tmp_path / REPORT).exists() == (host == "demo:")


@pytest.mark.parametrize("name", ["woodpecker/.woodpecker.yml", "drone/.drone.yml"])
def test_last_step(on_path: dict[str, str], tmp_path: Path, name: str) -> None:
    (line,) = re.findall(r"^ +- (holystone .*)$", (FOLDER / name).read_text(), re.MULTILINE)
    code, log = shell(line, tmp_path, on_path)
    assert code == 0
    assert log.endswith(f"{LAST}\n")


def test_make(on_path: dict[str, str], tmp_path: Path) -> None:
    """Deep asks, so without a terminal it removes nothing."""
    folder = FOLDER / "make"
    code, log = shell("make -s clean ARGS=-v", folder, on_path)
    assert (code, log.splitlines()[-1]) == (0, LAST)
    code, log = shell("make -s clean-weekly", folder, on_path)
    assert (code, log.splitlines()[-1]) == (0, "✅ Cleaned at level weekly")
    code, log = shell("make -s clean-deep", folder, on_path)
    assert code == 2
    assert "✅" not in log


def test_make_beside_a_clean_of_its_own(on_path: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(
        f"HOLYSTONE_PREFIX = docker-\ninclude {FOLDER}/make/holystone.mk\nclean:\n\t@echo ours\n"
    )
    assert shell("make clean", tmp_path, on_path) == (0, "ours\n")
    code, log = shell("make -s docker-clean", tmp_path, on_path)
    assert (code, log.splitlines()[-1]) == (0, LAST)


@pytest.mark.engine("docker20")
def test_docker_plugin(engine: Engine, on_path: dict[str, str], tmp_path: Path) -> None:
    """By the real docker command, which hands its own options on."""
    environment = on_path | {"DOCKER_HOST": engine.host}
    code, log = shell("holystone init docker-plugin --command holystone", tmp_path, environment)
    assert code == 0, log
    code, log = shell(f"{DOCKER} holystone plan --host demo:", tmp_path, environment)
    assert code == 0
    assert log.splitlines()[-1].startswith("Would free 39.7 GB: ")
    code, log = shell(f"{DOCKER} holystone status --json", tmp_path, environment)
    assert json.loads(log)["endpoint"] == engine.host
    elsewhere = environment | {"DOCKER_HOST": "unix:///nowhere.sock"}
    code, log = shell(f"{DOCKER} --host {engine.host} holystone status --json", tmp_path, elsewhere)
    assert json.loads(log)["endpoint"] == engine.host
    code, log = shell(f"{DOCKER} --help", tmp_path, environment)
    assert re.search(r"holystone\*? .*Keep the disk", log)

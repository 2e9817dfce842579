"""What each system runs in a job, run as it would: the clean's two lines, its report, its code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from holystone.store.lock import HostLock
from tests.cli.test_text import FIRST, LAST
from tests.engines import Engine
from tests.engines.places import DOCKER
from tests.integrations.copies import FOLDER

ACTION = FOLDER / "github" / ".github" / "actions" / "holystone-clean"
REPORT = "holystone-report.json"
INPUTS = {
    "COMMAND": "holystone", "LEVEL": "routine", "HOLYSTONE_CONFIG": "", "OPTIONS": "",
    "REPORT": REPORT, "GITHUB_ACTIONS": "true", "GITHUB_OUTPUT": "outputs",
    "GITHUB_STEP_SUMMARY": "summary", "GITHUB_ACTION_PATH": str(ACTION),
}  # fmt: skip
"""What GitHub gives the action's script."""


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
    files = [folder / INPUTS[name] for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")]
    for file in files:
        file.touch()
    line = 'sh "$GITHUB_ACTION_PATH/clean.sh"'
    assert line in (ACTION / "action.yml").read_text()
    code, log = shell(line, folder, on_path | INPUTS | inputs)
    return code, log, *(file.read_text() for file in files)  # type: ignore[return-value]


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


def gitlab() -> str:
    """The script of the component, its inputs filled in with their defaults."""
    spec, jobs = yaml.safe_load_all(
        (FOLDER / "gitlab" / "templates" / "holystone-clean.yml").read_text()
    )
    (script,) = jobs[".holystone-clean"]["$[[ inputs.when ]]_script"]
    for name, given in spec["spec"]["inputs"].items():
        script = script.replace(f"$[[ inputs.{name} ]]", str(given["default"]))
    assert "$[[" not in script
    return str(script)


def jenkins() -> str:
    """What the Jenkinsfile's clean gives sh, with the variable that it sets."""
    text = (FOLDER / "jenkins" / "Jenkinsfile").read_text()
    (script,) = re.findall(r"sh '''(.*clean.*?)'''", text, re.DOTALL)
    (command,) = re.findall(r"HOLYSTONE = '(.*)'", text)
    assert "\\" not in script, "Groovy takes a backslash for itself"
    return f"export HOLYSTONE={command} JENKINS_URL=http://jenkins.example.com\n{script}"


def github() -> str:
    """What the action runs, whose step does not decide about the job."""
    exports = "".join(f"export {name}='{value}'\n" for name, value in INPUTS.items())
    return f"{exports}sh '{ACTION}/clean.sh' || echo \"step: $?\""


SYSTEMS: dict[str, Callable[[], str]] = {
    "gitlab": gitlab, "github": github, "jenkins": jenkins,
    "buildkite": lambda: f"sh '{FOLDER}/buildkite/.buildkite/hooks/pre-exit'",
}  # fmt: skip
LOUD = "HOLYSTONE DID NOT CLEAN THIS HOST (exit code "


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_clean_says_nothing_more(on_path: dict[str, str], tmp_path: Path, system: str) -> None:
    code, log = shell(SYSTEMS[system](), tmp_path, on_path)
    assert code == 0
    assert log.endswith(f"{LAST}\n")
    assert (tmp_path / REPORT).exists()


@pytest.mark.parametrize("system", SYSTEMS)
@pytest.mark.parametrize(("trouble", "number", "why"), [
    ("no holystone", 127, "there is no holystone here. Install it where this job runs"),
    ("no python", 127, "there is no holystone here."),
    ("no file for python", 2, "there is no holystone here."),
    ("no socket", 10, "no Docker engine answers here. Mount the host's /var/run/docker.sock"),
    ("odd state", 1, "it ended early; see above"),
])  # fmt: skip
def test_a_clean_that_could_not_start_says_so(
    on_path: dict[str, str], tmp_path: Path, system: str, trouble: str, number: int, why: str
) -> None:
    """In a line that stands out, and the job ends as it would have."""
    program = tmp_path / "bin" / "holystone"
    if trouble == "no holystone":
        program.unlink()
    elif trouble == "no python":
        program.write_text("#!/usr/bin/env python9\n")
    elif trouble == "no file for python":
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" /opt/no-such/holystone.pyz "$@"\n')
    elif trouble == "no socket":
        on_path |= {"DOCKER_HOST": "unix:///nowhere.sock"}
    else:
        on_path |= {"HOLYSTONE_CONFIG": "/no-such/holystone.toml"}
    script = SYSTEMS[system]()
    if trouble == "odd state":
        script = script.replace("export HOLYSTONE_CONFIG=''\n", "")
    code, log = shell(f"{script}\necho 'the job goes on'", tmp_path, on_path)
    assert code == 0
    assert log.endswith("the job goes on\n")
    if trouble == "odd state":
        number = int(re.findall(r"exit code (\d+)", log)[0])
        assert number not in (0, 2, 3, 4, 10, 11, 64, 126, 127)
    assert f"{LOUD}{number})" in log
    assert why in log
    assert log.count("exit code") == 1
    if system == "github":
        assert re.search(r"^::warning title=holystone::", log, re.MULTILINE)


@pytest.mark.engine("docker20")
@pytest.mark.parametrize("system", SYSTEMS)
def test_a_clean_that_could_not_lock_says_so(
    engine: Engine, on_path: dict[str, str], tmp_path: Path, system: str
) -> None:
    program = tmp_path / "bin" / "holystone"
    program.write_text(program.read_text().replace('"$@"', '"$@" --wait 0s'))
    about = engine.client.call("GET", "/info")
    store = "containerd" if engine.store == "containerd" else "classic"
    on_path |= {"DOCKER_HOST": engine.host}
    with HostLock(on_path["HOLYSTONE_STATE"], f"{about['ID']}/{about['Name']}/{store}").acquire(
        "clean weekly"
    ):
        code, log = shell(SYSTEMS[system](), tmp_path, on_path)
    assert code == 0
    assert f"{LOUD}11)" in log
    assert "another run has the lock of this host for too long" in log


@pytest.mark.parametrize("name", ["woodpecker/.woodpecker.yml", "drone/.drone.yml"])
def test_last_step(on_path: dict[str, str], tmp_path: Path, name: str) -> None:
    (line,) = re.findall(r"^ +- (holystone .*)$", (FOLDER / name).read_text(), re.MULTILINE)
    code, log = shell(line, tmp_path, on_path)
    assert code == 0
    assert log.endswith(f"{LAST}\n")


def test_make(on_path: dict[str, str], tmp_path: Path) -> None:
    """Deep asks, so without a terminal it removes nothing."""
    folder = FOLDER / "make"
    for target, last in (("clean ARGS=-v", LAST), ("clean-weekly", "✅ Cleaned at level weekly")):
        code, log = shell(f"make -s {target}", folder, on_path)
        assert (code, log.splitlines()[-1]) == (0, last)
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

"""The example for GitLab, run for real by ``gitlab-ci-local`` against a private engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from holystone.operations.ci_targets import TARGETS, text
from tests.cli.test_text import FIRST, LAST
from tests.engines import Engine, Registry
from tests.engines.images import BUSYBOX
from tests.npm import npm_package

VERSION = "4.61.1"
PROJECT = "git@gitlab.example.com:team/shop.git"
JOBS = ["test_backend", "deploy_staging", "deploy_production"]
Runner = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def gitlab_ci_local() -> list[str]:
    """The program, installed once into the cache beside the engines."""
    folder = npm_package("gitlab-ci-local", VERSION, needs=("rsync", "git"))
    program = folder / "node_modules" / ".bin" / "gitlab-ci-local"
    return [str(shutil.which("node")), str(program.resolve())]


@pytest.fixture
def pipeline(
    gitlab_ci_local: list[str], on_path: dict[str, str], tmp_path: Path
) -> tuple[Path, Runner]:
    """A project with the example in it, and what runs its jobs."""
    project = tmp_path / "shop"
    project.mkdir()
    for file in TARGETS["gitlab"].files:
        path = project / file.path
        path.parent.mkdir(exist_ok=True)
        path.write_text(text(TARGETS["gitlab"], file, "holystone"))
    owners = Path(on_path["HOME"], ".config", "holystone")
    owners.mkdir(parents=True, exist_ok=True)
    (owners / "holystone.toml").write_text('[grace]\nuntagged = "0s"\nnever_tagged = "0s"\n')
    (project / "rootfs").mkdir()
    shutil.copy(BUSYBOX, project / "rootfs")
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com"]
    for command in (
        "init --quiet --initial-branch=main", f"remote add origin {PROJECT}", "add --all",
        "commit --quiet --message=all",
    ):  # fmt: skip
        subprocess.run([*git, *command.split()], cwd=project, env=on_path, check=True)

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*gitlab_ci_local, "--force-shell-executor", *arguments,
             *(f"--variable={name}={value}" for name, value in variables.items())],
            cwd=project, env=on_path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
        )  # fmt: skip

    return project, run


def dockerfile(project: Path, command: str, label: str) -> None:
    (project / "Dockerfile").write_text(
        f'FROM scratch\nCOPY rootfs/ /\nLABEL build="{label}"\nCMD ["/busybox","{command}"]\n'
    )


def log_of(job: str, done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the job's own commands printed, without empty lines."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)
    return re.findall(rf"^{job} +> (.*\S.*)$", plain, re.MULTILINE)


def outcome_of(project: Path, job: str, what: str) -> int:
    path = project / ".gitlab-ci-local" / "artifacts" / job / "holystone-report.json"
    return int(json.loads(path.read_text())["outcome"][what])


@pytest.mark.engine("docker20")
def test_every_job_ends_in_the_clean(
    fresh_engine: Engine, registry: Registry, unique: str, pipeline: tuple[Path, Runner],
    on_path: dict[str, str],
) -> None:  # fmt: skip
    """What the build before left behind goes; what the deployment pushed stays."""
    project, run = pipeline
    on_path |= {**fresh_engine.environment, "PATH": on_path["PATH"], "HOME": on_path["HOME"]}
    settings = {"GITLAB_CI": "true", "CI_REGISTRY_IMAGE": f"{registry.address}/{unique}"}
    dockerfile(project, "true", "first")
    fresh_engine.docker("build", "--tag", "backend-test:main", str(project))
    dockerfile(project, "true", "second")
    done = run(*JOBS, **settings)
    assert done.returncode == 0, done.stdout
    for job in JOBS:
        log = log_of(job, done)
        assert log[-1] == LAST
        assert FIRST in log
    # The image that lost its tag, and the step that only it was built on.
    assert outcome_of(project, "test_backend", "removed") == 2
    assert any("section_start:" in line for line in log_of("test_backend", done))
    images = fresh_engine.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    pushed = f"{registry.address}/{unique}/backend"
    assert sorted(images) == sorted(
        ["backend-test:main", f"{pushed}:staging", f"{pushed}:production"]
    )


@pytest.mark.engine("docker20")
def test_a_job_that_fails_ends_in_the_clean(
    fresh_engine: Engine, pipeline: tuple[Path, Runner], on_path: dict[str, str]
) -> None:
    project, run = pipeline
    on_path |= fresh_engine.environment | {name: on_path[name] for name in ("PATH", "HOME")}
    dockerfile(project, "false", "only")
    done = run("test_backend")
    assert done.returncode == 1, done.stdout
    log = log_of("test_backend", done)
    assert log[-1] == LAST
    assert FIRST in log
    assert outcome_of(project, "test_backend", "failed") == 0


@pytest.mark.parametrize(("schedule", "jobs"), [
    ("", dict.fromkeys(JOBS, "on_success")),
    ("weekly", {"holystone:weekly": "on_success"}),
    ("monthly", {"holystone:deep-plan": "on_success", "holystone:deep": "manual"}),
])  # fmt: skip
def test_schedules(pipeline: tuple[Path, Runner], schedule: str, jobs: dict[str, str]) -> None:
    """The whole of it is checked against GitLab's schema on the way; deep is never automatic."""
    done = pipeline[1]("--list", **({"HOLYSTONE_SCHEDULE": schedule} if schedule else {}))
    assert done.returncode == 0, done.stdout
    found = re.findall(r"^([\w:-]+) .* (on_success|manual) ", done.stdout, re.MULTILINE)
    assert dict(found) == jobs


def test_the_monthly_clean_shows_and_takes_volumes_too(
    pipeline: tuple[Path, Runner],
) -> None:
    """What somebody starts by hand is what was shown."""
    done = pipeline[1]("--preview")
    assert done.returncode == 0, done.stdout
    told = " ".join(done.stdout.split())
    assert "holystone plan deep --volumes" in told
    assert "holystone clean deep --yes --report holystone-report.json --volumes" in told


def test_the_component_takes_its_inputs(pipeline: tuple[Path, Runner]) -> None:
    project, run = pipeline
    example = project / ".gitlab-ci.yml"
    example.write_text(
        example.read_text().replace(
            "      level: routine\n",
            "      level: weekly\n      when: before\n      command: python3 /opt/holystone.pyz\n"
            '      config: ci/holystone.toml\n      options: "--until-free 40GB"\n',
        )
    )
    done = run("--preview")
    assert done.returncode == 0, done.stdout
    (job,) = re.findall(r"^test_backend:\n((?: .*\n)+)", done.stdout, re.MULTILINE)
    assert "before_script:" in job
    assert "after_script:" not in job
    assert "HOLYSTONE_CONFIG: ci/holystone.toml" in job
    assert re.search(
        r"python3 /opt/holystone.pyz clean weekly .*--until-free 40GB", " ".join(job.split())
    )

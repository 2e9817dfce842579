"""Commands that prune the host, in the files of CI systems, and what takes their place."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from holystone.upkeep.prune_lines import find

SAID = " || echo HOLYSTONE DID NOT CLEAN THIS HOST"


def changed(folder: Path, name: str, text: str) -> str:
    """The text of a file with its prunes replaced."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    found = find(str(folder), "holystone")
    return found[0].after if found else text


@pytest.mark.parametrize(
    ("text", "after"),
    [
        ("docker system prune -f", f"holystone clean{SAID}"),
        ("docker system prune --all --force --volumes", f"holystone clean weekly{SAID}"),
        ("docker image prune -af --filter 'until=24h' && x", f"holystone clean{SAID} && x"),
        ("sudo docker builder prune -af || true", "holystone clean || true"),
        ("docker buildx prune -f >/dev/null 2>&1", "holystone clean >/dev/null 2>&1"),
        ("yes | docker container prune", f"yes | holystone clean{SAID}"),
        ("docker volume prune -f; x", f"holystone clean weekly{SAID}; x"),
        ("podman system prune -f", f"holystone clean{SAID}"),
        ("docker rmi $(docker images -q)", f"holystone clean{SAID}"),
        ("docker rmi -f $(docker images -q -f dangling=true) || true", "holystone clean || true"),
        ("docker rmi -f $$(docker images -aq)", f"holystone clean{SAID}"),
        ('docker image rm "$(docker image ls -q)"', f"holystone clean{SAID}"),
        ("docker rmi `docker images -q`", f"holystone clean{SAID}"),
        ("docker images -q | xargs -r docker rmi -f", f"holystone clean{SAID}"),
        ("docker images | grep '<none>' | awk '{print $3}' | xargs docker rmi",
         f"holystone clean{SAID}"),
        ("docker volume rm $(docker volume ls -qf dangling=true)",
         f"holystone clean weekly{SAID}"),
        ("docker system prune \\\n  -f", f"holystone clean{SAID}"),
        ("- docker image prune -f\n- docker volume prune -f\n- docker builder prune -f\n- x",
         f"- holystone clean weekly{SAID}\n- x"),
        ("- docker image prune -f && a\n- docker builder prune -f",
         f"- holystone clean{SAID} && a\n- holystone clean{SAID}"),
    ],
)  # fmt: skip
def test_replaced(tmp_path: Path, text: str, after: str) -> None:
    assert changed(tmp_path, "ci.sh", text) == after


@pytest.mark.parametrize(
    "text",
    [
        "# docker system prune -f", "x # docker system prune", "// docker system prune",
        "echo docker system prune -f", "docker rmi app:1", "docker rmi $(docker images -q app)",
        "docker images | grep app | xargs docker rmi", "mydocker system prune", "docker prune",
        "docker rm -f $(docker ps -aq)", "npm prune", "git remote prune origin",
        "docker images", "my-docker image prune -f",
    ],
)  # fmt: skip
def test_left(tmp_path: Path, text: str) -> None:
    assert changed(tmp_path, "ci.sh", text) == text


@pytest.mark.parametrize(
    "name",
    [
        ".gitlab-ci.yml", "ci/x.gitlab-ci.yml", "ci/anything.yml", ".github/workflows/a.yml",
        ".github/actions/b/action.yml", "Jenkinsfile", "ci/Jenkinsfile.release", "Makefile",
        "GNUmakefile", "docker.mk", "scripts/clean.sh", ".circleci/config.yml", ".drone.yml",
        ".woodpecker/a.yml", ".buildkite/hooks/pre-exit", "azure-pipelines.yml", "justfile",
    ],
)  # fmt: skip
def test_files(tmp_path: Path, name: str) -> None:
    assert changed(tmp_path, name, "x: docker system prune -f\n").startswith("x: holystone clean")


def test_other_files_are_not_read(tmp_path: Path) -> None:
    for name in ("README.md", "src/app.py", "Dockerfile", "node_modules/a.sh"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("docker system prune -f\n")
    (tmp_path / "binary.sh").write_bytes(b"\xff docker system prune -f")
    os.mkfifo(tmp_path / "pipe.sh")
    assert find(str(tmp_path), "holystone") == []


def test_a_replaced_script_goes_on_where_there_is_no_holystone(tmp_path: Path) -> None:
    """The job is told, and its own result does not change."""
    text = changed(tmp_path, "a.sh", "set -e\ndocker system prune -f && echo next\necho end\n")
    done = subprocess.run(
        ["/bin/sh", "-c", text],
        env={"PATH": "/nowhere"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (
        0, "HOLYSTONE DID NOT CLEAN THIS HOST\nnext\nend\n",
    )  # fmt: skip


HOSTILE = {
    "lists": "docker images " * 60_000,
    "prunes": "docker system prune -f " * 40_000,
    "substitutions": "docker rmi $(" * 60_000,
    "echoes": "echo " * 180_000 + "docker system prune",
    "options": "docker system prune" + " -f" * 300_000,
    "backticks": "docker rmi `docker images " * 30_000,
    "blanks": "docker rmi" + " " * 900_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_ends(tmp_path: Path, name: str) -> None:
    began = time.process_time()
    changed(tmp_path, "a.sh", HOSTILE[name])
    assert time.process_time() - began < 10

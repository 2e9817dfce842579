"""Commands that prune the host, in the files of CI systems, and what takes their place."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest

from holystone.scan.prune_lines import find

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
        ("docker image prune -af --filter 'until=24h'", f"holystone clean{SAID}"),
        ("sudo docker builder prune -af || true", "sudo holystone clean || true"),
        ("docker buildx prune -f >/dev/null 2>&1", f"holystone clean >/dev/null 2>&1{SAID}"),
        ("docker volume prune -f", f"holystone clean{SAID}"),
        ("docker system prune -f --volumes;", f"holystone clean{SAID};"),
        ("docker network prune -f # old", f"holystone clean{SAID} # old"),
        ("docker image prune -f && docker volume prune -f", f"holystone clean{SAID}"),
        ("docker image prune -f || true; docker system prune -af --volumes",
         f"holystone clean weekly{SAID}"),
        ("if x; then\n  docker image prune -f\nfi", f"if x; then\n  holystone clean{SAID}\nfi"),
        ("cat <<E\ndocker image prune -f\nE\ndocker image prune -f",
         f"cat <<E\ndocker image prune -f\nE\nholystone clean{SAID}"),
        ("docker image prune -f\npodman image prune -f",
         f"holystone clean{SAID}\npodman image prune -f"),
        ("docker image prune -f\nsudo docker image prune -f",
         f"holystone clean{SAID}\nsudo holystone clean{SAID}"),
        ("docker rmi $(docker images -q)", f"holystone clean{SAID}"),
        ("docker rmi -f $(docker images -q -f dangling=true) || true", "holystone clean || true"),
        ("docker rmi -f $$(docker images -aq)", f"holystone clean{SAID}"),
        ('docker image rm "$(docker image ls -q)"', f"holystone clean{SAID}"),
        ("docker rmi `docker images -q`", f"holystone clean{SAID}"),
        ("docker images -q | xargs -r docker rmi -f", f"holystone clean{SAID}"),
        ("docker images | grep '<none>' | awk '{print $3}' | xargs docker rmi",
         f"holystone clean{SAID}"),
        ("docker volume rm $(docker volume ls -qf dangling=true)",
         f"holystone clean{SAID}"),
        ("docker system prune \\\n  -f", f"holystone clean{SAID}"),
        ("docker image prune -f\ndocker volume prune -f\ndocker builder prune -f\nx",
         f"holystone clean{SAID}\nx"),
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


BY_HAND = [
    ("while ! docker system prune -f; do sleep 1; done", "holystone clean"),
    ("until docker image prune -f\ndo sleep 1; done", "holystone clean"),
    ("if\n  docker image prune -f\nthen x; fi", "holystone clean"),
    ("if docker image prune -f; then x; fi", "holystone clean"),
    ("! docker image prune -f", "holystone clean"),
    ("docker image prune -f && x", "holystone clean"),
    ("a &&\n  docker image prune -f", "holystone clean"),
    ("docker image prune -f || exit 1", "holystone clean"),
    ("docker image prune -f\n\ncode=$?", "holystone clean"),
    ("yes | docker container prune", "holystone clean"),
    ("docker image prune -f | tail -1", "holystone clean"),
    ("docker image prune -f &", "holystone clean"),
    ("docker image prune -f > log", "holystone clean"),
    ("if x; then docker image prune -f > /dev/null 2>&1; fi", "holystone clean"),
    ("docker builder prune --keep-storage 10GB -f", "holystone clean --cache-budget 10GB"),
    ("docker buildx prune --max-used-space=9GB -f", "holystone clean --cache-budget 9GB"),
    ("docker builder prune --min-free-space 5GB", "holystone clean"),
    ("docker image prune -f --filter label=x", "holystone clean"),
    ("docker images -q --filter label=x | xargs docker rmi", "holystone clean"),
    ("docker image prune --help", "holystone clean"),
    ('CLEAN="docker image prune -f"; $CLEAN', "holystone clean"),
    ("CLEAN='\ndocker image prune -f\n'", "holystone clean"),
    ("x=$(\ndocker image prune -f\n)", "holystone clean"),
    ("trap 'docker image prune -f' EXIT", "holystone clean"),
    ("sudo -u ci docker image prune -f", "holystone clean"),
    ("ssh host docker image prune -f", "holystone clean"),
    ("ssh host <<'END'\ndocker image prune -f\nEND", "holystone clean"),
    ("DOCKER_HOST=ssh://a docker image prune -f", "holystone clean"),
    ("podman image prune -f", "holystone clean --host unix:///run/podman/podman.sock"),
    ("sudo docker image prune -f && docker image prune -f", "sudo holystone clean"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "suggestion"), BY_HAND)
def test_by_hand(tmp_path: Path, text: str, suggestion: str) -> None:
    """A command that does not stand alone is told with what could stand there, and not touched."""
    (tmp_path / "ci.sh").write_text(text)
    (found,) = find(str(tmp_path), "holystone")
    assert found.after == text
    assert found.replaced == ()
    assert found.lines[0].by_hand
    assert found.lines[0].suggestion == suggestion


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".gitlab-ci.yml", "variables: {C: docker image prune -f}"),
        (".gitlab-ci.yml", "variables:\n  C: |\n    docker image prune -f\n"),
        (".gitlab-ci.yml", "a:\n  script: >\n    docker image prune -f\n    && x\n"),
        (".gitlab-ci.yml", "a:\n  script:\n    - docker image prune -f\n      | tail\n"),
        (".gitlab-ci.yml", "a:\n  script: [docker image prune -f\n"),
        ("ci/compose.yml", "services: {a: {command: docker image prune -f}}"),
        ("Makefile", "CLEAN = docker image prune -f\n"),
        ("Makefile", "a:\n\tx && \\\n\tdocker image prune -f\n"),
        ("Jenkinsfile", "x = sh(script: 'docker image prune -f', returnStatus: true)\n"),
        ("crontab", "0 3 * * * docker image prune -f\n"),
    ],
)
def test_by_hand_in_files(tmp_path: Path, name: str, text: str) -> None:
    assert changed(tmp_path, name, text) == text
    assert find(str(tmp_path), "holystone")[0].lines[0].by_hand


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        (".gitlab-ci.yml", ".c: &c\n- CLEAN\n- docker volume prune -f\n- x\n",
         ".c: &c\n- NEW\n- x\n"),
        (".gitlab-ci.yml", "a:\n  script: ['CLEAN', x]\n", "a:\n  script: ['NEW', x]\n"),
        (".gitlab-ci.yml", "a:\n  script:\n    - |\n      CLEAN\n      x\n",
         "a:\n  script:\n    - |\n      NEW\n      x\n"),
        (".circleci/config.yml", "- run: {command: CLEAN}\n", "- run: {command: NEW}\n"),
        ("Makefile", "a:\r\n\t-@CLEAN\r\n", "a:\r\n\t-@NEW\r\n"),
        ("Jenkinsfile", "always { sh 'CLEAN' }\n", "always { sh 'NEW' }\n"),
        ("Jenkinsfile", 'sh """\n  CLEAN\n"""\n', 'sh """\n  NEW\n"""\n'),
    ],
)  # fmt: skip
def test_replaced_in_files(tmp_path: Path, name: str, before: str, after: str) -> None:
    old = before.replace("CLEAN", "docker image prune -f")
    assert changed(tmp_path, name, old) == after.replace("NEW", f"holystone clean{SAID}")


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("docker volume prune -f", "no volumes."), ("docker network prune -f", "no networks."),
        ("docker system prune -f --volumes", "no volumes and no networks."),
        ("docker image prune -f && docker volume prune -f", "no volumes."),
        ("docker system prune -af", "no networks."),
    ],
)  # fmt: skip
def test_tells_what_a_routine_clean_does_not_take(tmp_path: Path, text: str, kinds: str) -> None:
    (tmp_path / "ci.sh").write_text(text)
    (found,) = find(str(tmp_path), "holystone")
    line = found.replaced[0]
    assert line.level == "routine"
    assert line.note == (
        f"holystone clean takes {kinds} holystone clean weekly does, and takes tagged images that "
        "nothing used for 30 days too."
    )


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
    text = "docker system prune -f\n"
    if name.endswith(".yml"):
        text = f"x:\n  script:\n    - {text}"
    elif name.endswith(("akefile", ".mk", "justfile")):
        text = f"x:\n\t{text}"
    elif "Jenkins" in name:
        text = "sh 'docker system prune -f'\n"
    elif "." not in name.rpartition("/")[2]:
        text = f"#!/bin/sh\n{text}"
    assert changed(tmp_path, name, text) == text.replace(
        "docker system prune -f", f"holystone clean{SAID}"
    )


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
    text = changed(tmp_path, "a.sh", "set -e\ndocker system prune -f\necho next\necho end\n")
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
    "lines": "docker system prune -f\n" * 40_000,
    "quotes": "docker system prune -f '\"(`" * 30_000,
    "documents": "cat <<E\n" * 100_000 + "docker system prune -f",
    "more blanks": "docker system prune -f" + " " * 900_000 + "x",
    "lines of blanks": " " * 900_000 + "\nx\ndocker system prune -f",
    "conditions": "if x\n" * 150_000 + "docker system prune -f",
}


@pytest.mark.parametrize("file", ["a.sh", "Makefile"])
@pytest.mark.parametrize("name", HOSTILE)
def test_ends(tmp_path: Path, name: str, file: str) -> None:
    began = time.process_time()
    changed(tmp_path, file, HOSTILE[name])
    assert time.process_time() - began < 10

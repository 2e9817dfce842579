"""Which files are read, and what is told of those that cannot be."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holystone.scan import files
from holystone.scan.proposal import Proposal, learn

KINDS = {
    files.DOCKERFILE: "Dockerfile dockerfile Dockerfile.dev Dockerfile-dev api.Dockerfile "
    "api.dockerfile Containerfile",
    files.COMPOSE: "docker-compose.yml docker-compose.override.yaml compose.prod.yml "
    "compose-dev.yml",
    files.GITLAB: ".gitlab-ci.yml backend.gitlab-ci.yml",
    files.GITHUB: "/x/.github/workflows/a.yaml /x/.forgejo/workflows/a.yml",
    files.ACTION: "/x/.github/actions/a/action.yml",
    "": "Dockerfile.dockerignore Dockerfile.md Dockerfile~ Dockerfiles composer.yml "
    "/x/.github/a.yml values.yaml",
}


@pytest.mark.parametrize(
    ("path", "kind"), [(path, kind) for kind, paths in KINDS.items() for path in paths.split()]
)
def test_kinds(path: str, kind: str) -> None:
    assert files.kind_of(path) == kind


def write(folder: Path, texts: dict[str, str]) -> None:
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def references(proposal: Proposal) -> list[str]:
    return [image.reference for image in proposal.images]


def told(proposal: Proposal) -> list[str]:
    return [f"{each.place}: {each.why}" for each in (*proposal.unread, *proposal.troubles)]


def test_walks_what_the_repository_wrote(tmp_path: Path) -> None:
    for number, folder in enumerate(
        ("a/b", ".git", "node_modules/x", "venv", "a/.venv", ".tox/y", "c/site-packages"), start=1
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / "Dockerfile").write_text(f"FROM i:{number}")
    for folder in ("venv", "a/.venv"):
        (tmp_path / folder / "pyvenv.cfg").touch()
    (tmp_path / "a" / "link").symlink_to(tmp_path)
    (tmp_path / "Dockerfile").symlink_to("a/b/Dockerfile")
    proposal = learn([str(tmp_path)])
    assert references(proposal) == ["i:1"]
    assert proposal.files == 1
    assert told(proposal) == []


def test_other_files_go_on(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM a:1", "c/Dockerfile": "x" * (files.LARGEST + 1)})
    (tmp_path / "Dockerfile.bin").write_bytes(b"FROM a:2\n\0")
    (tmp_path / "Dockerfile.latin").write_bytes("FROM a:3\n# é".encode("latin-1"))
    os.mkfifo(tmp_path / "Dockerfile.pipe")
    (tmp_path / "Dockerfile.gone").symlink_to("nowhere")
    (tmp_path / "Dockerfile.dir").mkdir()
    proposal = learn([str(tmp_path)])
    assert references(proposal) == ["a:1"]
    assert told(proposal) == [
        f"{tmp_path}/Dockerfile.bin: it is binary",
        f"{tmp_path}/Dockerfile.latin:2: it is not UTF-8",
        f"{tmp_path}/c/Dockerfile: it is larger than 1 MB, and is not read",
    ]
    assert proposal.unread == ()


def test_named_files_that_cannot_be_read(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM a:1", "notes": "hello", "broken/Dockerfile": "hello"})
    os.mkfifo(tmp_path / "Dockerfile.pipe")
    names = ("Dockerfile", "Dockerfile.pipe", "gone", "notes", "broken/Dockerfile")
    proposal = learn([str(tmp_path / name) for name in names])
    assert references(proposal) == ["a:1"]
    assert [each.why.partition(":")[0] for each in proposal.unread] == [
        "it is a FIFO, not a regular file, and is not read",
        "cannot be read",
        "it is no Dockerfile, compose file, GitLab pipeline or GitHub workflow by its name",
        "it is no Dockerfile",
    ]


def test_named_files_are_known_by_what_is_in_them(tmp_path: Path) -> None:
    texts = {
        "build": "ARG A=1\nFROM a:$A\n",
        "stack.yml": "services:\n  a: {image: b}\n",
        "pipeline.yml": "job: {image: c, script: x}\n",
        "workflow.yml": "jobs:\n  a:\n    runs-on: x\n    container: d\n",
    }
    write(tmp_path, texts)
    paths = [str(path) for path in sorted(tmp_path.iterdir())]
    assert references(learn(paths)) == ["a:1", "b:latest", "c:latest", "d:latest"]


def test_a_pipeline_by_name_includes_from_the_root_of_its_repository(tmp_path: Path) -> None:
    jobs = "a: {image: x, script: y}"
    write(tmp_path, {"ci/main.yml": "include: /ci/jobs.yml\n", "ci/jobs.yml": jobs})
    (tmp_path / ".git").mkdir()
    proposal = learn([str(tmp_path / "ci" / "main.yml")])
    assert references(proposal) == ["x:latest"]
    assert str(proposal.images[0].uses[0].place) == f"{tmp_path}/ci/jobs.yml:1"


def test_the_same_file_named_twice_counts_once(tmp_path: Path) -> None:
    write(tmp_path, {"Dockerfile": "FROM a:1"})
    proposal = learn([str(tmp_path), f"{tmp_path}/./Dockerfile", str(tmp_path)])
    assert proposal.files == 1
    assert len(proposal.images[0].uses) == 1


def test_too_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, {f"d{i}/Dockerfile": f"FROM a:{i}" for i in range(5)})
    monkeypatch.setattr(files, "MOST_ENTRIES", 6)
    proposal = learn([str(tmp_path)])
    assert told(proposal) == [f"{tmp_path}: has more than 6 files; name a part of it"]
    assert len(proposal.images) < 5


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("ci/*.yml", "ac"), ("ci/**.yml", "abcd"), ("ci/**/*.yml", "abcd"), ("**/d.yml", "bd"),
        ("**.yml", "abcde"), ("*.yml", "e"), ("*/*/*.yml", "b"), ("ci/[ab].yml", ""),
        ("*" * 50 + "x", ""),
    ],
)  # fmt: skip
def test_includes_with_wildcards(tmp_path: Path, pattern: str, found: str) -> None:
    names = {"a": "ci/a.yml", "b": "ci/x/d.yml", "c": "ci/c.yml", "d": "ci/x/y/d.yml", "e": "e.yml"}
    write(tmp_path, {name: f"{job}: {{image: {job}, script: x}}" for job, name in names.items()})
    write(tmp_path, {".gitlab-ci.yml": f"include: '{pattern}'"})
    proposal = learn([str(tmp_path)])
    assert references(proposal) == [f"{job}:latest" for job in found]
    assert bool(proposal.troubles) is (not found)


def test_includes_without_end(tmp_path: Path) -> None:
    write(tmp_path, {f"{n}.yml": f"j{n}: {{image: 'a:{n}', script: x}}" for n in range(400)})
    write(tmp_path, {".gitlab-ci.yml": "include: '*.yml'"})
    proposal = learn([str(tmp_path)])
    place = f"{tmp_path}/.gitlab-ci.yml:1"
    assert told(proposal) == [f"{place}: this pipeline includes more than 150 files"]
    assert 150 <= len(proposal.images) < 400

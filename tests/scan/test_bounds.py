"""A repository may be anybody's: nothing outside of it is read, and no text in it takes long."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

import pytest

from holystone.scan import dockerfile, github, proposal
from holystone.scan import yaml_nodes as nodes
from holystone.scan.findings import Unreadable
from holystone.scan.gitlab_config import fits
from holystone.scan.proposal import Proposal, learn
from holystone.scan.variables import dotenv

SECRET = "root:$6$hunter2:19000\nFROM secret:1\n"


def told(made: Proposal) -> str:
    return json.dumps([made.images, made.left_out, made.troubles, made.unread])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    return folder


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder beside the repository, with what its files should not lead to."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name, text in {
        "secret": SECRET, "Dockerfile": "FROM outside:1\n", ".env": "TAG=outside\n",
        "base.yml": "services: {a: {image: 'outside:2'}}\n",
        "ci.yml": "a: {image: 'outside:3', script: [x]}\n",
    }.items():  # fmt: skip
        (folder / name).write_text(text)
    return folder


LEAVING = {
    "a linked file": ("Dockerfile", "-> ../outside/Dockerfile"),
    "a link to a secret": ("Dockerfile", "-> ../outside/secret"),
    "a linked pipeline": (".gitlab-ci.yml", "-> ../outside/ci.yml"),
    "a linked workflow": (".github/workflows/a.yml", "-> {outside}/ci.yml"),
    "a linked .env": (".env", "-> ../outside/.env"),
    "a local include": (".gitlab-ci.yml", "include: [local: ../outside/ci.yml]"),
    "an absolute include": ("compose.yaml", "include: ['{outside}/base.yml']"),
    "an include": ("compose.yaml", "include: [../outside/base.yml]"),
    "an include with variables": (
        "compose.yaml", "include: [{{path: inside.yml, env_file: ../outside/.env}}]"
    ),
    "extends": (
        "compose.yaml", "services: {{a: {{extends: {{file: ../outside/base.yml, service: a}}}}}}"
    ),
    "a dockerfile": (
        "compose.yaml", "services: {{a: {{build: {{dockerfile: '{outside}/secret'}}}}}}"
    ),
    "a context": ("compose.yaml", "services: {{a: {{build: ../outside}}}}"),
    "an action": ("action.yml", "runs: {{using: docker, image: ../outside/Dockerfile}}"),
}  # fmt: skip


@pytest.mark.parametrize("name", LEAVING)
def test_nothing_outside_is_read(repository: Path, outside: Path, name: str) -> None:
    (repository / "inside.yml").write_text("services: {b: {image: 'inside:$TAG'}}\n")
    (repository / "Dockerfile.own").write_text("FROM own:1\n")
    path, content = LEAVING[name]
    file = repository / path
    file.parent.mkdir(parents=True, exist_ok=True)
    if content.startswith("-> "):
        file.symlink_to(content.removeprefix("-> ").format(outside=outside))
        if path == ".env":
            (repository / "compose.yaml").write_text("services: {a: {image: 'in:$TAG'}}")
    else:
        file.write_text(content.format(outside=outside))
    made = learn([str(repository)])
    assert [image.reference for image in made.images] == ["own:1"]
    assert "outside:" not in told(made)
    assert "hunter" not in told(made)
    assert "leads out of the repository" in told(made)


def test_what_is_outside_is_not_even_told_to_be_there(repository: Path, outside: Path) -> None:
    said = []
    for name in ("secret", "missing"):
        (repository / "compose.yaml").write_text(
            f"services: {{a: {{build: {{dockerfile: ../../outside/{name}}}}}}}"
        )
        said.append(told(learn([str(repository)])).replace(name, "NAME"))
    assert said[0] == said[1]


def test_a_part_of_a_repository_may_name_the_others(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "base.yml").write_text("services: {a: {image: 'base:1'}}\n")
    (tmp_path / "a" / "compose.yaml").write_text("include: [../base.yml]\n")
    (tmp_path / "a" / "Dockerfile").symlink_to("../Dockerfile")
    (tmp_path / "Dockerfile").write_text("FROM up:1\n")
    for path in (tmp_path / "a", tmp_path / "a" / "."):
        made = learn([str(path)])
        assert [image.reference for image in made.images] == ["base:1", "up:1"]


def test_a_file_given_by_name_does_not_lead_out(repository: Path, outside: Path) -> None:
    link = repository / "Dockerfile"
    link.symlink_to(outside / "secret")
    made = learn([str(link)])
    assert [each.why for each in made.unread] == ["it leads out of the repository, and is not read"]


def test_a_pipe_in_the_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "base.yml")
    os.mkfifo(tmp_path / ".env")
    (tmp_path / "compose.yaml").write_text("include: [base.yml]\nservices: {a: {image: 'a:1'}}\n")
    made = learn([str(tmp_path)])
    assert [image.reference for image in made.images] == ["a:1"]
    assert "it is a FIFO" in told(made)


@pytest.mark.parametrize("name", ["Dockerfile", "compose.yaml", ".gitlab-ci.yml", "action.yml"])
@pytest.mark.parametrize(
    "content",
    [
        SECRET, "hunter2 is the word\n", "%hunter2 ALL=(ALL) ALL\n", "- hunter2: [\n",
        "'hunter2: x\n  hunter2\n", "a: *hunter2x!\n", 'a: "\\xhunter2"\n',
        "a: !<tag:hunter2 b\n", "%TAG hunter2\n", "a: {hunter2\nb: }}\n",
        "[hunter2]\npassword = hunter2\n", "# escape=hunter2\nFROM a\n",
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_not_quoted(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    made = learn([str(tmp_path)])
    assert "hunter" not in json.dumps([made.troubles, made.unread])


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (dotenv, "A=x" + " " * 200_000 + "y"),
        (dotenv, "A" * 200_000),
        (dotenv, "A='" + "\\'" * 100_000),
        (dockerfile.parse, "# syntax=a" + " " * 200_000 + "b\nFROM a"),
        (dockerfile.parse, "RUN " + "--a=b " * 150_000),
        (dockerfile.parse, "RUN a\\" + " " * 200_000 + "x"),
        (lambda text: nodes.documents(text, "a"), "a: [1\n" + "\n" * 200_000 + "b: ]: {"),
        (github._EXPRESSION.findall, "${{" * 200_000),
        (github._EXPRESSION.findall, "${{" + " " * 200_000 + "x"),
        (lambda text: fits("*a" * 2_000 + "b", text), "a" * 4_000),
        (lambda text: fits("**/" * 50_000 + "b", text), "a/" * 2_000),
        (lambda text: fits("**" * 50_000 + "b", text), "a" * 4_000),
    ],
)  # fmt: skip
def test_no_text_takes_long(read: object, text: str) -> None:
    started = time.process_time()
    with suppress(Unreadable):
        read(text)  # type: ignore[operator]
    assert time.process_time() - started < 10


def test_no_file_given_by_name_takes_long(tmp_path: Path) -> None:
    started = time.process_time()
    for name in ("odd.yml", "odd"):
        (tmp_path / name).write_text("\n" * 900_000)
        with suppress(Unreadable):
            proposal.named_kind(str(tmp_path / name))
    assert time.process_time() - started < 10

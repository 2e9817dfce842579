"""``holystone init``: what it finds, what it writes, and what it never writes over."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.cli.command import Command
from tests.docs.test_reference import codes, fields, first_cells, section

MK = "holystone.mk"


def files(folder: Path) -> set[str]:
    """The files below a folder, by path."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("mark", "target"),
    [
        (".gitlab-ci.yml", "gitlab"), (".github/workflows/ci.yml", "github"),
        ("Jenkinsfile", "jenkins"), (".woodpecker.yml", "woodpecker"), (".drone.yml", "drone"),
        (".buildkite/pipeline.yml", "buildkite"), ("Makefile", "make"),
    ],
)  # fmt: skip
def test_finds_what_the_repository_uses(
    holystone: Command, tmp_path: Path, mark: str, target: str
) -> None:
    """And writes nothing."""
    path = tmp_path / "repository" / mark
    path.parent.mkdir(parents=True)
    path.write_text("")
    done = holystone("init", "--into", tmp_path / "repository")
    assert done.code == 0
    assert done.lines[0].endswith(f": holystone init {target}")
    assert done.lines[-1] == "Nothing was written."
    (found,) = holystone("init", "--into", tmp_path / "repository", "--json").json["targets"]
    assert found["target"] == target
    assert mark.startswith(found["found"])
    assert files(tmp_path / "repository") == {mark}


def test_says_where_there_is_nothing_to_find(holystone: Command, tmp_path: Path) -> None:
    done = holystone("init", "--into", tmp_path)
    assert done.code == 0
    assert done.lines[0] == "Cannot tell from these files which CI system this repository uses."
    assert any(line.startswith("  holystone init gitlab ") for line in done.lines)


def test_writes_programs_that_can_be_run(holystone: Command, tmp_path: Path) -> None:
    assert holystone("init", "buildkite", "--into", tmp_path / "new").code == 0
    assert files(tmp_path / "new") == {".buildkite/hooks/pre-exit"}
    assert os.access(tmp_path / "new" / ".buildkite" / "hooks" / "pre-exit", os.X_OK)


@pytest.mark.parametrize(
    ("target", "own", "told"),
    [
        ("make", "Makefile", "Makefile"), ("make", "GNUmakefile", "GNUmakefile"),
        ("github", ".github/workflows/ci.yml", ".github/workflows"),
        ("woodpecker", ".woodpecker.yaml", ".woodpecker.yaml"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("more", [(), ("--force",)])
def test_a_file_of_the_repository_stays(
    holystone: Command, tmp_path: Path, target: str, own: str, told: str, more: tuple[str, ...]
) -> None:
    """An example never takes its place, not even by force, whatever it is called."""
    (tmp_path / own).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / own).write_text("own\n")
    done = holystone("init", target, "--into", tmp_path, *more)
    assert (done.code, (tmp_path / own).read_text()) == (0, "own\n")
    assert [line for line in done.lines if "stays" in line] == [f"{tmp_path / told} stays as it is"]
    assert (
        ("  include holystone.mk" in done.lines) == (tmp_path / MK).exists() == (target == "make")
    )


def test_never_over_another_file_unasked(holystone: Command, tmp_path: Path) -> None:
    (tmp_path / MK).write_text("mine\n")
    arguments = ("init", "make", "--into", tmp_path)
    told = holystone(*arguments).failed(1)
    assert MK in told
    assert "--force" in told
    with holystone.asking(*arguments) as reply:
        assert reply("n\n").code == 1
    assert (files(tmp_path), (tmp_path / MK).read_text()) == ({MK}, "mine\n")
    with holystone.asking(*arguments) as reply:
        assert reply("y\n").code == 0
    assert "Docker" in (tmp_path / MK).read_text()
    assert files(tmp_path) == {MK, "Makefile"}
    again = holystone(*arguments, "--json").json["targets"][0]["files"]
    assert {file["action"] for file in again} == {"unchanged"}


def test_force_replaces(holystone: Command, tmp_path: Path) -> None:
    """With the rights of a new file, and the temporary one gone."""
    (tmp_path / MK).write_text("mine\n")
    (tmp_path / MK).chmod(0o600)
    done = holystone("init", "make", "--into", tmp_path, "--force")
    assert (done.code, done.lines[0]) == (0, f"Replaced {tmp_path / MK}")
    os.umask(mask := os.umask(0))
    assert stat.S_IMODE((tmp_path / MK).stat().st_mode) == 0o666 & ~mask
    assert files(tmp_path) == {MK, "Makefile"}


def test_prints_instead(holystone: Command, tmp_path: Path) -> None:
    """A single file as it is, several each under its name."""
    done = holystone("init", "jenkins", "--print", "--command", "python3 /opt/holystone.pyz")
    assert (done.code, done.err) == (0, "")
    assert "HOLYSTONE = 'python3 /opt/holystone.pyz'\n" in done.out
    done = holystone("init", "gitlab", "--print")
    assert done.out.startswith("==> templates/holystone-clean.yml <==\n")
    assert "\n==> .gitlab-ci.yml <==\n" in done.out
    assert files(tmp_path) == set()


@pytest.mark.parametrize("command", ["a'b", "a\nb", "$(reboot)", "", "50%", "a  b"])
def test_a_command_that_means_something_else_in_some_file(holystone: Command, command: str) -> None:
    holystone("init", "make", "--print", "--command", command).failed(64)


@pytest.mark.parametrize(("arguments", "told"), [
    ("--print", "name the target"), ("--force", "name the target"),
    ("--replace-prune", "name the target"), ("make --print --replace-prune", "--replace-prune"),
    ("systemd --replace-prune", "--replace-prune"),
])  # fmt: skip
def test_usage(holystone: Command, arguments: str, told: str) -> None:
    assert told in holystone("init", *arguments.split()).failed(64)


def test_a_folder_that_cannot_be_written_to(holystone: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = holystone("init", "make", "--into", tmp_path / "file").failed(1)
    assert "--into" in told


def test_the_docker_command_s_own_folder(holystone: Command, tmp_path: Path) -> None:
    done = holystone("init", "docker-plugin", DOCKER_CONFIG=str(tmp_path / "docker"))
    assert done.code == 0
    assert files(tmp_path / "docker") == {"cli-plugins/docker-holystone"}


def test_json_is_documented(holystone: Command, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:3.12-slim")
    (tmp_path / ".gitlab-ci.yml").write_text("a: {after_script: [docker system prune -f]}")
    done = holystone("init", "make", "--into", tmp_path, "--json")
    told = fields(done.json) | fields(holystone("init", "--into", tmp_path, "--json").json)
    assert told == codes(first_cells(section("docs/reference/json.md", "init --json")))
    actions = section("docs/reference/json.md", "init --json")
    assert [a for a in ("write", "replace", "unchanged", "leave") if f"`{a}`" not in actions] == []


PIPELINE = """\
include: [{local: ci/deploy.yml}]
default:
  after_script:
    - docker system prune -af --volumes || true
    - docker builder prune -f
taken:
  after_script: [x, !reference [.holystone-clean, after_script]]
none:
  after_script: []
own:
  script: make
  after_script:
    - ./collect
.template:
  after_script: |
    ./collect
"""
DEPLOY = "deploy: {script: x, after_script: [./collect]}\n"


def repository(folder: Path) -> None:
    """A repository with prunes, and with jobs that have an ``after_script``."""
    for name, text in {
        ".gitlab-ci.yml": PIPELINE,
        "ci/deploy.yml": DEPLOY,
        "Makefile": "clean:\r\n\t-@docker image prune -f\r\n",
        "ci/end.sh": "#!/bin/sh\n# docker system prune\ndocker rmi $(docker images -q)\n",
        "README.md": "docker system prune -af\n",
        "lib/node_modules/x/a.sh": "docker system prune -f\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    (folder / "ci" / "end.sh").chmod(0o750)


def test_warns_of_jobs_with_an_after_script_of_their_own(
    holystone: Command, tmp_path: Path
) -> None:
    repository(tmp_path)
    done = holystone("init", "gitlab", "--into", tmp_path)
    assert done.code == 0
    at = done.lines.index(
        "Warning: an after_script of a job's own takes the place of the clean's. These have one:"
    )
    told = [line.removeprefix(f"  {tmp_path}/") for line in done.lines[at + 2 : at + 6]]
    assert [line.split(maxsplit=1) for line in told] == [
        [".gitlab-ci.yml:3", "default, for all jobs"],
        [".gitlab-ci.yml:12", "job own"],
        [".gitlab-ci.yml:15", "template .template"],
        ["ci/deploy.yml:1", "job deploy"],
    ]
    assert "    - !reference [.holystone-clean, after_script]" in done.lines
    again = holystone("init", "--into", tmp_path, "--json").json
    gitlab, make = again["targets"]
    assert (gitlab["target"], [each["job"] for each in gitlab["warnings"]]) == (
        "gitlab", ["default", "own", ".template", "deploy"],
    )  # fmt: skip
    assert make["warnings"] == []


def test_says_how_holystone_gets_to_the_jobs(holystone: Command, tmp_path: Path) -> None:
    done = holystone("init", "gitlab", "--into", tmp_path, "--command", "python3 /opt/hs.pyz")
    text = " ".join(done.out.split())
    assert (
        "Next: the jobs call `python3 /opt/hs.pyz`; it has to be where their scripts run." in text
    )
    for words in (
        "Shell executor: install it on the runner's host",
        "install -m 755 holystone.pyz /opt/hs.pyz",
        "Docker executor: install it in the image of the jobs",
        '"/var/run/docker.sock:/var/run/docker.sock"', "script is: python3 /opt/hs.pyz status",
    ):  # fmt: skip
        assert words in text
    template = (tmp_path / "templates" / "holystone-clean.yml").read_text()
    assert "# - shell executor: on the runner's host" in template
    assert "#     install -m 755 holystone.pyz /opt/hs.pyz    # needs Python" in template
    assert "/usr/local/bin/holystone" not in template + done.out


def test_prunes_are_shown_and_left(holystone: Command, tmp_path: Path) -> None:
    """As a change, without a terminal and without the option."""
    repository(tmp_path)
    done = holystone("init", "gitlab", "--into", tmp_path)
    assert "4 commands of this repository prune the host, and take what the next job needs:" in (
        done.lines
    )
    assert "-    - docker system prune -af --volumes || true" in done.lines
    assert "+    - holystone clean weekly || true" in done.lines
    assert done.lines[-1] == (
        "Left as they are: holystone init gitlab --replace-prune replaces them."
    )
    assert (tmp_path / ".gitlab-ci.yml").read_text() == PIPELINE
    told = holystone("init", "gitlab", "--into", tmp_path, "--json").json["prunes"]
    assert {each["action"] for each in told} == {"left"}
    assert sorted(each["line"] for each in told) == [2, 3, 4, 5]
    assert "README" not in str(told)
    assert "node_modules" not in str(told)


def test_prunes_are_replaced_when_told(holystone: Command, tmp_path: Path) -> None:
    """Lines one below the other become one clean; line ends and rights stay."""
    repository(tmp_path)
    done = holystone("init", "gitlab", "--into", tmp_path, "--replace-prune")
    assert (done.code, done.lines[-1]) == (0, "Replaced.")
    assert (tmp_path / ".gitlab-ci.yml").read_text() == PIPELINE.replace(
        "docker system prune -af --volumes || true\n    - docker builder prune -f",
        "holystone clean weekly || true",
    )
    said = "holystone clean || echo HOLYSTONE DID NOT CLEAN THIS HOST"
    assert (tmp_path / "Makefile").read_bytes() == f"clean:\r\n\t-@{said}\r\n".encode()
    script = tmp_path / "ci" / "end.sh"
    assert script.read_text() == f"#!/bin/sh\n# docker system prune\n{said}\n"
    assert stat.S_IMODE(script.stat().st_mode) == 0o750
    assert "default, for all jobs" not in done.out, "its after_script cleans by now"
    again = holystone("init", "gitlab", "--into", tmp_path, "--replace-prune", "--json")
    assert again.json["prunes"] == []


def test_commands_that_do_not_stand_alone_are_listed(holystone: Command, tmp_path: Path) -> None:
    text = "while ! docker image prune -f; do sleep 1; done\ndocker volume prune -f\n"
    (tmp_path / "ci.sh").write_text(text)
    done = holystone("init", "make", "--into", tmp_path, "--replace-prune")
    at = done.lines.index("Replace by hand:")
    assert done.lines[at + 2 : at + 4] == [
        f"  {tmp_path}/ci.sh:1  docker image prune -f",
        "    more than this command stands in its line, or around it; instead: holystone clean",
    ]
    assert "    holystone clean takes no volumes. holystone clean weekly does" in done.out
    assert (tmp_path / "ci.sh").read_text() == (
        "while ! docker image prune -f; do sleep 1; done\n"
        "holystone clean || echo HOLYSTONE DID NOT CLEAN THIS HOST\n"
    )
    (told,) = holystone("init", "make", "--into", tmp_path, "--force", "--json").json["prunes"]
    assert (told["action"], told["suggestion"]) == ("by hand", "holystone clean")


def test_asks_at_a_terminal_before_prunes_are_replaced(holystone: Command, tmp_path: Path) -> None:
    repository(tmp_path)
    for answer, replaced in (("n\n", False), ("y\n", True)):
        with holystone.asking("init", "gitlab", "--into", tmp_path) as reply:
            done = reply(answer)
        assert done.code == 0
        assert "Replace 4 commands that prune the host by holystone's clean? [y/N]" in done.out
        assert ("prune" not in (tmp_path / "Makefile").read_text()) == replaced


def test_a_link_out_of_the_repository_is_left(holystone: Command, tmp_path: Path) -> None:
    inside = tmp_path / "repository"
    inside.mkdir()
    (tmp_path / "out.sh").write_text("docker system prune -f\n")
    (inside / "clean.sh").symlink_to(tmp_path / "out.sh")
    done = holystone("init", "make", "--into", inside, "--replace-prune")
    assert "(a link: change it by hand)" in done.out
    assert (tmp_path / "out.sh").read_text() == "docker system prune -f\n"

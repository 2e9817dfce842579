"""What an engine, a job, a file or another run says is shown by every command, and no more."""

from __future__ import annotations

import fcntl
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import Command, Done
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import VERSION, answers, misbehaving, refuses
from tests.outside.test_text import harmless

HOSTILE = (
    "x\x1b[2J\x1b]8;;http://e\x07\r\n::add-mask::s\n  ::error::e\n##[error]e ##vso[task.x]y "
    "\x1b[0Ksection_start:1:a\r\x1b[0K\u202egnp\u2028\u200b\x7f\x9b31m"
)
TEXT = HOSTILE + "\ud800"
IMAGE = f"sha256:{'a' * 64}"
_OWN = re.compile(
    r"^::group::What went \(\d+\)$|^::endgroup::$"
    r"|\x1b\[0Ksection_(?:start|end):\d+:holystone_removed(?:\[collapsed=true\])?\r\x1b\[0K",
    re.MULTILINE,
)

ENGINE = EMPTY | {
    "GET /version": answers(VERSION | {"Version": f"20.10.24{TEXT}", "Os": TEXT, "Arch": TEXT}),
    "GET /info": answers(
        {"ID": TEXT, "Name": TEXT, "Driver": "overlay2", "DockerRootDir": f"/{TEXT}",
         "OperatingSystem": TEXT, "ServerVersion": TEXT, "Warnings": [TEXT]}
    ),
    "GET /images/json": answers(
        [
            {"Id": IMAGE, "RepoTags": [f"{TEXT}:1"], "RepoDigests": [f"a@sha256:{'b' * 64}"],
             "Labels": {TEXT: TEXT}, "Created": 1, "Size": 5, "SharedSize": 0, "ParentId": "",
             "Containers": 0},
            {"Id": TEXT, "RepoTags": None, "RepoDigests": None, "Labels": None, "Created": 1,
             "Size": 5, "SharedSize": 0, "ParentId": TEXT, "Containers": 0},
        ]
    ),
    "GET /containers/json": answers(
        [
            {"Id": each * 64, "Names": [f"/{TEXT}"], "Image": TEXT, "ImageID": IMAGE,
             "State": state, "Status": TEXT, "Labels": {TEXT: TEXT}, "Command": TEXT, "Created": 1,
             "Mounts": [], "NetworkSettings": {"Networks": {TEXT: {"NetworkID": TEXT}}},
             "HostConfig": {"NetworkMode": TEXT}}
            for each, state in (("1", "exited"), ("2", TEXT), ("3", "running"))
        ]
    ),
    f"GET /images/{IMAGE}/json": answers(
        {"Id": IMAGE, "RepoTags": [f"{TEXT}:1"], "RepoDigests": [], "Created": TEXT, "Size": 5,
         "Comment": TEXT, "Author": TEXT, "Architecture": TEXT, "Os": TEXT, "Parent": "",
         "Config": {"Labels": {TEXT: TEXT}, "Image": TEXT}, "Metadata": {"LastTagTime": TEXT},
         "RootFS": {"Type": "layers", "Layers": [f"sha256:{'c' * 64}"]}}
    ),
    f"GET /images/{IMAGE}/history": answers(
        [{"Id": IMAGE, "CreatedBy": TEXT, "Comment": TEXT, "Size": 5, "Created": 1, "Tags": None}]
    ),
    **{
        f"GET /containers/{each * 64}/json": answers(
            {"Id": each * 64, "Name": f"/{TEXT}", "Image": IMAGE, "Created": "2024-01-01T00:00:00Z",
             "State": {"Status": state, "ExitCode": 0, "FinishedAt": "2024-01-02T00:00:00Z",
                       "Error": TEXT},
             "Config": {"Image": TEXT, "Labels": {TEXT: TEXT}}, "Mounts": [], "LogPath": TEXT,
             "HostConfig": {"NetworkMode": TEXT, "RestartPolicy": {"Name": TEXT}}}
        )
        for each, state in (("1", "exited"), ("2", TEXT), ("3", "running"))
    },
    "GET /networks": answers([{"Id": TEXT, "Name": TEXT, "Labels": {TEXT: TEXT}, "Driver": TEXT,
                               "Created": "2024-01-01T00:00:00Z"}]),
    "GET /volumes": answers({"Volumes": [{"Name": TEXT, "Labels": {TEXT: TEXT}, "Driver": "local",
                                          "CreatedAt": "2024-01-01T00:00:00Z"}]}),
    "GET /system/df": answers(
        {"Volumes": [], "BuildCache": [{"ID": TEXT, "Description": TEXT, "Type": TEXT, "Size": 5,
                                        "InUse": False, "Shared": False,
                                        "CreatedAt": "2024-01-01T00:00:00Z"}]}
    ),
}  # fmt: skip

COMMANDS = (
    ["status"],
    ["plan", "--min-age", "0s"],
    ["plan", "deep", "--min-age", "0s", "-v"],
    ["images", "--all"],
    ["images", "--format", "{{.Repository}} {{.Tag}} {{.ID}}"],
    ["images", "-q"],
    ["volumes"],
    ["volumes", "-q"],
    ["containers", "--format", "table {{.Name}}\\t{{.Image}}\\t{{.State}}\\t{{.Labels}}"],
    ["containers", "--no-trunc"],
    ["cache", "--all"],
    ["cache", "-q"],
    ["clean", "--min-age", "0s", "-v"],
    ["clean", "deep", "--yes", "--min-age", "0s", "--include-local", "--volumes=named"],
    ["explain", "aaaaaaaaaaaa"],
    ["explain", TEXT[:-1]],
    ["observe"],
    ["verify"],
    ["refresh", "--dry-run"],
    ["history"],
    ["history", "1"],
    ["restore", "--dry-run"],
    ["lease", "list"],
    ["config", "check"],
    ["config", "show", "--config", TEXT[:-1]],
    [TEXT[:-1]],
    ["plan", f"--{HOSTILE}"],
    ["plan", HOSTILE],
    ["clean", "--plan", HOSTILE],
    ["history", "export", "-"],
)  # fmt: skip
SYSTEMS = ({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": HOSTILE},
           {"GITLAB_CI": "true", "CI_JOB_ID": HOSTILE}, {"FORCE_COLOR": "1"})  # fmt: skip


@pytest.fixture(scope="module")
def engine() -> Iterator[str]:
    with misbehaving(ENGINE) as host:
        yield host


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, engine: str) -> Command:
    """The command in a home whose ledger has what that engine and such jobs told before."""
    command = Command(tmp_path_factory.mktemp("home"))
    for line in (["clean", "--min-age", "0s"], ["lease", "python:3.12", "--for", "1h"]):
        command(*line, DOCKER_HOST=engine, CI_JOB_ID=HOSTILE)
    command("lease", "redis", "--for", "1h", "--job", HOSTILE)
    return command


def check(done: Done) -> None:
    assert "an error in holystone itself" not in done.err, done.err
    for text in (done.out, done.err):
        shown = re.sub(r"\x1b\[[0-9;]*m", "", _OWN.sub("", text))
        for line in shown.split("\n"):
            assert harmless(line), ascii(line)
        assert "::add-mask::" not in shown


@pytest.mark.parametrize("line", COMMANDS, ids=lambda line: " ".join(map(ascii, line))[:40])
@pytest.mark.parametrize("system", SYSTEMS, ids=["github", "gitlab", "terminal"])
def test_text_is_harmless(
    hostile: Command, engine: str, line: list[str], system: dict[str, str]
) -> None:
    check(hostile(*line, DOCKER_HOST=engine, **system))


JSON = [line for line in COMMANDS[:18] if "--format" not in line and "-q" not in line]


@pytest.mark.parametrize("line", JSON, ids=" ".join)
def test_json_is_harmless_and_whole(hostile: Command, engine: str, line: list[str]) -> None:
    done = hostile(*line, "--json", DOCKER_HOST=engine, GITHUB_ACTIONS="true")
    check(done)
    if done.out:
        assert done.json["schema"] == 1
    if line == ["images", "--all"]:
        assert done.json["images"][0]["tags"] == [f"{HOSTILE}?:1"]


def test_an_error_of_an_engine_is_one_harmless_line(hostile: Command) -> None:
    with misbehaving(EMPTY | {"GET /images/json": refuses(500, TEXT)}) as host:
        done = hostile("plan", DOCKER_HOST=host)
    check(done)
    assert done.failed(1)


def test_who_holds_the_lock_says_nothing_harmful(hostile: Command, engine: str) -> None:
    [path] = Path(hostile.state).rglob("*.lock")
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps([1, HOSTILE, HOSTILE, HOSTILE * 50, 1.0]))
        file.flush()
        done = hostile("clean", "--wait", "1s", DOCKER_HOST=engine)
    assert done.code == 11
    check(done)
    assert len(done.err) < 10_000


def test_a_repository_says_nothing_harmful(hostile: Command, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM a{HOSTILE}\n")
    odd = tmp_path / "odd\x1b[2J\n::add-mask::s"
    odd.mkdir()
    (odd / "compose.yaml").write_text('services: {a: {image: "\\e[2J\\n::add-mask::x"}}\n')
    (odd / ".gitlab-ci.yml").write_text(f"include: [local: '{HOSTILE}']")
    for more in ([], ["-v"], ["--json"]):
        check(hostile("protect", "--from", tmp_path, *more, GITHUB_ACTIONS="true"))


def test_a_configuration_says_nothing_harmful(hostile: Command, tmp_path: Path) -> None:
    file = tmp_path / "odd\x1b[2J\n::add-mask::s.toml"
    file.write_text('"\\u001b[2J\\n::add-mask::x" = 1\n[protect]\nimages = ["\\u001b[2J ##[x]"]\n')
    for line in (["config", "check"], ["config", "show"], ["plan", "-H", "demo:"]):
        check(hostile(*line, "--config", file, GITHUB_ACTIONS="true"))

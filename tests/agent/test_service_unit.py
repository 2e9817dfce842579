"""The unit for systemd: what it says, what systemd says of it, and how it is written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from holystone.agent.service.unit import NAME, Options, beside_state, install, unit_path, unit_text
from holystone.cli import exit_codes
from holystone.config.agent_settings import Service
from holystone.operations.errors import OperationError

PROGRAM = ("/opt/holystone/bin/holystone",)
RUNS_HERE = (sys.executable, "-m", "holystone")
SYSTEMD = pytest.mark.skipif(
    not shutil.which("systemd-analyze") and os.environ.get("CI") != "true",
    reason="there is no systemd here",
)


def settings(text: str) -> dict[str, list[str]]:
    """The values of each setting, comments left out."""
    told: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            told.setdefault(name, []).append(value)
    return told


def test_the_unit_of_the_system() -> None:
    told = settings(unit_text(Options(PROGRAM, ("--config", "/etc/holystone/holystone.toml"))))
    assert told["ExecStart"] == [
        "/opt/holystone/bin/holystone agent --config /etc/holystone/holystone.toml"
    ]
    for name, value in {
        "Type": "notify",
        "NotifyAccess": "main",
        "WatchdogSec": "60",
        "ExecReload": "/bin/kill -HUP $MAINPID",
        "Restart": "on-failure",
        "RestartPreventExitStatus": f"{exit_codes.USAGE}",
        "TimeoutStopSec": "15",
        "StateDirectory": "holystone",
        "StateDirectoryMode": "0700",
        "RuntimeDirectory": "holystone",
        "ProtectSystem": "strict",
        "NoNewPrivileges": "yes",
        "PrivateTmp": "yes",
        "CapabilityBoundingSet": "CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_CHOWN",
        "WantedBy": "multi-user.target",
    }.items():
        assert told[name] == [value], name
    # They would hide the engine's process or its data.
    hide = ("ProtectProc", "ProcSubset", "PrivateUsers", "InaccessiblePaths", "ReadWritePaths")
    assert not set(hide) & set(told)


def test_the_unit_of_a_user_asks_for_no_mounts_of_its_own() -> None:
    told = settings(unit_text(Options(PROGRAM, user=True, writable=("/srv",))))
    assert told["WantedBy"] == ["default.target"]
    mounts = re.compile("Protect|Private|ReadWrite|Capability|DeviceAllow")
    assert [name for name in told if mounts.match(name)] == []


def test_folders_to_write_to() -> None:
    told = settings(unit_text(Options(PROGRAM, writable=("/var/lib/node 100%", "/a", "/a"))))
    assert told["ReadWritePaths"] == ['"-/a"', '"-/var/lib/node 100%%"']
    assert told["CapabilityBoundingSet"][0].endswith(" CAP_DAC_OVERRIDE")


def test_the_folders_that_settings_name() -> None:
    usual = Service(socket="/var/lib/holystone/agent.sock")
    assert beside_state(usual, "/var/lib/holystone") == []
    assert beside_state(usual._replace(socket="/run/holystone/a"), "/var/lib/holystone") == []
    moved = Service(socket="/srv/state/agent.sock", textfile="/var/lib/node/h.prom")
    assert beside_state(moved, "/srv/state") == ["/srv/state", "/var/lib/node"]


def test_words_of_the_command_line_are_taken_literally() -> None:
    words = ("plain", "two words", "$HOME", "100%", 'a"b', "back\\slash", "", "a\tb", "é", ";")
    told = settings(unit_text(Options(PROGRAM, words)))["ExecStart"]
    quoted = r'"two words" "$$HOME" 100%% "a\"b" "back\\slash" "" "a\tb" "é" ";"'
    assert told == [f"/opt/holystone/bin/holystone agent plain {quoted}"]


def test_variables_are_taken_literally() -> None:
    variables = {"DOCKER_HOST": "tcp://a:2376", "DOCKER_CONFIG": '/a b/$x/100%/"'}
    told = settings(unit_text(Options(PROGRAM, environment=variables)))["Environment"]
    assert told == [r'"DOCKER_CONFIG=/a b/$x/100%%/\""', '"DOCKER_HOST=tcp://a:2376"']


@pytest.mark.parametrize(
    "options",
    [
        Options(("/tmp/holystone/bin/holystone",)),
        Options(PROGRAM, ("--host", "unix:///var/tmp/docker.sock")),
        Options(PROGRAM, ("--config", "/tmp/holystone.toml")),
        Options(PROGRAM, writable=("/tmp/state",)),
        Options(PROGRAM, environment={"DOCKER_CONFIG": "/tmp/docker"}),
    ],
)
def test_what_is_below_tmp_is_not_hidden(options: Options) -> None:
    assert "PrivateTmp" not in settings(unit_text(options))
    assert "PrivateTmp" in settings(unit_text(Options(PROGRAM, ("--config", "/tmpfs/a"))))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(("holystone",)), "cannot start 'holystone'; it takes an absolute path"),
        (Options(("/opt/$x",)), "cannot start '/opt/$x'"),
        (Options(('/opt/a"b',)), "without quotes"),
        (Options(PROGRAM, ("a\nExecStartPre=/bin/x",)), "has control characters"),
        (Options(PROGRAM, ("a\x1b[2J",)), "has control characters"),
        (Options(PROGRAM, writable=("relative",)), "takes an absolute path"),
        (Options(PROGRAM, writable=('/a"b',)), "without quotes"),
        (Options(PROGRAM, writable=("/a\nb",)), "cannot be written into a unit"),
    ],
)
def test_what_a_unit_cannot_say(options: Options, said: str) -> None:
    with pytest.raises(OperationError, match=re.escape(said)):
        unit_text(options)


@SYSTEMD
@pytest.mark.parametrize("user", [False, True])
def test_systemd_takes_the_unit(tmp_path: Path, user: bool) -> None:
    """With a program whose path has to be quoted: systemd looks whether it is there."""
    program = tmp_path / "a program of 100%"
    program.symlink_to(sys.executable)
    arguments = ("--config", "/etc/holy stone/$x", "--host", "unix:///run/docker.sock")
    made = Options((str(program), "-m", "holystone"), arguments, user=user, writable=("/srv/a b",))
    unit = tmp_path / NAME
    unit.write_text(unit_text(made))
    command = ["systemd-analyze", *(["--user"] if user else []), "verify", str(unit)]
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    program.unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert "is not executable" in done.stderr


@SYSTEMD
@pytest.mark.parametrize("writable", [(), ("/srv",)])
def test_how_exposed_it_is(tmp_path: Path, writable: tuple[str, ...]) -> None:
    unit = tmp_path / NAME
    unit.write_text(unit_text(Options(RUNS_HERE, writable=writable)))
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=50", "--no-pager", unit],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    level = re.search(r"Overall exposure level .*: ([0-9.]+)", done.stdout)
    assert level is not None, done
    assert float(level[1]) < 3.5
    assert done.returncode == 0


def put(root: Path, **more: object) -> list[str]:
    return install(Options(PROGRAM, root=str(root), **more), {}).lines  # type: ignore[arg-type]


def test_install(tmp_path: Path) -> None:
    unit = tmp_path / "etc/systemd/system" / NAME
    enable = f"Then: systemctl --root={tmp_path} enable {NAME}"
    assert put(tmp_path) == [f"{unit} written", enable]
    assert unit.read_text() == unit_text(Options(PROGRAM))
    assert unit.stat().st_mode & 0o777 == 0o644
    assert put(tmp_path) == [f"{unit} is as it should be", enable]
    # One that holystone wrote is replaced by what it writes now.
    assert put(tmp_path, arguments=("--host", "unix:///a"))[0] == f"{unit} written"
    assert "--host unix:///a" in unit.read_text()


def test_what_somebody_changed_stays(tmp_path: Path) -> None:
    put(tmp_path)
    unit = tmp_path / "etc/systemd/system" / NAME
    for text in (unit.read_text() + "Nice=5\n", "[Service]\nExecStart=/bin/true\n", ""):
        unit.write_text(text)
        with pytest.raises(OperationError, match=r"is there already.*pass --force"):
            put(tmp_path)
        assert unit.read_text() == text
    assert put(tmp_path, force=True)[0] == f"{unit} written"
    assert unit.read_text() == unit_text(Options(PROGRAM))


def test_a_masked_unit_stays_masked(tmp_path: Path) -> None:
    unit = tmp_path / "etc/systemd/system" / NAME
    unit.parent.mkdir(parents=True)
    unit.symlink_to("/dev/null")
    with pytest.raises(OperationError, match="is there already"):
        put(tmp_path)
    assert unit.is_symlink()
    put(tmp_path, force=True)
    assert not unit.is_symlink()


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "etc/systemd/system" / NAME).mkdir(parents=True)
    with pytest.raises(OperationError, match=r"a directory.*Nothing was written"):
        put(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OperationError, match=r"cannot write .*root, or with --user"):
        put(tmp_path / "file")


def test_a_shared_state_folder_stays_shared(tmp_path: Path) -> None:
    """systemd sets the rights of the folder at each start."""
    state = tmp_path / "var/lib/holystone"
    state.mkdir(parents=True)
    unit = tmp_path / "etc/systemd/system" / NAME
    for mode, told in ((0o755, "0700"), (0o2770, "2770"), (0o2777, "0700")):
        state.chmod(mode)
        put(tmp_path)
        assert settings(unit.read_text())["StateDirectoryMode"] == [told]


def test_where_the_unit_belongs(tmp_path: Path) -> None:
    system, user = Options(PROGRAM), Options(PROGRAM, user=True)
    assert unit_path(system, {}) == f"/etc/systemd/system/{NAME}"
    home = {"HOME": "/srv/home"}
    assert unit_path(user, home) == f"/srv/home/.config/systemd/user/{NAME}"
    assert unit_path(user, {**home, "XDG_CONFIG_HOME": "/c"}) == f"/c/systemd/user/{NAME}"
    assert unit_path(user, {**home, "XDG_CONFIG_HOME": "c"}) == unit_path(user, home)
    assert unit_path(user._replace(root="/r"), home) == f"/r/etc/systemd/user/{NAME}"
    unit = tmp_path / ".config/systemd/user" / NAME
    assert install(user, {"HOME": str(tmp_path)}).lines == [
        f"{unit} written",
        f"Then: systemctl --user daemon-reload && systemctl --user enable --now {NAME}",
        "To have it run while you are logged out: loginctl enable-linger",
    ]
    again = install(user._replace(arguments=("-v",)), {"HOME": str(tmp_path)})
    assert again.lines[1] == (
        f"Then: systemctl --user daemon-reload && systemctl --user restart {NAME}"
    )

"""``holystone agent install``, as a user calls it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from holystone.agent.service.unit import NAME
from tests.cli.command import Command


@pytest.fixture
def holystone(tmp_path: Path) -> Command:
    """The command, in a home of its own."""
    return Command(tmp_path)


def test_options_and_configuration_go_into_the_unit(holystone: Command, tmp_path: Path) -> None:
    config = tmp_path / "holystone.toml"
    config.write_text('[agent]\ntextfile = "/var/lib/node/holystone.prom"\n')
    state = tmp_path / "memory"
    arguments = ("--config", config, "--state", state, "--host", "unix:///run/a.sock")
    done = holystone("agent", "install", "--print", *arguments, "--timeout", "30s")
    line = f"ExecStart={sys.executable} -m holystone agent --host unix:///run/a.sock"
    assert f"{line} --config {config} --state {state} --timeout 30s" in done.lines
    folders = [each for each in done.lines if each.startswith("ReadWritePaths=")]
    assert folders == [f'ReadWritePaths="-{state}"', 'ReadWritePaths="-/var/lib/node"']


def test_the_service_has_the_variables_of_the_command(holystone: Command, tmp_path: Path) -> None:
    """What an option says counts before them."""
    config = tmp_path / "holystone.toml"
    config.write_text("")
    variables = {"DOCKER_HOST": "unix:///run/a.sock", "HOLYSTONE_CONFIG": str(config)}
    done = holystone("agent", "install", "--print", **variables)
    told = [each for each in done.lines if each.startswith("Environment=")]
    assert told == [
        'Environment="DOCKER_HOST=unix:///run/a.sock"',
        f'Environment="HOLYSTONE_CONFIG={config}"',
    ]
    named = ("--host", "unix:///run/b.sock", "--config", config)
    done = holystone("agent", "install", "--print", *named, **variables)
    assert not [each for each in done.lines if each.startswith("Environment=")]


def test_it_is_written_and_says_what_to_do_next(holystone: Command, tmp_path: Path) -> None:
    root = tmp_path / "staged"
    done = holystone("agent", "install", "--root", root, "--state", "/var/lib/holystone")
    assert (done.code, done.err) == (0, "")
    unit = root / "etc/systemd/system" / NAME
    then = f"Then: systemctl --root={root} enable {NAME}"
    assert done.lines == [f"{unit} written", then]
    told = holystone("agent", "install", "--root", root, "--state", "/var/lib/holystone", "--json")
    assert told.json == {"schema": 1, "path": str(unit), "written": False, "next": [then]}
    printed = holystone("agent", "install", "--print", "--state", "/var/lib/holystone", "--json")
    assert printed.json["unit"] == unit.read_text()
    unit.write_text("[Service]\n")
    again = holystone("agent", "install", "--root", root)
    assert "pass --force to replace the file" in again.failed(1)
    assert unit.read_text() == "[Service]\n"


@pytest.mark.parametrize(
    ("listen", "said"),
    [
        ("127.0.0.1", "Write HOST:PORT"),
        ("0.0.0.0:99999", "Write HOST:PORT"),
        ("foo:bar", "Write HOST:PORT"),
        ("0.0.0.0:9470", "set agent.token_file, agent.tls_cert, agent.tls_key"),
        ("[::]:9470", "can be reached from other machines"),
    ],
)
def test_what_the_agent_refuses_makes_no_unit(
    holystone: Command, tmp_path: Path, listen: str, said: str
) -> None:
    for way in (("--print",), ("--root", tmp_path / "staged")):
        done = holystone("agent", "install", *way, "--listen", listen)
        assert said in done.failed(64)
        assert not done.out
    assert not (tmp_path / "staged").exists()
    refused = holystone("agent", "--host", "demo:", "--listen", listen)
    assert refused.failed(64) == done.err


def test_files_that_are_made_later_are_no_fault(holystone: Command, tmp_path: Path) -> None:
    config = tmp_path / "holystone.toml"
    files = "\n".join(
        f'{key} = "/etc/later/{key}"' for key in ("token_file", "tls_cert", "tls_key")
    )
    config.write_text(f"[agent]\n{files}\n")
    done = holystone("agent", "install", "--print", "--config", config, "--listen", "0.0.0.0:9470")
    assert (done.code, done.err) == (0, "")
    assert "--listen 0.0.0.0:9470" in done.out


def test_a_wrong_configuration_makes_no_unit(holystone: Command, tmp_path: Path) -> None:
    config = tmp_path / "holystone.toml"
    config.write_text('[schedule]\nweekly = "61 * * * *"\n')
    done = holystone("agent", "install", "--root", tmp_path / "staged", "--config", config)
    assert done.code != 0
    assert "weekly" in done.err
    assert not (tmp_path / "staged").exists()

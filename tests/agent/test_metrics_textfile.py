"""The metrics in a file: whole, readable by node_exporter, and once more after a failure."""

from __future__ import annotations

import io
import os
import signal
import stat
import threading
from pathlib import Path

import pytest

from holystone.agent.state import State
from holystone.agent.textfile import Textfile
from holystone.config.errors import ConfigError
from holystone.config.load import load
from tests.agent.metrics_state import demo_state
from tests.agent.monitoring import wait_for
from tests.agent.running import QUIET, RunningAgent


@pytest.fixture
def textfile() -> Textfile:
    return Textfile()


def test_whole_and_readable_by_others(tmp_path: Path, log: io.StringIO, textfile: Textfile) -> None:
    path = tmp_path / "holystone.prom"
    before = os.umask(0o077)
    try:
        assert textfile.write(str(path), demo_state())
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert b"\nholystone_disk_bytes 2e+11\n" in path.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["holystone.prom"]
    assert log.getvalue() == ""


def test_nothing_that_node_exporter_has_itself(tmp_path: Path, textfile: Textfile) -> None:
    path = tmp_path / "holystone.prom"
    assert textfile.write(str(path), demo_state())
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    assert lines
    assert all(line.startswith("holystone_") for line in lines)


def test_readers_never_find_a_part(tmp_path: Path, textfile: Textfile) -> None:
    path, state = tmp_path / "holystone.prom", demo_state()
    assert textfile.write(str(path), state)
    over = threading.Event()
    parts: list[bytes] = []

    def read() -> None:
        while not over.is_set():
            content = path.read_bytes()
            if b'holystone_alerts_firing{severity="critical"}' not in content:
                parts.append(content)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for _ in range(100):
            assert textfile.write(str(path), state)
    finally:
        over.set()
        reader.join()
    assert parts == []


def test_a_failure_is_logged_once_and_tried_again(
    tmp_path: Path, log: io.StringIO, textfile: Textfile
) -> None:
    folder = tmp_path / "metrics"
    path = str(folder / "holystone.prom")
    state = State("demo:")
    assert [textfile.write(path, state) for _ in range(3)] == [False, False, False]
    assert log.getvalue().count("cannot write the metrics") == 1
    assert path in log.getvalue()
    assert f"No such file or directory. Make the folder {folder}" in log.getvalue()
    folder.mkdir()
    assert textfile.write(path, state)
    assert textfile.write(path, state)
    assert log.getvalue().count("can be written again") == 1


def test_another_reason_is_logged_again(
    tmp_path: Path, log: io.StringIO, textfile: Textfile
) -> None:
    folder = tmp_path / "metrics"
    path = folder / "holystone.prom"
    assert not textfile.write(str(path), State("demo:"))
    path.mkdir(parents=True)
    assert not textfile.write(str(path), State("demo:"))
    assert log.getvalue().count("cannot write the metrics") == 2
    assert "it is a folder" in log.getvalue()
    path.rmdir()
    assert textfile.write(str(path), State("demo:"))


def test_links_are_not_followed(tmp_path: Path, log: io.StringIO, textfile: Textfile) -> None:
    """The folder may be open to others, and the agent runs as root."""
    other = tmp_path / "other"
    other.write_text("precious")
    path = tmp_path / "holystone.prom"
    draft = tmp_path / ".holystone.prom.new"
    draft.symlink_to(other)
    assert textfile.write(str(path), demo_state())
    path.unlink()
    path.symlink_to(other)
    assert not textfile.write(str(path), demo_state())
    assert "symbolic link" in log.getvalue()
    textfile.remove()
    assert path.is_symlink()
    assert other.read_text() == "precious"


def test_what_a_killed_agent_left_is_no_hindrance(tmp_path: Path, textfile: Textfile) -> None:
    (tmp_path / ".holystone.prom.new").write_text("half")
    path = tmp_path / "holystone.prom"
    assert textfile.write(str(path), demo_state())
    assert [each.name for each in tmp_path.iterdir()] == ["holystone.prom"]


def test_devices_are_left_alone(textfile: Textfile) -> None:
    assert not textfile.write("/dev/full", State("demo:"))
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


def test_an_agent_that_ends_takes_it_along(tmp_path: Path, textfile: Textfile) -> None:
    path = tmp_path / "holystone.prom"
    assert textfile.write(str(path), demo_state())
    textfile.remove()
    assert not path.exists()
    textfile.remove()
    assert not textfile.write(str(tmp_path / "nothing" / "holystone.prom"), demo_state())
    textfile.remove()


def test_another_path_takes_its_place(tmp_path: Path, textfile: Textfile) -> None:
    for name in ("a.prom", "b.prom"):
        assert textfile.write(str(tmp_path / name), demo_state())
        assert [each.name for each in tmp_path.iterdir()] == [name]
    assert textfile.write("", demo_state())
    assert list(tmp_path.iterdir()) == []


def test_a_real_agent(tmp_path: Path) -> None:
    """It keeps the file as its configuration says, and takes it along when it ends."""
    path = tmp_path / "holystone.prom"
    without = QUIET.replace("[agent]", "[agent]\n# no textfile")
    agent = RunningAgent(
        "demo:", tmp_path / "a", QUIET.replace("[agent]", f'[agent]\ntextfile = "{path}"')
    )
    with agent:
        agent.ready()
        wait_for(lambda: path.exists() and b"\nholystone_engine_up 1.0" in path.read_bytes(), "it")
        agent.config.write_text(without)
        assert agent.process is not None
        agent.process.send_signal(signal.SIGHUP)
        wait_for(lambda: not path.exists(), "the file to go")
        agent.config.write_text(without.replace("# no textfile", f'textfile = "{path}"'))
        agent.process.send_signal(signal.SIGHUP)
        wait_for(path.exists, "the file to come back")
        assert agent.stop() == 0
    assert not path.exists()


def test_the_status_tells_that_it_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "later" / "holystone.prom"
    config = QUIET.replace("[agent]", f'[agent]\ntextfile = "{path}"')
    with RunningAgent("demo:", tmp_path / "a", config) as agent:
        told = agent.wait(lambda told: told and told["problems"]["textfile"])
        mend = f"No such file or directory. Make the folder {path.parent}"
        assert told["problems"]["textfile"] == f"cannot write {path}: {mend}"
        (entry,) = [e for e in agent.entries if e["message"].startswith("cannot write the metr")]
        assert entry["why"].endswith(mend)
        agent.config.write_text(QUIET)
        assert agent.process is not None
        agent.process.send_signal(signal.SIGHUP)
        agent.wait(lambda told: told and not told["problems"]["textfile"])


def test_a_name_that_node_exporter_would_not_read_is_an_error(tmp_path: Path) -> None:
    configuration = tmp_path / "holystone.toml"
    configuration.write_text('[agent]\ntextfile = "/var/lib/node/holystone.txt"\n')
    with pytest.raises(ConfigError, match=r"an absolute path that ends in \.prom"):
        load(str(configuration), {"HOME": str(tmp_path)})
    configuration.write_text('[agent]\ntextfile = "/var/lib/node/holystone.prom"\n')
    assert load(str(configuration), {"HOME": str(tmp_path)})

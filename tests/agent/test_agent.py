"""The agent as a process: its command, its socket, its configuration, its end."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from holystone.operations.agent_host import ask_agent
from holystone.present.report.agent import _past
from tests.agent.running import FULL, QUIET, RunningAgent
from tests.cli.command import Command
from tests.engines import Engine
from tests.engines.images import ImageToLoad, build, busybox_layer, layer, load


@pytest.fixture
def holystone(tmp_path: Path) -> Command:
    """The command, in a home of its own."""
    return Command(tmp_path)


@pytest.fixture
def demo_agent(tmp_path: Path) -> RunningAgent:
    return RunningAgent("demo:", tmp_path / "a", QUIET + FULL)


def at(agent: RunningAgent) -> tuple[str, str]:
    """The options that name this agent."""
    return ("--socket", str(agent.socket))


def test_its_status_and_jobs_for_people(demo_agent: RunningAgent, holystone: Command) -> None:
    with demo_agent as agent:
        agent.ready()
        told = holystone("agent", "status", *at(agent))
        assert told.code == 0
        assert "Engine: up at demo:" in told.out
        assert "No job has run" in told.out
        asked = holystone("agent", "run", "routine", *at(agent))
        assert "was asked for routine" in asked.out
        agent.wait(lambda told: told and "routine" in told["jobs"]["last"])
        shown = holystone("agent", "status", *at(agent)).out
        assert "routine" in shown
        assert "ok" in shown
        document = json.loads(holystone("agent", "status", "--json", *at(agent)).out)
        assert document["jobs"]["last"]["routine"]["removed"] > 0
        assert stat.S_IMODE(agent.socket.stat().st_mode) == 0o660


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("agent", "run"), "takes one job: routine, weekly"),
        (("agent", "run", "nightly"), "has no job 'nightly'. Its jobs: routine, weekly"),
        (("agent", "start"), "has no action 'start'. Its actions: run JOB, status"),
        (("agent", "status", "now"), "agent status takes nothing more"),
        (("agent", "token", "grafana"), "Pass --token-file FILE, or set agent.token_file"),
        (("agent", "token"), "takes one name, as in: holystone agent token grafana"),
        (("agent", "--load"), "add --host demo:"),
        (("agent", "--json"), "agent: --json is for agent run and agent status and"),
        (("agent", "--force"), "agent: --force is for agent install"),
        (("agent", "status", "--scope", "read"), "agent status: --scope is for agent token"),
        (("agent", "run", "weekly", "--listen", ":1"), "--listen is for agent and agent install"),
        (("agent", "test-alert", "--print"), "agent test-alert: --print is for agent install"),
        (("agent", "token", "a", "-H", "demo:"), "agent token: --host is for agent and"),
        (("agent", "install", "--load"), "agent install: --load is for agent"),
    ],
)
def test_what_makes_no_sense_is_refused(
    holystone: Command, words: tuple[str, ...], said: str
) -> None:
    done = holystone(*words)
    assert done.code == 64
    assert said in done.err


def test_it_is_the_agent_of_the_engine_that_is_named(
    demo_agent: RunningAgent, holystone: Command, tmp_path: Path
) -> None:
    other = f"unix://{tmp_path}/other.sock"
    with demo_agent as agent:
        agent.ready()
        assert holystone("agent", "status", "--host", "demo:", *at(agent)).code == 0
        for words in (("status",), ("run", "deep")):
            said = holystone("agent", *words, "--host", other, *at(agent)).failed(1)
            assert f"is that of the engine at demo:, not of {other}. Name the socket" in said
        told = holystone("agent", "status", "--json", *at(agent)).json
        assert "deep" not in (told["jobs"]["running"] or {}).values()
        assert "deep" not in (*told["jobs"]["waiting"], *told["jobs"]["last"])


def test_without_an_agent_it_says_where_none_answers(holystone: Command, tmp_path: Path) -> None:
    done = holystone("agent", "status", "--socket", str(tmp_path / "none.sock"))
    assert done.code == 1
    assert f"no agent answers at {tmp_path}/none.sock: no such file or directory." in done.err
    assert "holystone agent" in done.err


def test_a_socket_whose_path_is_too_long_is_named(holystone: Command) -> None:
    done = holystone("agent", "status", "--socket", f"/tmp/{'x' * 110}.sock")
    assert done.code == 1
    assert "the path of the socket has more than 107 bytes: /tmp/xxx" in done.err
    assert "Name a shorter one in agent.socket, or with --socket" in done.err


@pytest.mark.parametrize("at", ["/proc/x", "FILE", "FILE/below"])
def test_a_state_folder_that_cannot_be_used_is_named(
    holystone: Command, tmp_path: Path, at: str
) -> None:
    file = tmp_path / "file"
    file.write_text("")
    at = at.replace("FILE", str(file))
    error = holystone("agent", "--host", "demo:", "--state", at).failed(64)
    assert f"cannot use the state folder {at}: " in error
    assert "Pass another --state folder, or set HOLYSTONE_STATE." in error
    # It is all that is said.
    assert error.count("\n") <= 1


def test_a_token_goes_into_the_file_of_the_configuration(
    holystone: Command, tmp_path: Path
) -> None:
    config, file, other = (tmp_path / name for name in ("holystone.toml", "tokens", "others"))
    config.write_text(f'[agent]\ntoken_file = "{file}"\n')
    told = ("agent", "token", "--config", str(config))
    assert holystone(*told, "grafana").code == 0
    assert file.read_text().startswith("grafana read sha256:")
    # The option comes first.
    assert holystone(*told, "grafana", "--token-file", str(other)).code == 0
    assert other.read_text().startswith("grafana read sha256:")
    assert len(file.read_text().splitlines()) == 1


def test_a_token_file_whose_folder_is_missing(holystone: Command, tmp_path: Path) -> None:
    file = tmp_path / "none" / "tokens"
    error = holystone("agent", "token", "grafana", "--token-file", str(file)).failed(1)
    assert f"cannot write the token file {file}: no such file or directory. " in error
    assert f"Make the folder {tmp_path / 'none'} first" in error


def test_a_start_that_is_refused_is_no_crash(
    demo_agent: RunningAgent, holystone: Command, tmp_path: Path
) -> None:
    refused = holystone(
        *("agent", "--host", "demo:", "--state", str(demo_agent.folder)),
        *("--token-file", str(tmp_path / "none")),
    )
    assert "there is no token file" in refused.failed(64)
    listens = ("agent", "--host", "demo:", "--state", str(demo_agent.folder), "--listen")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        # This one ends later, and another try may do.
        assert "in use" in holystone(*listens, f"127.0.0.1:{taken.getsockname()[1]}").failed(1)
    with demo_agent as agent:
        assert agent.ready()["crashed"] is False


def test_one_agent_for_each_state_folder(demo_agent: RunningAgent, holystone: Command) -> None:
    with demo_agent as agent:
        second = holystone("agent", "--host", "demo:", "--state", str(agent.folder))
        assert second.code == 1
        assert "another agent runs with the state folder" in second.err


def test_it_ends_by_itself_and_the_next_one_knows(demo_agent: RunningAgent) -> None:
    with demo_agent as agent:
        assert agent.ready()["crashed"] is False
    assert not demo_agent.socket.exists()
    with demo_agent as agent:
        assert agent.ready()["crashed"] is False
        agent.kill()
    with demo_agent as agent:
        assert agent.ready()["crashed"] is True


def test_its_log_names_the_engine_the_marks_and_the_disk(demo_agent: RunningAgent) -> None:
    demo_agent.config.write_text(QUIET + '\n[disk]\nhigh = "99%"\ncritical = "1GB free"\n')
    with demo_agent as agent:
        agent.wait(lambda told: told and told["disk"]["free_bytes"] is not None)
    found = {each["message"]: each for each in agent.entries}
    started = found["watches"]
    assert (started["engine"], started["high"]) == ("demo:", "99% used")
    assert (started["low"], started["critical"]) == ("just below high", "1.00 GB free")
    assert found["the engine answers"]["version"]
    disk = found["the disk"]
    assert (disk["mark"], disk["total_bytes"]) == ("below its marks", 200_000_000_000)
    assert disk["free_bytes"] > 0


def test_its_help_calls_a_job_a_job(holystone: Command) -> None:
    told = holystone("agent", "--help").out
    assert "agent run JOB" in " ".join(told.split())
    assert "LEVEL" not in told


def test_sigterm_and_sigint_end_it_with_0(demo_agent: RunningAgent) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        demo_agent.start()
        process = demo_agent.process
        assert process is not None
        process.send_signal(number)
        assert process.wait(15) == 0
        demo_agent.process = None


def test_a_wrong_configuration_is_refused_and_the_old_one_kept(demo_agent: RunningAgent) -> None:
    with demo_agent as agent:
        agent.ready()
        process = agent.process
        assert process is not None
        agent.config.write_text(QUIET + '\n[disk]\nhigh = "much"\n')
        process.send_signal(signal.SIGHUP)
        told = agent.wait(lambda told: told and told["problems"]["configuration"])
        assert "disk.high" in told["problems"]["configuration"]
        agent.config.write_text(QUIET.replace('weekly = "never"', 'weekly = "0 4 * * *"'))
        process.send_signal(signal.SIGHUP)
        told = agent.wait(lambda told: told and told["jobs"]["next_at"].get("weekly"))
        assert told["problems"]["configuration"] is None


def test_a_configuration_that_is_wrong_at_the_start(holystone: Command, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('[schedule]\nroutine = "61 * * * *"\n[agent]\nlisten = "here"\n')
    done = holystone("agent", "--host", "demo:", "--config", str(file))
    assert done.code == 64
    assert f"{file}:2" in done.err
    assert "'61 * * * *' is no cron expression" in done.err
    assert "agent.listen" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--host", "foo://bar"), "an engine has no scheme 'foo'"),
        (("--context", "none-of-this-name"), "none-of-this-name"),
        (("--host", "demo:", "--listen", "127.0.0.1"), "HOST:PORT"),
        (("--host", "demo:", "--socket", "/proc/x.sock"), "cannot listen on the socket"),
        (("--host", "demo:", "--socket", "/none/x.sock"), "Make the folder /none"),
        (("--host", "demo:", "--socket", "/dev/null"), "is there and is no socket"),
        (("--host", "demo:", "--config", "/none/x.toml"), "/none/x.toml"),
    ],
)
def test_what_another_start_does_not_mend_ends_it_with_64(
    holystone: Command, words: tuple[str, ...], said: str
) -> None:
    """The unit has systemd not try it again."""
    error = holystone("agent", *words).failed(64)
    assert said in error
    assert " watches" not in error


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('listen = "0.0.0.0:0"', "set agent.token_file, agent.tls_cert, agent.tls_key"),
        ('socket_group = "no-such-group"', "there is no group no-such-group"),
        ('listen = "127.0.0.1:0"\ntls_cert = "/none"\ntls_key = "/none"', "/none"),
        ('socket = "/none/agent.sock"', "Make the folder /none"),
        ('token_file = "/none/tokens"', "there is no token file /none/tokens"),
    ],
)
def test_a_reload_refuses_what_the_next_start_would(
    demo_agent: RunningAgent, holystone: Command, line: str, said: str
) -> None:
    with demo_agent as agent:
        agent.ready()
        assert agent.process is not None
        agent.config.write_text(
            f"{QUIET.replace('never', '0 4 * * *')}{FULL}\n".replace("[agent]", f"[agent]\n{line}")
        )
        agent.process.send_signal(signal.SIGHUP)
        told = agent.wait(lambda told: told and told["problems"]["configuration"])
        assert said in told["problems"]["configuration"]
        assert not told["jobs"]["next_at"]
        assert "The configuration: " in holystone("agent", "status", *at(agent)).out
        refused = [e for e in agent.entries if e["message"].startswith("the configuration is ref")]
        assert said in refused[-1]["why"]
    start = holystone(
        "agent", "--host", "demo:", "--state", str(agent.folder), "--config", str(agent.config)
    )
    assert said in start.failed(64)


def test_a_reload_names_what_takes_a_restart(demo_agent: RunningAgent, holystone: Command) -> None:
    before = demo_agent.config.read_text()
    with demo_agent as agent:
        agent.ready()
        assert agent.process is not None
        agent.config.write_text(
            before.replace("[agent]", '[agent]\nlisten = "127.0.0.1:0"\nsocket_group = "0"')
        )
        agent.process.send_signal(signal.SIGHUP)
        told = agent.wait(lambda told: told and told["problems"]["restart"])
        assert told["problems"] == told["problems"] | {
            "configuration": None, "restart": "agent.listen, agent.socket_group have changed",
        }  # fmt: skip
        (entry,) = [e for e in agent.entries if "take a restart" in e["message"]]
        assert entry["keys"] == ["agent.listen", "agent.socket_group"]
        said = "Restart the agent: agent.listen, agent.socket_group have changed"
        assert said in holystone("agent", "status", *at(agent)).out
        agent.config.write_text(before)
        agent.process.send_signal(signal.SIGHUP)
        agent.wait(lambda told: told and not told["problems"]["restart"])


def test_beyond_this_machine_it_takes_tokens_and_tls(holystone: Command) -> None:
    done = holystone("agent", "--host", "demo:", "--listen", "0.0.0.0:0")
    assert done.code == 64
    assert "tls_cert" in done.err
    assert "token" in done.err


def test_a_token_is_shown_once(holystone: Command, tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    made = holystone("agent", "token", "grafana", "--token-file", str(file))
    assert made.code == 0
    token = made.out.strip()
    assert len(token) > 30
    assert token not in file.read_text()
    assert file.read_text().startswith("grafana read sha256:")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    asked = ("agent", "token", "ci", "--scope", "write", "--token-file", str(file), "--json")
    told = holystone(*asked).json
    assert (told["name"], told["scope"], told["token_file"]) == ("ci", "write", str(file))
    assert len(told["token"]) > 30
    assert "ci write sha256:" in file.read_text()


PASSING = ("taken_at", "generated_at", "disk", "source")
"""What is of the moment in a plan's document."""


def comparable(text: str) -> dict[str, Any]:
    """A plan's document, without what is of the moment: ages too. Ties come in any order."""
    told: dict[str, Any] = json.loads(text)
    told["items"].sort(key=lambda item: (item["kind"], item["id"]))
    for reason in (reason for item in told["items"] for reason in item["reasons"]):
        del reason["text"]
        reason["facts"] = {k: v for k, v in reason["facts"].items() if not isinstance(v, float)}
    return {key: value for key, value in told.items() if key not in PASSING}


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_a_plan_through_the_agent_is_the_engines(
    own_engine: Callable[..., Engine], unique: str, tmp_path: Path
) -> None:
    engine = own_engine()
    names = [f"localhost/{unique}-{number}:1" for number in range(4)]
    load(engine, *(ImageToLoad([busybox_layer(), layer(n, 5000)], [n]) for n in names))
    engine.docker("run", "--name", unique, "--network", "none", names[0], "true")
    agent = RunningAgent(engine.host, tmp_path / "a", QUIET)
    command = Command(tmp_path)
    command.state = agent.folder

    def knows(since: float) -> bool:
        host = ask_agent(str(agent.socket), engine.host, lambda: (), every=True)
        return host is not None and host.told.looked_at >= since

    def agree(what: str) -> None:
        since = time.time()
        engine.docker("tag", names[3], names[3])  # An event, at which the agent looks again.
        agent.wait(lambda _: knows(since))
        for level in ("routine", "weekly", "deep"):
            arguments = ("plan", level, "--json", "--all", "--min-age", "0s", "-H", engine.host)
            through = command(*arguments)
            direct = command(*arguments, HOLYSTONE_AGENT="off")
            assert through.code == direct.code == 0
            seen, there = comparable(through.out), comparable(direct.out)
            assert seen == there, f"{what}: {level}"

    with agent:
        agent.ready()
        agree("at first")
        # Nameless images, one for each step.
        steps = f"FROM {names[1]}\nRUN echo 1 > /a\nRUN echo 2 > /b\nRUN echo 3 > /c\n"
        build(engine, steps, "-t", f"localhost/{unique}-built:1")
        agree("a classic build")
        with pytest.raises(subprocess.CalledProcessError):
            build(engine, steps + "RUN echo 4 > /d\nRUN false\n")
        agree("a classic build that failed")
        engine.docker("rm", unique)
        engine.docker("rmi", names[0])
        agree("a container and an image removed")
        shown = command("plan", "--all", "-H", engine.host).out
        assert names[0] not in shown


def test_a_restart_does_not_hide_how_jobs_ended(
    demo_agent: RunningAgent, holystone: Command
) -> None:
    with demo_agent as agent:
        agent.ready()
        done = agent.run("routine")
        assert (done["result"], done["by"]) == ("ok", "api")
        assert agent.run("observe")["result"] == "ok"
        at_end = (agent.status() or {})["jobs"]["succeeded_at"]
    with demo_agent as agent:
        told = agent.wait(lambda told: told and "routine" in told["jobs"]["succeeded_at"])["jobs"]
        assert told["succeeded_at"] == at_end
        again = told["last"]["routine"]
        same = ("job", "result", "run", "removed", "freed_bytes", "by")
        assert [again[name] for name in same] == [done[name] for name in same]
        assert told["last"]["observe"]["ended_at"] == at_end["observe"]
        shown = holystone("agent", "status", *at(agent)).out
        assert "No job has run" not in shown
        assert "observe" in shown


def test_what_has_happened_is_not_shown_in_the_next_minute() -> None:
    assert _past("2020-01-02T03:04:59Z") == "2020-01-02 03:04 UTC"

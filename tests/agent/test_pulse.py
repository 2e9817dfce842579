"""An engine that hangs is found to be gone without being asked for anything; a slow one is not."""

from __future__ import annotations

import io
import re
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from holystone.agent.alert import Key, Kind
from holystone.agent.host_watch import HostWatch
from holystone.agent.mends import for_agent
from holystone.agent.options import AgentOptions
from holystone.agent.orders import Order
from holystone.agent.owner import Owner
from holystone.agent.pulse import Ping, Pulse
from holystone.agent.standing import Standing
from holystone.agent.state import DOWN, FAILED, STARTING, UP, Snapshot, State
from holystone.agent.troubles import troubles
from holystone.agent.worker import Worker
from holystone.engine.errors import EngineSilent, EngineUnreachable
from holystone.engine.transport import failures
from holystone.engine.transport.endpoint import Endpoint
from holystone.engine.transport.http import Patience
from holystone.operations.connect import connect
from holystone.planner.policy import Mark
from holystone.store.folder import MEND
from tests.agent.running import QUIET, RunningAgent
from tests.agent.test_faults import NOW_GOES, ask_for, up
from tests.agent.web_agent import DemoAgent
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

TIMEOUT = 10.0


class Beating(Ping):
    """A pulse whose engine takes as long to answer as told, on a clock of its own."""

    def __init__(self) -> None:
        super().__init__(Endpoint("unix", "/x", None, "--host"), TIMEOUT)
        self.state = State("unix:///x")
        self.now = 0.0
        self.standing = Standing(self.state, lambda: self.now)
        self.takes = 0.01
        self.returns = 0
        self.pulse = Pulse(self, self.standing, self.returned, lambda: self.now)

    def ask(self) -> None:
        self.now += min(self.takes, TIMEOUT)
        if self.takes > TIMEOUT:
            raise EngineSilent("it did not answer GET /_ping within 10 s")

    def returned(self) -> None:
        self.returns += 1

    def beat(self) -> None:
        pause = self.pulse.beat()
        self.now += pause

    @property
    def gone(self) -> bool:
        """Whether the alert has its reason and its time."""
        key = Key(Kind.ENGINE_GONE)
        return troubles(self.state.now, 0.0, (), 1000.0, self.now).get(key) is not None


@pytest.fixture
def snapshot() -> Snapshot:
    """A look at a host."""
    with connect("demo:", environ={}) as session:
        agent = DemoAgent(session)
        agent.look()
        found = agent.state.now.snapshot
    assert found is not None
    return found


@pytest.fixture
def beating(snapshot: Snapshot) -> Beating:
    made = Beating()
    made.standing.looked(snapshot)
    return made


def test_a_hung_engine_is_gone_within_half_a_minute(beating: Beating, log: io.StringIO) -> None:
    beating.beat()
    heard = beating.now - 5.0
    began, beating.takes = beating.now, 1e9
    while beating.state.now.engine == UP:
        beating.beat()
    assert beating.state.now.engine == DOWN
    assert 2 * TIMEOUT <= beating.now - began <= 30
    assert "did not answer GET /_ping" in beating.state.now.engine_said
    trouble = troubles(beating.state.now, 0.0, (), 1000.0, 0.0)[Key(Kind.ENGINE_GONE)]
    assert trouble is not None
    # What it was silent for already counts.
    assert trouble.after == pytest.approx(30 - (beating.now - 1.0 - heard))
    for _ in range(3):
        beating.beat()
    assert log.getvalue().count("the engine does not answer") == 1
    beating.takes = 0.01
    for _ in range(3):
        beating.beat()
    assert (beating.state.now.engine, beating.state.now.engine_said) == (UP, "")
    assert log.getvalue().count("the engine answers again") == 1
    assert beating.returns == 1


def test_a_look_that_hangs_is_silence_since_the_last_ping(beating: Beating) -> None:
    beating.beat()
    beating.now += 12.0
    beating.standing.failed("it did not answer GET /info within 10 s")
    assert beating.state.now.engine_unheard == pytest.approx(12.0 + 5.0)


def test_a_slow_engine_is_not(beating: Beating) -> None:
    beating.takes = TIMEOUT * 0.99
    for _ in range(20):
        beating.beat()
    # Nor is one that misses every other ping.
    for number in range(20):
        beating.takes = (1e9, 5.0)[number % 2]
        beating.beat()
    assert beating.state.now.engine == UP
    assert not beating.gone


def test_a_ping_that_is_answered_does_not_mend_a_look_that_failed(
    beating: Beating, snapshot: Snapshot
) -> None:
    beating.standing.failed("the engine answered 500 to GET /info")
    for _ in range(3):
        beating.beat()
    assert beating.state.now.engine == DOWN
    beating.standing.looked(snapshot)
    assert beating.state.now.engine == UP


def test_before_the_first_look_it_does_not_say_up() -> None:
    beating = Beating()
    beating.takes = 1e9
    while beating.state.now.engine == STARTING:
        beating.beat()
    assert beating.state.now.engine == DOWN
    beating.takes = 0.01
    beating.beat()
    assert beating.state.now.engine == STARTING


def test_a_refusal_is_a_sign_of_life_and_silence_is_none(tmp_path: Path) -> None:
    path = tmp_path / "s"
    ping = Ping(Endpoint("unix", str(path), None, "--host"), 0.2)
    with pytest.raises(EngineUnreachable, match="no such file"):
        ping.ask()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        # The connection is taken by the kernel, and nobody answers.
        with pytest.raises(EngineSilent, match="did not answer GET /_ping"):
            ping.ask()
        first, _ = server.accept()
        first.close()

        def refuse() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")

        thread = threading.Thread(target=refuse)
        thread.start()
        ping.ask()
        thread.join()
        ping.close()


def endpoint_texts() -> list[str]:
    """All that errors of a connection advise."""
    patience = Patience(Endpoint("unix", "/x", None, "--host"), lambda: True)
    return [*failures._TEXTS.values(), str(patience.hung("GET /info", 10.0))]


OPTION = re.compile("--(host|context|timeout|state)\\b")


@pytest.mark.parametrize("text", [t for t in [*endpoint_texts(), MEND] if OPTION.search(t)])
def test_the_agent_advises_what_its_users_can_do(text: str) -> None:
    told = for_agent(text)
    assert len(OPTION.findall(told)) == told.lower().count("start the agent with")


def test_a_target_beyond_the_disk_is_one_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = AgentOptions(host="demo:", state=str(tmp_path), environ={})
    state = State("demo:")
    worker = Worker(HostWatch(options, state, lambda _: None), state, Owner(options))
    low = Mark(free_bytes=10**15)
    policy = worker.owner.of_level("routine")._replace(target=low, only_when_high=False)
    monkeypatch.setattr(worker.owner, "policy", lambda _: policy)
    worker._do(Order("routine", "schedule"))
    worker.host.close()
    told = state.now.last["routine"]
    assert told.result == FAILED
    assert "Ask for less in [disk], or with until_free in the request" in told.said
    assert "--until" not in told.said


def stop(engine: Engine) -> None:
    engine.signal(signal.SIGSTOP)


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_an_engine_that_hangs_while_nothing_happens(
    own_engine: Callable[..., Engine], tmp_path: Path
) -> None:
    engine = own_engine()
    with RunningAgent(engine.host, tmp_path / "a", QUIET, "--timeout", "3s") as agent:
        agent.ready()
        before = len(agent.entries)
        stop(engine)
        try:
            told = agent.wait(lambda told: told and told["engine"]["state"] == "down")
            assert "start the agent with a longer --timeout" in told["engine"]["said"]
        finally:
            engine.signal(signal.SIGCONT)
        agent.wait(up)
        messages = [each["message"] for each in agent.entries[before:]]
        assert messages.count("the engine does not answer") == 1
        assert messages.count("the engine answers again") == 1


@pytest.mark.engine("docker20")
def test_a_job_that_an_engine_which_hangs_ends_is_told(
    own_engine: Callable[..., Engine], unique: str, tmp_path: Path
) -> None:
    engine = own_engine()
    load(engine, ImageToLoad([busybox_layer(), layer(unique, 100)], [f"localhost/{unique}:1"]))
    config = QUIET + NOW_GOES
    with RunningAgent(engine.host, tmp_path / "a", config, "--timeout", "2s") as agent:
        agent.ready()
        stop(engine)
        try:
            ask_for(agent, "routine")
            told = agent.wait(lambda told: told and "routine" in told["jobs"]["last"])
            assert told["jobs"]["last"]["routine"]["result"] == "failed"
            agent.wait(lambda told: told and told["engine"]["state"] == "down")
        finally:
            engine.signal(signal.SIGCONT)
        agent.wait(up)
        begun = [e["job"] for e in agent.entries if e["message"] == "begins"]
        ended = [e for e in agent.entries if e["message"] == "ended"]
        assert begun == [e["job"] for e in ended] == ["routine"]
        assert ended[0]["result"] == "failed"
        assert "start the agent with a longer --timeout" in ended[0]["why"]

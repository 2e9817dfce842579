"""Many events a second on a real engine: whether the agent counts each, and stays small."""

from __future__ import annotations

import re
import select
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.agent.figure import Curve, Figure, Measured
from bench.agent.idle import agent_of
from bench.agent.planning import current_docker
from bench.agent.process import cpu_seconds, resident
from bench.hosts import fill
from holystone.operations.agent_client import agent_connection
from tests.agent.running import RunningAgent
from tests.engines import Engine, start_engine
from tests.engines.images import ImageToLoad, busybox_layer, load

KINDS = ("docker20",)
IMAGES = 100
CONNECTIONS = 4
_TAG_EACH = 10
"""One event of so many moves a tag, which has the agent look at the host."""
_MOST_OPEN = 500
"""Requests without an answer: with more the engine does not keep up."""
_STEP = 0.5
_SETTLES = 15.0
"""Seconds after the first look until memory is taken: first use loads some code."""
_QUIET = (5.0, 20.0)
"""Seconds before the first event, and after the last, in which memory is watched too."""
GROWTH_AIM = 2.0
"""MB in the second half: events wait for the next look, 15 seconds at most."""
_PATIENCE = 30.0
_MADE = b"HTTP/1.1 20"
_COUNTED = re.compile(r'^holystone_events_total\{kind="(?:container|image)"\} (\S+)$', re.MULTILINE)


class Memory:
    """What the agent and ``docker events`` hold, MB, over seconds; ``take`` adds a point."""

    def __init__(self, processes: tuple[int, int]) -> None:
        self.processes = processes
        self.points: list[tuple[float, float, float]] = []
        self._began = time.monotonic()

    def take(self) -> None:
        """Add a point, where the last one is some time ago."""
        passed = time.monotonic() - self._began
        if len(self.points) * _STEP <= passed:
            ours, theirs = (resident([each]) / 1e6 for each in self.processes)
            self.points.append((passed, ours, theirs))

    def watch(self, seconds: float) -> None:
        """Add points for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.take()
            time.sleep(_STEP / 2)

    def line(self, which: int) -> list[tuple[float, float]]:
        """The points of the agent (1) or of ``docker events`` (2)."""
        return [(point[0], point[which]) for point in self.points]


class Run(NamedTuple):
    """One run on one engine. Pairs are those of the agent and of ``docker events``."""

    kind: str
    sent: int
    seconds: float
    lost: tuple[int, int]
    cpu: tuple[float, float]
    """Per cent of a core while events came."""
    before: tuple[float, float]
    """MB."""
    memory: Memory


def measure(kinds: Sequence[str], rate: int, seconds: float) -> Iterator[Measured]:
    """So many events a second, for so long, on each kind of engine."""
    for kind in kinds:
        run = _on(kind, rate, seconds)
        lines = {"agent": run.memory.line(1), "docker events": run.memory.line(2)}
        title = f"resident, {rate:,} events a second, {kind}, MB"
        yield Measured(list(_figures(run)), [Curve(f"events-{kind}", title, lines)])


def _on(kind: str, rate: int, seconds: float) -> Run:
    engine = start_engine(kind)
    try:
        fill(engine, IMAGES, tagged=True, seed="events")
        load(engine, ImageToLoad([busybox_layer()], ["localhost/busy:1"]))
        engine.docker(
            "run", "--detach", "--tty", "--name", "busy", "localhost/busy:1", "sleep", "100000"
        )
        with agent_of(engine) as (agent, process), _listening(engine) as (client, lines):
            time.sleep(_SETTLES)
            return _run(engine, agent, (process, client), lines, rate, seconds)
    finally:
        engine.stop()


def _run(
    engine: Engine,
    agent: RunningAgent,
    processes: tuple[int, int],
    lines: Path,
    rate: int,
    seconds: float,
) -> Run:
    counted, heard = _counted(agent), _lines(lines)
    memory = Memory(processes)
    memory.watch(_QUIET[0])
    before = memory.points[-1]
    cpu = [cpu_seconds([each]) for each in processes]
    sent, took = _send(engine, rate, seconds, memory)
    ours, theirs = (
        100 * (cpu_seconds([each]) - was) / took for each, was in zip(processes, cpu, strict=True)
    )
    memory.watch(_QUIET[1])
    lost = _settled(lambda: sent - (_counted(agent) - counted))
    missed = _settled(lambda: sent - (_lines(lines) - heard))
    return Run(
        engine.kind, sent, took, (lost, missed), (ours, theirs), (before[1], before[2]), memory
    )


def _figures(run: Run) -> Iterator[Figure]:
    of = f"{run.sent / run.seconds:,.0f} events a second for {run.seconds:.0f} s, {run.kind}"
    most = max(value for _, value in run.memory.line(1))
    grown = [_later(run, which) for which in (1, 2)]
    note = (
        f"The agent counted {run.sent - run.lost[0]:,} of {run.sent:,}. It took "
        f"{run.cpu[0]:.1f} % of a core meanwhile, `docker events` {run.cpu[1]:.1f} %. It held "
        f"{run.before[0]:.1f} MB before the first event, {most:.1f} MB at the "
        f"most, and {run.memory.points[-1][1]:.1f} MB {_QUIET[1]:.0f} s after the last."
    )
    yield Figure(
        f"events-lost-{run.kind}", f"lost of {of}", run.lost[0], "events", 0.0,
        "`docker events`", run.lost[1], note=note,
    )  # fmt: skip
    yield Figure(
        f"events-memory-{run.kind}", f"growth of memory in the second half, {of}", grown[0], "MB",
        GROWTH_AIM, "`docker events`", grown[1],
    )  # fmt: skip


def _later(run: Run, which: int) -> float:
    """By how many MB memory grew in the second half of the time in which events came."""
    end = _QUIET[0] + run.seconds
    middle = (_QUIET[0] + end) / 2
    line = [(at, value) for at, value in run.memory.line(which) if at <= end]
    first, second = ([v for at, v in line if (at > middle) is late] for late in (False, True))
    return max(0.0, max(second) - max(first))


def _counted(agent: RunningAgent) -> int:
    """How many events of containers and images the metrics of the agent count."""
    with closing(agent_connection(str(agent.socket), _PATIENCE)) as connection:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    return int(sum(float(each) for each in _COUNTED.findall(text)))


@contextmanager
def _listening(engine: Engine) -> Iterator[tuple[int, Path]]:
    """``docker events`` for the events that are sent: its process, and where its lines go."""
    command = [current_docker(), "events", "--format", "{{.Action}}"]
    command += ["--filter", "event=resize", "--filter", "event=tag"]
    with tempfile.NamedTemporaryFile(prefix="hs-events-") as lines:
        process = subprocess.Popen(command, env=engine.environment, stdout=lines)
        try:
            # It does not say when it has begun to listen.
            until = time.monotonic() + _PATIENCE
            while not _lines(Path(lines.name)):
                if time.monotonic() > until:
                    raise RuntimeError("docker events shows no event")
                engine.api("POST", "/images/localhost/busy:1/tag?repo=localhost/first&tag=1")
                time.sleep(0.2)
            time.sleep(1.0)
            yield process.pid, Path(lines.name)
        finally:
            process.terminate()
            process.wait()


def _lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def _settled(missing: Callable[[], int]) -> int:
    """How many are missing once none is, or after some seconds."""
    until = time.monotonic() + _PATIENCE
    while (left := missing()) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def _send(engine: Engine, rate: int, seconds: float, memory: Memory) -> tuple[int, float]:
    """Make events at this rate, over connections that stay open; how many, and in what time.

    Requests do not wait for the answers to those before: a client that waited would take more of
    the machine than the engine.
    """
    sent = answered = 0
    with ExitStack() as ends:
        links = [ends.enter_context(_connected(engine)) for _ in range(CONNECTIONS)]
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds or answered < sent:
            if passed > seconds + _PATIENCE:
                raise RuntimeError(f"the engine did not answer {sent - answered} requests")
            memory.take()
            due = min(int(rate * min(passed, seconds)), answered + _MOST_OPEN)
            for number in range(sent, due):
                links[number % CONNECTIONS].sendall(_request(number))
            sent = max(sent, due)
            answered += _answers(links, 0.02)
        return answered, time.monotonic() - began


@contextmanager
def _connected(engine: Engine) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as link:
        link.connect(str(engine.socket))
        yield link


def _request(number: int) -> bytes:
    """A request that makes one event; 200 or 201 answers it."""
    path = f"/containers/busy/resize?h={20 + number % 30}&w=80"
    if number % _TAG_EACH == 0:
        path = f"/images/localhost/busy:1/tag?repo=localhost/moved&tag={number % 7}"
    return f"POST {path} HTTP/1.1\r\nHost: docker\r\nContent-Length: 0\r\n\r\n".encode()


def _answers(links: Sequence[socket.socket], timeout: float) -> int:
    """How many requests were answered by now; waits for some at most so long."""
    time.sleep(timeout)
    found = 0
    for link in select.select(links, (), (), 0)[0]:
        content = link.recv(1 << 20)
        if not content:
            raise RuntimeError("the engine closed a connection")
        found += content.count(_MADE)
        if content.count(b"HTTP/1.1 ") != content.count(_MADE):
            raise RuntimeError(f"the engine refuses: {content[:300]!r}")
    return found

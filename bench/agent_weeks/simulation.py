"""Weeks of pipelines on a simulated engine, with the agent's own jobs keeping its disk level.

Time is that of the trace. The agent looks at the disk every ``check_disk`` seconds while a pull is
under way or the disk is above a mark, and right after each pull; in between nothing changes.
"""

from __future__ import annotations

import tempfile
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bench.agent_weeks.traced_host import TracedHost
from holystone.agent.host_watch import HostWatch
from holystone.agent.jobs import LEVEL
from holystone.agent.level import Tries
from holystone.agent.options import AgentOptions
from holystone.agent.owner import Owner
from holystone.agent.schedule import Timetable
from holystone.agent.state import OK, State
from holystone.agent.worker import Worker
from holystone.operations.connect import Session
from holystone.planner.inventory import Disk, Layer
from holystone.replay.host import replay
from holystone.replay.orders import Ours
from holystone.replay.trace import Trace
from holystone.store.store import Store

WEEK = 7 * 86400.0
_NEVER = float("inf")


class Level(NamedTuple):
    """How full the disk was at a moment."""

    at: float
    """UTC seconds."""
    used_bytes: int


class Weeks(NamedTuple):
    """What weeks of pipelines came to. Sizes in bytes."""

    total_bytes: int
    high_bytes: int
    """Used bytes at the high mark: the budget of the replay."""
    critical_bytes: int
    levels: list[Level]
    """In order of time; the bytes count from that moment on."""
    pulled_bytes: int
    stalls: int
    replayed_bytes: int
    replayed_stalls: int
    cleans: int
    """How often the disk was cleaned for space."""
    missed: int
    """How many of these could not come below the mark."""
    left_above: int
    """How many ended well and left the disk above the high mark; there should be none."""
    removed: int
    seconds: float
    """Of the whole simulation, by the clock on the wall."""

    @property
    def ratio(self) -> float:
        """Bytes pulled, against the replay's."""
        return self.pulled_bytes / self.replayed_bytes


def part(trace: Trace, weeks: float, since: float = 0.0) -> Trace:
    """So many weeks of a trace, from ``since`` weeks after its first use on."""
    begin = trace.use_times[0] + since * WEEK
    one, two = (bisect_left(trace.use_times, at) for at in (begin, begin + weeks * WEEK))
    return trace._replace(
        use_times=trace.use_times[one:two],
        use_references=trace.use_references[one:two],
        use_images=trace.use_images[one:two],
    )


class TracedTries(Tries):
    """Tries by the clock of a trace: the worker dates them by the clock on the wall."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self.clock = clock

    def missed(self, at: float) -> None:
        """It ended above the mark."""
        super().missed(self.clock())


class Simulation:
    """A host and its agent; ``run`` has the jobs of a trace come to it."""

    def __init__(self, trace: Trace, budget: int, folder: str) -> None:
        self.trace = trace
        config = Path(folder, "holystone.toml")
        config.touch()
        options = AgentOptions(config=str(config), state=folder, environ={})
        owner = Owner(options)
        self.check_disk = owner.settings().agent.check_disk
        self.marks = owner.of_level("routine").disk
        share = self.marks.high.used_share
        assert share is not None
        total = int(budget / share)
        self.now = trace.use_times[0]
        self.store = Store(folder, _refuse)
        layers = [
            tuple(Layer(f"sha256:{layer}", trace.layer_bytes[layer]) for layer in layers)
            for layers in trace.layers
        ]
        self.host = TracedHost(layers, Disk(total, total), self.store, lambda: self.now)
        state = State("trace:")
        watch = HostWatch(options, state, _refuse)
        watch.session = Session(self.host, "trace:", self.store, warn=_refuse)
        self.worker = Worker(watch, state, owner)
        self.worker.tries = TracedTries(lambda: self.now)
        self.timetable = Timetable(
            owner.settings().schedule._replace(timezone="UTC"),
            {},
            clock=lambda: self.now,
            chance=lambda: 0.0,
        )
        self.waiting: deque[tuple[str, int]] = deque()
        self.levels: list[Level] = []
        self.left_above = 0
        self._check = _NEVER

    def run(self) -> None:
        """All uses of the trace, one after another."""
        uses = zip(
            self.trace.use_times, self.trace.use_references, self.trace.use_images, strict=True
        )
        for at, reference, number in uses:
            self._advance(at)
            self._job(self.trace.references[reference], number)
        self._advance(self.now + WEEK / 7)  # What still waits is pulled.

    def _advance(self, to: float) -> None:
        """Let time go on."""
        while True:
            pull = self.host.pull
            ends = _NEVER if pull is None else pull.ends
            job = min(
                (at for j in self.timetable.served if (at := self.timetable.next(j)) is not None),
                default=_NEVER,
            )
            at = min(self._check, ends, job)
            if at > to:
                break
            self.now = at
            if at == ends:
                done = self.host.end()
                self.host.use(done.reference, done.number, pulled=True)
                self._look_at_the_disk()
                self._next_pull()
            elif at == self._check:
                self._look_at_the_disk()
            else:
                for name in self.timetable.due(at):
                    self.worker.orders.ask(name, "schedule")
                self._work()
        self.now = to

    def _job(self, reference: str, number: int) -> None:
        """A job asks for an image: it begins at once, or waits for a pull."""
        if self.host.has(number) and not any(reference == other for other, _ in self.waiting):
            self.host.use(reference, number)
            return
        self.waiting.append((reference, number))
        self._next_pull()

    def _next_pull(self) -> None:
        while self.waiting and self.host.pull is None:
            reference, number = self.waiting.popleft()
            if self.host.has(number):
                self.host.use(reference, number)
            else:
                self.host.begin(reference, number)
                self._check = min(self._check, self.now + self.check_disk)

    def _look_at_the_disk(self) -> None:
        """As the agent does: see ``agent.ticker``."""
        disk = self.host.disk()
        mark = self.marks.reached(disk)
        self._note()
        tries = self.worker.tries
        if not mark:
            tries.reached()
        elif tries.is_due(self.now):
            self.worker.orders.ask(LEVEL, "disk")
            self._work()
            result = self.worker.state.now.last[LEVEL].result
            above = self.marks.reached(self.host.disk())
            self.left_above += bool(above) and result == OK
        again = mark or self.host.pull is not None
        self._check = self.now + self.check_disk if again else _NEVER

    def _work(self) -> None:
        while (order := self.worker.orders.next()) is not None:
            self.worker._do(order)
        self._note()

    def _note(self) -> None:
        disk = self.host.disk()
        used = (disk.total_bytes or 0) - (disk.free_bytes or 0)
        self.levels.append(Level(self.now, used))


def simulate(trace: Trace, budget: int) -> Weeks:
    """Have the jobs of a trace come to a host whose high mark lies at this budget.

    Policy, schedule and settings of the agent are its defaults.
    """
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        simulation = Simulation(trace, budget, folder)
        simulation.run()
        simulation.store.close()
    seconds = time.perf_counter() - began
    host, state = simulation.host, simulation.worker.state
    total = host.disk().total_bytes or 0
    high, critical = (
        total - (m.least_free(total) or 0)
        for m in (simulation.marks.high, simulation.marks.critical)
    )
    replayed = replay(trace, Ours(trace), high)
    runs = {result: count for (job, result), count in state.runs.items() if job == LEVEL}
    return Weeks(
        total,
        high,
        critical,
        simulation.levels,
        host.pulled_bytes,
        host.stalls,
        replayed.pulled_bytes,
        replayed.stalls,
        sum(runs.values()),
        runs.get("missed", 0),
        simulation.left_above,
        sum(state.removed.values()),
        seconds,
    )


def _refuse(message: str) -> None:
    raise AssertionError(message)

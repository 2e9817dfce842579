"""The agent's worker: looks at the host when events ask for it, and does one job after another."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from holystone.agent.host_watch import HostWatch
from holystone.agent.jobs import LEVEL, Jobs
from holystone.agent.level import Tries, space_policy
from holystone.agent.logs import log
from holystone.agent.mends import for_agent
from holystone.agent.orders import Order, Orders, Restore
from holystone.agent.owner import Owner
from holystone.agent.state import FAILED, OK, JobResult, State
from holystone.config.agent_settings import AgentSettings
from holystone.engine.errors import EngineError
from holystone.operations.errors import LockHeld
from holystone.operations.wishes import Wishes
from holystone.outside.text import safe
from holystone.planner.policy import LEVELS

_TURN = 0.5
"""Seconds until the worker looks for work again where nothing wakes it."""
_BACK_OFF = (1.0, 30.0)
"""The first and the longest pause (seconds) before an engine that is gone is asked again."""
_LOCKED = 20.0
"""Seconds before a job is tried again where another run holds the lock of the host."""
_LOCKED_FOR = 600.0
"""After so long it has failed."""


class Worker(threading.Thread):
    """One thread for all that asks the engine, but for its events and pings."""

    def __init__(self, host: HostWatch, state: State, owner: Owner) -> None:
        super().__init__(name="worker", daemon=True)
        self.host = host
        self.state = state
        self.owner = owner
        self.orders = Orders(state)
        self.stopping = self.orders.stopping
        self.jobs = Jobs(state, self.stopping)
        self.tries = Tries()
        self._whole = False
        self._again = 0.0
        self._pause = _BACK_OFF[0]

    # From any thread

    def stop(self) -> None:
        """End: the removals under way are waited for, and nothing else begins."""
        self.orders.stop()

    def engine_returned(self) -> None:
        """Look now: the engine answers again, as pings found."""
        self._again = 0.0
        self.host.changed()
        self.orders.wake()

    # The thread

    def run(self) -> None:
        """Work until told to stop."""
        while not self.stopping.is_set():
            try:
                self._turn()
            except EngineError as error:
                self._lost(error)
            except Exception:  # noqa: BLE001 - one turn must not end all others
                log.exception("a turn of the worker failed; it goes on")
                self.stopping.wait(_BACK_OFF[0])
        self.orders.give_up()
        self.host.close()

    def _turn(self) -> None:
        settings = self.owner.settings()
        due = self._whole or not self.host.due_in(settings.agent.look_again)
        if due and time.monotonic() >= self._again:
            self._look(settings)
        else:
            self.host.plan_levels(self.owner.of_level)
        while (wanted := self.orders.next_restore()) is not None:
            self._bring_back(wanted)
        # Nothing is begun while the engine is gone.
        away = time.monotonic() < self._again or self.host.session is None
        order = None if away else self.orders.next()
        if order is not None:
            self._do(order)
            return
        left = max(self.host.due_in(settings.agent.look_again), self._again - time.monotonic())
        self.orders.wait(min(_TURN, max(0.01, left)))

    def _look(self, settings: AgentSettings) -> None:
        whole, self._whole = self._whole, False
        try:
            self.host.look(
                self.owner.of_level,
                look_again=settings.agent.look_again,
                whole=whole,
            )
        except EngineError:
            self._whole = whole
            raise
        self._again, self._pause = 0.0, _BACK_OFF[0]

    def _lost(self, error: EngineError) -> None:
        """Note that the engine does not answer, and leave it alone for a while."""
        self.host.standing.failed(for_agent(safe(str(error))))
        self.host.changed()
        self._again = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, _BACK_OFF[1])

    def _bring_back(self, wanted: Restore) -> None:
        began = self._begin("restore", wanted.by)
        made: JobResult | Exception
        try:
            session = self.host.connect()
            made = self.jobs.restore(session, wanted.run, wanted.references, wanted.by)
        except Exception as error:  # noqa: BLE001 - for the thread that waits
            made = error
        finally:
            self.state.set(running="", running_since=0.0)
        self._ended(
            made if isinstance(made, JobResult) else _failed("restore", wanted, began, made)
        )
        self.orders.answer(wanted, made)

    def _begin(self, job: str, by: str) -> float:
        """Say that a job begins; when that is, UTC seconds."""
        began = time.time()
        self.state.set(running=job, running_since=began)
        log.info("begins", job=job, by=by)
        return began

    def _do(self, order: Order) -> None:
        """Do a job, and tell its end, a failure too. Raises EngineError."""
        began = self._begin(order.job, order.by)
        lost: EngineError | None = None
        try:
            result = self._done(order)
        except LockHeld as error:
            self._wait_for_lock(order, error)
            return
        except EngineError as error:
            lost, result = error, _failed(order.job, order, began, error)
        except Exception as error:  # noqa: BLE001 - one job must not end all others
            log.exception("a fault in holystone itself; please report it", job=order.job)
            result = _failed(order.job, order, began, error)
        finally:
            self.state.set(running="", running_since=0.0)
        self.orders.release(order.job)
        self._ended(result)
        if lost is not None:
            raise lost

    def _done(self, order: Order) -> JobResult:
        session, job, by = self.host.connect(), order.job, order.by
        if job in LEVELS or job == LEVEL:
            wishes = order.wishes or Wishes(job if job in LEVELS else "routine")
            policy = self.owner.policy(wishes)
            if job == LEVEL:
                policy = space_policy(policy, self.host.disk())
            return self.jobs.clean(session, policy, job, by)
        if job == "refresh":
            return self.jobs.refresh(session, self.owner.policy(Wishes()), by)
        if job == "verify":
            return self.jobs.verify(session, by)
        return self.jobs.observe(session, by)

    def _ended(self, result: JobResult) -> None:
        result = replace(result, said=for_agent(result.said))
        self.state.ended(result)
        tell = log.info if result.result == OK else log.warning
        tell(
            "ended",
            job=result.job,
            result=result.result,
            removed=result.removed,
            freed_bytes=result.freed_bytes,
            **({"why": result.said} if result.said else {}),
        )
        if result.job == LEVEL:
            mark = self.owner.of_level("routine").disk.reached(self.host.disk())
            if mark and (result.result != OK or not result.removed):
                self.tries.missed(time.monotonic())
            else:
                self.tries.reached()
        self.host.job_ended(removed=bool(result.removed))
        self._whole |= result.job == "observe"

    def _wait_for_lock(self, order: Order, error: LockHeld) -> None:
        """Try again a little later: another run works on this host."""
        if time.monotonic() - order.since > _LOCKED_FOR:
            self.orders.release(order.job)
            self._ended(_failed(order.job, order, time.time(), error))
            return
        log.info("waits for another run", job=order.job, why=str(error))
        self.orders.hold(order, _LOCKED)


def _failed(job: str, asked: Order | Restore, began: float, error: Exception) -> JobResult:
    said = safe(str(error)) or type(error).__name__
    return JobResult(job, began, time.time(), FAILED, said, by=asked.by)

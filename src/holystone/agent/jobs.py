"""Do one job with the operations that the command line has, and tell how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event as Flag

from holystone.agent.history import FIRST_OPTION
from holystone.agent.level import lacking
from holystone.agent.state import FAILED, MISSED, OK, STOPPED, JobResult, State
from holystone.engine import host
from holystone.operations.clean import Cleaned, clean
from holystone.operations.connect import Session
from holystone.operations.errors import Cancelled, OperationError, StoreError
from holystone.operations.observe import observe
from holystone.operations.refresh import refresh
from holystone.operations.restore import restore
from holystone.operations.rounds import left_after
from holystone.operations.verifier import DAMAGED
from holystone.operations.verify import verify
from holystone.outside.text import safe
from holystone.planner.policy import Policy
from holystone.planner.units import format_size
from holystone.planner.verdict import Rule
from holystone.present.report.disk import held

LEVEL = "level"
"""The job that keeps the disk level: a clean for space."""
_HOLDERS = 4
"""How many of what holds the space are named."""


class Jobs:
    """Does jobs on one host. What they did is counted in the state."""

    def __init__(self, state: State, cancel: Flag) -> None:
        self.state = state
        self.cancel = cancel
        """Set where jobs are to end: steps under way are waited for."""

    def clean(self, session: Session, policy: Policy, job: str, by: str) -> JobResult:
        """Clean with this policy. Raises LockHeld where another run is under way, EngineError."""
        began = time.time()

        def work() -> JobResult:
            made = clean(
                session,
                policy,
                cancel=self.cancel,
                job=f"{FIRST_OPTION}, {by}",
                options=(FIRST_OPTION, job),
            )
            self._count(made, policy.level if job != LEVEL else LEVEL)
            missing = made.missed_bytes
            if job == LEVEL:
                missing = lacking(missing, policy, made.disk)
            return self._cleaned(made, missing, job, by, began)

        return self._done(job, by, began, work)

    def refresh(self, session: Session, policy: Policy, by: str) -> JobResult:
        """Pull newer images. Raises EngineError."""
        began = time.time()

        def work() -> JobResult:
            made = refresh(session, policy, window=policy.refresh.window)
            wrong = [each for each in made.entries if each.out_of_reach or each.result == "failed"]
            said = ", ".join(safe(each.reference) for each in wrong[:3])
            if wrong:
                said = f"{len(wrong)} of {len(made.entries)} could not be refreshed: {said}"
            result = FAILED if wrong else STOPPED if made.interrupted else OK
            return JobResult("refresh", began, time.time(), result, said, by=by)

        return self._done("refresh", by, began, work)

    def verify(self, session: Session, by: str) -> JobResult:
        """Check every image for damage. Raises EngineError."""
        began = time.time()

        def work() -> JobResult:
            made = verify(session)
            damaged = [each for each in made.entries if each.result == DAMAGED]
            names = tuple(safe(next(iter(e.image.tags), e.image.id)) for e in damaged)
            said = f"damaged: {', '.join(names)}" if names else ""
            result = FAILED if names else STOPPED if made.interrupted else OK
            return JobResult("verify", began, time.time(), result, said, by=by, damaged=names)

        return self._done("verify", by, began, work)

    def observe(self, session: Session, by: str) -> JobResult:
        """Record what was used. Raises EngineError."""
        began = time.time()

        def work() -> JobResult:
            session.host.watch()
            observe(session)
            return JobResult("observe", began, time.time(), OK, by=by)

        return self._done("observe", by, began, work)

    def restore(
        self, session: Session, run: int | None, references: tuple[str, ...], by: str
    ) -> JobResult:
        """Bring back what a run removed. Raises EngineError, OperationError."""
        began = time.time()
        made = restore(session, run, references)
        said = "" if not made.failed else "something could not be brought back; see the history"
        result = FAILED if made.failed else OK
        return JobResult("restore", began, time.time(), result, said, made.run.id, by=by)

    def _done(self, job: str, by: str, began: float, work: Callable[[], JobResult]) -> JobResult:
        """The result of a job; one that cannot be done says why. Lets EngineError pass."""
        try:
            return work()
        except Cancelled as error:
            return JobResult(job, began, time.time(), STOPPED, str(error), by=by)
        except (OperationError, StoreError) as error:
            return JobResult(job, began, time.time(), FAILED, safe(str(error)), by=by)

    def _cleaned(self, made: Cleaned, missing: int, job: str, by: str, began: float) -> JobResult:
        """``missing``: bytes that it did not free and had to."""
        outcome = made.outcome
        result, said = OK, ""
        if outcome.interrupted:
            result, said = STOPPED, safe(outcome.interrupted)
        if outcome.failed or outcome.unknown:
            details = (r.detail for r in outcome.results.values() if r.result in _WRONG)
            result = FAILED
            said = f"{outcome.failed + outcome.unknown} could not be removed: "
            said += safe(next(details, ""))
        elif missing and result == OK:
            result = MISSED
            said = f"{format_size(missing)} more should be free"
        if job == LEVEL:
            holds = holding(made) if missing else ""
            self.state.set(short_bytes=missing, holds=holds)
            said = f"{said}. What holds the space: {holds}" if result == MISSED and holds else said
        return JobResult(
            job, began, time.time(), result, said, made.run, outcome.removed, made.freed_bytes,
            by,
        )  # fmt: skip

    def _count(self, made: Cleaned, level: str) -> None:
        """Add what a clean did to the sums since the start."""
        plan = made.plan
        if plan is None:
            return
        pressed = {
            (verdict.kind, verdict.id)
            for verdict in plan.verdicts
            if any(reason.rule == Rule.PRESSURE for reason in verdict.reasons)
        }
        state = self.state
        for (kind, object_id), removal in made.outcome.results.items():
            if removal.result == host.REMOVED:
                state.removed[level, kind] += 1
                state.freed[level, kind] += made.outcome.freed.get((kind, object_id), 0)
                state.evicted[kind] += (kind, object_id) in pressed
            elif removal.detail == host.USED or removal.detail.startswith(f"{host.USED}:"):
                state.spared[kind] += 1


_WRONG = (host.FAILED, host.UNKNOWN)


def holding(made: Cleaned) -> str:
    """What holds the space after a clean, the most bytes first, in words.

    First of all where it is mostly no object: logs, and files that are not the engine's.
    """
    if not made.rounds:
        return ""
    last = made.rounds[-1]
    inventory = left_after(last)
    found = held(inventory, last.plan)
    told = [
        f"{kind}, {why}: {format_size(size)}"
        for (kind, why), size in found.most_common(_HOLDERS)
        if size
    ]
    total, free, known = *inventory.disk[:2], sum(found.values())
    if total is not None and free is not None and total - free - known > known:
        rest = format_size(total - free - known)
        told.insert(0, f"no image, container, volume or build cache: {rest} (see holystone audit)")
    return ", ".join(told)

"""Clean a host: plan, remove what the plan lets go, measure what the disk gained, remember it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event as Flag
from typing import TYPE_CHECKING

from holystone.engine.errors import EngineError
from holystone.engine.host import Removal
from holystone.operations.connect import Session
from holystone.operations.errors import Cancelled, Declined, LeasesUnread, OperationError
from holystone.operations.execute import Outcome, execute
from holystone.operations.rounds import (
    Round,
    another,
    as_one,
    falls_short,
    freed_for_certain,
    gain,
    missed,
    part_to_begin_with,
    spared,
)
from holystone.operations.survey import Survey, look, survey
from holystone.operations.workers import INTERRUPTED
from holystone.planner.inventory import Disk, Inventory
from holystone.planner.policy import Policy
from holystone.planner.verdict import Plan, Step
from holystone.store.lock import Holder, HostLock, coalesced
from holystone.store.records import RunSummary
from holystone.store.run import Run

if TYPE_CHECKING:
    from holystone.operations.plan_file import SavedPlan

_PAUSES = (0.02, 0.1, 0.3, 0.6)
"""Seconds before the disk is measured again where it has not gained what was freed."""
_SLOW_DRIVERS = ("btrfs", "zfs")
"""Storage drivers whose file system gives space back in the background."""
_MORE_PAUSES = (1.0, 2.0, 4.0, 8.0)


_NOTHING = Outcome({}, {}, 0, 0.0)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Another run holds the lock of the host, and is waited for."""

    holder: Holder


@dataclass(frozen=True, slots=True)
class Locked:
    """The clean holds the lock of the host. Nothing was removed so far."""


@dataclass(frozen=True, slots=True)
class Planned:
    """The first plan is made, and nothing of it carried out."""

    survey: Survey


@dataclass(frozen=True, slots=True)
class RoundBegun:
    """Removals begin: of ``plan``, which is ``whole`` or its first part."""

    plan: Plan
    whole: Plan


@dataclass(frozen=True, slots=True)
class StepDone:
    """One step ended. Reported from the thread that made it."""

    step: Step
    removal: Removal


@dataclass(frozen=True, slots=True)
class RoundDone:
    """Removals ended; ``more``: the rest is planned again."""

    round: Round
    more: bool


Event = Waiting | Locked | Planned | RoundBegun | StepDone | RoundDone


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What a clean did."""

    inventory: Inventory
    """The host as it was last looked at."""
    disk: Disk
    """The disk afterwards."""
    plan: Plan | None
    """What was to go, over all rounds; None where another run has done the work."""
    outcome: Outcome
    """The result of each step, over all rounds."""
    rounds: tuple[Round, ...] = ()
    run: int | None = None
    """The number of the run in the history; None where it could not be written down."""
    done_by: RunSummary | None = None
    """The run that was waited for and has done the work of this one."""

    @property
    def missed_bytes(self) -> int:
        """How many bytes are missing to the target; 0 where it is reached, or there is none."""
        return missed(self.rounds[-1].plan, self.disk) if self.rounds else 0

    @property
    def freed_bytes(self) -> int:
        """The bytes freed as the history has them; see ``freed_for_certain``."""
        return 0 if self.plan is None else freed_for_certain(self.plan, self.outcome, self.disk)


def clean(
    session: Session,
    policy: Policy,
    *,
    saved: SavedPlan | None = None,
    choose: Callable[[Inventory], Survey] | None = None,
    confirm: Callable[[Survey], bool] | None = None,
    report: Callable[[Event], None] = lambda _: None,
    cancel: Flag | None = None,
    wait: float = 0.0,
    coalesce: bool = False,
    whole: bool = True,
    job: str = "",
    options: Sequence[str] = (),
) -> Cleaned:
    """Remove what a plan with this policy lets go.

    ``saved`` is a plan to carry out, as far as it is still right; ``choose`` makes one of what is
    on the host, for ``policy``; without both one is made. ``confirm`` is asked before a ``deep``
    plan, or one that was chosen, is carried out; without it the call itself is the
    consent. ``report`` takes events as they happen. Once ``cancel`` is set, steps under way end and
    no other begins. Another run on this host is waited for ``wait`` seconds; with ``coalesce``
    there may be nothing left to do then. Without ``whole`` no images are listed but those the
    policy may take. ``job`` and ``options`` are written into the history, and what the policy
    selects.

    Raises EngineError where nothing was removed, LockHeld, and OperationError with its kinds.
    """
    return _Clean(session, policy, saved, choose, confirm, report, cancel or Flag()).run(
        wait=wait, coalesce=coalesce, whole=whole, job=job, options=options
    )


@dataclass(frozen=True, slots=True)
class _Clean:
    """One clean of one host; see ``clean`` for its fields."""

    session: Session
    policy: Policy
    saved: SavedPlan | None
    choose: Callable[[Inventory], Survey] | None
    confirm: Callable[[Survey], bool] | None
    report: Callable[[Event], None]
    cancel: Flag

    def run(
        self, *, wait: float, coalesce: bool, whole: bool, job: str, options: Sequence[str]
    ) -> Cleaned:
        self.session.host.watch()
        self._check_leases()
        inventory = look(self.session, self.policy, whole=whole)
        key = inventory.engine.key
        level, ledger = self.policy.level, self.session.ledger
        with HostLock(ledger.folder, inventory.engine.lock, self.session.warn).acquire(
            level if self.choose else f"clean {level}",
            job=job,
            wait_seconds=wait,
            on_wait=lambda holder: self.report(Waiting(holder)),
        ) as lock:
            self.report(Locked())
            if lock.waited and coalesce:
                last = ledger.runs.last_ended(key)
                # The run that was waited for may have done this one's work.
                if coalesced(last, level=level, waited_since=time.time() - lock.waited):
                    disk = self.session.host.disk()
                    return Cleaned(inventory, disk, None, _NOTHING, done_by=last)
            # A run that held the lock until a moment ago may have been killed since the look.
            if lock.waited or self.session.ledger.has_open(key):
                inventory = look(self.session, self.policy, whole=whole)
            found = self._plan(inventory)
            self._check_cancel()
            self.report(Planned(found))
            deep = self.policy.level == "deep" and self.saved is None
            asks = self.confirm if deep or self.choose else None
            if asks is not None and found.plan.steps and not asks(found):
                raise Declined("nothing was removed")
            self._check_cancel()
            run = self.session.ledger.runs.begin(
                part_to_begin_with(found.plan, found.inventory, 0),
                found.inventory,
                endpoint=self.session.endpoint,
                job=job,
                options=(*options, *(f"--only {each}" for each in self.policy.only or ())),
            )
            return self._carry_out(found.plan, found.inventory, run)

    def _check_cancel(self) -> None:
        if self.cancel.is_set():
            raise Cancelled("cancelled; nothing was removed")

    def _check_leases(self) -> None:
        """Raise LeasesUnread where this clean takes what leases are for, and none can be read."""
        why = self.session.ledger.leases_unread()
        if why and (self.policy.level == "deep" or self.policy.target is not None):
            what = "a deep clean" if self.policy.level == "deep" else "a clean for space"
            raise LeasesUnread(
                f"{why} Its leases cannot be read, and {what} could take what they keep. "
                "Nothing was removed."
            )

    def _plan(self, inventory: Inventory) -> Survey:
        if self.choose is not None:
            return self.choose(inventory)
        if self.saved is None:
            return survey(self.session, self.policy, inventory=inventory)
        host, saved, now = self.session.host, self.saved, inventory.taken_at
        saved.check(inventory.engine, now)
        inventory = host.date(host.date_tagged(inventory))
        inventory = host.confirm(host.weigh(inventory), ())
        since = host.used_since(inventory, saved.since)
        asked: set[str] = set()
        while True:
            usage = host.usage()
            made = saved.held_against(inventory, usage, self.policy, since)
            if asked.issuperset(made.unconfirmed):
                return Survey(inventory, usage, made, now)
            asked.update(made.unconfirmed)
            inventory = host.confirm(inventory, made.unconfirmed)

    def _carry_out(self, plan: Plan, inventory: Inventory, run: Run | None) -> Cleaned:
        """Carry the plan out; with a target, plan again while that can bring the target nearer."""
        rounds: list[Round] = []
        only = None
        if self.policy.only is not None:
            from holystone.planner.selection import settled

            only = settled(inventory, self.policy.only)
        more = True
        while more:
            part = part_to_begin_with(plan, inventory, len(rounds))
            if run is not None and rounds:
                run.add(part, inventory)
            outcome = self._execute(part, plan, inventory, run)
            rounds.append(Round(part, inventory, outcome, self._measured(part, outcome)))
            more = another(rounds, whole=part is plan)
            self.report(RoundDone(rounds[-1], more))
            if not more:
                break
            try:
                self._check_cancel()
                # Below the high watermark by now, it goes on to the low one.
                policy = self.policy._replace(only_when_high=False, only=only)
                found = survey(self.session, policy, spared=spared(rounds))
                plan, inventory = found.plan, found.inventory
            except (EngineError, OperationError, KeyboardInterrupt) as trouble:
                ended = isinstance(trouble, (Cancelled, KeyboardInterrupt))
                why = INTERRUPTED if ended else str(trouble)
                rounds[-1] = rounds[-1]._replace(outcome=outcome._replace(interrupted=why))
                break
        made, outcome = as_one(rounds)
        disk = rounds[-1].disk
        if run is not None:
            run.end(
                freed_bytes=freed_for_certain(made, outcome, disk),
                freed=outcome.freed,
                removed=outcome.removed,
                skipped=outcome.skipped,
                failed=outcome.failed,
                not_tried=outcome.not_tried,
                unknown=outcome.unknown,
                interrupted=outcome.interrupted,
                disk_free_after=disk.free_bytes,
                planned_bytes=made.freed_bytes,
            )
        number = None if run is None else run.id
        return Cleaned(inventory, disk, made, outcome, tuple(rounds), number)

    def _execute(self, plan: Plan, whole: Plan, inventory: Inventory, run: Run | None) -> Outcome:
        if not plan.steps:
            return _NOTHING
        self.report(RoundBegun(plan, whole))

        def settle(step: Step, removal: Removal) -> None:
            if run is not None:
                run.settle(step.kind, step.id, removal.result, removal.detail, lost=removal.lost)

        def done(step: Step, removal: Removal) -> None:
            self.report(StepDone(step, removal))
            settle(step, removal)

        def ask(steps: Sequence[Step]) -> None:
            if run is not None:
                run.ask([(step.kind, step.id) for step in steps])

        return execute(plan, inventory, self.session.host, done, ask, settle, self.cancel.is_set)

    def _measured(self, plan: Plan, outcome: Outcome) -> Disk:
        """The disk after these removals, once it has what it gains from them.

        A file system may give back the space of a deleted file a moment later.
        """
        disk = self.session.host.disk() if plan.steps else plan.disk
        slow = plan.engine.storage_driver in _SLOW_DRIVERS
        for pause in _PAUSES + (_MORE_PAUSES if slow else ()):
            gained = gain(plan.disk, disk)
            if gained is None or gained >= outcome.freed_bytes:
                break
            if not (missed(plan, disk) or falls_short(gained, outcome.freed_bytes)):
                break
            time.sleep(pause)
            disk = self.session.host.disk()
        return disk

"""The work of ``holystone clean``, imported while the engine makes its lists."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.cli.session import Failure, answer, warn
from holystone.engine.errors import EngineError
from holystone.engine.host import Removal
from holystone.operations.connect import Session
from holystone.operations.errors import OperationError
from holystone.operations.execute import Outcome, execute
from holystone.operations.rounds import (
    Round,
    another,
    as_one,
    falls_short,
    freed_for_certain,
    gain,
    left_after,
    missed,
    part_to_begin_with,
)
from holystone.operations.survey import look, survey
from holystone.operations.workers import INTERRUPTED
from holystone.planner.verdict import Plan, Step
from holystone.present import terminal
from holystone.present.report import clean as report

if TYPE_CHECKING:
    from holystone.cli.plan_fields import PlanFile
    from holystone.planner.inventory import Disk, Inventory
    from holystone.planner.policy import Policy
    from holystone.present.progress import Progress
    from holystone.store.lock import Held, Holder
    from holystone.store.runs import Run

_PAUSES = (0.02, 0.1, 0.3, 0.6)
"""Seconds before the disk is measured again where it has not gained what was freed."""
_SLOW_DRIVERS = ("btrfs", "zfs")
"""Storage drivers whose file system gives space back in the background."""
_MORE_PAUSES = (1.0, 2.0, 4.0, 8.0)


class Cleaning:
    """One clean of one host."""

    def __init__(
        self,
        session: Session,
        options: argparse.Namespace,
        policy: Policy,
        agreed: PlanFile | None,
        *,
        whole: bool,
    ) -> None:
        """``agreed`` is the plan to carry out; None makes one."""
        self.session = session
        self.host = session.host
        self.ledger = session.ledger
        self.whole = whole
        self.endpoint = session.endpoint
        self.options = options
        self.policy = policy
        self.output = terminal.open_output(sys.stdout, os.environ, color=options.color)
        self.agreed = agreed
        self.run_id: int | None = None
        """The number of the run, once it is written down."""

    def run(self) -> int:
        """Observe, lock, plan, ask, remove, tell; answers the exit code. Raises EngineError."""
        self.host.watch()
        self._check_leases()
        inventory = look(self.session, self.policy, whole=self.whole)
        lock = self._lock(inventory)
        try:
            if lock.waited:
                if self._is_done_already(inventory, lock):
                    return exit_codes.DONE
                inventory = look(self.session, self.policy, whole=self.whole)
            elif self._is_left_open(inventory):
                # A run that held the lock until a moment ago was killed since the lists were read.
                inventory = look(self.session, self.policy, whole=self.whole)
            inventory, plan = self._plan(inventory)
            self._open()
            if self.policy.level == "deep" and self.agreed is None:
                self._ask(inventory, plan)
            return self._carry_out(plan, inventory)
        except KeyboardInterrupt:
            # Not while steps are made: then the outcome tells it.
            message = "interrupted; `holystone plan` shows what was not removed"
            raise Failure(message, exit_codes.INTERRUPTED) from None
        finally:
            lock.release()

    def _check_leases(self) -> None:
        """Raise Failure where leases cannot be read, and this clean takes what they are for."""
        why = self.ledger.leases_unread()
        if why and (self.policy.level == "deep" or self.policy.target is not None):
            what = "a deep clean" if self.policy.level == "deep" else "a clean for space"
            raise Failure(
                f"{why} Its leases cannot be read, and {what} could take what they keep. "
                "Nothing was removed.",
                exit_codes.LEASES_UNREAD,
            )

    def _open(self) -> None:
        """The first line. What makes a plan impossible is told without it."""
        if not self.options.json:
            # What a full disk does not take before the clean comes with the rest after it.
            tell(self.output.write, report.opening(self.policy))
            if read := self.options.configuration.sources:
                from holystone.present.report.config import sources

                tell(self.output.write, self.output.look.paint(sources(read), "dim"))

    def _lock(self, inventory: Inventory) -> Held:
        """The lock of this host. Raises Failure where another run has it for too long."""
        from holystone.store.lock import HostLock, LockHeld, ci_job

        key = f"{inventory.engine.id}/{inventory.engine.store}"
        lock = HostLock(self.ledger.folder, key, warn)
        try:
            return lock.acquire(
                f"clean {self.policy.level}",
                job=ci_job(os.environ),
                wait_seconds=self.options.wait,
                on_wait=_say_whom,
            )
        except LockHeld as held:
            raise Failure(
                f"{held}. Wait until it has ended, or give it more time with --wait.",
                exit_codes.LOCKED,
            ) from None

    def _is_done_already(self, inventory: Inventory, lock: Held) -> bool:
        """Whether the run that was waited for has done this one's work; then that is told."""
        from holystone.store.lock import coalesced

        if self._has_wishes_of_its_own():
            return False
        key = f"{inventory.engine.id}/{inventory.engine.store}"
        last = self.ledger.runs.last_ended(key)
        since = time.time() - lock.waited
        if last is None or not coalesced(last, level=self.policy.level, waited_since=since):
            return False
        disk = self.host.disk()
        if self.options.json or self.options.report:
            from holystone.present import document

            self._document(document.coalesced(inventory, self.policy.level, last.id, disk))
        if not self.options.json:
            self._open()
            answer(self.output, report.coalesced(last.id, last.freed_bytes))
        return True

    def _is_left_open(self, inventory: Inventory) -> bool:
        """Whether there are removals on this engine that nobody knows the end of."""
        key = f"{inventory.engine.id}/{inventory.engine.store}"
        return self.ledger.has_open(key)

    def _has_wishes_of_its_own(self) -> bool:
        asked = (self.options.min_age, self.options.cache_budget, self.policy.target)
        return self.agreed is not None or any(wish is not None for wish in asked)

    def _plan(self, inventory: Inventory) -> tuple[Inventory, Plan]:
        if self.agreed is None:
            found = survey(self.session, self.policy, inventory=inventory)
            return found.inventory, found.plan
        from holystone.cli import plan_file
        from holystone.planner.saved_plan import hold_against

        now = inventory.taken_at
        path, max_age = self.options.plan, self.options.max_plan_age
        plan_file.check(self.agreed, path, inventory.engine, now, max_age)
        inventory = self.host.date(self.host.date_tagged(inventory))
        inventory = self.host.confirm(self.host.weigh(inventory), ())
        since = self.host.used_since(inventory, self.agreed.since)
        asked: set[str] = set()
        while True:
            usage = self.host.usage()
            made = hold_against(self.agreed.steps, inventory, usage, self.policy, now, since)
            if asked.issuperset(made.unconfirmed):
                return inventory, made
            asked.update(made.unconfirmed)
            inventory = self.host.confirm(inventory, made.unconfirmed)

    def _ask(self, inventory: Inventory, plan: Plan) -> None:
        """Show what a deep clean takes, and go on only with a yes. Raises Failure."""
        if not plan.steps or self.options.yes:
            return
        from holystone.present.report import deep

        errors = terminal.open_output(sys.stderr, os.environ, color=self.options.color)
        tell(errors.write, deep.render(inventory, plan, errors.look))
        asks = sys.stdin is not None and sys.stdin.isatty() and errors.interactive
        if self.options.json or not asks:
            why = "--json asks no questions" if self.options.json else "no terminal to confirm on"
            raise Failure(f"{why}; nothing was removed. Pass --yes to go ahead.", exit_codes.USAGE)
        sys.stderr.write(f"{deep.QUESTION} ")
        sys.stderr.flush()
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            raise Failure("nothing was removed")

    def _carry_out(self, plan: Plan, inventory: Inventory) -> int:
        rounds = self._rounds(plan, inventory)
        last = rounds[-1]
        made, outcome = as_one(rounds)
        if os.environ.get("GITHUB_STEP_SUMMARY"):
            _summarise(made, outcome, last.disk)
        if self.options.json or self.options.report:
            from holystone.present import document

            self._document(document.clean(made, outcome, disk_after=last.disk, rounds=rounds))
        if not self.options.json:
            self._tell(made, outcome, rounds)
        if outcome.interrupted == INTERRUPTED:
            return exit_codes.INTERRUPTED
        if outcome.failed or outcome.unknown:
            return exit_codes.STEPS_FAILED
        if missed(last.plan, last.disk) or outcome.interrupted:
            return exit_codes.TARGET_NOT_REACHED
        return exit_codes.DONE

    def _rounds(self, plan: Plan, inventory: Inventory) -> list[Round]:
        """Carry the plan out; with a target, plan anew as long as that can bring it nearer."""
        run = self._begin(plan, inventory)
        self.run_id = None if run is None else run.id
        rounds: list[Round] = []
        progress: Progress | None = None
        while True:
            part = part_to_begin_with(plan, inventory, len(rounds))
            if run is not None and rounds:
                run.add(part, inventory)
            outcome, progress = self._execute(part, plan, inventory, run, progress)
            rounds.append(Round(part, inventory, outcome, self._measured(part, outcome)))
            if not another(rounds, whole=part is plan):
                break
            if not self.options.json:
                tell(self.output.write, report.round_done(rounds[-1]))
            try:
                # Below the high watermark by now, it goes on to the low one.
                going_on = self.policy._replace(only_when_high=False)
                found = survey(self.session, going_on)
                inventory, plan = found.inventory, found.plan
            except (EngineError, OperationError, KeyboardInterrupt) as trouble:
                why = INTERRUPTED if isinstance(trouble, KeyboardInterrupt) else str(trouble)
                rounds[-1] = rounds[-1]._replace(outcome=outcome._replace(interrupted=why))
                break
        if run is not None:
            made, outcome = as_one(rounds)
            run.end(
                freed_bytes=freed_for_certain(made, outcome, rounds[-1].disk),
                freed=outcome.freed,
                removed=outcome.removed,
                skipped=outcome.skipped,
                failed=outcome.failed,
                unknown=outcome.unknown,
                interrupted=outcome.interrupted,
                disk_free_after=rounds[-1].disk.free_bytes,
                planned_bytes=made.freed_bytes,
            )
        return rounds

    def _begin(self, plan: Plan, inventory: Inventory) -> Run | None:
        from holystone.cli.clean import parser
        from holystone.cli.recorded import recorded
        from holystone.store.lock import ci_job

        return self.ledger.runs.begin(
            part_to_begin_with(plan, inventory, 0),
            inventory,
            endpoint=self.endpoint,
            job=ci_job(os.environ),
            options=recorded(parser(), self.options, os.environ),
        )

    def _execute(
        self,
        plan: Plan,
        whole: Plan,
        inventory: Inventory,
        run: Run | None,
        before: Progress | None,
    ) -> tuple[Outcome, Progress | None]:
        """Carry out a part of a plan, and go on with the progress of the round before."""
        if not plan.steps:
            return Outcome({}, {}, 0, 0.0), before
        from holystone.present.progress import Progress

        errors = terminal.open_output(sys.stderr, os.environ, color=self.options.color)
        with Progress(plan, errors, whole=whole, before=before) as progress:

            def report_step(step: Step, removal: Removal) -> None:
                progress.step_done(step, removal)
                settle(step, removal)

            def settle(step: Step, removal: Removal) -> None:
                if run is not None:
                    run.settle(
                        step.kind, step.id, removal.result, removal.detail, lost=removal.lost
                    )

            def ask(steps: Sequence[Step]) -> None:
                if run is not None:
                    run.ask([(step.kind, step.id) for step in steps])

            outcome = execute(plan, inventory, self.host, report_step, begin=ask, looked=settle)
            return outcome, progress

    def _measured(self, plan: Plan, outcome: Outcome) -> Disk:
        """The disk after these removals, once it has what it gains from them.

        A file system may give back the space of a deleted file a moment later.
        """
        disk = self.host.disk() if plan.steps else plan.disk
        slow = plan.engine.storage_driver in _SLOW_DRIVERS
        for pause in _PAUSES + (_MORE_PAUSES if slow else ()):
            gained = gain(plan.disk, disk)
            if gained is None or gained >= outcome.freed_bytes:
                break
            if not (missed(plan, disk) or falls_short(gained, outcome.freed_bytes)):
                break
            time.sleep(pause)
            disk = self.host.disk()
        return disk

    def _document(self, told: dict[str, Any]) -> None:
        """Answer with the document, write it into the file it was asked for in, or both."""
        from holystone.outside.writing import write
        from holystone.present.document import configured, dump

        told = configured(told, self.options.configuration)
        if self.options.report:
            try:
                write(self.options.report, f"{dump(told)}\n")
            except (OSError, ValueError) as error:
                # What was removed is removed: that is told in any case.
                said = getattr(error, "strerror", None) or str(error)
                warn(f"cannot write the report to {self.options.report!r}: {said}")
        if self.options.json:
            answer(self.output, dump(told, indent=self.output.interactive))

    def _tell(self, plan: Plan, outcome: Outcome, rounds: Sequence[Round]) -> None:
        """The result; with every object that went where that was asked for, or a CI log folds."""
        look, last = self.output.look, rounds[-1]
        if outcome.removed:
            from holystone.present import ci

            provider = ci.detect(os.environ)
            if provider or self.options.verbose:
                went = report.removals(plan, outcome, look, every=True)
                title = f"What went ({outcome.removed})"
                folded = ci.fold(provider, "holystone_removed", title, went, time.time())
                answer(self.output, folded, marked=True)
        text = report.render(
            plan,
            outcome,
            look,
            disk_after=last.disk,
            run=self.run_id,
            agreed_bytes=None if self.agreed is None else self.agreed.freed_bytes,
        )
        answer(self.output, text)
        if self.agreed is not None and not plan.steps:
            from holystone.cli import plan_file

            answer(self.output, plan_file.nothing_left(plan, self.agreed))
        if short := missed(last.plan, last.disk):
            from holystone.present.report import shortfall

            left = left_after(last)
            text = shortfall.render(left, last.plan, short, look, self.host.beside(left))
            answer(self.output, text)
        answer(self.output, report.closing(plan, outcome, short=short))


def _say_whom(holder: Holder) -> None:
    warn(f"waiting for {holder} to end ...")


def _summarise(plan: Plan, outcome: Outcome, disk: Disk) -> None:
    from holystone.present import ci

    summary = ci.clean_summary(plan, outcome, disk_after=disk)
    if trouble := ci.append_summary(os.environ, summary):
        warn(trouble)

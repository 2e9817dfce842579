"""The output of ``holystone clean``: progress, the question of a deep clean, and the result."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.cli.options import files_read
from holystone.cli.recorded import recorded
from holystone.cli.session import Failure, answer, warn
from holystone.cli.streams import agreed, can_ask, stderr, stdout
from holystone.operations.clean import (
    Cleaned,
    Event,
    Locked,
    Planned,
    RoundBegun,
    RoundDone,
    StepDone,
    Waiting,
    clean,
)
from holystone.operations.connect import Session
from holystone.operations.rounds import left_after
from holystone.operations.survey import Survey
from holystone.operations.workers import INTERRUPTED
from holystone.planner.policy import Policy
from holystone.present.report import clean as report
from holystone.present.report.disk import shortfall
from holystone.store.lock import ci_job

if TYPE_CHECKING:
    from holystone.operations.plan_file import SavedPlan
    from holystone.present.progress import Progress


class CleanAnswer:
    """Reports one clean. A context manager: it removes the progress line when it ends."""

    def __init__(
        self,
        options: argparse.Namespace,
        policy: Policy,
        saved: SavedPlan | None,
        *,
        whole: bool,
    ) -> None:
        """``whole``: also list images that stay."""
        self.options = options
        self.policy = policy
        self.saved = saved
        self.whole = whole
        self.output = stdout(options)
        self.errors = stderr(options)
        self.begun = False
        """Whether the clean has the lock of the host."""
        self.progress: Progress | None = None
        self.drawn = ExitStack()

    def carry_out(self, session: Session) -> int:
        """Clean, and tell. Returns the exit code."""
        options = self.options
        policy = self.policy
        wishes = (options.min_age, options.cache_budget, policy.target, policy.only)
        with self:
            done = clean(
                session,
                self.policy,
                saved=self.saved,
                confirm=None if options.yes else self.confirm,
                report=self.event,
                wait=options.wait,
                coalesce=self.saved is None and all(wish is None for wish in wishes),
                whole=self.whole,
                job=ci_job(os.environ),
                options=recorded(options.parser, options, os.environ),
            )
            self.tell(done, session)
        outcome = done.outcome
        if outcome.interrupted == INTERRUPTED:
            return exit_codes.INTERRUPTED
        if outcome.failed or outcome.not_tried or outcome.unknown:
            return exit_codes.STEPS_FAILED
        if done.missed_bytes or outcome.interrupted:
            return exit_codes.TARGET_NOT_REACHED
        return exit_codes.DONE

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.drawn.close()

    def event(self, event: Event) -> None:
        """Report its progress."""
        match event:
            case Waiting(holder):
                warn(f"waiting for {holder} to end ...")
            case Locked():
                self.begun = True
            case Planned():
                self._open()
            case RoundBegun(part, whole) if self.errors.interactive:
                from holystone.present.progress import Progress

                progress = Progress(part, self.errors, whole=whole, before=self.progress)
                self.progress = self.drawn.enter_context(progress)
            case StepDone(step, removal):
                if self.progress is not None:
                    self.progress.step_done(step, removal)
            case RoundDone(done, more):
                self.drawn.close()
                if more and not self.options.json:
                    tell(self.output.write, report.round_done(done))

    def confirm(self, found: Survey) -> bool:
        """Show what a deep clean removes, and ask. Raises Failure if there is no terminal."""
        from holystone.present.report.plan import QUESTION, before_deep

        tell(self.errors.write, before_deep(found.inventory, found.plan, self.errors.look))
        if not can_ask(self.options):
            why = "--json asks no questions" if self.options.json else "no terminal to confirm on"
            raise Failure(f"{why}; nothing was removed. Pass --yes to go ahead.", exit_codes.USAGE)
        return agreed(QUESTION)

    def tell(self, done: Cleaned, session: Session) -> None:
        """The result. Raises Failure where nothing takes it."""
        went, summarises = "", bool(os.environ.get("GITHUB_STEP_SUMMARY"))
        if done.plan is not None and (done.outcome.removed or summarises):
            from holystone.present import ci

            if summarises:
                summary = ci.clean_summary(done.plan, done.outcome, disk_after=done.disk)
                if trouble := ci.append_summary(os.environ, summary):
                    warn(trouble)
            provider = ci.detect(os.environ)
            if done.outcome.removed and (provider or self.options.verbose):
                every = report.removals(done.plan, done.outcome, self.output.look, every=True)
                title = f"What went ({done.outcome.removed})"
                went = ci.fold(provider, "holystone_removed", title, every, time.time())
        if self.options.json or self.options.report:
            from holystone.cli.clean_document import tell_document

            tell_document(self.options, self.output, done, self.policy.level)
        if not self.options.json:
            self._tell(done, session, went)

    def _open(self) -> None:
        """Write the first line. It is not written when no plan could be made."""
        if self.options.json:
            return
        # What a full disk does not take before the clean comes with the rest after it.
        tell(self.output.write, report.opening(self.policy))
        if self.policy.only is not None:
            tell(self.output.write, report.selection(self.policy))
        if read := files_read(self.options):
            tell(self.output.write, self.output.look.paint(read, "dim"))

    def _tell(self, done: Cleaned, session: Session, went: str) -> None:
        """The result as text, after ``went``: the list of all removed objects, or nothing."""
        plan, outcome, look = done.plan, done.outcome, self.output.look
        if plan is None:
            # The other run, which this one waited for, has done the work.
            last = done.done_by
            assert last is not None  # noqa: S101 - there is no plan only then
            self._open()
            answer(self.output, report.coalesced(last.id, last.freed_bytes))
            return
        if went:
            answer(self.output, went, marked=True)
        agreed_bytes = None if self.saved is None else self.saved.freed_bytes
        text = report.render(
            plan, outcome, look, disk_after=done.disk, run=done.run, agreed_bytes=agreed_bytes
        )
        answer(self.output, text)
        if self.saved is not None and not plan.steps:
            answer(self.output, report.nothing_left(plan, self.saved))
        if short := done.missed_bytes:
            last_round = done.rounds[-1]
            left = left_after(last_round)
            text = shortfall(left, last_round.plan, short, look, session.host.beside(left))
            answer(self.output, text)
        answer(self.output, report.closing(plan, outcome, short=short))

"""The output of ``holystone plan``: text or JSON, a plan file, a step summary."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from holystone.cli.options import files_read, wishes_of
from holystone.cli.session import Failure, answer, warn
from holystone.cli.streams import stdout
from holystone.engine.errors import EngineError
from holystone.operations.connect import Session
from holystone.operations.survey import survey
from holystone.outside.text import safe, words_of
from holystone.planner.policy import Policy
from holystone.present.report.plan import listed, render

if TYPE_CHECKING:
    from holystone.cli.plan_listing import PlanListing


class PlanAnswer:
    """The plan for one host, and its output."""

    def __init__(
        self,
        options: argparse.Namespace,
        session: Session,
        policy: Policy,
        listing: PlanListing | None,
        *,
        whole: bool,
    ) -> None:
        """Observe and plan; for ``whole`` see ``survey``. Raises EngineError, OperationError."""
        self.options = options
        self.listing = listing
        self.found = survey(session, policy, whole=whole)
        if getattr(options, "out", None) is not None:
            try:
                session.keep_moment()
            except EngineError as error:
                warn(str(error))

    def write(self, file: str) -> None:
        """Write the plan into a file, or leave what was there as it is. Raises Failure."""
        from holystone.operations.plan_file import write

        try:
            write(file, self.found, wishes_of(self.options))
        except (OSError, ValueError) as error:
            said = words_of(error)
            raise Failure(f"cannot write the plan to {safe(file)}: {said}") from None

    def summarise(self) -> None:
        """Add the plan to GitHub's step summary."""
        from holystone.present import ci

        if trouble := ci.append_summary(os.environ, ci.plan_summary(self.found.plan)):
            warn(trouble)

    def tell(self, *, every: bool) -> None:
        """Show the plan, or the rows of it that were asked for. Raises Failure."""
        options, listing = self.options, self.listing
        output, plan = stdout(options), self.found.plan
        rows = None if listing is None else listing.rows(self.found, every=every)
        if listing is not None and rows is not None and listing.formats:
            listing.write(output, rows, lambda row: row.identifier)
            return
        if options.json:
            from holystone.present import document

            told = document.configured(document.plan(plan), options.configuration)
            if rows is not None:
                items = {(item["kind"], item["id"]): item for item in told["items"]}
                told["items"] = [items[row.verdict.kind, row.verdict.id] for row in rows]
            answer(output, document.dump(told, indent=output.interactive))
            return
        read = files_read(options)
        if listing is not None and rows is not None:
            look, some = listing.look(output.look), listing.selects
            answer(output, listed(rows, plan, look, selected=some, read=read))
        else:
            answer(output, render(self.found.inventory, plan, output.look, every=every, read=read))

"""The rows of ``holystone plan`` with a filter, another order or a template."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.listing import Listing
from holystone.cli.session import Failure
from holystone.operations.survey import Survey
from holystone.present.lists.images import resolved
from holystone.present.lists.plan import OF_KEPT, TABLE, Row, rows


class PlanListing(Listing[Row]):
    """What was asked of the list."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Raises Failure for options that contradict one another."""
        if options.out is not None and options.filter:
            raise Failure("--out writes the whole plan: leave out --filter", exit_codes.USAGE)
        super().__init__(options, TABLE)

    def rows(self, found: Survey, *, every: bool) -> list[Row]:
        """The selected rows: of all objects with ``every`` or a filter on verdicts, else what goes.

        Raises Failure.
        """
        kept_too = every or not OF_KEPT.isdisjoint(term.name for term in self.terms)
        try:
            self.terms = resolved(self.terms, found.inventory.images)
        except ValueError as error:
            raise Failure(f"--filter: {error}", exit_codes.USAGE) from None
        return self.choose(rows(found.inventory, found.plan, whole=self.whole, going=not kept_too))

"""Commands that list the objects of one kind with their verdicts: ``images``, ``volumes``, ..."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from holystone.cli import exit_codes
from holystone.cli.listing import Listing, add_listing, asks
from holystone.cli.options import Parser, add_engine, add_output, add_policy, policy_of
from holystone.cli.parser import Examples
from holystone.cli.session import Failure, answer, opened
from holystone.cli.streams import stdout
from holystone.operations.meant import objects_meant
from holystone.operations.survey import survey
from holystone.planner.inventory import Inventory
from holystone.planner.totals import Beside
from holystone.present import document
from holystone.present.lists.objects import ObjectRow, Seen
from holystone.present.lists.table import Table, Term
from holystone.present.terminal import Look

Row = TypeVar("Row", bound=ObjectRow)
Shown_contra = TypeVar("Shown_contra", bound=ObjectRow, contravariant=True)


class Rows(Protocol[Row]):
    """What makes the rows of a host, with ``whole`` such that have IDs in full."""

    def __call__(self, seen: Seen, *, whole: bool = False) -> list[Row]:
        """The rows of all objects, in their usual order."""


class Render(Protocol[Shown_contra]):
    """What draws a list."""

    def __call__(self, seen: Seen, look: Look, listed: Sequence[Shown_contra] | None = None) -> str:
        """The text. ``listed`` are the rows to show in place of the usual ones."""


@dataclass(frozen=True, slots=True)
class ObjectList(Generic[Row]):
    """How one kind of objects is listed."""

    kind: str
    table: Table[Row]
    rows: Rows[Row]
    render: Render[Row]
    document: Callable[[Seen], document.Document]
    entries: str
    """The field of the document that has the objects."""
    sizes: bool = False
    """Whether the engine has to measure files first."""
    layers: bool = False
    """Whether the layers of images count."""
    logs: bool = False
    """Whether the logs of containers are looked for."""
    hidden: Callable[[Row], bool] = lambda _: False
    """The rows that are listed with ``--all`` only, or where they were named."""
    terms: Callable[[Sequence[Term], Inventory], list[Term]] = lambda terms, _: list(terms)
    """The filters, with what they name looked up on the host. Raises ValueError."""


def list_parser(
    name: str,
    *,
    description: str,
    names: str,
    quiet: str,
    examples: Examples,
    every: str = "",
    hints: Mapping[str, str] | None = None,
) -> Parser:
    """The options of a list; ``names``, ``quiet`` and ``every`` are the help of those options.

    Without ``every`` there is no ``--all``.
    """
    made = Parser(prog=f"holystone {name}", description=description, examples=examples, hints=hints)
    made.add_argument("names", nargs="*", metavar="NAME", help=f"only these: {names}")
    if every:
        made.add_argument("-a", "--all", action="store_true", help=every)
    made.add_argument("-q", "--quiet", action="store_true", help=quiet)
    add_listing(made, name, short=["-f"])
    add_policy(made, level=False)
    add_engine(made)
    add_output(made)
    return made


def run_list(options: argparse.Namespace, kind: ObjectList[Row]) -> int:
    """Observe, plan, show. Raises EngineError, OperationError, Failure."""
    output = stdout(options)
    policy = policy_of(options)
    every = getattr(options, "all", False)
    asked = bool(options.names or options.quiet or asks(options))
    listing = Listing(options, kind.table)
    with opened(options) as session:
        found = survey(session, policy, sizes=kind.sizes, layers=kind.layers)
        beside = session.host.beside(found.inventory) if kind.logs else Beside()
    seen = Seen(found.inventory, found.plan, found.usage.last_used, beside)
    rows = _rows(seen, kind, listing, options.names, every=every)
    if listing.formats:
        listing.write(output, rows, lambda row: row.handle)
    elif options.json:
        told = kind.document(seen)
        if asked:
            told[kind.entries] = _chosen(told[kind.entries], [row.verdict.id for row in rows])
        answer(output, document.dump(told, indent=output.interactive))
    else:
        listed = rows if asked or every else None
        answer(output, kind.render(seen, listing.look(output.look), listed))
    return exit_codes.DONE


def _rows(
    seen: Seen,
    kind: ObjectList[Row],
    listing: Listing[Row],
    names: Sequence[str],
    *,
    every: bool,
) -> list[Row]:
    """The rows that are wanted. Raises OperationError for a name that means nothing, Failure."""
    rows = kind.rows(seen, whole=listing.whole)
    if names:
        meant = objects_meant(seen.inventory, kind.kind, names)
        rows = [row for row in rows if row.verdict.id in meant]
    elif not every:
        rows = [row for row in rows if not kind.hidden(row)]
    try:
        listing.terms = kind.terms(listing.terms, seen.inventory)
    except ValueError as error:
        raise Failure(f"--filter: {error}", exit_codes.USAGE) from None
    return listing.choose(rows)


def _chosen(
    entries: Collection[document.Document], identifiers: Sequence[str]
) -> list[document.Document]:
    """The objects with these IDs, each once, in this order. A volume has its name for an ID."""
    by_id = {entry["id"] if "id" in entry else entry["name"]: entry for entry in entries}
    return [by_id[identifier] for identifier in dict.fromkeys(identifiers)]

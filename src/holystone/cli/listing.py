"""The options of commands that list: filter, sort, format; and what they make of the rows."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from holystone.cli import exit_codes
from holystone.cli.parser import value_of
from holystone.cli.session import Failure, answer

if TYPE_CHECKING:
    from holystone.present.lists.table import Table, Term
    from holystone.present.lists.template import Template
    from holystone.present.terminal import Look, Output

Row = TypeVar("Row")


def add_listing(
    parser: argparse.ArgumentParser,
    name: str,
    *,
    what: str = "",
    whole: str = "",
    short: Sequence[str] = (),
) -> None:
    """The options of a list; ``name`` is its module in ``present.lists``.

    ``what`` says which action of the command lists, ``whole`` what ``--no-trunc`` leaves uncut,
    ``short`` other names of ``--filter``.
    """
    lead = f"{what}: " if what else ""
    group = parser.add_argument_group("list")
    group.add_argument(
        *short,
        "--filter",
        metavar="KEY=VALUE",
        action="append",
        type=value_of(lambda text: _checked(_table(name).read_filter, text)),
        help=f"{lead}show only these; may be given several times. An unknown key is an "
        "error that lists the valid ones",
    )
    group.add_argument(
        "--sort",
        metavar="KEY",
        type=value_of(lambda text: _checked(_table(name).read_order, text)),
        help=f"{lead}sort by this, smallest or youngest first; -KEY reverses it; separate several "
        "with commas",
    )
    group.add_argument("--reverse", action="store_true", help=f"{lead}reverse the list")
    group.add_argument(
        "--format",
        metavar="TEMPLATE",
        type=value_of(lambda text: _checked(lambda text: _template(text, _table(name)), text)),
        help=f"{lead}a line for each row: '{{{{.Name}}}}', '{{{{json .}}}}', or with a heading "
        "'table {{.Name}}\\t{{.ID}}'",
    )
    group.add_argument(
        "--no-trunc", action="store_true", help=f"{lead}{whole or 'cut no name and no ID'}"
    )


def asks(options: argparse.Namespace) -> bool:
    """Whether anything was asked of the list."""
    return bool(_given(options))


def refuse_listing(options: argparse.Namespace, why: str) -> None:
    """Refuse the options of a list where none is made. Raises Failure."""
    if given := _given(options):
        raise Failure(f"{' and '.join(given)}: {why}", exit_codes.USAGE)


def _given(options: argparse.Namespace) -> list[str]:
    return [name for name in _NAMES if getattr(options, name.strip("-").replace("-", "_"), None)]


_NAMES = ("--filter", "--sort", "--reverse", "--format", "--no-trunc")


class Listing(Generic[Row]):
    """What was asked of a list."""

    def __init__(self, options: argparse.Namespace, table: Table[Row]) -> None:
        """Raises Failure for options that contradict one another."""
        self.options = options
        self.table = table
        self.quiet: bool = getattr(options, "quiet", False)
        self.terms: list[Term] = [table.read_filter(text) for text in options.filter or ()]
        self.whole: bool = options.no_trunc
        forms = {"--json": options.json, "--format": options.format is not None}
        forms["--quiet"] = self.quiet
        given = [name for name, is_given in forms.items() if is_given]
        if len(given) > 1:
            raise Failure(f"{' and '.join(given)}: give only one of them", exit_codes.USAGE)

    @property
    def selects(self) -> bool:
        """Whether only some rows are wanted."""
        return bool(self.terms)

    @property
    def orders(self) -> bool:
        """Whether the rows are wanted in another order."""
        return self.options.sort is not None or self.options.reverse

    @property
    def formats(self) -> bool:
        """Whether lines of a template, or IDs, stand in place of the list."""
        return self.quiet or (self.options.format is not None and not self._template.is_table)

    @property
    def _template(self) -> Template[Row]:
        return _template(self.options.format, self.table)

    def look(self, look: Look) -> Look:
        """How the list is drawn: with ``--no-trunc`` nothing is cut."""
        return look._replace(elide=False) if self.whole else look

    def choose(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that are wanted, in the order that is wanted. Raises Failure."""
        return self.sorted(self.filtered(rows))

    def filtered(self, rows: Sequence[Row]) -> list[Row]:
        """The rows that the filters leave. Raises Failure."""
        try:
            return list(filter(self.table.tests(self.terms), rows))
        except ValueError as error:
            raise Failure(f"--filter: {error}", exit_codes.USAGE) from None

    def sorted(self, rows: Sequence[Row]) -> list[Row]:
        """The rows in the order that is wanted."""
        by = self.table.read_order(self.options.sort) if self.options.sort else []
        return self.table.ordered(rows, by, turned=self.options.reverse)

    def write(self, output: Output, rows: Sequence[Row], identity: Callable[[Row], str]) -> None:
        """Write the template's lines, or each ID once. Raises Failure."""
        if self.quiet:
            lines = list(dict.fromkeys(map(identity, rows)))
        else:
            lines = self._template.lines(rows)
        if lines:
            answer(output, "\n".join(lines))


def _table(name: str) -> Table[Any]:
    table: Table[Any] = import_module(f"holystone.present.lists.{name}").TABLE
    return table


def _template(text: str, table: Table[Row]) -> Template[Row]:
    from holystone.present.lists.template import Template

    return Template(text, table)


def _checked(read: Callable[[str], object], text: str) -> str:
    """The text as it was typed, once it is known to be right. Raises ValueError."""
    read(text)
    return text

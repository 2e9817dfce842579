"""Commands with several actions: which of their options each action takes."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence

from holystone.cli import exit_codes
from holystone.cli.session import Failure
from holystone.cli.words import long_name


def check_options(
    options: argparse.Namespace, command: str, action: str, only_for: Mapping[str, Sequence[str]]
) -> None:
    """Raise Failure for an option that the action does not take.

    ``only_for``: the actions that take an option, by its name in ``options``; what is not in it
    they all take. An action without a name is the command alone.
    """
    for each in options.parser._actions:  # noqa: SLF001 - argparse has no other way to list options
        actions = only_for.get(each.dest)
        given = getattr(options, each.dest, each.default) != each.default
        if not given or actions is None or action in actions:
            continue
        written = long_name(each) if each.option_strings else each.metavar
        wanted = " and ".join(f"{command} {other}".rstrip() for other in actions)
        said = f"{command} {action}".rstrip()
        raise Failure(f"{said}: {written} is for {wanted}", exit_codes.USAGE)

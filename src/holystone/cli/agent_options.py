"""What the options of ``holystone agent`` say, and which of them each action takes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.session import Failure
from holystone.cli.words import long_name

if TYPE_CHECKING:
    from holystone.agent.options import AgentOptions

_ENGINE = ("host", "context")
_SERVICE = (*_ENGINE, "timeout", "listen", "socket", "token_file", "log")
_ALL = ("words", "config", "state", "color", "verbose")
"""What every action takes."""
_TAKES = {
    "": (*_SERVICE, "load"),
    "run": (*_ENGINE, "socket", "json"),
    "status": (*_ENGINE, "socket", "json"),
    "test-alert": (*_ENGINE, "json"),
    "token": ("token_file", "scope", "json"),
    "install": (*_SERVICE, "print", "user", "root", "force", "json"),
}
"""What each action takes beside that, by its name; without a name it is the agent itself."""
ACTIONS = tuple(name for name in _TAKES if name)


def check_options(
    action: str, options: argparse.Namespace, parser: argparse.ArgumentParser
) -> None:
    """Raise Failure for an option that says nothing to this action."""
    if action == "" and options.json:
        raise Failure(
            "holystone agent takes no --json. For its log as JSON: --log json", exit_codes.USAGE
        )
    for each in parser._actions:  # noqa: SLF001 - argparse has no other way to list options
        name = each.dest
        given = getattr(options, name, each.default) != each.default
        if not given or name in _ALL or name in _TAKES[action]:
            continue
        fits = " and ".join(
            f"holystone agent {other}".strip() for other, takes in _TAKES.items() if name in takes
        )
        said = f"{long_name(each)} says nothing to holystone agent {action}".rstrip()
        raise Failure(f"{said}. It is for {fits}", exit_codes.USAGE)


def agent_options(options: argparse.Namespace) -> AgentOptions:
    """What the agent is started with."""
    from holystone.agent.options import AgentOptions

    return AgentOptions(
        host=options.host,
        context=options.context,
        config=options.config,
        state=options.state,
        timeout=options.timeout,
        listen=options.listen or "",
        socket=options.socket or "",
        token_file=options.token_file or "",
        log=options.log or "",
        load=options.load,
    )

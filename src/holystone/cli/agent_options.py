"""What the options of ``holystone agent`` say, and which of them each action takes."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holystone.agent.options import AgentOptions

AGENT = ""
"""The action without a name: to be the agent."""
ACTIONS = ("run", "status", "test-alert", "token", "install")
_SERVICE = (AGENT, "install")
ONLY_FOR = {
    **dict.fromkeys(("timeout", "listen", "log"), _SERVICE),
    **dict.fromkeys(("host", "context"), (*_SERVICE, "run", "status", "test-alert")),
    "socket": (*_SERVICE, "run", "status"),
    "token_file": (*_SERVICE, "token"),
    "scope": ("token",),
    "load": (AGENT,),
    **dict.fromkeys(("print", "user", "root", "force"), ("install",)),
    "json": ACTIONS,
}
"""Options that not every action takes, with those that do."""


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

"""``holystone agent``: the daemon of a host, and its actions."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.actions import check_options
from holystone.cli.agent_asking import JOBS, ask_for, show_status
from holystone.cli.agent_options import ACTIONS, ONLY_FOR, agent_options
from holystone.cli.options import Parser, add_config, add_engine, add_output, path, refused
from holystone.cli.session import Failure
from holystone.config.errors import ConfigError
from holystone.outside.text import safe

_NEEDS = (
    "holystone agent needs more libraries than the other commands: install holystone with its "
    'extra agent, as in pip install "holystone[agent]"'
)


def parser() -> argparse.ArgumentParser:
    """The options of ``agent``."""
    made = Parser(
        prog="holystone agent",
        description="Watch this host all the time: follow the engine's events, keep the disk below "
        "its watermark, run the schedule, send alerts, serve metrics and an API. `agent status` "
        "shows how it is doing, `agent run JOB` asks it for a job now.",
        examples=[
            ("holystone agent", "run it in this terminal; Ctrl-C ends it"),
            ("holystone agent install", "make it a service of systemd"),
            ("holystone agent status", "what it does, did and will do"),
            ("holystone agent run weekly", "ask it for a weekly clean now"),
            ("holystone agent test-alert", "send a test to everybody who hears of alerts"),
            (
                "holystone agent token grafana --token-file tokens",
                "make a token that may read",
            ),
        ],
    )
    made.add_argument(
        "words",
        nargs="*",
        metavar="ACTION",
        help=f"run JOB ({', '.join(JOBS)}), status, test-alert, install or token NAME; without "
        "one it is the agent itself",
    )
    made.add_argument(
        "--listen",
        metavar="HOST:PORT",
        help="also serve HTTP here, like 127.0.0.1:9469",
    )
    made.add_argument("--socket", metavar="PATH", type=path, help="the unix socket of the agent")
    made.add_argument(
        "--token-file",
        metavar="FILE",
        type=path,
        help="who may use the API; default: agent.token_file",
    )
    made.add_argument(
        "--scope", choices=("read", "write"), help="token: what it may (default read)"
    )
    made.add_argument("--log", choices=("text", "json"), help="how log lines look")
    made.add_argument(
        "--load", action="store_true", help="with --host demo: simulate CI jobs on the demo host"
    )
    made.add_argument("--print", action="store_true", help="install: print the unit, write nothing")
    made.add_argument("--user", action="store_true", help="install: for a rootless engine")
    made.add_argument("--root", metavar="DIR", type=path, help="install: below this folder")
    made.add_argument("--force", action="store_true", help="install: replace a unit that differs")
    add_config(made.add_argument_group("policy"))
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Run the agent, or do one of its actions. Raises OperationError, Failure."""
    action, *rest = options.words or [""]
    takes = {"run": 1, "token": 1}.get(action, 0)
    if action and action not in ACTIONS:
        known = "run JOB, status, test-alert, install, token NAME"
        message = f"holystone agent has no action {safe(action)!r}. Its actions: {known}"
        raise Failure(message, exit_codes.USAGE)
    if len(rest) != takes:
        named = "one name, as in: holystone agent token grafana --token-file FILE"
        what = {"run": f"one job: {', '.join(JOBS)}", "token": named}.get(action, "nothing more")
        raise Failure(f"holystone agent {action} takes {what}", exit_codes.USAGE)
    check_options(options, "agent", action, ONLY_FOR)
    try:
        return _done(action, rest, options)
    except ConfigError as error:
        raise refused(error, _cannot_start(action)) from None
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == "holystone":
            raise
        raise Failure(_NEEDS, _cannot_start(action)) from None


def _cannot_start(action: str) -> int:
    """The exit code where something must be mended first.

    A service that ends with ``USAGE`` is not started again: see the unit.
    """
    return exit_codes.ERROR if action else exit_codes.USAGE


def _done(action: str, rest: list[str], options: argparse.Namespace) -> int:
    """Do it, with the libraries that it takes."""
    if action == "run":
        return ask_for(rest[0], options)
    if action == "status":
        return show_status(options)
    if action == "install":
        from holystone.cli.agent_install import install_service

        return install_service(options)
    if action in ("token", "test-alert"):
        from holystone.cli import agent_setup

        if action == "token":
            return agent_setup.print_token(rest[0], options)
        return agent_setup.test_alert(options)
    return _run_agent(options)


def _run_agent(options: argparse.Namespace) -> int:
    told = agent_options(options)
    if told.load and told.host != "demo:":
        raise Failure("--load is for the demo host: add --host demo:", exit_codes.USAGE)
    from holystone.agent.daemon import Agent
    from holystone.agent.start_checks import LASTING, REFUSED

    try:
        return Agent(told).run()
    except ConfigError:
        raise
    except LASTING as error:
        raise Failure(str(error), exit_codes.USAGE) from None
    except REFUSED as error:
        raise Failure(str(error)) from None

"""``holystone agent``: the daemon of a host, and what asks it."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_config, add_engine, add_output, path, refused
from holystone.cli.session import Failure, answer
from holystone.cli.streams import stdout
from holystone.config.errors import ConfigError
from holystone.operations.agent_client import AgentRefused, NoAgent, ask
from holystone.operations.agent_socket import find_socket
from holystone.operations.connect import SILENCE
from holystone.outside.text import safe
from holystone.present import document
from holystone.present.report.agent import render_status

if TYPE_CHECKING:
    from holystone.agent.options import AgentOptions

_JOBS = ("routine", "weekly", "deep", "level", "refresh", "verify", "observe")
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
        help=f"run JOB ({', '.join(_JOBS)}), status, test-alert, install or token NAME; without "
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
    """Run the agent, or ask the one that runs. Raises OperationError, Failure."""
    action, *rest = options.words or [""]
    takes = {"run": 1, "token": 1}.get(action, 0)
    if action not in ("", "run", "status", "test-alert", "install", "token"):
        known = "run JOB, status, test-alert, install, token NAME"
        message = f"holystone agent has no action {safe(action)!r}. Its actions: {known}"
        raise Failure(message, exit_codes.USAGE)
    if len(rest) != takes:
        named = "one name, as in: holystone agent token grafana --token-file FILE"
        what = {"run": f"one job: {', '.join(_JOBS)}", "token": named}.get(action, "nothing more")
        raise Failure(f"holystone agent {action} takes {what}", exit_codes.USAGE)
    try:
        if action in ("run", "status"):
            return _ask_for(rest[0], options) if action == "run" else _show_status(options)
        return _with_libraries(action, rest, options)
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


def _with_libraries(action: str, rest: list[str], options: argparse.Namespace) -> int:
    """What takes the libraries of the extra ``agent``."""
    if action == "install":
        return _install(options)
    if action == "token":
        from holystone.agent.web.tokens import TokenError, make_token

        agent = _options(options)
        file = agent.settings(agent.configuration()).agent.token_file
        if not file:
            mend = "Pass --token-file FILE, or set agent.token_file in the configuration"
            raise Failure(f"no token file is named. {mend}", exit_codes.USAGE)
        try:
            token = make_token(file, rest[0], options.scope or "read")
        except TokenError as error:
            raise Failure(str(error)) from None
        answer(stdout(options), f"{token}\n")
        return exit_codes.DONE
    told = _options(options)
    if told.load and told.host != "demo:":
        raise Failure("--load is for the demo host: add --host demo:", exit_codes.USAGE)
    if action == "test-alert":
        return _test_alert(told, options)
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


def _options(options: argparse.Namespace) -> AgentOptions:
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


def _socket(options: argparse.Namespace) -> str:
    """The socket of the agent that is asked: of the option or configuration, or as it is found."""
    from holystone.agent.options import AgentOptions

    told = AgentOptions(config=options.config, state=options.state, socket=options.socket or "")
    configuration = told.configuration()
    named = told.socket or configuration.agent().agent.socket
    found = named or find_socket(told.folder, told.environ)
    return found or told.settings(configuration).agent.socket


def _ask_for(job: str, options: argparse.Namespace) -> int:
    if job not in _JOBS:
        raise Failure(
            f"the agent has no job {safe(job)!r}. Its jobs: {', '.join(_JOBS)}", exit_codes.USAGE
        )
    try:
        ask(_socket(options), "POST", "/api/v1/jobs", {"job": job})
    except (NoAgent, AgentRefused) as error:
        raise Failure(str(error)) from None
    output = stdout(options)
    told = {"schema": document.SCHEMA, "asked": job}
    text = f"The agent was asked for {job}; holystone agent status shows how it goes.\n"
    answer(output, document.dump(told, indent=output.interactive) if options.json else text)
    return exit_codes.DONE


def _show_status(options: argparse.Namespace) -> int:
    output = stdout(options)
    try:
        told = ask(_socket(options), "GET", "/api/v1/status")
    except (NoAgent, AgentRefused) as error:
        raise Failure(str(error)) from None
    if options.json:
        answer(output, document.dump(told, indent=output.interactive))
    else:
        answer(output, render_status(told, output.look))
    return exit_codes.DONE


def _test_alert(told: AgentOptions, options: argparse.Namespace) -> int:
    from holystone.agent.alert_test import send_test
    from holystone.engine.transport.endpoint import resolve

    configuration = told.configuration()
    settings = told.settings(configuration).alerts
    endpoint = resolve(told.host, told.context, told.environ).url
    tried = send_test(settings, os.uname().nodename, endpoint)
    if not tried:
        looked = ", ".join(
            f"{safe(each.path)} ({'has none' if each.found else 'is not there'})"
            for each in configuration.places
        )
        raise Failure(
            f"no receiver of alerts is configured. Looked for [alerts] in {looked}. Name the "
            "agent's own configuration with --config FILE, or set webhook or urls_file there"
        )
    lines = [f"{each.target}: {'sent' if each.ok else each.said}" for each in tried]
    answer(stdout(options), "".join(f"{safe(line)}\n" for line in lines))
    return exit_codes.DONE if all(each.ok for each in tried) else exit_codes.ERROR


_VARIABLES = {
    "HOLYSTONE_CONFIG": ("config",),
    **dict.fromkeys(("DOCKER_HOST", "DOCKER_CONTEXT"), ("host", "context")),
    **dict.fromkeys(("DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS", "DOCKER_TLS_VERIFY"), ()),
}
"""The variables that choose the engine and the policy, and the options that count before them."""
_PATHS = ("HOLYSTONE_CONFIG", "DOCKER_CONFIG", "DOCKER_CERT_PATH")


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """The variables that the service needs to do what a command does here."""
    found = {
        name: value
        for name, before in _VARIABLES.items()
        if (value := os.environ.get(name)) and not any(getattr(options, each) for each in before)
    }
    return {
        name: os.path.abspath(value) if name in _PATHS else value for name, value in found.items()
    }


def _install(options: argparse.Namespace) -> int:
    from holystone.agent.service.unit import Options, beside_state, install, unit_text
    from holystone.agent.web.listening import ListenError, ListenSettingsError
    from holystone.agent.web.ways import check_listen

    agent = _options(options)
    service = agent.settings(agent.configuration()).agent
    try:
        check_listen(service)
    except ListenSettingsError as error:
        raise Failure(str(error), exit_codes.USAGE) from None
    except ListenError as error:
        # Another machine may know a name that this one does not.
        if not options.root:
            raise Failure(str(error)) from None
    arguments = []
    for name in ("host", "context", "listen", "log"):
        if value := getattr(options, name):
            arguments += [f"--{name}", value]
    # systemd starts it in another folder than this one, and without these variables.
    for name in ("config", "state", "socket", "token_file"):
        value = getattr(options, name) or (name == "state" and os.environ.get("HOLYSTONE_STATE"))
        if value:
            arguments += [f"--{name.replace('_', '-')}", os.path.abspath(value)]
    if options.timeout != SILENCE:
        arguments += ["--timeout", f"{options.timeout:g}s"]
    told = Options(
        command=(sys.executable, "-m", "holystone"),
        arguments=arguments,
        user=options.user,
        root=options.root or "",
        writable=beside_state(service, agent.folder),
        environment=_environment(options),
        force=options.force,
    )
    if options.print:
        answer(stdout(options), unit_text(told))
        return exit_codes.DONE
    lines = install(told, os.environ)
    answer(stdout(options), "".join(f"{line}\n" for line in lines))
    return exit_codes.DONE

"""``holystone agent run`` and ``status``: what asks the agent that runs."""

from __future__ import annotations

import argparse
import os
from typing import Any

from holystone.cli import exit_codes
from holystone.cli.agent_options import agent_options
from holystone.cli.session import Failure
from holystone.cli.show import show
from holystone.engine.transport.endpoint import resolve
from holystone.operations.agent_client import AgentRefused, NoAgent, ask
from holystone.operations.agent_socket import find_socket
from holystone.outside.text import safe
from holystone.present.document import SCHEMA
from holystone.present.report.agent import render_status

JOBS = ("routine", "weekly", "deep", "level", "refresh", "verify", "observe")


def ask_for(job: str, options: argparse.Namespace) -> int:
    """Ask the agent for a job now. Raises Failure, ConfigError, EngineError."""
    if job not in JOBS:
        raise Failure(
            f"the agent has no job {safe(job)!r}. Its jobs: {', '.join(JOBS)}", exit_codes.USAGE
        )
    socket = _socket(options)
    if options.host or options.context:
        _status(socket, options)
    _asked(socket, "POST", "/api/v1/jobs", {"job": job})
    text = f"The agent was asked for {job}; holystone agent status shows how it goes.\n"
    show(options, lambda: {"schema": SCHEMA, "asked": job}, lambda _: text)
    return exit_codes.DONE


def show_status(options: argparse.Namespace) -> int:
    """Show what the agent does, did and will do. Raises Failure, ConfigError, EngineError."""
    told = _status(_socket(options), options)
    show(options, lambda: told, lambda look: render_status(told, look))
    return exit_codes.DONE


def _socket(options: argparse.Namespace) -> str:
    """The agent's socket: of the option or configuration, or as it is found."""
    told = agent_options(options)
    configuration = told.configuration()
    named = told.socket or configuration.agent().agent.socket
    found = named or find_socket(told.folder, told.environ)
    return found or told.settings(configuration).agent.socket


def _status(socket: str, options: argparse.Namespace) -> Any:
    """How it stands, told by the agent of the engine that the options name, if they name one."""
    told = _asked(socket, "GET", "/api/v1/status")
    if options.host or options.context:
        named = resolve(options.host, options.context, os.environ).url
        watched = told["engine"]["endpoint"]
        if watched != named:
            raise Failure(
                f"the agent at {safe(socket)} is that of the engine at {safe(watched)}, not of "
                f"{safe(named)}. Name the socket of the other one with --socket"
            )
    return told


def _asked(socket: str, method: str, target: str, body: object = None) -> Any:
    try:
        return ask(socket, method, target, body)
    except (NoAgent, AgentRefused) as error:
        raise Failure(str(error)) from None

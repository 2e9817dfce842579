"""``holystone agent install``: make the agent a service of systemd."""

from __future__ import annotations

import argparse
import os
import sys
from typing import Any

from holystone.agent.service.unit import Options, beside_state, install, unit_text
from holystone.agent.web.listening import ListenError, ListenSettingsError
from holystone.agent.web.ways import check_listen
from holystone.cli import exit_codes
from holystone.cli.agent_options import agent_options
from holystone.cli.session import Failure
from holystone.cli.show import show
from holystone.operations.connect import SILENCE
from holystone.present.document import SCHEMA

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


def install_service(options: argparse.Namespace) -> int:
    """Write the unit, or print it. Raises Failure, ConfigError, OperationError."""
    told = _unit_options(options)
    if options.print:
        text = unit_text(told)
        shown: dict[str, Any] = {"unit": text}
    else:
        done = install(told, os.environ)
        text = "".join(f"{line}\n" for line in done.lines)
        shown = {"path": done.path, "written": done.written, "next": list(done.next)}
    show(options, lambda: {"schema": SCHEMA} | shown, lambda _: text)
    return exit_codes.DONE


def _unit_options(options: argparse.Namespace) -> Options:
    """What the unit is to say, with all that the service needs of where this command runs."""
    agent = agent_options(options)
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
    return Options(
        command=(sys.executable, "-m", "holystone"),
        arguments=arguments,
        user=options.user,
        root=options.root or "",
        writable=beside_state(service, agent.folder),
        environment=_environment(options),
        force=options.force,
    )

"""``holystone agent test-alert`` and ``token``: who hears of alerts, and who may use the API."""

from __future__ import annotations

import argparse
import os

from holystone.agent.alert_test import send_test
from holystone.agent.web.tokens import TokenError, make_token
from holystone.cli import exit_codes
from holystone.cli.agent_options import agent_options
from holystone.cli.session import Failure
from holystone.cli.show import show
from holystone.engine.transport.endpoint import resolve
from holystone.outside.text import safe
from holystone.present.document import SCHEMA


def print_token(name: str, options: argparse.Namespace) -> int:
    """Make a token and print it, the only time that it can be read. Raises Failure, ConfigError."""
    agent = agent_options(options)
    file = agent.settings(agent.configuration()).agent.token_file
    if not file:
        mend = "Pass --token-file FILE, or set agent.token_file in the configuration"
        raise Failure(f"no token file is named. {mend}", exit_codes.USAGE)
    scope = options.scope or "read"
    try:
        token = make_token(file, name, scope)
    except TokenError as error:
        raise Failure(str(error)) from None
    told = {"schema": SCHEMA, "name": name, "scope": scope, "token_file": file, "token": token}
    show(options, lambda: told, lambda _: f"{token}\n")
    return exit_codes.DONE


def test_alert(options: argparse.Namespace) -> int:
    """Send a test to each receiver of alerts. Raises Failure, ConfigError, EngineError."""
    told = agent_options(options)
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
    receivers = [
        {"target": each.target, "sent": each.ok, "said": each.said or None} for each in tried
    ]
    lines = [f"{each.target}: {'sent' if each.ok else each.said}" for each in tried]
    show(
        options,
        lambda: {"schema": SCHEMA, "receivers": receivers},
        lambda _: "".join(f"{safe(line)}\n" for line in lines),
    )
    return exit_codes.DONE if all(each.ok for each in tried) else exit_codes.ERROR

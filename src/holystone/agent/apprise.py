"""Send a message through Apprise, in a child process with a time limit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection
from contextlib import suppress
from typing import Any

import holystone
from holystone.agent.apprise_urls import read_addresses
from holystone.agent.webhook import SECRET, Sent
from holystone.outside.text import safe, said

TIMEOUT = 60.0
"""Seconds for all addresses; they are tried side by side."""
_TARGET = "Apprise"
_MOST = 1_000_000


def deliver(
    urls_file: str, only: Collection[str], told: dict[str, str], seconds: float = TIMEOUT
) -> dict[str, Sent]:
    """How the delivery ended, for each of these addresses by number. Raises NotPrivate.

    ``told`` has ``title``, ``body`` and ``mood``. Addresses that the file no longer has are left
    out.
    """
    shown = {each.number: each.shown for each in read_addresses(urls_file) if each.number in only}
    return _results(shown, told | {"urls_file": urls_file}, seconds) if shown else {}


def check(urls_file: str, seconds: float = TIMEOUT) -> list[Sent]:
    """Whether Apprise can use each address; nothing is sent. Raises NotPrivate."""
    shown = {each.number: each.shown for each in read_addresses(urls_file)}
    return [*_results(shown, {"urls_file": urls_file, "check": True}, seconds).values()]


def _results(shown: dict[str, str], told: dict[str, Any], seconds: float) -> dict[str, Sent]:
    asked = told | {"only": list(shown), "seconds": seconds}
    lines, why = _ask(json.dumps(asked), seconds)
    results = {number: Sent(target, ok=False, said=why) for number, target in shown.items()}
    for line in lines:
        if line.get("number") in results:
            reason = safe(str(line.get("said", "")), 300)
            number = line["number"]
            results[number] = Sent(shown[number], ok=line.get("ok") is True, said=reason)
        elif "error" in line:
            why = safe(str(line["error"]), 500)
            results = {each: Sent(target, ok=False, said=why) for each, target in shown.items()}
    return results


def _ask(asked: str, seconds: float) -> tuple[list[dict[str, Any]], str]:
    """What the child answered, and what is wrong where it left out an address."""
    # Never from the folder that the agent was started in: -P. Its package is that of the agent.
    command = [sys.executable, "-P", "-m", "holystone.agent.apprise_child"]
    home = os.path.dirname(os.path.dirname(holystone.__file__))
    environ = {name: value for name, value in os.environ.items() if name != SECRET}
    environ["PYTHONPATH"] = home
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environ,
            cwd="/",
            start_new_session=True,
            text=True,
        )
    except OSError as error:
        return [], f"cannot start a process for {_TARGET}: {said(error)}"
    why = f"the process for {_TARGET} ended without an answer"
    with child:
        try:
            out, _ = child.communicate(asked, timeout=seconds)
        except subprocess.TimeoutExpired:
            # What a plugin started holds the pipe too.
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            out, _ = child.communicate()
            why = f"no answer within {seconds:.0f} s"
    return list(_parsed(out[:_MOST])), why


def _parsed(out: str) -> list[dict[str, Any]]:
    lines = []
    for line in out.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            continue
        if isinstance(told, dict):
            lines.append(told)
    return lines

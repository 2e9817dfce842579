"""A process that sends one message through Apprise and ends: the library is large, the agent small.

``python -m holystone.agent.apprise_child`` reads JSON from standard input: ``urls_file``, ``only``
(the numbers of the addresses), ``title``, ``body``, ``mood`` and ``seconds``; with ``check`` it
sends nothing, and tells which addresses Apprise knows. It answers with a line of JSON for each
address, as soon as that is done: its ``number``, ``ok`` and ``said``; or with one line that has an
``error``. What Apprise says itself may hold parts of an address, and is not passed on.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from holystone.agent.apprise_urls import Address, read_addresses
from holystone.agent.private_file import NotPrivate

_AT_ONCE = 20
_FAILED = "Apprise could not deliver the message"
_ANSWER = re.compile(r"error=([0-9]{3})\b")
_NO_CONNECTION = re.compile(r"connection (error|refused)", re.IGNORECASE)


def main() -> int:
    """Read what to send, send it, and answer."""
    # What libraries print must not get into the answer.
    answer, sys.stdout = sys.stdout, sys.stderr
    for line in _results(json.load(sys.stdin)):
        answer.write(f"{json.dumps(line)}\n")
        answer.flush()
    # A plugin that still waits for its service does not keep the process.
    os._exit(0)


def _results(asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    # Whoever started this may be gone by then.
    signal.alarm(int(asked["seconds"]) + 5)
    try:
        import apprise
    except ImportError:
        yield {"error": "Apprise is not installed. Install holystone[agent]"}
        return
    try:
        addresses = read_addresses(asked["urls_file"])
    except NotPrivate as error:
        yield {"error": str(error)}
        return
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    asset = apprise.AppriseAsset(
        allow_templates=False,
        storage_mode=apprise.PersistentStoreMode.MEMORY,
        service_timeout=asked["seconds"] / 2,
    )
    asset.app_id, asset.app_desc = "holystone", "holystone"

    def send(address: Address) -> dict[str, Any]:
        ok, said = _sent(apprise, asset, address.url, asked)
        return {"number": address.number, "ok": ok, "said": said}

    crew = ThreadPoolExecutor(_AT_ONCE)
    wanted = [crew.submit(send, each) for each in addresses if each.number in asked["only"]]
    for each in as_completed(wanted):
        yield each.result()


def _sent(apprise: Any, asset: Any, url: str, asked: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether it was delivered, and why not. Whatever a plugin raises is its failure alone."""
    try:
        service = apprise.Apprise.instantiate(url, asset=asset)
        if service is None:
            return False, "Apprise does not know such an address"
        if asked.get("check"):
            return True, ""
        said: list[str] = []
        sender = apprise.Apprise(asset=asset)
        sender.add(service)
        ok = sender.notify(
            body=asked["body"],
            title=asked["title"],
            notify_type=asked["mood"],
            body_format=apprise.NotifyFormat.TEXT,
            log_callback=lambda entry, _: said.append(entry.message),
        )
    except Exception as error:  # noqa: BLE001
        return False, f"{_FAILED} ({type(error).__name__})"
    return (True, "") if ok else (False, _FAILED + _reason(" ".join(said)))


def _reason(said: str) -> str:
    """What of the words of Apprise cannot be secret."""
    if answer := _ANSWER.search(said):
        return f": the service answered {answer[1]}"
    return ": it cannot be reached" if _NO_CONNECTION.search(said) else ""


if __name__ == "__main__":
    raise SystemExit(main())

"""Send a test to each receiver of alerts, once, and say how that ended."""

from __future__ import annotations

import time
import uuid
from typing import NamedTuple

from holystone.agent import apprise, webhook
from holystone.agent.alert import Alert, Key, Kind, Message, Severity
from holystone.agent.apprise_urls import read_addresses
from holystone.agent.message_text import mood, text, title
from holystone.agent.private_file import NotPrivate
from holystone.config.agent_settings import Alerts as Settings


class Tried(NamedTuple):
    """How it went with one receiver."""

    target: str
    """The receiver, without what is secret of its address."""
    ok: bool
    said: str
    """Why it did not work; empty where it did."""


def send_test(settings: Settings, host: str, endpoint: str = "") -> list[Tried]:
    """Send an alert of the kind ``test`` to every receiver; none where none is configured."""
    at = time.time()
    summary = "This is a test: alerts of holystone arrive here"
    message = Message(at, (Alert(Key(Kind.TEST), Severity.WARNING, summary, at),))
    tried = []
    if settings.webhook:
        document = webhook.document(message, str(uuid.uuid4()), host, endpoint)
        sent = webhook.post(settings, document, at)
        tried.append(Tried(sent.target, sent.ok, sent.said))
    if settings.urls_file:
        told = {"title": title(message, host), "body": text(message, host), "mood": mood(message)}
        try:
            numbers = [each.number for each in read_addresses(settings.urls_file)]
            found = apprise.deliver(settings.urls_file, numbers, told)
        except NotPrivate as error:
            return [*tried, Tried("Apprise", ok=False, said=str(error))]
        tried += [Tried(sent.target, sent.ok, sent.said) for sent in found.values()]
    return tried

"""The thread that delivers messages to the webhook and through Apprise, until they are received.

It holds nobody up: ``put`` only notes a message. It keeps in ``alerts.json`` which alerts are
firing and which messages wait, and goes on with them after a restart.
"""

from __future__ import annotations

import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from holystone.agent import alert_file, apprise, webhook
from holystone.agent.alert import Message
from holystone.agent.apprise_urls import read_addresses
from holystone.agent.logs import log
from holystone.agent.message_text import mood, text, title
from holystone.agent.private_file import NotPrivate
from holystone.agent.waiting import APPRISE, MOST, WEBHOOK, Queue, Waiting
from holystone.agent.webhook import Sent
from holystone.config.agent_settings import Alerts as Settings
from holystone.store import StoreError

_LONGEST_WAIT = 300.0
_HOPELESS = 5
"""Tries of a message that the receiver refuses, and not any other."""


def back_off(failures: int) -> float:
    """Seconds to wait after so many failures in a row: 1 to 300, not all hosts at once."""
    return float(min(2.0 ** min(failures - 1, 20), _LONGEST_WAIT) * random.uniform(0.75, 1.0))  # noqa: S311


class Outbox:
    """Delivers messages, each receiver's in order, and tries again until it has them."""

    def __init__(
        self,
        settings: Settings,
        host: str,
        endpoint: str,
        folder: str = "",
        wait_after: Callable[[int], float] = back_off,
    ) -> None:
        """``host`` and ``endpoint`` are told to the receivers; ``folder`` is the state folder.

        Without a folder nothing is kept.
        """
        self._settings = settings
        self._host = host
        self._endpoint = endpoint
        self._folder = folder
        self._queue = Queue(wait_after)
        self._changed = threading.Condition()
        self._unsaved = False
        self._saving = threading.Lock()
        self._cannot_save = False
        self._until: float | None = None
        """When it must end, once it was told to."""
        self._firing: Any = None
        self._restore()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)

    @property
    def firing(self) -> Any:
        """Which alerts were firing when the agent before this one ended, for ``Alerts``."""
        return self._firing

    @property
    def waiting(self) -> int:
        """How many messages somebody does not have yet."""
        with self._changed:
            return len(self._queue.messages)

    def start(self) -> None:
        """Begin to deliver, unless it did so already."""
        if self._thread.ident is None:
            self._thread.start()

    def put(self, messages: Sequence[Message], firing: Any = None) -> None:
        """Note messages to deliver, and which alerts are firing after them. Waits for nothing."""
        with self._changed:
            lanes = [WEBHOOK] if self._settings.webhook else []
            lanes += [APPRISE] if self._settings.urls_file else []
            for message in messages if lanes else ():
                dropped = self._queue.add(self._made(message, lanes))
                if dropped is not None:
                    log.error("an alert was given up", reason=f"more than {MOST} wait")
            self._firing = firing
            self._unsaved = True
            self._changed.notify_all()

    def use(self, settings: Settings) -> None:
        """Deliver to these from now on; messages for receivers that are gone are left out."""
        with self._changed:
            self._settings = settings
            self._queue.keep_lanes(
                lambda lane: bool(settings.webhook if lane == WEBHOOK else settings.urls_file)
            )
            self._queue.try_now()
            self._unsaved = True
            self._changed.notify_all()

    def close(self, timeout: float) -> bool:
        """Deliver what can be delivered at once, keep the rest, and end; whether all is delivered.

        What a receiver does not answer within ``timeout`` seconds stays for the next agent.
        """
        with self._changed:
            self._until = time.monotonic() + timeout
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout)
        self._save()
        return not self.waiting

    def _made(self, message: Message, lanes: Sequence[str]) -> Waiting:
        number = str(uuid.uuid4())
        document = webhook.document(message, number, self._host, self._endpoint)
        told = {
            "title": title(message, self._host),
            "body": text(message, self._host),
            "mood": mood(message),
        }
        return Waiting(number, document, told, [*lanes])

    def _run(self) -> None:
        while True:
            self._save()
            with self._changed:
                # Never deliver what is not kept: after a kill it would be told as another message.
                if self._unsaved:
                    continue
                now = time.monotonic()
                ending = self._until is not None
                if self._until is not None and now >= self._until:
                    return
                due = self._queue.due(now, fresh=ending)
                if due is None:
                    if ending:
                        return
                    at = self._queue.next_at()
                    self._changed.wait(None if at is None else max(0.0, at - now))
                    continue
                settings = self._settings
            self._deliver(*due, settings)

    def _deliver(self, message: Waiting, lanes: list[str], settings: Settings) -> None:
        """Try it once, in one lane or in all those of Apprise."""
        if WEBHOOK in lanes:
            lanes = [WEBHOOK]
        try:
            if lanes == [WEBHOOK]:
                results = {WEBHOOK: webhook.post(settings, message.document, time.time())}
            elif APPRISE in lanes:
                self._find_addresses(settings.urls_file)
                return
            else:
                results = _through_apprise(settings.urls_file, message, lanes)
        except NotPrivate as error:
            results = {each: Sent("Apprise", ok=False, said=str(error)) for each in lanes}
        except Exception as error:  # noqa: BLE001 - the thread must go on; its words may be secret
            said = f"unexpected {type(error).__name__}"
            results = {each: Sent(each, ok=False, said=said) for each in lanes}
        self._note(message, results)

    def _find_addresses(self, urls_file: str) -> None:
        addresses = read_addresses(urls_file)
        with self._changed:
            self._queue.expand(f"{APPRISE}:{each.number}" for each in addresses)
            self._unsaved = True

    def _note(self, message: Waiting, results: dict[str, Sent]) -> None:
        with self._changed:
            now = time.monotonic()
            for lane, sent in results.items():
                # Another configuration may have taken it out.
                if lane not in message.lanes:
                    continue
                if sent.ok:
                    self._queue.delivered(message, lane)
                    continue
                failures = self._queue.failed(lane, now)
                log.warning(
                    "an alert was not delivered", to=sent.target, reason=sent.said, tries=failures
                )
                if sent.hopeless and failures >= _HOPELESS:
                    log.error("an alert was given up", to=sent.target, reason=sent.said)
                    self._queue.delivered(message, lane)
            self._unsaved = True

    def _restore(self) -> None:
        if not self._folder:
            return
        try:
            kept = alert_file.read(self._folder)
        except StoreError as error:
            log.error("what was sent before is not known", reason=str(error))
            return
        self._firing = kept.firing
        self._queue.restore(kept.waiting)
        settings = self._settings
        self._queue.keep_lanes(
            lambda lane: bool(settings.webhook if lane == WEBHOOK else settings.urls_file)
        )

    def _save(self) -> None:
        """Keep what is to be known after a restart. A disk that is full stops no alert."""
        with self._saving:
            with self._changed:
                if not self._unsaved:
                    return
                self._unsaved = False
                kept = alert_file.Kept(self._firing, self._queue.kept())
            if not self._folder:
                return
            try:
                alert_file.write(self._folder, kept)
                self._cannot_save = False
            except StoreError as error:
                if not self._cannot_save:
                    log.warning("alerts may be sent again after a restart", reason=str(error))
                self._cannot_save = True


def _through_apprise(urls_file: str, message: Waiting, lanes: list[str]) -> dict[str, Sent]:
    """How it ended in each of these lanes. Raises NotPrivate."""
    sent = apprise.deliver(urls_file, [each.partition(":")[2] for each in lanes], message.told)
    # An address that the file no longer has waits for nothing.
    gone = Sent("", ok=True)
    return {each: sent.get(each.partition(":")[2], gone) for each in lanes}

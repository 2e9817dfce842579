"""The messages that receivers do not have yet, in order, each with who still waits for it.

A lane is one receiver: ``webhook``, or an address of Apprise. They do not wait for each other; in
one lane a message waits for those before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

WEBHOOK = "webhook"
APPRISE = "apprise"
"""All addresses of Apprise, before their file was read."""
MOST = 100
"""Messages that are kept; the oldest go first."""
_LANE = re.compile(r"webhook|apprise(:[0-9a-f]{12})?")
_MOST_LANES = 102


@dataclass(slots=True)
class Waiting:
    """A message and the lanes in which it is still to be delivered."""

    number: str
    document: dict[str, Any]
    """As the webhook gets it."""
    told: dict[str, str]
    """``title``, ``body`` and ``mood``, as Apprise gets it."""
    lanes: list[str]


@dataclass(slots=True)
class _Lane:
    failures: int = 0
    due: float = 0.0


class Queue:
    """The messages, and when each lane is tried next. Not safe to use from several threads."""

    def __init__(self, back_off: Callable[[int], float]) -> None:
        """``back_off`` says how many seconds to wait after so many failures in a row."""
        self.messages: list[Waiting] = []
        self._back_off = back_off
        self._lanes: dict[str, _Lane] = {}

    def add(self, message: Waiting) -> Waiting | None:
        """Put a message at the end; answers the oldest where it had to go for it."""
        self.messages.append(message)
        return self.messages.pop(0) if len(self.messages) > MOST else None

    def due(self, now: float, *, fresh: bool = False) -> tuple[Waiting, list[str]] | None:
        """The first message that can be tried now, and in which lanes; None where there is none.

        With ``fresh`` in no lane that failed at its last try.
        """
        seen: set[str] = set()
        for message in self.messages:
            lanes = [each for each in message.lanes if each not in seen]
            seen.update(lanes)
            ready = [
                each
                for each in lanes
                if self._lane(each).due <= now and not (fresh and self._lane(each).failures)
            ]
            if ready:
                return message, ready
        return None

    def next_at(self) -> float | None:
        """When the next lane may be tried; None where nothing waits."""
        waiting = {lane for message in self.messages for lane in message.lanes}
        return min((self._lane(each).due for each in waiting), default=None)

    def delivered(self, message: Waiting, lane: str) -> None:
        """The receiver has it, or never will."""
        self._lanes.pop(lane, None)
        self._leave(message, lane)

    def failed(self, lane: str, now: float) -> int:
        """It is tried again later; answers how often it failed in a row."""
        state = self._lane(lane)
        state.failures += 1
        state.due = now + self._back_off(state.failures)
        return state.failures

    def try_now(self) -> None:
        """Wait for nothing: something was mended."""
        self._lanes.clear()

    def keep_lanes(self, is_kept: Callable[[str], bool]) -> None:
        """Leave out the lanes that no longer lead to anybody."""
        for message in self.messages:
            for lane in [*message.lanes]:
                if not is_kept(lane):
                    self._leave(message, lane)

    def expand(self, lanes: Iterable[str]) -> None:
        """Put these lanes in the place of ``apprise``."""
        made = [*lanes]
        self._lanes.pop(APPRISE, None)
        for message in self.messages:
            if APPRISE in message.lanes:
                message.lanes.remove(APPRISE)
                message.lanes += made

    def _lane(self, name: str) -> _Lane:
        return self._lanes.setdefault(name, _Lane())

    def _leave(self, message: Waiting, lane: str) -> None:
        message.lanes.remove(lane)
        if not message.lanes:
            # It may be gone already, if there were too many.
            self.messages = [each for each in self.messages if each is not message]

    def kept(self) -> list[dict[str, Any]]:
        """As JSON has it."""
        return [
            {
                "id": each.number,
                "lanes": [*each.lanes],
                "document": each.document,
                "told": each.told,
            }
            for each in self.messages
        ]

    def restore(self, kept: object) -> None:
        """Take back what an agent before this one kept, but for what makes no sense."""
        self.messages[:0] = list(_restored(kept))[-MOST:]


def _restored(kept: object) -> Iterator[Waiting]:
    for told in kept if isinstance(kept, list) else ():
        try:
            number, document, text = told["id"], told["document"], told["told"]
            lanes = told["lanes"]
            fits = (
                isinstance(number, str)
                and isinstance(document, dict)
                and all(isinstance(text[each], str) for each in ("title", "body", "mood"))
                and 0 < len(lanes) <= _MOST_LANES
                and all(_LANE.fullmatch(each) for each in lanes)
            )
        except (KeyError, TypeError):
            continue
        if fits:
            words = {each: text[each] for each in ("title", "body", "mood")}
            yield Waiting(number, document, words, [*dict.fromkeys(lanes)])

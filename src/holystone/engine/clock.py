"""The engine's clock, and how far this machine's is from it.

Which clock counts for what:

- **Times of an engine's objects are on the engine's clock**: when an inventory was
  taken, first seen, last used, arrived, stopped, when a registry was asked, and holystone's own
  pulls. The engine dates its objects and events so, and a client on another
  machine gets the same times.
- **Times that only runs of holystone on this machine share are on this machine's clock**: leases,
  the lock, when a run started and ended. ``LiveHost.usage`` moves the end of a lease onto the
  engine's clock, where it is compared with ages.

The difference is measured by the ``Date`` header of the engine's answers, which has whole seconds:
each answer bounds it from both sides, and several bound it closer. Below ``SAME`` the clocks count
as one: no configurable age is that short.
"""

from __future__ import annotations

import math
import time
from datetime import datetime
from email.utils import parsedate_to_datetime

SAME = 2.0
"""Seconds by which two clocks that are one may seem to differ."""


def timestamp(text: object) -> float | None:
    """An engine's time (RFC 3339, any offset) as UTC seconds, to the microsecond.

    None for an empty text and for Go's zero time, which engines write for "never".
    """
    if not isinstance(text, str) or text.startswith("0001-01-01"):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


class EngineClock:
    """How far the clock of one engine is ahead of this machine's, as its answers tell."""

    def __init__(self) -> None:
        self._least, self._most = -math.inf, math.inf

    def heard(self, date: str, sent: float) -> None:
        """Take the ``Date`` of an answer that has just come; it was asked for at ``sent``.

        An invalid date is ignored. A clock that was set in between counts as it is now.
        """
        try:
            told = parsedate_to_datetime(date)
        except ValueError:
            return
        if told.tzinfo is None:
            return
        # The engine wrote it down after it was asked, and before the answer came.
        moment = told.timestamp()
        least, most = moment - time.time(), moment + 1 - sent
        if least > self._most or most < self._least:
            self._least, self._most = least, most
        else:
            self._least, self._most = max(least, self._least), min(most, self._most)

    @property
    def ahead(self) -> float:
        """Seconds by which the engine's clock is ahead; negative where it is behind.

        0 where the two are one, or the engine told no time. Half a second from the truth at most.
        """
        if self._least <= SAME and self._most >= -SAME:
            return 0.0
        return (self._least + self._most) / 2

    def now(self) -> float:
        """The time on the engine's clock, UTC seconds."""
        return time.time() + self.ahead

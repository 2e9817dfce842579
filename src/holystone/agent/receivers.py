"""Find receivers of alerts that cannot be reached by Apprise, before there is an alert."""

from __future__ import annotations

import threading

from holystone.agent import apprise
from holystone.agent.logs import log
from holystone.agent.private_file import NotPrivate
from holystone.agent.state import State


class Receivers:
    """Checks the addresses of ``alerts.urls_file``, and says in log and status what is wrong.

    Nothing waits for it: it takes a process that loads Apprise, a second or two.
    """

    def __init__(self, state: State) -> None:
        self.state = state
        self._lock = threading.Lock()
        self._asked = 0
        """How many checks were begun: only the last one counts."""

    def check(self, urls_file: str) -> threading.Thread:
        """Begin to check the addresses in this file; empty: there is none."""
        with self._lock:
            self._asked += 1
            thread = threading.Thread(
                target=self._check, args=(urls_file, self._asked), name="receivers", daemon=True
            )
        thread.start()
        return thread

    def _check(self, urls_file: str, number: int) -> None:
        said = _wrong(urls_file) if urls_file else ""
        with self._lock:
            if number != self._asked:
                return
            if said:
                log.warning("some receivers of alerts cannot be used", why=said)
            if said != self.state.now.receivers_said:
                self.state.set(receivers_said=said)


def _wrong(urls_file: str) -> str:
    """What is wrong with the addresses of a file; empty where nothing is."""
    try:
        found = apprise.check(urls_file)
    except NotPrivate as error:
        return str(error)
    wrong = [each for each in found if not each.ok]
    reasons = dict.fromkeys(each.said for each in wrong)
    told = (
        f"{', '.join(each.target for each in wrong if each.said == reason)}: {reason}"
        for reason in reasons
    )
    return "; ".join(told)

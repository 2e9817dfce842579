"""Alerts from their reason to their receivers: what the agent's ticker asks once a second."""

from __future__ import annotations

from holystone.agent.alert import Alert, Severity
from holystone.agent.alerts import Alerts
from holystone.agent.logs import log
from holystone.agent.outbox import Outbox
from holystone.agent.state import Now
from holystone.config.agent_settings import Alerts as Settings


class Alarm:
    """Tells the receivers of alerts, and the log, what is wrong."""

    def __init__(self, settings: Settings, host: str, endpoint: str, folder: str = "") -> None:
        """``host`` and ``endpoint`` are told to the receivers.

        ``folder`` is the state folder, where ``alerts.json`` keeps what a restart must not lose.
        Without one a restart tells again what is wrong.
        """
        self._outbox = Outbox(settings, host, endpoint, folder)
        self._alerts = Alerts(settings, self._outbox.firing)

    def tick(self, now: Now, at: float) -> None:
        """Tell what is to be told at this moment, UTC seconds. Waits for nothing.

        The first time it also begins to deliver what an agent before this one could not.
        """
        self._outbox.start()
        messages = self._alerts.consider(now, at)
        for message in messages:
            for alert in message.alerts:
                _log(alert)
        if messages:
            self._outbox.put(messages, self._alerts.remembered())

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that were told and still hold."""
        return self._alerts.firing

    @property
    def waiting(self) -> int:
        """How many messages somebody does not have yet."""
        return self._outbox.waiting

    def use(self, settings: Settings) -> None:
        """Go on with another configuration."""
        self._alerts.settings = settings
        self._outbox.use(settings)

    def close(self, timeout: float) -> bool:
        """Deliver what can be delivered within so many seconds; whether nothing is left."""
        return self._outbox.close(timeout)


def _log(alert: Alert) -> None:
    told = {"kind": alert.key.kind.value, "state": alert.state}
    told |= {"about": alert.key.about} if alert.key.about else {}
    if alert.ended is not None:
        log.info(f"resolved: {alert.summary}", **told)
    elif alert.severity is Severity.CRITICAL:
        log.error(f"alert: {alert.summary}", **told)
    else:
        log.warning(f"alert: {alert.summary}", **told)

"""A message for people: its title and its text."""

from __future__ import annotations

from holystone.agent.alert import Alert, Kind, Message, Severity
from holystone.outside.text import safe
from holystone.present.format import counted, timestamp

_LONGEST = 1000


def title(message: Message, host: str) -> str:
    """One line: the alert and its host, or how many there are."""
    if len(message.alerts) == 1:
        return safe(f"[{_word(message.alerts[0])}] {host}: {message.alerts[0].summary}", 200)
    well = sum(alert.ended is not None for alert in message.alerts)
    wrong = len(message.alerts) - well
    worst = _word(message.alerts[0])
    parts = [counted(wrong, "alert")] if wrong else []
    parts += [f"{well} resolved"] if well else []
    return safe(f"[{worst}] {host}: {', '.join(parts)}", 200)


def text(message: Message, host: str) -> str:
    """Each alert on a line of its own, then which host and when."""
    lines = [_line(alert) for alert in message.alerts]
    return "\n".join([*lines, safe(f"-- holystone on {host}, {timestamp(message.at)}", 300)])


def mood(message: Message) -> str:
    """How bad it is, in the words of Apprise."""
    firing = [alert for alert in message.alerts if alert.ended is None]
    if not firing:
        return "success"
    if all(alert.key.kind is Kind.TEST for alert in firing):
        return "info"
    critical = any(alert.severity is Severity.CRITICAL for alert in firing)
    return "failure" if critical else "warning"


def _line(alert: Alert) -> str:
    since = f", since {timestamp(alert.since)}" if alert.reminder else ""
    return safe(f"[{_word(alert)}] {alert.summary} ({alert.key.kind}{since})", _LONGEST)


def _word(alert: Alert) -> str:
    if alert.ended is not None:
        return "resolved"
    if alert.key.kind is Kind.TEST:
        return "test"
    return f"still {alert.severity}" if alert.reminder else alert.severity.value

"""Which alerts are due: once for each change, gathered, reminded of, and none at a wavering mark.

An alert begins when its trouble has lasted long enough, and is resolved when the trouble has stayed
away long enough (``troubles``). A change is told when the time for gathering is over and it still
holds: what comes and goes within it is not told at all. Above the critical mark only
``disk_critical`` is told. ``disk_high`` is told if the disk is still above the high mark when the
critical alert is resolved; if it was told before, it is resolved only below the high mark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from holystone.agent.alert import Alert, Key, Kind, Message, Severity
from holystone.agent.state import Now
from holystone.agent.troubles import LASTS, Trouble, recovered, troubles
from holystone.config.agent_settings import Alerts as Settings

_TOLD_INSTEAD = {Kind.DISK_HIGH: Kind.DISK_CRITICAL}
_JOB = re.compile("[a-z_-]{0,40}")
_LATEST = 4102444800.0
_LONGEST = 1000
_MOST = 100
_SOON = 0.9
"""The part of the time between two reminders after which one may go out with another."""
_KINDS = tuple(Kind)


@dataclass(slots=True)
class _Record:
    """How it stands with one alert. ``begun``, ``gone`` and ``told_at`` are by the inner clock."""

    trouble: Trouble
    since: float
    on: bool = False
    told: bool = False
    """Whether receivers take it to be firing."""
    begun: float | None = None
    """Since when the trouble has been there without a break."""
    gone: float | None = None
    """Since when it has stayed away."""
    ended: float = 0.0
    told_at: float = 0.0
    told_time: float = 0.0
    """The same by the clock on the wall."""


class Alerts:
    """Decides which messages go out. Not safe to use from several threads."""

    def __init__(self, settings: Settings, remembered: object = None) -> None:
        """``remembered`` is what the agent before this one answered under that name.

        What makes no sense in it does not count.
        """
        self.settings = settings
        """May be replaced by others at any time."""
        self._records = dict(_restored(remembered))
        self._clock = 0.0
        """Seconds in which this has been asked. Jumps forward count, jumps back do not: nothing
        waits for the clock to come back."""
        self._at: float | None = None
        self._gathering: float | None = None
        """Since when there has been a change to tell."""

    def consider(self, now: Now, at: float) -> list[Message]:
        """The messages to send at this moment, UTC seconds. To be asked about once a second."""
        self._advance(at)
        found = troubles(now, self.settings.forecast, self._on(), self._clock, at)
        for key in {**self._records, **found}:
            self._update(key, found.get(key), at, unknown=key in found and found[key] is None)
        changed = [key for key, record in self._records.items() if self._is_due(key, record)]
        if not changed:
            self._gathering = None
        elif self._gathering is None:
            self._gathering = self._clock
        if self._gathering is not None and self._clock - self._gathering < self.settings.group:
            return []
        self._gathering = None
        alerts = [self._tell(key, now, at) for key in changed]
        alerts += [self._remind(key, at) for key in self._to_remind(set(changed))]
        return [Message(at, tuple(sorted(alerts, key=_order)))] if alerts else []

    @property
    def firing(self) -> tuple[Alert, ...]:
        """The alerts that receivers take to be firing."""
        told = (_alert(key, record) for key, record in self._records.items() if record.told)
        return tuple(sorted(told, key=_order))

    def remembered(self) -> list[dict[str, Any]]:
        """What the next agent must know so that it tells nothing again, as JSON has it.

        Worth to be kept anew when ``consider`` has answered messages.
        """
        return [
            {
                "kind": key.kind.value,
                "about": key.about,
                "severity": record.trouble.severity.value,
                "summary": record.trouble.summary[:_LONGEST],
                "since": record.since,
                "told": record.told_time,
            }
            for key, record in self._records.items()
            if record.told
        ]

    def _advance(self, at: float) -> None:
        if self._at is None:
            for record in self._records.values():
                record.told_at = -max(0.0, at - record.told_time)
        else:
            self._clock += max(0.0, at - self._at)
        self._at = at
        for record in self._records.values():
            record.since = min(record.since, at)
            record.told_time = min(record.told_time, at)

    def _on(self) -> set[Key]:
        return {key for key, record in self._records.items() if record.on}

    def _update(self, key: Key, trouble: Trouble | None, at: float, *, unknown: bool) -> None:
        record = self._records.get(key)
        if unknown:
            if record is not None:
                record.gone = None
                record.begun = None if not record.on else record.begun
        elif trouble is not None:
            record = record or self._records.setdefault(key, _Record(trouble, at))
            self._there(record, trouble, at)
        elif record is not None:
            self._away(key, record, at)
        if record is not None and not record.told and not record.on and record.begun is None:
            del self._records[key]

    def _there(self, record: _Record, trouble: Trouble, at: float) -> None:
        record.trouble = trouble
        record.gone = None
        if record.begun is None:
            record.begun = self._clock
            if not record.told:
                record.since = at
        record.on = record.on or self._clock - record.begun >= trouble.after

    def _away(self, key: Key, record: _Record, at: float) -> None:
        record.begun = None
        if record.gone is None:
            record.gone = self._clock
        # Nobody has heard of it yet: nothing wavers.
        lasts = LASTS.get(key.kind, 0.0) if record.told else 0.0
        if record.on and self._clock - record.gone >= lasts:
            record.on = False
            record.ended = at

    def _is_due(self, key: Key, record: _Record) -> bool:
        return record.on != record.told and not (record.on and self._is_covered(key))

    def _is_covered(self, key: Key) -> bool:
        """Whether another alert that is on is told instead of this one."""
        other = _TOLD_INSTEAD.get(key.kind)
        record = self._records.get(Key(other)) if other else None
        return record is not None and record.on

    def _tell(self, key: Key, now: Now, at: float) -> Alert:
        record = self._records[key]
        record.told = record.on
        record.told_at, record.told_time = self._clock, at
        if record.on:
            return _alert(key, record)
        if record.begun is None:
            del self._records[key]
        else:
            # It has come again, and not for long enough yet.
            self._records[key] = _Record(record.trouble, at, begun=record.begun)
        summary, details = recovered(key, now)
        since = min(record.since, record.ended)
        return Alert(key, record.trouble.severity, summary, since, record.ended, details=details)

    def _to_remind(self, but: set[Key]) -> list[Key]:
        """What is to be told again: all that is due soon, as soon as one is due."""
        every = self.settings.remind
        ages = {
            key: self._clock - record.told_at
            for key, record in self._records.items()
            if record.told and record.begun is not None and key not in but
            if not self._is_covered(key)
        }
        if not every or max(ages.values(), default=0.0) < every:
            return []
        return [key for key, age in ages.items() if age >= every * _SOON]

    def _remind(self, key: Key, at: float) -> Alert:
        record = self._records[key]
        record.told_at, record.told_time = self._clock, at
        return _alert(key, record, reminder=True)


def _order(alert: Alert) -> tuple[bool, bool, int, str]:
    """What is wrong before what is well again, and the worst first."""
    mild = alert.severity is not Severity.CRITICAL
    return alert.ended is not None, mild, _KINDS.index(alert.key.kind), alert.key.about


def _alert(key: Key, record: _Record, *, reminder: bool = False) -> Alert:
    trouble = record.trouble
    return Alert(
        key,
        trouble.severity,
        trouble.summary,
        record.since,
        reminder=reminder,
        details=trouble.details,
    )


def _restored(remembered: object) -> Iterator[tuple[Key, _Record]]:
    for told in remembered[:_MOST] if isinstance(remembered, list) else ():
        try:
            about, summary = told["about"], told["summary"]
            kind, severity = Kind(told["kind"]), Severity(told["severity"])
            since, at = float(told["since"]), float(told["told"])
        except (KeyError, TypeError, ValueError):
            continue
        texts = isinstance(about, str) and isinstance(summary, str)
        if not texts or not _JOB.fullmatch(about) or kind is Kind.TEST:
            continue
        if 0 <= since <= _LATEST and 0 <= at <= _LATEST:
            trouble = Trouble(severity, summary[:_LONGEST])
            yield Key(kind, about), _Record(trouble, since, on=True, told=True, told_time=at)

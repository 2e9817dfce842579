"""An alert, and a message that tells one or several: what receivers get, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from holystone.outside.text import safe
from holystone.present.format import timestamp

FIRING, RESOLVED = "firing", "resolved"
_LONGEST = 1000
_MOST_DETAILS = 50


class Kind(StrEnum):
    """What can be wrong. The values are for good: receivers sort by them."""

    DISK_HIGH = "disk_high"
    DISK_CRITICAL = "disk_critical"
    INODES_HIGH = "inodes_high"
    TARGET_NOT_REACHED = "target_not_reached"
    FILLING = "filling"
    ENGINE_GONE = "engine_gone"
    RUN_FAILED = "run_failed"
    IMAGE_CORRUPTED = "image_corrupted"
    LEDGER_UNUSABLE = "ledger_unusable"
    CONFIGURATION_REFUSED = "configuration_refused"
    AGENT_RESTARTED = "agent_restarted"
    TEST = "test"
    """Nothing is wrong: ``holystone agent test-alert``."""


class Severity(StrEnum):
    """How soon somebody should look."""

    WARNING = "warning"
    CRITICAL = "critical"


class Key(NamedTuple):
    """Which alert: of each there is one at a time."""

    kind: Kind
    about: str = ""
    """The job, for ``run_failed``; otherwise empty."""


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert as it stands at a moment."""

    key: Key
    severity: Severity
    summary: str
    since: float
    ended: float | None = None
    """When it was resolved; None while it is firing."""
    reminder: bool = False
    """Whether it was told before and goes on."""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """``firing`` or ``resolved``."""
        return FIRING if self.ended is None else RESOLVED

    def document(self) -> dict[str, Any]:
        """As receivers get it, without control characters."""
        return {
            "kind": self.key.kind.value,
            "about": safe(self.key.about, 100),
            "severity": self.severity.value,
            "state": self.state,
            "reminder": self.reminder,
            "since": timestamp(self.since),
            "ended": None if self.ended is None else timestamp(self.ended),
            "summary": safe(self.summary, _LONGEST),
            "details": _clean(self.details),
        }


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out at once."""

    at: float
    alerts: tuple[Alert, ...]


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {safe(str(name), 100): _clean(value[name]) for name in [*value][:_MOST_DETAILS]}
    if isinstance(value, (list, tuple)):
        return [_clean(each) for each in value[:_MOST_DETAILS]]
    return (
        value
        if value is None or isinstance(value, (bool, int, float))
        else safe(str(value), _LONGEST)
    )

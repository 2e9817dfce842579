"""What ``[agent]``, ``[schedule]`` and ``[alerts]`` say: how the agent works, when, and who hears.

Durations are seconds. What may be removed is not said here: that is the policy's.
"""

from __future__ import annotations

from typing import NamedTuple

from holystone.planner.units import Window

_MINUTE, _HOUR = 60.0, 3600.0
JOBS = ("routine", "weekly", "deep", "refresh", "verify", "observe")
"""What a schedule can run: the levels of a clean, then what removes nothing."""


class Service(NamedTuple):
    """``[agent]``: where it is reached, and how closely it watches."""

    listen: str = ""
    """``HOST:PORT`` for HTTP; empty: only the socket."""
    socket: str = ""
    """The path of its unix socket; empty: see ``agent_socket.own_socket``."""
    socket_group: str = ""
    """The group that may use the socket; empty: that of the process."""
    token_file: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    textfile: str = ""
    """The file for node_exporter's textfile collector; empty: none."""
    log: str = "text"
    """``text`` or ``json``."""
    check_disk: float = 5.0
    look_again: float = _HOUR
    """How often the whole host is looked at, though no event asks for it."""
    deep_when_critical: bool = False


class Schedule(NamedTuple):
    """``[schedule]``: a cron expression for each job, None for never."""

    routine: str | None = "17 * * * *"
    weekly: str | None = "23 3 * * 0"
    deep: str | None = None
    refresh: str | None = None
    verify: str | None = None
    observe: str | None = None
    timezone: str = ""
    """An IANA name; empty: that of the machine."""
    jitter: float = 5 * _MINUTE
    quiet: Window | None = None
    """The part of the day in which no job of the schedule begins."""


class Alerts(NamedTuple):
    """``[alerts]``: who hears of it when something is wrong."""

    webhook: str = ""
    secret_file: str = ""
    """Whose content signs what goes to the webhook."""
    urls_file: str = ""
    """Addresses for Apprise, one in a line."""
    remind: float = 6 * _HOUR
    """How often a trouble that lasts is told again; 0: never."""
    group: float = 10.0
    """How long alerts are gathered, to go out in one message."""
    forecast: float = 12 * _HOUR
    """Alert where the disk is full by then at this rate; 0: never."""


class AgentSettings(NamedTuple):
    """All of it. The defaults are those of a file that says nothing."""

    agent: Service = Service()
    schedule: Schedule = Schedule()
    alerts: Alerts = Alerts()

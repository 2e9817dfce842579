"""``holystone agent``: its parts, put together, from its start to its end."""

from __future__ import annotations

import gc
import os
import signal
import threading
import time

from sdnotify import SystemdNotifier

from holystone.agent.alarm import Alarm
from holystone.agent.facade import Facade
from holystone.agent.host_watch import HostWatch
from holystone.agent.instance import Instance
from holystone.agent.logs import log, set_up
from holystone.agent.mends import for_agent
from holystone.agent.options import AgentOptions
from holystone.agent.owner import Owner
from holystone.agent.parts import Parts
from holystone.agent.pulse import Ping, Pulse
from holystone.agent.receivers import Receivers
from holystone.agent.start_checks import REFUSED, check
from holystone.agent.state import State
from holystone.agent.status_line import marks_in_words, status_line
from holystone.agent.ticker import Ticker
from holystone.agent.web.app import make_app
from holystone.agent.web.server import Server
from holystone.agent.web.tokens import Tokens
from holystone.agent.worker import Worker
from holystone.engine.transport.endpoint import resolve
from holystone.outside.text import safe
from holystone.store.store import Store

_TURN = 1.0
_FOLLOW = 0.5
_END = 9.0
"""Seconds for the work under way to end: systemd waits for 15."""


class Agent:
    """The daemon of one host."""

    def __init__(self, options: AgentOptions) -> None:
        """Raises one of ``start_checks.REFUSED``, EndpointError, StoreError, AgentRunsError."""
        self.options = options
        self.owner = Owner(options)
        settings = self.owner.settings()
        set_up(settings.agent.log)
        where = resolve(options.host, options.context, options.environ)
        endpoint = where.url
        # Before anything in the folder is read: it may be that of another agent.
        self.instance = Instance(options.folder)
        check(settings)
        self.state = State(endpoint)
        self.state.set(crashed=self.instance.crashed)
        self.store = Store(options.folder, self._ledger_fails)
        self.tokens = Tokens(settings.agent.token_file)
        self.host = HostWatch(options, self.state, self._ledger_fails)
        self.worker = Worker(self.host, self.state, self.owner)
        self.pulse = None
        if where.scheme != "demo":
            ping = Ping(where, options.timeout)
            self.pulse = Pulse(ping, self.host.standing, self.worker.engine_returned)
        self.alarm = Alarm(settings.alerts, os.uname().nodename, endpoint, options.folder)
        self.receivers = Receivers(self.state)
        parts = Parts(self.state, self.store, self.owner, self.worker, self.alarm)
        self.ticker = Ticker(parts)
        app = make_app(Facade(parts), self.tokens)
        self.server = Server(app, settings.agent, options.folder)
        self._notifier = SystemdNotifier()
        self._stopping = threading.Event()
        self._reload = False

    def run(self) -> int:
        """Work until a signal ends it; the exit code. Raises ListenError."""
        # A command line collects no garbage, and each closed connection is some.
        gc.freeze()
        gc.enable()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        signal.signal(signal.SIGHUP, lambda *_: self._want_reload())
        follower = threading.Thread(target=self._follow, name="events", daemon=True)
        try:
            self.server.start()
            # A start that is refused is no crash.
            self.instance.begin()
            log.info(
                "watches",
                engine=self.state.now.endpoint,
                **marks_in_words(self.owner.of_level("routine").disk),
            )
            log.info("listens", socket=self.server.socket, tcp=list(self.server.addresses))
            self.worker.start()
            follower.start()
            self.receivers.check(self.owner.settings().alerts.urls_file)
            if self.pulse is not None:
                self.pulse.start()
            self._notifier.notify("READY=1")
            while not self._stopping.wait(_TURN):
                self._turn()
            self._end()
        finally:
            self.server.stop(1.0)
            self.alarm.close(1.0)
            self.store.close()
        self.instance.end()
        return 0

    def _turn(self) -> None:
        try:
            if self._reload:
                self._reload = False
                self._read_again()
            self.ticker.turn()
        except Exception:  # noqa: BLE001 - one turn must not end all others
            log.exception("a turn failed; the agent goes on")
        if self.worker.is_alive():
            self._notifier.notify(f"WATCHDOG=1\nSTATUS={status_line(self.state.now)}")

    def _follow(self) -> None:
        while not self._stopping.is_set():
            self.host.follow(_FOLLOW)

    def _end(self) -> None:
        """Let the removals under way end, and keep what was learned."""
        log.info("ends")
        self._notifier.notify("STOPPING=1")
        if self.pulse is not None:
            self.pulse.stop()
        self.worker.stop()
        self.worker.join(_END)
        self.ticker.end()
        if self.worker.is_alive():
            log.warning("what is under way did not end in time; the next look settles it")
            self.worker.orders.give_up()

    def _want_reload(self) -> None:
        self._reload = True

    def _read_again(self) -> None:
        """Go on with the configuration as it is now; where it is wrong, with the one before."""
        self._notifier.notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            configuration, settings = self.owner.proposed()
            check(settings)
            self.tokens.use(settings.agent.token_file)
        except REFUSED as error:
            log.error("the configuration is refused, the one before is kept", why=str(error))
            self.state.set(config_said=safe(str(error)))
        else:
            self.owner.use(configuration, settings)
            self.alarm.use(settings.alerts)
            self.receivers.check(settings.alerts.urls_file)
            self.ticker.reschedule(settings.schedule)
            set_up(settings.agent.log)
            self._compare(self.server.changed(settings.agent))
            marks = marks_in_words(self.owner.of_level("routine").disk)
            log.info("the configuration was read again", **marks)
        self._notifier.notify("READY=1")

    def _compare(self, keys: list[str]) -> None:
        """Say which changes of the configuration do not count yet."""
        said = ", ".join(keys) + (" has changed" if len(keys) == 1 else " have changed")
        if keys:
            log.warning("settings that take a restart of the agent have changed", keys=keys)
        self.state.set(config_said="", restart_said=said if keys else "")

    def _ledger_fails(self, why: str) -> None:
        why = for_agent(why)
        log.warning("the ledger", why=why)
        self.state.set(ledger_said=safe(why))

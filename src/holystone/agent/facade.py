"""What the API asks of the agent: the last look, the history, the samples, and orders."""

from __future__ import annotations

import time
from collections.abc import Sequence

from holystone.agent import metrics
from holystone.agent.alert import Alert
from holystone.agent.parts import Parts
from holystone.agent.snapshots import plan_of, with_disk, without_others
from holystone.agent.state import UP, JobResult
from holystone.config.agent_settings import AgentSettings
from holystone.config.load import Configuration
from holystone.operations.errors import OperationError
from holystone.operations.snapshot_text import encode
from holystone.operations.survey import Survey, check_selection
from holystone.operations.wishes import Wishes
from holystone.planner.policy import Policy
from holystone.store import samples
from holystone.store.audits import AuditSum
from holystone.store.samples import Sample


class Facade:
    """The agent as the API sees it; see ``web.port.AgentPort``."""

    def __init__(self, parts: Parts) -> None:
        self.state, self.store, self.owner, self.worker, self.alarm = parts

    def settings(self) -> AgentSettings:
        """How the agent works, as of the last time the configuration was read."""
        return self.owner.settings()

    def configuration(self) -> Configuration:
        """The files of that configuration."""
        return self.owner.configuration()

    def policy(self, level: str) -> Policy:
        """The owner's policy for a level."""
        return self.owner.of_level(level)

    def plan(self, level: str, only: Sequence[str] | None = None) -> Survey:
        """What a clean of this level would remove, from the last look. Asks no engine."""
        snapshot = self.state.now.snapshot
        if snapshot is None:
            raise OperationError("the host was not looked at yet")
        leases = self.store.recall_leases(time.time()) if self.store.exists() else ()
        snapshot = with_disk(snapshot, self.state.now.disk)
        policy = self.owner.policy(Wishes(level, only=None if only is None else tuple(only)))
        check_selection(snapshot.inventory, policy)
        return plan_of(snapshot, policy, tuple(leases))

    def inventory(self, *, every: bool) -> bytes | None:
        """The host for a command line on this machine; None where it is not known just now."""
        self.worker.host.catch_up()
        now = self.state.now
        if now.snapshot is None or now.engine != UP or self.worker.host.behind:
            return None
        found = with_disk(now.snapshot, now.disk)
        told = found if every else without_others(found)
        return encode(now.endpoint, told.inventory, told.usage, told.looked_at)

    def ask(self, job: str, by: str, wishes: Wishes | None = None) -> None:
        """Queue a job, unless it waits already. Raises RequestError where it makes no sense."""
        if wishes is not None:
            self.owner.policy(wishes)
        self.worker.orders.ask(job, by, wishes)

    def restore(self, run: int | None, references: Sequence[str], by: str) -> JobResult:
        """Bring back what a run removed, and wait for that."""
        return self.worker.orders.restore(run, tuple(references), by)

    def samples(self, since: float, step: int) -> Sequence[Sample]:
        """The samples from this moment on, the oldest first. Raises StoreError."""
        snapshot = self.state.now.snapshot
        if snapshot is None:
            return ()
        key, nothing = snapshot.inventory.engine.key, ()
        return self.store.read(lambda base: samples.recall(base, key, step, since), nothing)

    def last_audit(self) -> AuditSum | None:
        """The sum of the last audit of this host; None where none is remembered."""
        snapshot = self.state.now.snapshot
        if snapshot is None:
            return None
        return self.store.recall_audit(snapshot.inventory.engine.key)

    def alerts(self) -> Sequence[Alert]:
        """The alerts that are firing."""
        return self.alarm.firing

    def metrics(self, accept: str = "") -> tuple[bytes, str]:
        """The metrics and their content type."""
        return metrics.render(self.state, accept)

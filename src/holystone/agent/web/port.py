"""What the API needs of the agent: the agent gives it, and so does a test."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from holystone.agent.alert import Alert
from holystone.agent.state import JobResult, State
from holystone.config.agent_settings import AgentSettings
from holystone.config.load import Configuration
from holystone.operations.survey import Survey
from holystone.operations.wishes import Wishes
from holystone.planner.policy import Policy
from holystone.store.audits import AuditSum
from holystone.store.samples import HOUR, MINUTE, Sample
from holystone.store.store import Store

STEPS = {"minute": MINUTE, "hour": HOUR}
"""How far the samples are apart that ``samples`` can give, in seconds."""


class AgentPort(Protocol):
    """The agent, as the API sees it. Every method can be called from any thread."""

    @property
    def state(self) -> State:
        """What the agent knows at this moment."""

    @property
    def store(self) -> Store:
        """The ledger: runs and leases."""

    def settings(self) -> AgentSettings:
        """How the agent is to work, as of the last time the configuration was read."""

    def configuration(self) -> Configuration:
        """The files of that configuration."""

    def policy(self, level: str) -> Policy:
        """The owner's policy for a level."""

    def plan(self, level: str, only: Sequence[str] | None = None) -> Survey:
        """What a clean of this level would remove, from the last look. Asks no engine.

        ``only``: the kinds and names of all that may go. Called only once there is a
        ``state.now.snapshot``. Raises OperationError, and NotThere for a name that means nothing.
        """

    def inventory(self, *, every: bool) -> bytes | None:
        """The last look as ``operations.snapshot_text`` writes it, without ``every`` in part.

        None where something has changed since.
        """

    def ask(self, job: str, by: str, wishes: Wishes | None = None) -> None:
        """Queue a job, unless it waits already. ``by`` is who asked."""

    def restore(self, run: int | None, references: Sequence[str], by: str) -> JobResult:
        """Bring back what a run removed, and wait for that. None: the latest run.

        Raises OperationError, EngineError, StoreError.
        """

    def samples(self, since: float, step: int) -> Sequence[Sample]:
        """The samples from this moment on (UTC seconds), the oldest first. Raises StoreError.

        ``step`` is how far they are apart, in seconds: one of ``STEPS``.
        """

    def last_audit(self) -> AuditSum | None:
        """The sum of the last audit of this host; None where none is remembered."""

    def alerts(self) -> Sequence[Alert]:
        """The alerts that are firing."""

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """The metrics and their content type, for the header Accept of who asks."""

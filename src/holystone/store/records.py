"""Records of past runs: sizes in bytes, times in UTC seconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from holystone.planner.verdict import Fact, Rule

DONE = "done"
INTERRUPTED = "interrupted"
KILLED = "killed"
RUNNING = "running"

REMOVED = "removed"
SKIPPED = "skipped"
FAILED = "failed"
UNKNOWN = "unknown"
NOT_TRIED = "not_tried"
"""How a removal ended, in the words of ``engine.host``, which the ledger does not know."""


class RecordedReason(NamedTuple):
    """Why an object was to go, as the version of holystone wrote it that made the run."""

    rule: str
    """The name of a rule, which this version may not have."""
    facts: Mapping[str, Fact] = {}


class RunSummary(NamedTuple):
    """One run, without its removals."""

    id: int
    engine: str
    """By what the ledger keeps its data: ``planner.inventory.Engine.key``."""
    engine_name: str
    endpoint: str
    """The engine's address, as people write it."""
    level: str
    job: str
    """The CI job that ran it; empty where it was none."""
    started: float
    ended: float | None
    """None while it runs. Of a run that was killed, when it was last heard of."""
    state: str
    """``done``, ``interrupted`` (it ended early and told so), ``killed`` or ``running``."""
    interrupted: str
    """Why it ended early, in words; else empty."""
    steps: int
    """How many removals were planned."""
    planned_bytes: int
    estimated: bool
    """Whether ``planned_bytes`` were an estimate."""
    freed_bytes: int
    """Of a run that was killed, what was planned of the removals that were made."""
    removed: int
    skipped: int
    failed: int
    free_before: int | None
    """Bytes free on the disk under the engine's data; None where that was not in sight."""
    free_after: int | None
    target_free: int | None = None
    """How many bytes were to be free in the end; None where the level alone counted."""
    options: tuple[str, ...] | None = None
    """The options that differed from their defaults, as on a command line; None where an earlier
    version of holystone made the run and did not record them."""
    tagged: int = 0
    """How many of the images that were removed had a tag."""
    under_pressure: int | None = None
    """How many of the tagged ones went for space alone; None where that was not recorded."""
    unknown: int = 0
    """How many removals got no answer, and were not looked at since."""
    not_tried: int = 0
    """How many removals it never came to ask for, since it ended early."""
    host: str = ""
    """The UUID of its host; empty where an earlier version of holystone made the run, and the host
    was not seen since."""
    host_engine: str = ""
    """The ID of the engine on that host."""

    @property
    def engine_id(self) -> str:
        """The engine's ID, which is in the key where the host is not known."""
        return self.host_engine or self.engine.rpartition("/")[0]

    @property
    def store(self) -> str:
        """The engine's image store."""
        return self.engine.rpartition("/")[2]

    @property
    def lock(self) -> str:
        """What the lock of its host is named after; see ``planner.inventory.Engine.lock``."""
        return f"{self.engine_id}/{self.engine_name}/{self.store}"


class Removed(NamedTuple):
    """One planned removal of a run, and its result."""

    kind: str
    id: str
    names: tuple[str, ...]
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    """The references of an image as they were before: ``python@sha256:…`` can be pulled again."""
    labels: Mapping[str, str]
    size: int | None
    """As the engine gave it, shared layers included; None where it told none."""
    planned_bytes: int
    freed_bytes: int | None
    """None where it did not go, or the run was killed before it could tell."""
    result: str
    """``removed``, ``skipped``, ``failed``, ``unknown`` (asked for, and no answer came) or
    ``not_tried`` (the run ended before it came to ask); empty while the run has not asked yet."""
    detail: str
    at: float | None
    """When it was settled."""
    platforms: tuple[str, ...] = ()
    """The platforms of an image that were here; empty where the engine did not tell."""
    reasons: tuple[RecordedReason, ...] | None = None
    """Why it was to go; None where an earlier version of holystone did not record it."""
    lost: tuple[str, ...] = ()
    """The references that an image lost while it stayed."""
    looked: bool = False
    """Whether no answer came, and what is there told the result."""

    @property
    def unanswered(self) -> bool:
        """Whether the engine may have been asked, and no answer told what it did."""
        return self.looked or self.result in ("", UNKNOWN)

    @property
    def may_lack(self) -> bool:
        """Whether something of an object may have gone by this removal.

        Also where the run never came to tell: it may have been killed.
        """
        return self.unanswered or self.result == REMOVED or bool(self.lost)

    @property
    def under_pressure(self) -> bool:
        """Whether it was to go because the disk needed space, and for no other reason."""
        return any(reason.rule == Rule.PRESSURE for reason in self.reasons or ())

    @property
    def step_of(self) -> str:
        """The image of which it was a build step and with which it went; else an empty text."""
        steps = [reason for reason in self.reasons or () if reason.rule == Rule.STEP]
        return str(steps[0].facts.get("image", "")) if steps else ""

"""What the lists of images, containers, volumes and build cache have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from holystone.planner.inventory import Inventory
from holystone.planner.totals import Beside
from holystone.planner.verdict import Plan, Verdict
from holystone.present import reasons
from holystone.present.format import ago, short_id, timestamp
from holystone.present.lists import filters as by
from holystone.present.lists.table import Field, Filter, where_known


class Seen(NamedTuple):
    """A host as a list needs it."""

    inventory: Inventory
    plan: Plan
    last_used: Mapping[tuple[str, str], float] = {}
    """By kind and ID when holystone saw it in use, UTC seconds."""
    beside: Beside = Beside()
    """The logs of containers; unread where the list does not tell of them."""

    def verdicts(self, kind: str) -> dict[str, Verdict]:
        """The verdicts on the objects of a kind, by ID."""
        return {verdict.id: verdict for verdict in self.plan.verdicts if verdict.kind == kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectRow:
    """An object of the host, and its verdict."""

    verdict: Verdict
    created: float | None
    """When it was made, UTC seconds; None where that is not known."""
    used: float | None
    """When it was last used, UTC seconds; None where nothing tells."""
    now: float
    whole: bool = False
    """Whether IDs are written in full."""

    @property
    def age(self) -> float | None:
        """Seconds since it was made; None where that is not known."""
        return None if self.created is None else self.now - self.created

    @property
    def idle(self) -> float | None:
        """Seconds since its last use; None where none is known."""
        return None if self.used is None else max(0.0, self.now - self.used)

    @property
    def action(self) -> str:
        """``remove`` or ``keep``."""
        return "remove" if self.verdict.remove else "keep"

    @property
    def identifier(self) -> str:
        """Its ID, shortened where that was not refused."""
        return self.verdict.id if self.whole else short_id(self.verdict.id)

    @property
    def handle(self) -> str:
        """What ``--quiet`` writes: the docker command knows the object by it."""
        return self.identifier


Row = TypeVar("Row", bound=ObjectRow)


def known_time(moment: float | None) -> float | None:
    """The moment; None where the engine has none: it writes year 1 then."""
    return moment if moment is not None and moment > 0 else None


def id_field(_: type[Row]) -> Field[Row]:
    """Its ID, for ``--format``."""
    told = "its ID, 12 digits of it without --no-trunc"
    return Field("ID", told, lambda row: row.identifier)


def date_fields(_: type[Row], *, made: str, use: str) -> tuple[Field[Row], ...]:
    """When it was made and last used, for ``--format``."""
    return (
        Field("CreatedAt", made, lambda row: where_known(timestamp, row.created)),
        Field("CreatedSince", "how long ago that is", lambda row: where_known(ago, row.age)),
        Field("LastUsedAt", use, lambda row: where_known(timestamp, row.used)),
        Field("LastUsedSince", "how long ago that is", lambda row: where_known(ago, row.idle)),
    )


def verdict_fields(_: type[Row]) -> tuple[Field[Row], ...]:
    """Whether it goes or stays, and why, for ``--format``."""
    return (
        Field("Verdict", "keep or remove", lambda row: row.action),
        Field("Rule", "the rule that decides", lambda row: row.verdict.reasons[0].rule),
        Field("Reason", "the same in words", lambda row: reasons.texts(row.verdict.reasons)),
        Field("FreedBytes", "what comes free with it, in the plan",
              lambda row: row.verdict.freed_bytes),
    )  # fmt: skip


def date_orders(_: type[Row]) -> dict[str, Callable[[Row], Any]]:
    """When it was made and last used, for ``--sort``."""
    return {
        "age": lambda row: row.age,
        "created": lambda row: row.created,
        "last-use": lambda row: row.idle,
        "used": lambda row: row.idle,
    }


def verdict_orders(_: type[Row]) -> dict[str, Callable[[Row], Any]]:
    """Whether it goes or stays, for ``--sort``."""
    return {"verdict": lambda row: (row.verdict.remove, row.verdict.reasons[0].rule)}


def age_filters(_: type[Row], *, made: str) -> tuple[Filter[Row], ...]:
    """How old it is, for ``--filter``."""
    return (
        Filter("until", f"{made} longer ago than this: 24h", by.least_age(lambda row: row.age)),
        Filter("age", f"how long ago it was {made}: 'age>7d'", by.age(lambda row: row.age)),
    )


def use_filter(_: type[Row], *, use: str) -> Filter[Row]:
    """How long it is unused, for ``--filter``: without a known use it is idle for ever."""

    def idle(row: Row) -> float:
        return float("inf") if row.idle is None else row.idle

    return Filter("used", f"how long ago {use}: 'used>7d'", by.age(idle))


def verdict_filters(_: type[Row]) -> tuple[Filter[Row], ...]:
    """Whether it goes or stays, and why, for ``--filter``."""
    return (
        Filter("verdict", "keep or remove",
               by.choice(lambda row: row.action, ("keep", "remove"))),
        Filter("rule", "a rule that speaks for the verdict",
               by.text(lambda row: [reason.rule for reason in row.verdict.reasons])),
        Filter("reason", "a part of the reason",
               by.part(lambda row: (reasons.texts(row.verdict.reasons),))),
    )  # fmt: skip

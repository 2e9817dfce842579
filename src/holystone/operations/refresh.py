"""Keep images current: ask what registries have under tags now, and pull what is newer.

An image that was built here is not replaced, unless its reference is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from holystone.engine.errors import EngineError
from holystone.operations.connect import Session
from holystone.operations.live_host import LiveHost
from holystone.operations.reach import reach_of
from holystone.operations.refresh_choice import choose
from holystone.operations.refresh_standing import Standing, stand
from holystone.operations.survey import look
from holystone.operations.watching import Watch, Watcher, unwatched
from holystone.operations.workers import INTERRUPTED, side_by_side
from holystone.planner.inventory import Engine
from holystone.planner.policy import Policy
from holystone.planner.reference import parse
from holystone.planner.units import Window
from holystone.registry.credentials import CredentialsError
from holystone.registry.pull import Images, PullCancelled
from holystone.store.engine_facts import Pulled, Speed

PULLED = "pulled"
UNCHANGED = "unchanged"
FAILED = "failed"
LEFT = "left"
"""What became of a pull. ``LEFT``: not begun."""


class Outcome(NamedTuple):
    """What became of a reference."""

    result: str = ""
    """``pulled``, ``unchanged``, ``failed`` or ``left``; empty where nothing was to be pulled."""
    detail: str = ""
    image_id: str = ""
    """The ID of the image it means now; empty where it is not here."""
    size: int | None = None
    """Bytes that came; None where the engine did not tell."""
    seconds: float | None = None
    """How long the pull took, unpacking included; None where there was none."""


class Refreshed(NamedTuple):
    """What became of everything, in the order of what was asked about."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    interrupted: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One reference, how it stands, and what became of it."""

    reference: str
    why: str
    """``named``, ``protected`` or ``used``."""
    state: str
    before: str
    """The ID of the image it meant; empty where it was not here."""
    result: str = ""
    """``pulled``, ``unchanged``, ``failed`` or ``left``; empty where nothing was to be pulled."""
    detail: str = ""
    image_id: str = ""
    """The ID of the image it means now; empty where it is not here."""
    size: int | None = None
    """Bytes that came."""
    seconds: float | None = None
    out_of_reach: bool = False
    """Whether no registry gave an answer, or none has what is not here."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """What registries have anew, and what was pulled."""

    engine: Engine | None
    """None where nothing was asked."""
    entries: tuple[Entry, ...] = ()
    speeds: Mapping[str, Speed] = field(default_factory=dict)
    """How fast each registry is, by its domain."""
    dry_run: bool = False
    seconds: float = 0.0
    window: str = ""
    """The part of the day that pulls are kept to; empty without one."""
    outside: bool = False
    """Whether nothing was asked or pulled, since it is outside the window."""
    interrupted: str = ""

    @property
    def failed(self) -> bool:
        """Whether a registry gave no answer, a pull failed, or what was wanted is nowhere."""
        return any(each.out_of_reach or each.result == FAILED for each in self.entries)


def refresh(
    session: Session,
    policy: Policy,
    references: Sequence[str] = (),
    *,
    missing: bool = False,
    dry_run: bool = False,
    parallel: int = 2,
    window: Window | None = None,
    watch: Watch = unwatched,
) -> Refresh:
    """Pull what registries have anew under these tags; returns how each stands.

    Without ``references`` those tags count that ``policy`` protects or that were used within 30
    days. ``missing``: also pull what is not here. No pull begins outside ``window``. Ctrl-C ends
    the pulls under way, and the answer says so.

    Raises RefreshError for references that mean nothing, EngineError and StoreError.
    """
    host, store, reach = session.host, session.ledger, reach_of(session)
    inventory = look(session, policy)
    engine = inventory.engine
    wanted = choose(inventory, host.usage(), policy.protect, references, missing=missing)
    key = f"{engine.id}/{engine.store}"
    standings = stand(reach.ask, wanted, engine.store, missing=missing)
    done = Refreshed(tuple(_stay(each, Outcome(detail=each.detail)) for each in standings), 0.0)
    if not dry_run:
        pulls = {place for place, each in enumerate(standings) if each.to_pull}
        names = [standings[place].wanted.reference for place in sorted(pulls)]
        with store.own_pulls(key, names, reach.now), watch(pulls) as watcher:
            done = carry_out(
                standings,
                reach.puller(),
                watcher,
                parallel=parallel,
                may_begin=lambda: window is None or window.holds(minute_of_the_day()),
            )
        if isinstance(host, LiveHost):
            for standing, outcome in zip(standings, done.outcomes, strict=True):
                if standing.wanted.image and outcome.result == PULLED:
                    # The use of an image counts for the one that took its place.
                    host.uses.succeed(standing.wanted.image.id, outcome.image_id)
            store.remember_pulls(key, _pulled(standings, done))
    entries = (
        Entry(
            each.wanted.reference,
            each.wanted.why,
            each.state,
            each.wanted.image.id if each.wanted.image else "",
            *(outcome if outcome.result else outcome._replace(detail=each.detail)),
            out_of_reach=each.failed,
        )
        for each, outcome in zip(standings, done.outcomes, strict=True)
    )
    return Refresh(
        engine,
        tuple(entries),
        store.recall_pulls(key) if store.exists() else {},
        dry_run,
        done.seconds,
        str(window or ""),
        interrupted=done.interrupted,
    )


def minute_of_the_day() -> int:
    """The minute of the day, local time."""
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min


def _pulled(standings: Sequence[Standing], done: Refreshed) -> list[Pulled]:
    """How fast the pulls were, as far as the engine told."""
    return [
        Pulled(parse(standing.wanted.reference).domain, outcome.size, outcome.seconds)
        for standing, outcome in zip(standings, done.outcomes, strict=True)
        if outcome.result == PULLED and outcome.size is not None and outcome.seconds is not None
    ]


def carry_out(
    standings: Sequence[Standing],
    puller: Images,
    watcher: Watcher,
    *,
    parallel: int,
    may_begin: Callable[[], bool] = lambda: True,
) -> Refreshed:
    """Pull what is to be pulled, so many at a time. Ctrl-C ends the pulls under way.

    ``may_begin`` is asked before each pull. What fails is told, and the rest is done.
    """
    not_tried = Outcome(LEFT, f"not tried: {INTERRUPTED}")
    outcomes = [_stay(each, not_tried if each.to_pull else Outcome()) for each in standings]
    pulls = [place for place, each in enumerate(standings) if each.to_pull]

    def work(number: int) -> None:
        place = pulls[number]
        if may_begin():
            outcomes[place] = _pull(
                standings[place], puller, lambda come, size: watcher.moved(place, come, size)
            )
        else:
            outcomes[place] = _stay(standings[place], Outcome(LEFT, "the window has closed"))
        watcher.settled(place)

    began = time.monotonic()
    interrupted = side_by_side(len(pulls), work, parallel=parallel, cancel=puller.cancel)
    return Refreshed(tuple(outcomes), time.monotonic() - began, interrupted)


def _stay(standing: Standing, outcome: Outcome) -> Outcome:
    """The outcome for a reference that means what it meant."""
    image = standing.wanted.image
    return outcome._replace(image_id=image.id if image else "")


def _pull(standing: Standing, puller: Images, moved: Callable[[int, int], None]) -> Outcome:
    wanted = standing.wanted
    come: int | None = None
    before = 0

    def note(arrived: int, size: int) -> None:
        nonlocal come
        come = before + arrived
        moved(come, before + size)

    # A tag that has several platforms here keeps them; with one it is the engine's own.
    here = wanted.image.platforms if wanted.image is not None else ()
    image_id = ""
    lacking = []
    began = time.monotonic()
    for platform in here if len(here) > 1 else ("",):
        before = come or 0
        try:
            image_id = puller.pull(wanted.reference, note, platform=platform)
        except PullCancelled:
            return _stay(standing, Outcome(FAILED, INTERRUPTED))
        except (CredentialsError, EngineError) as error:
            if not image_id:
                return _stay(standing, Outcome(FAILED, str(error)))
            lacking.append(f"{platform} did not come: {error}")
    same = wanted.image is not None and wanted.image.id == image_id
    took = time.monotonic() - began
    return Outcome(UNCHANGED if same else PULLED, "; ".join(lacking), image_id, come, took)

"""Keep images current: ask registries which image each tag means now, and pull newer ones.

An image that was built here is not replaced, unless its reference is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from holystone.engine.errors import EngineError
from holystone.operations.connect import Session
from holystone.operations.live_host import LiveHost
from holystone.operations.reach import reach_of
from holystone.operations.refresh_plan import Entry, choose, stand
from holystone.operations.survey import look
from holystone.operations.watching import Watch, Watcher, unwatched
from holystone.operations.workers import INTERRUPTED, NOT_TRIED, side_by_side
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
"""The result of a pull. ``LEFT``: not begun."""


@dataclass(frozen=True, slots=True)
class Refresh:
    """Newer images at registries, and the pulls."""

    engine: Engine | None
    """None where nothing was asked."""
    entries: Sequence[Entry] = ()
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
    """Pull newer images of these tags; returns the state of each tag.

    Without ``references`` those tags count that ``policy`` protects or that were used within 30
    days. ``missing``: also pull what is not here. No pull begins outside ``window``. Ctrl-C ends
    the pulls under way, and the result is marked interrupted.

    Raises RefreshError for references that mean nothing, EngineError and StoreError.
    """
    host, store, reach = session.host, session.ledger, reach_of(session)
    inventory = look(session, policy)
    engine = inventory.engine
    key = engine.key
    chosen = choose(inventory, host.usage(), policy.protect, references, missing=missing)
    entries = stand(reach.ask, chosen, engine.store, missing=missing)
    seconds, interrupted = 0.0, ""
    if not dry_run:
        pulls = {place for place, each in enumerate(entries) if each.to_pull}
        names = [entries[place].reference for place in sorted(pulls)]
        with store.own_pulls(key, names, reach.now), watch(pulls) as watcher:
            began = time.monotonic()
            entries, interrupted = carry_out(
                entries,
                reach.puller(),
                watcher,
                parallel=parallel,
                may_begin=lambda: window is None or window.holds(minute_of_the_day()),
            )
            seconds = time.monotonic() - began
        done = [each for each in entries if each.result == PULLED]
        if isinstance(host, LiveHost):
            for each in done:
                if each.image:
                    # The use of an image counts for the one that took its place.
                    host.uses.succeed(each.image.id, each.image_id)
            store.remember_pulls(
                key,
                [
                    Pulled(parse(each.reference).domain, each.size, each.seconds)
                    for each in done
                    if each.size is not None and each.seconds is not None
                ],
            )
    speeds = store.recall_pulls(key) if store.exists() else {}
    return Refresh(
        engine, entries, speeds, dry_run, seconds, str(window or ""), interrupted=interrupted
    )


def minute_of_the_day() -> int:
    """The minute of the day, local time."""
    now = time.localtime()
    return now.tm_hour * 60 + now.tm_min


def carry_out(
    entries: Sequence[Entry],
    puller: Images,
    watcher: Watcher,
    *,
    parallel: int,
    may_begin: Callable[[], bool] = lambda: True,
) -> tuple[list[Entry], str]:
    """Pull what is to be pulled, so many at a time; answers the entries, and why it ended early.

    Ctrl-C ends the pulls under way. ``may_begin`` is asked before each pull. A failure is reported,
    and the rest is done.
    """
    left = f"{NOT_TRIED}: {INTERRUPTED}"
    done = [replace(e, result=LEFT, detail=left) if e.to_pull else e for e in entries]
    pulls = [place for place, each in enumerate(entries) if each.to_pull]

    def work(number: int) -> None:
        place = pulls[number]
        if may_begin():
            done[place] = _pull(
                entries[place], puller, lambda come, size: watcher.moved(place, come, size)
            )
        else:
            done[place] = replace(entries[place], result=LEFT, detail="the window has closed")
        watcher.settled(place)

    interrupted = side_by_side(len(pulls), work, parallel=parallel, cancel=puller.cancel)
    return done, interrupted


def _pull(entry: Entry, puller: Images, moved: Callable[[int, int], None]) -> Entry:
    come: int | None = None
    before = 0

    def note(arrived: int, size: int) -> None:
        nonlocal come
        come = before + arrived
        moved(come, before + size)

    # A tag that has several platforms here keeps them; with one it is the engine's own.
    here = entry.image.platforms if entry.image is not None else ()
    image_id = ""
    lacking = []
    began = time.monotonic()
    for platform in here if len(here) > 1 else ("",):
        before = come or 0
        try:
            image_id = puller.pull(entry.reference, note, platform=platform)
        except PullCancelled:
            return replace(entry, result=FAILED, detail=INTERRUPTED)
        except (CredentialsError, EngineError) as error:
            if not image_id:
                return replace(entry, result=FAILED, detail=str(error))
            lacking.append(f"{platform} did not come: {error}")
    return replace(
        entry,
        result=UNCHANGED if entry.before == image_id else PULLED,
        detail="; ".join(lacking),
        pulled=image_id,
        size=come,
        seconds=time.monotonic() - began,
    )

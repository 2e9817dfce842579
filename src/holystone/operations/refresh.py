"""Keeping images current: what the registries have under their tags now is pulled.

``choose`` picks the references, ``look_up`` asks the registries about them, and ``carry_out`` pulls
what is newer. An image that was built here is not replaced, unless its reference is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from holystone.engine.client import Client
from holystone.engine.errors import EngineError
from holystone.operations.workers import INTERRUPTED, side_by_side
from holystone.planner.glob import has_marks
from holystone.planner.inventory import Image, Inventory
from holystone.planner.lookup import covering, did_you_mean
from holystone.planner.patterns import covers
from holystone.planner.policy import Protect
from holystone.planner.reference import InvalidReference, Pattern, Reference, parse, parse_pattern
from holystone.planner.usage import Usage
from holystone.registry.credentials import Credentials, CredentialsError
from holystone.registry.probe import Answer, ask
from holystone.registry.pull import Images, PullCancelled

NAMED = "named"
PROTECTED = "protected"
USED = "used"
"""Why a reference was chosen."""

CURRENT = "current"
NEWER = "newer"
UNTOLD = "untold"
MISSING = "missing"
ABSENT = "absent"
GONE = "gone"
LOCAL = "local"
UNANSWERED = "unanswered"
"""How a reference stands: here as in the registry; another image there; only pulling can tell;
not here and to be pulled; not here; no longer in the registry; only here; nobody knows."""

PULLED = "pulled"
UNCHANGED = "unchanged"
FAILED = "failed"
LEFT = "left"
"""What became of a pull. ``LEFT``: not begun."""

RECENTLY = 30 * 86400.0
"""Seconds within which the use of an image makes its tags worth refreshing."""
_PULLS = frozenset((NEWER, UNTOLD, MISSING))
_HERE_ALONE = "localhost"
"""The registry that Podman gives to what was built here."""


class RefreshError(Exception):
    """What was asked for is no tag of anything that could be refreshed."""


class Wanted(NamedTuple):
    """A reference with a tag, and why it was chosen."""

    reference: str
    """As the engine writes it, or as it was asked for."""
    why: str
    """``named``, ``protected`` or ``used``."""
    image: Image | None = None
    """What it means here; None where it is not here."""
    near: str = ""
    """Which of the tags here are closest, as a question; empty where none is, or it is here."""


class Standing(NamedTuple):
    """How a reference stands."""

    wanted: Wanted
    state: str
    detail: str = ""

    @property
    def to_pull(self) -> bool:
        """Whether it is to be pulled."""
        return self.state in _PULLS

    @property
    def failed(self) -> bool:
        """Whether what was wanted is out of reach."""
        not_here = self.wanted.image is None and self.state in (ABSENT, GONE)
        return not_here or self.state == UNANSWERED


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


def choose(
    inventory: Inventory,
    usage: Usage,
    protect: Protect,
    patterns: Sequence[str] = (),
    *,
    missing: bool = False,
) -> list[Wanted]:
    """The tags that ``patterns`` cover; without patterns those protected or used of late.

    ``missing``: protected ones that are not here as well. Raises RefreshError.
    """
    here = {tag: image for image in inventory.images for tag in image.tags}
    lists = (protect.images, *protect.other_images)
    if patterns:
        return _named(here, patterns, missing=missing)
    chosen = [
        Wanted(tag, why, image)
        for tag, image in here.items()
        if (why := _why(tag, image, lists, usage, inventory.taken_at))
    ]
    if missing:
        known = {str(parsed) for tag in here if (parsed := _parsed(tag))}
        chosen += [
            Wanted(tag, PROTECTED)
            for tag in dict.fromkeys(each for patterns in lists for each in _definite(patterns))
            if str(parse(tag)) not in known
        ]
    return sorted(chosen, key=lambda each: each.reference)


def _why(tag: str, image: Image, lists: Iterable[Sequence[str]], usage: Usage, now: float) -> str:
    """Why a tag is to be refreshed; empty where it is not."""
    if _parsed(tag) is None:
        return ""
    if any(covers(patterns, tag) for patterns in lists):
        return PROTECTED
    used = usage.last_used.get(("image", image.id))
    return USED if used is not None and now - used <= RECENTLY else ""


def _definite(patterns: Sequence[str]) -> list[str]:
    """The patterns that are whole references with a tag, and not taken back by a later one."""
    found = []
    for text in patterns:
        if text.startswith("!") or "*" in text or "?" in text:
            continue
        reference = parse(text)
        if reference.tag and not reference.digest and covers(patterns, text):
            found.append(reference.familiar)
    return found


def _named(here: Mapping[str, Image], texts: Sequence[str], *, missing: bool) -> list[Wanted]:
    chosen: dict[str, Wanted] = {}
    for text in texts:
        pattern = _tag_pattern(text)
        met = [tag for tag in here if (each := _parsed(tag)) and pattern.matches(each)]
        if not met and not missing:
            # With --missing the name is that of an image somewhere else.
            covers = covering(here, text)
            met = [tag for tag in here if _parsed(tag) and covers(tag)]
        for tag in met:
            chosen.setdefault(tag, Wanted(tag, NAMED, here[tag]))
        if not met:
            near = did_you_mean(here, text)
            if has_marks(text):
                raise RefreshError(f"there is no tag here that {text!r} covers.{near}")
            reference = parse(text).complete.familiar
            chosen.setdefault(reference, Wanted(reference, NAMED, near=near))
    return [chosen[reference] for reference in sorted(chosen)]


def _tag_pattern(text: str) -> Pattern:
    try:
        pattern = parse_pattern(text)
    except InvalidReference as error:
        raise RefreshError(str(error)) from None
    if pattern.digest:
        raise RefreshError(f"{text!r}: what a digest means never changes; give a tag")
    return pattern


def _parsed(tag: str) -> Reference | None:
    """The reference with a tag; None where it is none."""
    try:
        reference = parse(tag)
    except InvalidReference:
        return None
    return reference if reference.tag and not reference.digest else None


Ask = Callable[[Iterable[str]], Mapping[str, Answer]]
"""Asks registries about complete references. Never raises for what one answers."""


def look_up(
    client: Client,
    credentials: Credentials,
    wanted: Sequence[Wanted],
    store: str,
    *,
    missing: bool = False,
) -> list[Standing]:
    """How each reference stands, by what the registries say to this engine; see ``stand``."""
    return stand(partial(ask, client, credentials), wanted, store, missing=missing)


def stand(
    ask: Ask, wanted: Sequence[Wanted], store: str, *, missing: bool = False
) -> list[Standing]:
    """How each reference stands, by what ``ask`` answers.

    ``store`` is that of the engine. ``missing``: what is not here is to be pulled. Never raises for
    what an engine or a registry answers.
    """
    questions = {}
    standings: dict[str, Standing] = {}
    for each in wanted:
        standing = _unasked(each, missing=missing)
        if standing is None:
            questions[each.reference] = str(parse(each.reference))
        else:
            standings[each.reference] = standing
    answers = ask(questions.values())
    for each in wanted:
        if each.reference in questions:
            standings[each.reference] = _stands(each, answers[questions[each.reference]])
    if store != "classic":
        doubtful = [
            each
            for each in standings.values()
            if each.state in (NEWER, UNTOLD) and each.wanted.why != NAMED
        ]
        standings |= _origins(ask, doubtful)
    return [standings[each.reference] for each in wanted]


def _unasked(wanted: Wanted, *, missing: bool) -> Standing | None:
    """How a reference stands where no registry need be asked, else None."""
    if wanted.image is None:
        if missing:
            return None
        return Standing(wanted, ABSENT, f"--missing pulls it.{wanted.near}".rstrip("."))
    if wanted.why == NAMED:
        return None
    domain = parse(wanted.reference).domain
    if domain == _HERE_ALONE:
        return Standing(wanted, LOCAL, "it was built here")
    if not _digests_of(wanted):
        return Standing(wanted, LOCAL, f"it was neither pulled from {domain} nor pushed there")
    return None


def _digests_of(wanted: Wanted) -> list[str]:
    """The image's references with a digest in the repository of its tag, complete."""
    name = parse(wanted.reference).name
    known = []
    for text in wanted.image.digests if wanted.image else ():
        try:
            reference = parse(text)
        except InvalidReference:
            continue
        if reference.name == name:
            known.append(str(reference._replace(tag="")))
    return known


def _stands(wanted: Wanted, answer: Answer) -> Standing:
    image = wanted.image
    if answer.has is None:
        return Standing(wanted, UNANSWERED, answer.said)
    if not answer.has:
        never_there = image is not None and not _digests_of(wanted)
        return Standing(wanted, LOCAL if never_there else GONE, answer.said)
    if image is None:
        return Standing(wanted, MISSING)
    if not answer.digests:
        return Standing(wanted, UNTOLD, "this engine can tell only by pulling it")
    mine = {image.id, *(each.partition("@")[2] for each in image.digests)}
    return Standing(wanted, NEWER if mine.isdisjoint(answer.digests) else CURRENT)


def _origins(ask: Ask, doubtful: Sequence[Standing]) -> dict[str, Standing]:
    """Those that did not come from their registry, as far as it can tell.

    On these stores an image that was built here has a digest as well: its registry is asked for it.
    """
    digests = {each.wanted.reference: _digests_of(each.wanted) for each in doubtful}
    answers = ask(one for known in digests.values() for one in known)
    found = {}
    for each in doubtful:
        reference = each.wanted.reference
        told = [answers[digest] for digest in digests[reference]]
        if any(answer.has for answer in told):
            continue
        unsure = next((answer.said for answer in told if answer.has is None), "")
        if unsure:
            found[reference] = each._replace(state=UNANSWERED, detail=unsure)
        else:
            said = f"{parse(reference).domain} does not know the image here: it may have been built"
            found[reference] = each._replace(
                state=LOCAL, detail=f"{said} here. Name it to replace it"
            )
    return found


class Watcher(Protocol):
    """Is told how far the pulls are. Called from several threads."""

    def moved(self, place: int, come: int, size: int) -> None:
        """Of the image at this place so many bytes have come, of those known of so far."""

    def settled(self, place: int) -> None:
        """The reference at this place is done with."""


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

"""Choose the tags to refresh, and compare each one here with its registry.

Chosen are those asked for, else those protected or used of late.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from holystone.operations.errors import OperationError
from holystone.planner.glob import has_marks
from holystone.planner.inventory import Image, Inventory
from holystone.planner.lookup import covering, did_you_mean
from holystone.planner.patterns import covers
from holystone.planner.policy import Protect
from holystone.planner.reference import InvalidReference, Reference, parse, parse_pattern
from holystone.planner.usage import Usage
from holystone.registry.probe import Answer

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
not here and to be pulled; not here; no longer in the registry; only here; unknown."""

RECENTLY = 30 * 86400.0
"""Seconds within which the use of an image makes its tags worth refreshing."""
_HERE_ALONE = "localhost"
"""The registry that Podman gives to what was built here."""

Ask = Callable[[Iterable[str]], Mapping[str, Answer]]
"""Asks registries about complete references. Never raises for what one answers."""


class RefreshError(OperationError):
    """What was asked for is no tag of anything that could be refreshed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One reference with a tag, its state and its result."""

    reference: str
    """As the engine writes it, or as it was asked for."""
    why: str
    """``named``, ``protected`` or ``used``."""
    image: Image | None = None
    """What it meant here; None where it was not here."""
    state: str = ""
    detail: str = ""
    result: str = ""
    """``pulled``, ``unchanged``, ``failed`` or ``left``; empty where nothing was to be pulled."""
    pulled: str = ""
    """The ID of the image that a pull gave; empty without one."""
    size: int | None = None
    """Bytes that came; None where the engine did not tell."""
    seconds: float | None = None
    """How long the pull took, unpacking included; None where there was none."""

    @property
    def before(self) -> str:
        """The ID of the image it meant; empty where it was not here."""
        return self.image.id if self.image else ""

    @property
    def image_id(self) -> str:
        """The ID of the image it means now; empty where it is not here."""
        return self.pulled or self.before

    @property
    def to_pull(self) -> bool:
        """Whether it is to be pulled."""
        return self.state in (NEWER, UNTOLD, MISSING)

    @property
    def out_of_reach(self) -> bool:
        """Whether no registry gave an answer, or none has what is not here."""
        not_here = self.image is None and self.state in (ABSENT, GONE)
        return not_here or self.state == UNANSWERED


def choose(
    inventory: Inventory,
    usage: Usage,
    protect: Protect,
    patterns: Sequence[str] = (),
    *,
    missing: bool = False,
) -> list[Entry]:
    """The tags that ``patterns`` cover; without patterns those protected or used of late.

    ``missing``: protected ones that are not here as well. Raises RefreshError.
    """
    every = {tag: (image, _parsed(tag)) for image in inventory.images for tag in image.tags}
    here = {tag: (image, reference) for tag, (image, reference) in every.items() if reference}
    if patterns:
        return _named(here, patterns, missing=missing)
    lists = (protect.images, *protect.other_images)
    chosen = []
    for tag, (image, _) in here.items():
        used = usage.last_used.get(("image", image.id))
        if any(covers(patterns, tag) for patterns in lists):
            chosen.append(Entry(tag, PROTECTED, image))
        elif used is not None and inventory.taken_at - used <= RECENTLY:
            chosen.append(Entry(tag, USED, image))
    if missing:
        known = {str(reference) for _, reference in here.values()}
        definite = dict.fromkeys(each for patterns in lists for each in _definite(patterns))
        chosen += [Entry(tag, PROTECTED) for tag in definite if str(parse(tag)) not in known]
    return sorted(chosen, key=lambda each: each.reference)


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


def _named(
    here: Mapping[str, tuple[Image, Reference]], texts: Sequence[str], *, missing: bool
) -> list[Entry]:
    chosen: dict[str, Entry] = {}
    for text in texts:
        try:
            pattern = parse_pattern(text)
        except InvalidReference as error:
            raise RefreshError(str(error)) from None
        if pattern.digest:
            raise RefreshError(f"{text!r}: what a digest means never changes; give a tag")
        met = [tag for tag, (_, reference) in here.items() if pattern.matches(reference)]
        if not met and not missing:
            # With --missing the name is that of an image somewhere else.
            met = list(filter(covering(here, text), here))
        for tag in met:
            chosen.setdefault(tag, Entry(tag, NAMED, here[tag][0]))
        if not met:
            near = did_you_mean(here, text)
            if has_marks(text):
                raise RefreshError(f"there is no tag here that {text!r} covers.{near}")
            complete = parse(text).complete.familiar
            chosen.setdefault(complete, Entry(complete, NAMED, detail=near))
    return [chosen[reference] for reference in sorted(chosen)]


def _parsed(tag: str) -> Reference | None:
    """The reference with a tag; None where it is none."""
    try:
        reference = parse(tag)
    except InvalidReference:
        return None
    return reference if reference.tag and not reference.digest else None


def stand(ask: Ask, chosen: Sequence[Entry], store: str, *, missing: bool = False) -> list[Entry]:
    """How each reference stands, by what ``ask`` answers.

    ``store`` is that of the engine. ``missing``: what is not here is to be pulled. Never raises for
    what an engine or a registry answers.
    """
    told = {each.reference: _unasked(each, missing=missing) for each in chosen}
    questions = {name: str(parse(name)) for name, entry in told.items() if not entry.state}
    answers = ask(questions.values())
    for name, question in questions.items():
        told[name] = _answered(told[name], answers[question])
    if store != "classic":
        told |= _origins(
            ask, [e for e in told.values() if e.state in (NEWER, UNTOLD) and e.why != NAMED]
        )
    return [told[each.reference] for each in chosen]


def _unasked(entry: Entry, *, missing: bool) -> Entry:
    """How a reference stands where no registry need be asked; else without a state."""
    if entry.image is None:
        if missing:
            return replace(entry, detail="")
        said = f"--missing pulls it.{entry.detail}".rstrip(".")
        return replace(entry, state=ABSENT, detail=said)
    if entry.why == NAMED:
        return entry
    domain = parse(entry.reference).domain
    if domain == _HERE_ALONE:
        return replace(entry, state=LOCAL, detail="it was built here")
    if not _digests_of(entry):
        said = f"it was neither pulled from {domain} nor pushed there"
        return replace(entry, state=LOCAL, detail=said)
    return entry


def _digests_of(entry: Entry) -> list[str]:
    """The image's references with a digest in the repository of its tag, complete."""
    name = parse(entry.reference).name
    known = []
    for text in entry.image.digests if entry.image else ():
        try:
            reference = parse(text)
        except InvalidReference:
            continue
        if reference.name == name:
            known.append(str(reference._replace(tag="")))
    return known


def _answered(entry: Entry, answer: Answer) -> Entry:
    image = entry.image
    if answer.has is None:
        return replace(entry, state=UNANSWERED, detail=answer.said)
    if not answer.has:
        never_there = image is not None and not _digests_of(entry)
        return replace(entry, state=LOCAL if never_there else GONE, detail=answer.said)
    if image is None:
        return replace(entry, state=MISSING)
    if not answer.digests:
        return replace(entry, state=UNTOLD, detail="this engine must pull it to find out")
    mine = {image.id, *(each.partition("@")[2] for each in image.digests)}
    return replace(entry, state=NEWER if mine.isdisjoint(answer.digests) else CURRENT)


def _origins(ask: Ask, doubtful: Sequence[Entry]) -> dict[str, Entry]:
    """Those that did not come from their registry, as far as it can tell.

    On these stores an image that was built here has a digest as well: its registry is asked for it.
    """
    digests = {each.reference: _digests_of(each) for each in doubtful}
    answers = ask(one for known in digests.values() for one in known)
    found = {}
    for each in doubtful:
        told = [answers[digest] for digest in digests[each.reference]]
        if any(answer.has for answer in told):
            continue
        unsure = next((answer.said for answer in told if answer.has is None), "")
        domain = parse(each.reference).domain
        said = f"{domain} does not know the image here: it may have been built here. Name it to "
        state = UNANSWERED if unsure else LOCAL
        found[each.reference] = replace(each, state=state, detail=unsure or f"{said}replace it")
    return found

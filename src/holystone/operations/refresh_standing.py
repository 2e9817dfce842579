"""How the tags to refresh stand: what each means here, and what its registry has under it now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.operations.refresh_choice import NAMED, Wanted
from holystone.planner.reference import InvalidReference, parse
from holystone.registry.probe import Answer

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

_PULLS = frozenset((NEWER, UNTOLD, MISSING))
_HERE_ALONE = "localhost"
"""The registry that Podman gives to what was built here."""


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


Ask = Callable[[Iterable[str]], Mapping[str, Answer]]
"""Asks registries about complete references. Never raises for what one answers."""


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

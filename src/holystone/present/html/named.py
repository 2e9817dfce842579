"""The objects of a report: what each is called, how it is judged, and where its row is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from holystone.operations.report import HostReport
from holystone.planner.names import repository
from holystone.planner.pieces import Piece
from holystone.planner.usage import Key
from holystone.planner.verdict import Rule, Verdict
from holystone.present import reasons
from holystone.present.apart import names_of

LONGEST = 90
"""Characters of a name on the page. The lists of the command line have it whole."""
_HOLDERS = 3
"""How many holders of a shared layer are named where space is short."""
_TYPES = {
    "regular": "build steps",
    "source.local": "build contexts",
    "source.git.checkout": "git checkouts",
    "exec.cachemount": "cache mounts",
    "frontend": "frontends",
}
"""What the types of build cache records are called on the map."""
_USUAL = ("mount / from exec ", "cached mount ", "/bin/sh -c ", "pulled from ")
"""How descriptions of build cache begin that say nothing of the step."""
KEPT = "keep"
"""What stands in place of a level where no clean takes an object."""
SAYS = {
    "routine": "goes with a routine clean",
    "weekly": "goes with a weekly clean",
    "deep": "goes with a deep clean",
    KEPT: "stays",
}
"""How a piece of the disk is judged: the mildest clean that frees it."""


class Judged(NamedTuple):
    """One object with the verdict that counts."""

    name: str
    kind: str
    fate: str
    """The mildest level that takes it, or ``KEPT``: a key of ``SAYS``."""
    why: str
    """The reasons of that verdict; of one that stays, at the highest level that takes others."""


class Named:
    """The objects of one report by kind and ID."""

    def __init__(self, report: HostReport) -> None:
        self._gone = {
            level: {(step.kind, step.id) for step in plan.steps}
            for level, plan in report.plans.items()
        }
        self._verdicts = {
            level: {(each.kind, each.id): each for each in plan.verdicts}
            for level, plan in report.plans.items()
        }
        self._taken = {level: {kind for kind, _ in gone} for level, gone in self._gone.items()}
        *_, self._last = self._verdicts.values()
        self._name = names_of(self._last.values())
        self._judged: dict[Key, Judged] = {}
        self._groups = {
            ("image", image.id): _repository(image.tags or image.digests)
            for image in report.inventory.images
        }
        self._steps = {
            ("cache", each.id): shortened(_step(each.description))
            for each in report.inventory.cache
        }
        self._groups |= {
            ("cache", each.id): _TYPES.get(each.type, each.type) for each in report.inventory.cache
        }

    def judged(self, key: Key) -> Judged:
        """One object, by kind and ID."""
        if key not in self._judged:
            fate, verdict = self.fate([key]), self._last[key]
            decisive = (self._verdicts[fate][key] if fate != KEPT else self._keeping(key)).reasons
            # What no level takes is not a matter of this level alone.
            by_level = decisive[0].rule == Rule.LEVEL
            why = reasons.texts(decisive) if by_level else reasons.briefs(decisive)
            self._judged[key] = Judged(shortened(self._name(verdict)), verdict.kind, fate, why)
        return self._judged[key]

    def _keeping(self, key: Key) -> Verdict:
        """The verdict that tells why an object stays though others of its kind go.

        That of the highest level whose own reason is not that it takes no such objects; else of
        the highest that takes others of the kind.
        """
        found = [(level, verdicts[key]) for level, verdicts in self._verdicts.items()]
        found.reverse()
        for _, verdict in found:
            if verdict.reasons[0].rule != Rule.LEVEL:
                return verdict
        taking = (verdict for level, verdict in found if key[0] in self._taken[level])
        return next(taking, found[0][1])

    def fate(self, holders: Iterable[Key]) -> str:
        """The mildest level whose clean takes all of these, or ``KEPT``: a key of ``SAYS``."""
        wanted = set(holders)
        return next((level for level, gone in self._gone.items() if wanted <= gone), KEPT)

    def name(self, piece: Piece) -> str:
        """What a piece is: its object, or the objects that share it, the first few by name."""
        count = len(piece.holders)
        names = [self.judged(each).name for each in piece.holders[:_HOLDERS]]
        if count == 1:
            return names[0]
        more = f" and {count - _HOLDERS} more" if count > _HOLDERS else ""
        return f"shared by {count}: {', '.join(names)}{more}"

    def label(self, piece: Piece) -> str:
        """The same in fewer words, for a cell of the map."""
        if len(piece.holders) > 1:
            return f"shared by {len(piece.holders)}"
        return self._steps.get(piece.holders[0]) or self.name(piece)

    def group(self, piece: Piece) -> str:
        """The repository of an image's bytes, the type of a build cache record; else empty."""
        groups = {self._groups.get(each, "") for each in piece.holders if each[0] == piece.kind}
        return groups.pop() if len(groups) == 1 else "several repositories"


def shortened(name: str) -> str:
    """A name that is not too long for the page: its middle is left out."""
    if cell_len(name) <= LONGEST:
        return name
    return f"{set_cell_size(name, LONGEST - 25).rstrip()}…{name[-20:]}"


def fitted(name: str, columns: float) -> str:
    """The beginning of a name in so many columns; empty where that would say nothing."""
    width = int(columns)
    if cell_len(name) <= width:
        return name
    return f"{set_cell_size(name, width - 1).rstrip()}…" if width >= 5 else ""


def fitted_end(name: str, columns: float) -> str:
    """The name of an image or repository in so many columns, without its first folders.

    The end of ``registry.example.com/team/app:1`` tells it from others.
    """
    folders = name.split("/")
    shorter = ["…/" + "/".join(folders[at:]) for at in range(1, len(folders)) if folders[at]]
    fits = (each for each in (name, *shorter) if cell_len(each) <= int(columns))
    return next(fits, None) or fitted(folders[-1], columns)


def _step(description: str) -> str:
    """What a build cache record is, without words that most records begin with."""
    for usual in _USUAL:
        description = description.removeprefix(usual)
    return description.partition(" from exec ")[0]


def _repository(names: Sequence[str]) -> str:
    return shortened(repository(names[0])) if names else "untagged"

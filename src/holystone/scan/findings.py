"""The findings of a scan: images, references left out, files that cannot be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from holystone.planner.reference import InvalidReference, parse

# Why something is left out; docs/reference has a line for each.
VARIABLE, TEMPLATE, SCRATCH, STAGE, BUILT, FRONTEND, ELSEWHERE, UNUSED, INVALID = RULES = (
    "variable", "template", "scratch", "stage", "built", "frontend", "elsewhere", "unused",
    "invalid",
)  # fmt: skip
_TEMPLATE_MARKS = ("{{", "{%", "<%", "$[[")
_LONGEST = 200


class Place(NamedTuple):
    """Where something stands."""

    file: str
    line: int = 0
    """Counted from 1; 0: the whole file."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


class Use(NamedTuple):
    """An image that a file asks for."""

    reference: str
    """As it is to be protected: ``python:3.12-slim``."""
    written: str
    """As the file has it, with its variables filled in."""
    place: Place


class LeftOut(NamedTuple):
    """What stands where an image does, and is not proposed."""

    written: str
    place: Place
    rule: str
    why: str


class Trouble(NamedTuple):
    """A file, or a part of one, that cannot be read."""

    place: Place
    why: str


class Build(NamedTuple):
    """That a Dockerfile is built, and with what."""

    path: str
    arguments: Mapping[str, str]
    contexts: frozenset[str]
    """Names that stand for something else than images in it."""


class Unreadable(Exception):
    """Nothing can be told from a file."""

    def __init__(self, why: str, line: int = 0) -> None:
        super().__init__(why)
        self.line = line


class Learned:
    """What has been learned up to now."""

    def __init__(self) -> None:
        self.roots: list[str] | None = None
        """Real paths of the repositories: no file outside of them is read. None: any file is."""
        self.uses: list[Use] = []
        self.built: list[Use] = []
        """Images that this repository builds."""
        self.builds: list[Build] = []
        self.left_out: list[LeftOut] = []
        self.troubles: list[Trouble] = []

    def use(self, written: str, place: Place, *, built: bool = False) -> None:
        """Note an image, its variables filled in; ``built``: by the name it gets here."""
        if mark := template_mark(written):
            why = f"a template: something else fills in what stands at {mark}"
            self.leave(written, place, TEMPLATE, why)
            return
        try:
            (self.built if built else self.uses).append(Use(normal(written), written, place))
        except InvalidReference as fault:
            said = str(fault)
            why = (
                "far too long" if len(said) > 2 * _LONGEST else said.removeprefix(f"{written!r}: ")
            )
            self.leave(written, place, INVALID, f"no image reference: {why}")

    def leave(self, written: str, place: Place, rule: str, why: str) -> None:
        """Note what is left out."""
        shown = written if len(written) <= _LONGEST else f"{written[:_LONGEST]}..."
        self.left_out.append(LeftOut(shown, place, rule, why))

    def trouble(self, place: Place, why: str) -> None:
        """Note what cannot be read."""
        self.troubles.append(Trouble(place, why))

    def unreadable(self, file: str, fault: Unreadable, named: str = "") -> None:
        """Note a file that cannot be read, and where it is named."""
        self.trouble(Place(file, fault.line), f"{fault}{named and f' ({named})'}")


def normal(written: str) -> str:
    """A reference as it is to be protected. Raises InvalidReference.

    Without tag and digest docker asks for ``latest``. An image requested by digest has no tag on
    the host, even if a tag is written before the digest.
    """
    reference = parse(written).complete
    return (reference._replace(tag="") if reference.digest else reference).familiar


def template_mark(text: str) -> str:
    """The mark of a template language in a text; empty where there is none."""
    return next((mark for mark in _TEMPLATE_MARKS if mark in text), "")

"""What scripts ask docker for, noted: images, what is built here, what is left out."""

from __future__ import annotations

import os

from holystone.scan.compose import Composes
from holystone.scan.findings import BUILT, VARIABLE, Learned, Place
from holystone.scan.shell import unquoted
from holystone.scan.variables import NoValue


class ScriptNotes:
    """Notes of all scripts of a repository."""

    def __init__(self, learned: Learned, composes: Composes, root: str) -> None:
        self.learned = learned
        self.composes = composes
        self.root = root
        self._told: set[tuple[str, Place]] = set()
        self._made: dict[str, Place] = {}
        """Names of images that are built, as they are written, where they have no plain value."""

    def use(self, written: str, place: Place) -> None:
        """Note an image."""
        name = written.removeprefix("docker://")
        if name and (name, place) not in self._told:
            self._told.add((name, place))
            self.learned.use(name, place)

    def leave(self, word: str, place: Place, rule: str, why: str) -> None:
        """Note what is left out."""
        self.learned.leave(unquoted(word), place, rule, why)

    def leave_unknown(self, word: str, place: Place, why: NoValue) -> None:
        """Note an image that only a run can tell, or that has the name of one built here."""
        made = self._made.get(unquoted(word))
        if made is None:
            self.leave(word, place, VARIABLE, str(why))
        else:
            self.leave(word, place, BUILT, f"built by this repository ({made})")

    def makes(self, word: str, place: Place) -> None:
        """Note an image that is built by a name that only a run can tell."""
        self._made.setdefault(unquoted(word), place)
        self.leave(word, place, BUILT, "built by this repository")

    def inside(self, path: str) -> bool:
        """Whether a path stays in the repository, links followed."""
        home = os.path.join(os.path.realpath(self.root or "."), "")
        return os.path.realpath(path).startswith(home)

"""Propose images to protect: those of all files that were read, each once, with its places."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from holystone.scan import dockerfile, files, github
from holystone.scan.compose import Composes
from holystone.scan.findings import (
    BUILT,
    VARIABLE,
    Build,
    Learned,
    LeftOut,
    Place,
    Trouble,
    Unreadable,
    Use,
)
from holystone.scan.gitlab import Pipelines

MOST_FILES = 2_000
MOST_BUILDS = 50
"""Of one Dockerfile."""
_BY_CONTENT = (
    (files.DOCKERFILE, r"^[ \t]*(?i:FROM)\s"),
    (files.GITHUB, r"^[ \t]+runs-on:"),
    (files.COMPOSE, r"^services:[ \t]*(#.*)?$"),
    (files.GITLAB, ""),
)
"""What a file is whose name does not tell it; the last is what any other YAML is."""


class Image(NamedTuple):
    """An image to protect."""

    reference: str
    uses: tuple[Use, ...]
    """Where it was found, in the order of files and lines."""


class Proposal(NamedTuple):
    """What was learned."""

    images: tuple[Image, ...]
    """By reference."""
    left_out: tuple[LeftOut, ...]
    troubles: tuple[Trouble, ...]
    """Files, or parts of them, that cannot be read."""
    unread: tuple[Trouble, ...]
    """Paths given by name that cannot be read at all."""
    files: int
    """How many files were read."""


def learn(paths: Iterable[str]) -> Proposal:
    """What the files at these paths ask for: files by name, and folders that are walked."""
    paths = tuple(paths)
    reader = _Reader([files.repository_of(path) for path in paths])
    unread: list[Trouble] = []
    for path in paths:
        try:
            if os.path.isdir(path):
                reader.folder(path)
            else:
                reader.read(path, named_kind(path))
        except Unreadable as fault:
            unread.append(Trouble(Place(path, fault.line), str(fault)))
    count = reader.finish()
    return _proposal(reader.learned, unread, count)


def named_kind(path: str) -> str:
    """What a file given by name is. Raises Unreadable where that cannot be told."""
    if kind := files.kind_of(path):
        return kind
    text = files.read_text(path, [files.repository_of(path)])
    is_yaml = path.endswith((".yml", ".yaml"))
    for kind, pattern in _BY_CONTENT:
        if is_yaml == (kind != files.DOCKERFILE) and re.search(pattern, text, re.MULTILINE):
            return kind
    raise Unreadable(
        "it is no Dockerfile, compose file, GitLab pipeline or GitHub workflow by its name"
    )


class _Reader:
    """Reads files as what they are, each once."""

    def __init__(self, roots: list[str]) -> None:
        self.learned = Learned()
        self.learned.roots = roots
        self.composes = Composes(self.learned)
        self.pipelines = Pipelines(self.learned, self.composes)
        self.waiting: list[str] = []
        """Pipelines that are read last."""
        self.dockerfiles: dict[str, tuple[str, dockerfile.Dockerfile]] = {}
        """By real path, with the path they are called by."""
        self.met: set[str] = set()

    def read(self, path: str, kind: str) -> None:
        """Read one file. Raises Unreadable."""
        key = os.path.realpath(path)
        if key in self.met or (kind == files.GITLAB and key in self.pipelines.seen):
            return
        self.met.add(key)
        if kind == files.DOCKERFILE:
            text = files.read_text(path, self.learned.roots)
            self.dockerfiles[key] = (path, dockerfile.parse(text))
        elif kind == files.COMPOSE:
            self.composes.read(path)
        elif kind == files.GITLAB:
            self.pipelines.read(path)
        else:
            github.read(self.learned, path)

    def _try_to(self, path: str, kind: str) -> None:
        try:
            self.read(path, kind)
        except Unreadable as fault:
            self.learned.unreadable(path, fault)

    def folder(self, folder: str) -> None:
        """Read what is in a folder; pipelines are read by ``finish``. Raises Unreadable."""
        if not os.access(folder, os.R_OK | os.X_OK):
            raise Unreadable("cannot be listed: permission denied")

        def trouble(path: str, why: str) -> None:
            self.learned.trouble(Place(os.path.normpath(path)), why)

        count = 0
        for path in files.walk(folder, trouble):
            kind = files.kind_of(path)
            if not kind or not os.path.isfile(path):
                continue
            count += 1
            if count > MOST_FILES:
                trouble(folder, f"has more than {MOST_FILES} such files; name a part of it")
                break
            if kind == files.GITLAB:
                self.waiting.append(path)
            else:
                self._try_to(path, kind)

    def finish(self) -> int:
        """Learn of what is known only when all files are read; answers how many were."""
        # Those whose name is a convention only are mostly included by one that GitLab looks for.
        for path in sorted(
            self.waiting, key=lambda each: not os.path.basename(each).startswith(".")
        ):
            self._try_to(path, files.GITLAB)
        self.composes.finish()
        builds: dict[str, list[Build]] = {}
        for build in self.learned.builds:
            key = os.path.realpath(build.path)
            if os.path.lexists(build.path) or not files.inside(build.path, self.learned.roots):
                self._try_to(build.path, files.DOCKERFILE)
            if key in self.dockerfiles and build not in (ways := builds.setdefault(key, [])):
                ways.append(build)
        for key, (path, parsed) in self.dockerfiles.items():
            try:
                self._dockerfile(path, parsed, builds.get(key, []))
            except Unreadable as fault:
                self.learned.unreadable(path, fault)
        return len(self.met | self.pipelines.seen | set(self.composes.files))

    def _dockerfile(self, path: str, parsed: dockerfile.Dockerfile, builds: list[Build]) -> None:
        """Learn of a Dockerfile as it is, and as compose files and scripts build it.

        What one of these builds gives a value to is no longer left out.
        """
        if len(builds) > MOST_BUILDS:
            self.learned.trouble(Place(path), f"it is built in more than {MOST_BUILDS} ways")
            builds = builds[:MOST_BUILDS]
        each = []
        contexts = frozenset().union(*(build.contexts for build in builds))
        for arguments in ({}, *(build.arguments for build in builds)):
            each.append(Learned())
            dockerfile.read(each[-1], parsed, path, arguments, contexts)
        found = {use.place for learned in each for use in learned.uses}
        for learned in each:
            self.learned.uses += learned.uses
            self.learned.left_out += [
                left
                for left in learned.left_out
                if left.rule != VARIABLE or left.place not in found
            ]


def _proposal(learned: Learned, unread: list[Trouble], count: int) -> Proposal:
    built = {use.reference: use.place for use in reversed(learned.built)}
    at = {use.place for use in learned.built}
    found: dict[str, dict[Place, Use]] = {}
    left = list(learned.left_out)
    for use in learned.uses:
        if use.reference not in built:
            found.setdefault(use.reference, {}).setdefault(use.place, use)
        elif use.place not in at:
            why = f"built by this repository ({built[use.reference]})"
            left.append(LeftOut(use.written, use.place, BUILT, why))
    left += [
        LeftOut(use.written, use.place, BUILT, "built by this repository") for use in learned.built
    ]
    return Proposal(
        tuple(
            Image(reference, tuple(sorted(found[reference].values(), key=lambda use: use.place)))
            for reference in sorted(found)
        ),
        tuple(sorted(set(left), key=lambda each: (each.place, each))),
        tuple(sorted(set(learned.troubles))),
        tuple(unread),
        count,
    )

"""Find the images, Dockerfiles and compose files in the docker commands of scripts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from holystone.scan import dockerfile
from holystone.scan.compose import IMAGE_CONTEXT, Composes
from holystone.scan.docker_command import Asked
from holystone.scan.files import is_below
from holystone.scan.findings import BUILT, ELSEWHERE, VARIABLE, Build, Learned, Place, Unreadable
from holystone.scan.shell import Command, unquoted
from holystone.scan.shell_scope import Scope
from holystone.scan.variables import NoValue

_USUAL = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_USUAL_OVER = tuple(name.replace(".y", ".override.y") for name in _USUAL)


class DockerNotes:
    """Notes of what all scripts of a repository ask docker for."""

    def __init__(self, learned: Learned, composes: Composes, root: str) -> None:
        self.learned = learned
        self.composes = composes
        self.root = root
        self._told: set[tuple[str, Place]] = set()
        self._made: dict[str, Place] = {}
        """Names of images that are built, as they are written, where they have no plain value."""

    def _use(self, written: str, place: Place) -> None:
        name = written.removeprefix("docker://")
        if name and (name, place) not in self._told:
            self._told.add((name, place))
            self.learned.use(name, place)

    def leave(self, word: str, place: Place, rule: str, why: str) -> None:
        """Note what is left out, by a word as it is written."""
        self.learned.leave(unquoted(word), place, rule, why)

    def note(self, found: Asked, command: Command, place: Place, scope: Scope) -> None:
        """Note all that one command asks for."""
        if found.elsewhere:
            for word in found.images:
                self.leave(word, place, ELSEWHERE, f"on the engine that {found.elsewhere} names")
            return
        for word in found.made:
            try:
                for text in scope.texts(word):
                    self.learned.use(text, place, built=True)
            except NoValue:
                self._made.setdefault(unquoted(word), place)
                self.leave(word, place, BUILT, "built by this repository")
        for word in found.images:
            self._image(word, place, scope)
        if found.builds:
            self._build(found, command, place, scope)
        if found.compose is not None:
            self._compose(found.compose, place, scope)
        if found.bakes:
            self.leave("docker buildx bake", place, ELSEWHERE, "files of bake are not read")

    def _image(self, word: str, place: Place, scope: Scope) -> None:
        try:
            for text in scope.texts(word, split=True):
                self._use(text, place)
        except NoValue as missing:
            if made := self._made.get(unquoted(word)):
                self.leave(word, place, BUILT, f"built by this repository ({made})")
            else:
                self.leave(word, place, VARIABLE, str(missing))

    def _build(self, found: Asked, command: Command, place: Place, scope: Scope) -> None:
        arguments: dict[str, str] = {}
        for word in found.arguments:
            try:
                # Without a value it is that of the variable.
                given = word if "=" in unquoted(word) else f"{word}=${{{unquoted(word)}}}"
                name, _, value = next(scope.texts(given)).partition("=")
                arguments[name] = value
            except NoValue:
                continue
        contexts = set()
        for word in found.contexts:
            name, _, said = unquoted(word).partition("=")
            contexts.add(name)
            if said.startswith(IMAGE_CONTEXT):
                self._use(said.removeprefix(IMAGE_CONTEXT), place)
        context, file = unquoted(found.context), unquoted(found.dockerfile)
        if "-" in (context, file):
            place = place._replace(line=command.heredoc_line or command.line)
            if text := command.heredoc:
                dockerfile.read_inline(self.learned, text, place, arguments, frozenset(contexts))
            else:
                why = "its Dockerfile comes by standard input"
                self.leave("docker build -", place, ELSEWHERE, why)
            return
        written = f"docker build {file or context}".strip()
        if not file and ("://" in context or context.startswith("git@")):
            why = "its Dockerfile is not in this repository"
            self.leave(written, place, ELSEWHERE, why)
            return

        def note(path: str) -> None:
            build = Build(path, arguments, frozenset(contexts))
            if build not in self.learned.builds:
                self.learned.builds.append(build)

        try:
            self._each(_dockerfiles(found, scope), written, place, note)
        except NoValue as missing:
            self.leave(written, place, VARIABLE, str(missing))

    def _each(
        self, paths: Iterator[str], written: str, place: Place, note: Callable[[str], None]
    ) -> None:
        """Note files that a command names, or that they are not in this repository."""
        for path in paths:
            if is_below(path, self.root) and os.path.lexists(path):
                note(path)
            else:
                why = f"there is no {path[:200]} in this repository"
                self.leave(written, place, ELSEWHERE, why)

    def _compose(self, words: tuple[str, ...], place: Place, scope: Scope) -> None:
        """Read the compose files that a command names, or the usual ones."""
        try:
            if not words and (named := next(scope.texts("${COMPOSE_FILE:-}"))):
                words = tuple(named.split(":"))
            paths = [path for word in words for path in scope.path(word)]
            if not words:
                folder = next(scope.path("."))
                usual = (os.path.join(folder, name) for name in (*_USUAL, *_USUAL_OVER))
                paths = [os.path.normpath(path) for path in usual if os.path.lexists(path)]
                paths = [path for path in paths if is_below(path, self.root)]
        except NoValue as missing:
            self.leave("docker compose", place, VARIABLE, str(missing))
            return
        if not paths:
            why = "there is no compose file in that folder of this repository"
            self.leave("docker compose", place, ELSEWHERE, why)

        def read(path: str) -> None:
            try:
                self.composes.read(path)
            except Unreadable as fault:
                self.learned.unreadable(path, fault, f"a compose file of {place}")

        self._each(iter(paths), "docker compose", place, read)


def _dockerfiles(found: Asked, scope: Scope) -> Iterator[str]:
    """The paths of what a command builds. Raises NoValue."""
    if found.dockerfile:
        yield from scope.path(found.dockerfile)
        return
    for folder in scope.path(found.context or "."):
        names = [os.path.join(folder, name) for name in ("Dockerfile", "Containerfile")]
        yield os.path.normpath(next(filter(os.path.lexists, names), names[0]))

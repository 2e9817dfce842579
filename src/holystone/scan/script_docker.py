"""What the docker commands of a script come to: images, Dockerfiles, compose files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from holystone.scan import dockerfile
from holystone.scan import dockerfile_images as stages
from holystone.scan.docker_command import Asked
from holystone.scan.findings import ELSEWHERE, VARIABLE, Build, Place, Unreadable
from holystone.scan.script_notes import ScriptNotes
from holystone.scan.shell import Command, unquoted
from holystone.scan.shell_scope import Scope
from holystone.scan.variables import NoValue

_USUAL = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_USUAL_OVER = tuple(name.replace(".y", ".override.y") for name in _USUAL)


class DockerCommand:
    """One docker command of a script."""

    def __init__(self, scripts: ScriptNotes, command: Command, place: Place, scope: Scope) -> None:
        self.scripts = scripts
        self.learned = scripts.learned
        self.command = command
        self.place = place
        self.scope = scope

    def learn(self, found: Asked) -> None:
        """Note all it asks for."""
        scripts = self.scripts
        if found.elsewhere:
            for word in found.images:
                why = f"on the engine that {found.elsewhere} names"
                scripts.leave(word, self.place, ELSEWHERE, why)
            return
        for word in found.made:
            try:
                for text in self.scope.texts(word):
                    self.learned.builds_image(text, self.place)
            except NoValue:
                scripts.makes(word, self.place)
        for word in found.images:
            try:
                for text in self.scope.texts(word, split=True):
                    scripts.use(text, self.place)
            except NoValue as missing:
                scripts.leave_unknown(word, self.place, missing)
        if found.builds:
            self._build(found)
        if found.compose is not None:
            self._compose(found.compose)
        if found.baked is not None:
            scripts.leave("docker buildx bake", self.place, ELSEWHERE, "files of bake are not read")

    def _build(self, found: Asked) -> None:
        arguments: dict[str, str] = {}
        for word in found.arguments:
            try:
                # Without a value it is that of the variable.
                given = word if "=" in unquoted(word) else f"{word}=${{{unquoted(word)}}}"
                name, _, value = next(self.scope.texts(given)).partition("=")
                arguments[name] = value
            except NoValue:
                continue
        names = [unquoted(word).partition("=") for word in found.contexts]
        for _, _, said in names:
            if said.startswith("docker-image://"):
                self.scripts.use(said.removeprefix("docker-image://"), self.place)
        contexts = frozenset(name for name, _, _ in names)
        context, file = unquoted(found.context), unquoted(found.dockerfile)
        if "-" in (context, file):
            self._inline(arguments, contexts)
            return
        written = f"docker build {file or context}".strip()
        if not file and ("://" in context or context.startswith("git@")):
            why = "its Dockerfile is not in this repository"
            self.scripts.leave(written, self.place, ELSEWHERE, why)
            return
        try:
            for path in self._dockerfiles(found):
                if not self.scripts.inside(path) or not os.path.lexists(path):
                    why = f"there is no {path[:200]} in this repository"
                    self.scripts.leave(written, self.place, ELSEWHERE, why)
                elif (build := Build(path, arguments, contexts)) not in self.learned.builds:
                    self.learned.builds.append(build)
        except NoValue as missing:
            self.scripts.leave(written, self.place, VARIABLE, str(missing))

    def _dockerfiles(self, found: Asked) -> Iterator[str]:
        if found.dockerfile:
            yield from self.scope.path(found.dockerfile)
            return
        for folder in self.scope.path(found.context or "."):
            names = (os.path.join(folder, name) for name in ("Dockerfile", "Containerfile"))
            there = [path for path in names if os.path.lexists(path)]
            yield os.path.normpath(there[0] if there else os.path.join(folder, "Dockerfile"))

    def _inline(self, arguments: dict[str, str], contexts: frozenset[str]) -> None:
        """A Dockerfile that a heredoc gives."""
        place = Place(self.place.file, self.command.heredoc_line or self.command.line)
        if not self.command.heredoc:
            why = "its Dockerfile comes by standard input"
            self.scripts.leave("docker build -", self.place, ELSEWHERE, why)
            return
        try:
            parsed = dockerfile.parse(self.command.heredoc, place.line)
            stages.read(self.learned, parsed, self.place.file, arguments, contexts)
        except Unreadable as fault:
            self.learned.trouble(Place(self.place.file, fault.line or place.line), str(fault))

    def _compose(self, words: Sequence[str]) -> None:
        """Read the compose files that a command names, or the usual ones."""
        try:
            if not words and (named := next(self.scope.texts("${COMPOSE_FILE:-}"))):
                words = named.split(":")
            paths = [path for word in words for path in self.scope.path(word)]
            if not words:
                paths = self._usual(next(self.scope.path(".")))
        except NoValue as missing:
            self.scripts.leave("docker compose", self.place, VARIABLE, str(missing))
            return
        if not paths:
            why = "there is no compose file in that folder of this repository"
            self.scripts.leave("docker compose", self.place, ELSEWHERE, why)
        for path in paths:
            if not self.scripts.inside(path) or not os.path.lexists(path):
                why = f"there is no {path[:200]} in this repository"
                self.scripts.leave("docker compose", self.place, ELSEWHERE, why)
                continue
            try:
                self.scripts.composes.read(path)
            except Unreadable as fault:
                why = f"{fault} (a compose file of {self.place})"
                self.learned.trouble(Place(path, fault.line), why)

    def _usual(self, folder: str) -> list[str]:
        names = [os.path.join(folder, name) for name in (*_USUAL, *_USUAL_OVER)]
        there = [os.path.normpath(path) for path in names if os.path.lexists(path)]
        return [path for path in there if self.scripts.inside(path)]

"""The images a Dockerfile builds on and copies from; its stages and ``scratch`` are none."""

from __future__ import annotations

from collections.abc import Mapping

from holystone.scan.dockerfile import Dockerfile, Instruction, words
from holystone.scan.findings import (
    FRONTEND,
    SCRATCH,
    STAGE,
    VARIABLE,
    Learned,
    Place,
    Unreadable,
    template_mark,
)
from holystone.scan.variables import NoValue, Syntax, dockerfile_syntax, expand

_OF_THE_BUILD = {
    "TARGETSTAGE",
    *(f"TARGET{part}" for part in ("PLATFORM", "OS", "ARCH", "VARIANT")),
    *(f"BUILD{part}" for part in ("PLATFORM", "OS", "ARCH", "VARIANT")),
}


class _Reader:
    """Reads one Dockerfile, given what its build is given."""

    def __init__(
        self,
        learned: Learned,
        dockerfile: Dockerfile,
        file: str,
        arguments: Mapping[str, str],
        contexts: frozenset[str],
    ) -> None:
        self.learned = learned
        self.dockerfile = dockerfile
        self.file = file
        self.arguments = arguments
        self.contexts = contexts
        self.syntax: Syntax = dockerfile_syntax(dockerfile.escape)
        self.declared: dict[str, str | NoValue | None] = {}
        """Of each ARG before the first FROM its value, why it has none, or None."""
        self.stages: set[str] = set()
        """Names of the stages above."""
        self.count = 0
        every = [_stage_name(each) for each in dockerfile.instructions if each.name == "from"]
        self.names = frozenset(name for name in every if name)

    def read(self) -> None:
        dockerfile = self.dockerfile
        if dockerfile.syntax:
            why = "reads the Dockerfile; BuildKit keeps it in the build cache"
            place = Place(self.file, dockerfile.syntax_line)
            self.learned.leave(dockerfile.syntax, place, FRONTEND, why)
        for instruction in dockerfile.instructions:
            place = Place(self.file, instruction.line)
            if instruction.name == "arg" and not self.count:
                self._declare(instruction)
            elif instruction.name == "from":
                self._base(instruction, place)
            elif instruction.name == "copy":
                for name, value in instruction.flags:
                    if name == "from":
                        self._source(value, place)
            elif instruction.name == "run":
                for name, value in instruction.flags:
                    if name == "mount" and (source := _mounted(value)):
                        self._source(source, place)

    def _declare(self, instruction: Instruction) -> None:
        for word in words(instruction.text, self.dockerfile.escape):
            name, given, default = word.partition("=")
            if name in self.arguments:
                self.declared[name] = self.arguments[name]
            elif given:
                try:
                    self.declared[name] = expand(default, self._value, self.syntax)
                except NoValue as missing:
                    self.declared[name] = missing
            else:
                self.declared[name] = None

    def _value(self, name: str) -> str | None:
        """What a variable stands for in FROM. Raises NoValue."""
        if name in self.declared:
            value = self.declared[name]
            if isinstance(value, NoValue):
                raise value
            if value is not None or name not in _OF_THE_BUILD:
                return value
        if name in _OF_THE_BUILD:
            raise NoValue(f"{name} is known only to a build")
        return None

    def _base(self, instruction: Instruction, place: Place) -> None:
        """The image of a FROM. Raises Unreadable."""
        parts = instruction.text.split()
        if len(parts) == 1 or (len(parts) == 3 and parts[1].lower() == "as"):
            self._from(parts[0], place)
        elif template_mark(instruction.text):
            self.learned.use(instruction.text, place)
        else:
            raise Unreadable("it is no Dockerfile: FROM takes IMAGE or IMAGE AS NAME", place.line)
        if name := _stage_name(instruction):
            self.stages.add(name)
        self.count += 1

    def _from(self, written: str, place: Place) -> None:
        if template_mark(written):
            self.learned.use(written, place)
            return
        try:
            image = expand(written, self._value, self.syntax)
        except NoValue as missing:
            self.learned.leave(written, place, VARIABLE, str(missing))
            return
        if image == "scratch":
            self.learned.leave(image, place, SCRATCH, "the empty image")
        elif image in self.contexts:
            self.learned.leave(image, place, STAGE, "a context of the build")
        elif image.lower() in self.stages:
            self.learned.leave(image, place, STAGE, "a stage of this Dockerfile")
        else:
            self.learned.use(image, place)

    def _source(self, written: str, place: Place) -> None:
        """The image, stage or context that files are copied from."""
        name = written.strip("\"'")
        if "$" in name and not template_mark(name):
            why = "docker fills in no variables here"
            self.learned.leave(name, place, VARIABLE, why)
        elif name in self.contexts:
            self.learned.leave(name, place, STAGE, "a context of the build")
        elif name.isdecimal() or name.lower() in self.names:
            self.learned.leave(name, place, STAGE, "a stage of this Dockerfile")
        elif name and name != "scratch":
            self.learned.use(name, place)


def read(
    learned: Learned,
    dockerfile: Dockerfile,
    file: str,
    arguments: Mapping[str, str] | None = None,
    contexts: frozenset[str] = frozenset(),
) -> None:
    """Learn the images of a Dockerfile, built with these arguments and named contexts.

    Raises Unreadable.
    """
    _Reader(learned, dockerfile, file, arguments or {}, contexts).read()


def _stage_name(instruction: Instruction) -> str:
    parts = instruction.text.split()
    return parts[-1].lower() if len(parts) > 2 and parts[-2].lower() == "as" else ""


def _mounted(value: str) -> str:
    """What ``RUN --mount`` mounts from; empty where that is the build's own context."""
    fields = (field.strip("\"'").partition("=") for field in value.split(","))
    return next((said for key, _, said in fields if key.lower() == "from"), "")

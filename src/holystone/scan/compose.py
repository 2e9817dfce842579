"""The images of compose files: of services that are not built here, with variables from ``.env``.

Variables of the user's shell do not count: they are not those of the host.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from holystone.scan import dockerfile
from holystone.scan.files import inside, read_text
from holystone.scan.findings import ELSEWHERE, VARIABLE, Build, Learned, Place, Unreadable
from holystone.scan.variables import COMPOSE, NoValue, dotenv, expand
from holystone.scan.yaml_nodes import (
    Items,
    Scalar,
    Table,
    Value,
    below,
    documents,
    is_null,
    leave_odd,
    one_or_more,
    pairs,
    texts,
)

_MOST_EXTENDED = 100
IMAGE_CONTEXT = "docker-image://"


class _File(NamedTuple):
    """A compose file that has been read."""

    path: str
    services: Mapping[str, Table]
    folder: str
    """What its paths are relative to."""
    values: Mapping[str, str]
    """Of variables."""


class Composes:
    """Reads compose files, each once, and those they name."""

    def __init__(self, learned: Learned) -> None:
        self.learned = learned
        self.files: dict[str, _File | None] = {}
        """By real path; None for one that cannot be read or is being read."""
        self._deployed: set[str] = set()
        """Those whose services run: not only extended by services of others."""
        self._built: dict[int, Value] = {}
        """The builds that were noted, by identity: an alias may name one again and again."""
        self._including: list[str] = []
        """Real paths of the files whose includes are being read."""

    def read(self, path: str) -> None:
        """Learn the images of a compose file. Raises Unreadable."""
        folder = os.path.dirname(path)
        own = os.path.join(folder, ".env")
        self._read(path, folder, lambda: self._dotenv(own), deployed=True)

    def finish(self) -> None:
        """Learn of all services, once every file is read.

        A service that one file of a folder builds is no base image in another: files there are
        mostly laid over one another.
        """
        built = {
            (file.folder, name)
            for file, name, service in self._services()
            if self._inherited(file, service, "build")
        }
        for file, name, service in self._services():
            self._service(file, service, is_built=(file.folder, name) in built)

    def _services(self) -> Iterator[tuple[_File, str, Table]]:
        for key in sorted(self._deployed):
            if (file := self.files[key]) is not None:
                for name, service in file.services.items():
                    yield file, name, service

    def _read(
        self, path: str, folder: str, given: Callable[[], Mapping[str, str]], *, deployed: bool
    ) -> _File | None:
        """Read a file and what it includes. Raises Unreadable."""
        key = os.path.realpath(path)
        if deployed:
            self._deployed.add(key)
        if key in self.files:
            return self.files[key]
        self.files[key] = None
        services: dict[str, Table] = {}
        includes: list[Value] = []
        for document in documents(read_text(path, self.learned.roots), path):
            if is_null(document):
                continue
            if not isinstance(document, Table):
                raise Unreadable("it is no compose file: no mapping", document.place.line)
            found = document.get("services")
            # What docker compose took before there were versions: services at the top.
            is_old = not isinstance(found, Table) and document.values.keys().isdisjoint(
                ("services", "version")
            )
            services |= {
                name: service
                for name, service in pairs(document if is_old else found)
                if isinstance(service, Table)
                and not (is_old and service.values.keys().isdisjoint(("image", "build")))
            }
            if include := document.get("include"):
                includes.append(include)
        file = _File(path, services, folder, given())
        self.files[key] = file
        self._including.append(key)
        for include in includes:
            for each in one_or_more(include):
                named = texts(below(each, "env_file"))
                for other in texts(below(each, "path") if isinstance(each, Table) else each):
                    self._other(file, other, named)
        self._including.pop()
        return file

    def _other(
        self, file: _File, path: Scalar, env_files: list[Scalar] | None = None
    ) -> _File | None:
        """Another compose file that this one names; None if it cannot be read, which is noted.

        An included file has its own variables as well as those of this one.
        """
        written = self._expanded(file, path)
        if written is None:
            return None
        if "://" in written or written.startswith("git@"):
            why = "not in this repository, so its images are unknown"
            self.learned.leave(written, path.place, ELSEWHERE, why)
            return None
        other = os.path.normpath(os.path.join(file.folder, written))
        folder = os.path.dirname(other)
        if os.path.realpath(other) in self._including:
            self.learned.trouble(path.place, f"the include {written[:200]!r} goes in a circle")
            return None

        def values() -> Mapping[str, str]:
            found: dict[str, str] = {}
            if env_files is not None:
                named = [os.path.join(file.folder, each.text) for each in env_files]
                for each in named or [os.path.join(folder, ".env")]:
                    found |= self._dotenv(os.path.normpath(each))
            return found | dict(file.values)

        try:
            return self._read(other, folder, values, deployed=env_files is not None)
        except Unreadable as fault:
            self.learned.unreadable(other, fault, f"named in {path.place}")
            return None

    def _service(self, file: _File, service: Table, *, is_built: bool) -> None:
        image = self._inherited(file, service, "image")
        if isinstance(image, Scalar) and image.kind == "str":
            if written := self._expanded(file, image, "" if is_built else None):
                self.learned.use(written, image.place, built=is_built)
        elif image is not None and not is_built:
            leave_odd(self.learned, image)
        if "build" in service.values and (build := self._inherited(file, service, "build")):
            self._build(file, build)

    def _inherited(self, file: _File, service: Table, key: str) -> Value | None:
        """What a service or the one it extends has for a key."""
        met: list[Table] = []
        while key not in service.values:
            if len(met) > _MOST_EXTENDED or any(each is service for each in met):
                place = min(each.place for each in met)
                self._once(place, "extends of its services goes in a circle")
                return None
            met.append(service)
            extends = service.get("extends")
            is_table = isinstance(extends, Table)
            name, path = below(extends, "service") if is_table else extends, below(extends, "file")
            if not isinstance(name, Scalar):
                return None
            other = self._other(file, path) if isinstance(path, Scalar) else file
            if other is None:
                return None
            found = other.services.get(name.text)
            if found is None:
                self._once(name.place, f"there is no service {name.text} to extend")
                return None
            file, service = other, found
        value = service.values[key]
        nothing = isinstance(value, Scalar) and value.kind in ("null", "!reset")
        return None if nothing else value

    def _once(self, place: Place, why: str) -> None:
        """Note a fault once, even if several services have it."""
        if not any(each.place == place for each in self.learned.troubles):
            self.learned.trouble(place, why)

    def _build(self, file: _File, build: Value) -> None:
        """Note which Dockerfile is built with what, and the images that stand beside it."""
        if id(build) in self._built:
            return
        self._built[id(build)] = build
        table = build if isinstance(build, Table) else Table({"context": build}, build.place)
        contexts = set()
        for key, said, place in self._named(file, table.get("additional_contexts")):
            contexts.add(key)
            if said.startswith(IMAGE_CONTEXT):
                self.learned.use(said.removeprefix(IMAGE_CONTEXT), place)
        arguments = {key: said for key, said, _ in self._named(file, table.get("args"))}
        inline = table.get("dockerfile_inline")
        if isinstance(inline, Scalar):
            if (text := self._expanded(file, inline, "dockerfile_inline")) is not None:
                # The text of a block begins in the line after its key.
                place = Place(file.path, inline.place.line + 1)
                dockerfile.read_inline(self.learned, text, place, arguments, frozenset(contexts))
            return
        context = self._plain(file, table.get("context"), ".")
        name = self._plain(file, table.get("dockerfile"), "Dockerfile")
        if context is None or name is None or "://" in context or context.startswith("git@"):
            return
        path = os.path.normpath(os.path.join(file.folder, context, name))
        self.learned.builds.append(Build(path, arguments, frozenset(contexts)))

    def _named(self, file: _File, value: Value | None) -> Iterator[tuple[str, str, Place]]:
        """The pairs of a mapping, or of a list of ``NAME=VALUE``, that have plain values."""
        for name, each in pairs(value):
            if (said := self._plain(file, each)) is not None:
                yield name, said, each.place
        for text in texts(value) if isinstance(value, Items) else ():
            name, given, _ = text.text.partition("=")
            if (said := self._plain(file, text)) is not None and given:
                yield name, said.partition("=")[2], text.place

    def _dotenv(self, path: str) -> dict[str, str]:
        """The variables of a ``.env``; none where it is not there or cannot be read."""
        try:
            return dotenv(read_text(path, self.learned.roots))
        except Unreadable as fault:
            if os.path.lexists(path) or not inside(path, self.learned.roots):
                self.learned.unreadable(path, fault)
            return {}

    def _plain(self, file: _File, value: Value | None, default: str | None = None) -> str | None:
        """The text of a value, its variables filled in; None where it has no plain one."""
        if value is None:
            return default
        text = value.plain if isinstance(value, Scalar) else None
        try:
            return None if text is None else expand(text, file.values.get, COMPOSE)
        except NoValue:
            return None

    def _expanded(self, file: _File, value: Scalar, told: str | None = None) -> str | None:
        """A text with its variables filled in; None is noted as ``told``, if that is not empty."""
        try:
            return expand(value.text, file.values.get, COMPOSE)
        except NoValue as missing:
            if shown := value.text if told is None else told:
                self.learned.leave(shown, value.place, VARIABLE, str(missing))
            return None

"""One GitLab pipeline put together: local includes, ``extends``, ``!reference``, as GitLab does.

The order is GitLab's own (``lib/gitlab/ci/config.rb``): includes, then ``extends``, then
``!reference``. An included file gives way to the one that includes it, key by key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import NamedTuple

from holystone.scan.files import is_below, read_text, root_of, walk
from holystone.scan.findings import ELSEWHERE, TEMPLATE, Learned, Place, Unreadable, template_mark
from holystone.scan.yaml_nodes import (
    Items,
    Scalar,
    Table,
    Value,
    documents,
    is_null,
    one_or_more,
    pairs,
    texts,
)

MOST_INCLUDES = 150
"""GitLab's own limit."""
_MOST_STEPS = 1_000_000
_PARTS = re.compile(r"(\*\*/|\*\*|\*)")
_DEEPEST_REFERENCE = 10
_DEEPEST_EXTENDS = 50
_NOT_HERE = "not in this repository, so its images are unknown"


class _Unknown(Exception):
    """What a key refers to is not in these files: why, and the place."""


class Pipeline:
    """The configuration of one pipeline."""

    def __init__(self, learned: Learned, root: str, seen: Callable[[str], object]) -> None:
        """``root`` is the folder of the repository; ``seen`` is called for each file read."""
        self.learned = learned
        self.root = root
        self.seen = seen
        self.config = Table({}, Place(""))
        self.missing: dict[str, Scalar] = {}
        """By job the template it extends that is not in these files."""
        self._extended: dict[str, Table | None] = {}
        self._extending: list[str] = []
        self._circular: set[str] = set()
        self._read: set[str] = set()
        self._including: list[str] = []
        """Real paths of the files whose includes are being read."""
        self._includes = 0
        self._files: dict[str, str] | None = None
        """Files that includes may match, by path below the root; None until they are needed."""
        self._steps = _MOST_STEPS

    def load(self, path: str) -> None:
        """Read a file and what it includes. Raises Unreadable where that file cannot be read."""
        self._read.add(os.path.realpath(path))
        self.config = self._loaded(path)

    def job(self, name: str) -> Table | None:
        """A job with what it extends; None where there is none, or its extends are a circle.

        Raises Unreadable.
        """
        if name in self._extended:
            return self._extended[name]
        own = self.config.get(name)
        if not isinstance(own, Table):
            return None
        if name in self._extending:
            circle = self._extending[self._extending.index(name) :]
            if self._circular.isdisjoint(circle):
                way = " -> ".join([*circle, name])
                self.learned.trouble(own.place, f"extends goes in a circle: {way}")
            self._circular.update(circle)
            return None
        self._extending.append(name)
        if len(self._extending) > _DEEPEST_EXTENDS:
            raise Unreadable("extends goes too deep")
        made = Table({}, own.place)
        for parent in texts(own.get("extends")):
            found = self.job(parent.text)
            if found is not None:
                made = self._merged(made, found)
                if parent.text in self.missing:
                    self.missing.setdefault(name, self.missing[parent.text])
            elif parent.text not in self._circular:
                self.missing.setdefault(name, parent)
        made = self._merged(made, own)
        self._extending.pop()
        self._extended[name] = None if name in self._circular else made
        return self._extended[name]

    def resolved(self, value: Value | None, *, told: bool = True) -> Value | None:
        """The value that a ``!reference`` refers to; other values as they are.

        None where that is not in these files, which is noted if it is to be ``told``.
        """
        try:
            return self._resolved(value, 0)
        except _Unknown as unknown:
            if told:
                why, place = unknown.args
                self.learned.leave("!reference", place, ELSEWHERE, why)
            return None

    def _resolved(self, value: Value | None, depth: int) -> Value | None:
        if not isinstance(value, Items) or value.tag != "!reference":
            return value
        names = [each.text for each in value.values if isinstance(each, Scalar)]
        called = f"!reference [{', '.join(names)}]"
        if depth > _DEEPEST_REFERENCE:
            raise _Unknown(f"{called} goes in a circle, or too deep", value.place)
        found: Value | None = Table({}, value.place)
        for at, name in enumerate(names):
            if not isinstance(found, Table):
                break
            found = (self.job(name) or self.config.get(name)) if at == 0 else found.get(name)
            found = self._resolved(found, depth + 1)
        if found is None or not names:
            raise _Unknown(f"{called} leads to nothing in these files", value.place)
        return found

    def _loaded(self, path: str) -> Table:
        """What a file says with what it includes. Raises Unreadable."""
        key = os.path.realpath(path)
        self.seen(key)
        found = documents(read_text(path, self.learned.roots), path, as_ruby=True)
        # A first document that has nothing but "spec" is about the file.
        if len(found) > 1 and isinstance(found[0], Table) and set(found[0].values) <= {"spec"}:
            del found[0]
        if not found or is_null(found[0]):
            return Table({}, Place(path))
        own = found[0]
        if not isinstance(own, Table):
            raise Unreadable("it is no GitLab pipeline: no mapping", own.place.line)
        made = Table({}, own.place)
        self._including.append(key)
        try:
            for each in one_or_more(own.get("include")):
                local = each.get("local") if isinstance(each, Table) else each
                if isinstance(local, Scalar):
                    for other in self._local(local):
                        made = self._merged(made, other)
                elif isinstance(each, Table):
                    self.elsewhere(each)
        finally:
            self._including.pop()
        return self._merged(made, own)

    def elsewhere(self, include: Table) -> None:
        """Note an include of what is not in this repository."""
        for key in ("project", "remote", "template", "component"):
            if isinstance(named := include.get(key), Scalar):
                files = [each.text for each in texts(include.get("file"))]
                written = " ".join([f"{key}: {named.text}", *files])
                self.learned.leave(written, named.place, ELSEWHERE, _NOT_HERE)

    def _local(self, include: Scalar) -> Iterator[Table]:
        for path in self.local_paths(include):
            key = os.path.realpath(path)
            if key in self._including and "*" not in include.text:
                why = f"the include {include.text[:200]!r} goes in a circle"
                self.learned.trouble(include.place, why)
            if key in self._read:
                continue  # A file counts once.
            self._read.add(key)
            if self._too_many(include.place):
                return
            try:
                yield self._loaded(path)
            except Unreadable as fault:
                self.learned.unreadable(path, fault, f"included in {include.place}")

    def local_paths(self, include: Scalar) -> list[str]:
        """The files of this repository that an include names; an invalid name is noted."""
        written = include.text
        if "://" in written:
            self.learned.leave(written, include.place, ELSEWHERE, _NOT_HERE)
            return []
        if mark := template_mark(written):
            why = f"a template: something else fills in what stands at {mark}"
            self.learned.leave(f"include: {written}", include.place, TEMPLATE, why)
            return []
        if "$" in written:
            why = "GitLab fills in variables of the project there, which are not in these files"
            self.learned.leave(f"include: {written}", include.place, ELSEWHERE, why)
            return []
        path = written.lstrip("/")
        if self._too_many(include.place):
            return []
        paths = [os.path.normpath(os.path.join(self.root, path))]
        if "*" in path:
            if self._files is None:
                root = self.root or "."
                self._files = {
                    os.path.relpath(each, root).replace(os.sep, "/"): each
                    for each in walk(root, lambda *_: None)
                    if each.endswith((".yml", ".yaml"))
                }
            paths = [each for name, each in self._files.items() if fits(path, name)]
        inside = [each for each in paths if is_below(each, self.root)]
        if not paths or inside != paths:
            why = "leads out of the repository" if paths else "matches no file"
            self.learned.trouble(include.place, f"the include {written[:200]!r} {why}")
        return inside

    def _too_many(self, place: Place) -> bool:
        """Count one more include, or file of one; the first too many is noted."""
        self._includes += 1
        if self._includes == 1 + 2 * MOST_INCLUDES:
            why = f"this pipeline includes more than {MOST_INCLUDES} files"
            self.learned.trouble(place, why)
        return self._includes > 2 * MOST_INCLUDES

    def _merged(self, under: Table, over: Table) -> Table:
        """Both together; where both have a key ``over`` counts, mappings are merged."""
        self._steps -= 1 + len(under.values) + len(over.values)
        if self._steps < 0:
            raise Unreadable("its templates expand to far too much")
        made = dict(under.values)
        for key, value in over.values.items():
            there = made.get(key)
            both = isinstance(there, Table) and isinstance(value, Table)
            made[key] = self._merged(there, value) if both else value  # type: ignore[arg-type]
        return Table(made, over.place)


def fits(pattern: str, name: str) -> bool:
    """Whether a path is as a pattern says: ``*`` stays in a folder, ``**`` goes below."""
    split = (each for each in _PARTS.split(pattern) if each)
    # A star again right behind the same one adds nothing.
    parts = [each for each, group in groupby(split) for _ in ("*" if "*" in each else tuple(group))]
    if sum(len(each) for each in parts if "*" not in each) > len(name):
        return False
    ends = {0}
    for part in parts:
        first = min(ends)
        if part == "**/":
            ends |= {at + 1 for at in range(first, len(name)) if name[at] == "/"}
        elif part == "**":
            ends = set(range(first, len(name) + 1))
        elif part == "*":
            reached: set[int] = set()
            for end in sorted(ends):
                if end not in reached:
                    folder_ends = name.find("/", end)
                    reached.update(range(end, 1 + (folder_ends if folder_ends >= 0 else len(name))))
            ends = reached
        else:
            ends = {end + len(part) for end in ends if name.startswith(part, end)}
        if not ends:
            return False
    return len(name) in ends


class OwnScript(NamedTuple):
    """Where a job, a template of jobs or ``default`` has an ``after_script``."""

    job: str
    """Its name; ``default`` for what all jobs have that say nothing themselves."""
    place: Place


def own_after_scripts(path: str, template: str, shared: str, clean: str) -> list[OwnScript]:
    """The jobs of a pipeline that would lose what the job ``shared`` has in its ``after_script``.

    Those that take it over by ``!reference``, or have the command ``clean`` themselves, are left
    out, and so is what stands in the file ``template``. None where the pipeline cannot be read:
    ``protect`` tells why.
    """
    pipeline = Pipeline(Learned(), root_of(path), lambda _: None)
    try:
        pipeline.load(path)
    except Unreadable:
        return []
    found = set()
    for name, holder in [("default", pipeline.config), *pairs(pipeline.config)]:
        value = holder.get("after_script") if isinstance(holder, Table) else None
        # An empty list says that nothing is to run: then that is meant.
        if value is None or (isinstance(value, Items) and not value.values):
            continue
        is_template = os.path.realpath(value.place.file) == os.path.realpath(template)
        if not is_template and not _has(value, shared, clean):
            found.add(OwnScript(name, _place_of_key(value.place)))
    return sorted(found, key=lambda each: (each.place, each.job))


def _has(value: Value, shared: str, clean: str) -> bool:
    if isinstance(value, Scalar):
        return clean in value.text
    if not isinstance(value, Items):
        return False
    if value.tag == "!reference":
        return any(isinstance(each, Scalar) and each.text == shared for each in value.values[:1])
    return any(_has(each, shared, clean) for each in value.values)


def _place_of_key(place: Place) -> Place:
    """Where the key stands: a list begins in a line below it."""
    try:
        lines = read_text(place.file).splitlines()[: place.line]
    except Unreadable:
        return place
    above = (n for n in range(len(lines), 0, -1) if "after_script" in lines[n - 1])
    return Place(place.file, next(above, place.line))

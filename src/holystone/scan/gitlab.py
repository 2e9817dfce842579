"""The images of GitLab pipelines: what jobs, services and their scripts use, variables filled in.

A variable is filled in if the files give it a plain value: globally, in the job, in its rules or in
``parallel:matrix``. Variables of the project or of a schedule are not in the files.
"""

from __future__ import annotations

import itertools
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from holystone.scan.compose import Composes
from holystone.scan.files import root_of
from holystone.scan.findings import (
    ELSEWHERE,
    UNUSED,
    VARIABLE,
    Learned,
    Place,
    Unreadable,
    template_mark,
)
from holystone.scan.gitlab_config import Pipeline
from holystone.scan.scripts import Part, Scripts
from holystone.scan.variables import GITLAB, Lookup, NoValue, expand
from holystone.scan.yaml_nodes import (
    Items,
    Scalar,
    Table,
    Value,
    below,
    is_null,
    items,
    leave_odd,
    one_or_more,
    pairs,
    texts,
)

_GLOBAL = frozenset(
    (
        "after_script", "before_script", "cache", "default", "image", "include", "services", "spec",
        "stages", "types", "variables", "workflow",
    )
)  # fmt: skip
_SCRIPTS = ("before_script", "script", "after_script")
_SET_BY_GITLAB = ("CI_", "GITLAB_", "CHAT_", "FF_", "TRIGGER_")
_MOST_JOBS = 200
"""Of one matrix: GitLab's own limit."""
_MOST_STEPS = 1_000_000
_MOST_ENTRIES = 500_000
"""Of the scripts of all jobs."""
_DEEPEST = 10
"""Lists in lists in a script: GitLab's own limit."""
_DEEPEST_VARIABLE = 20
_NAMED = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_MAY_ASK = re.compile(r"docker|podman|nerdctl|/|sh\b|\beval\b|\bsource\b")
"""What no script lacks that asks for images, or calls one that may."""


class Pipelines:
    """Reads the pipelines of a repository, each once."""

    def __init__(self, learned: Learned, composes: Composes) -> None:
        self.learned = learned
        self.composes = composes
        self.seen: set[str] = set()
        """Real paths of all files that were read, included ones too."""

    def read(self, path: str) -> None:
        """Learn the images of a pipeline and of its children. Raises Unreadable."""
        waiting = deque([(path, Place(""))])
        while waiting:
            at, named = waiting.popleft()
            pipeline = Pipeline(self.learned, root_of(at), self.seen.add)
            try:
                pipeline.load(at)
                children = _Jobs(self.learned, pipeline, self.composes).read()
            except Unreadable as fault:
                if not named.file:
                    raise
                self.learned.unreadable(at, fault, f"a child pipeline of {named}")
                continue
            for child, place in children:
                if os.path.realpath(child) not in self.seen:
                    self.seen.add(os.path.realpath(child))
                    waiting.append((child, place))


def _lookup(given: Mapping[str, str | None], raw: set[str]) -> Lookup:
    """The values of a job's variables in one of the ways it may run, those in them filled in.

    ``given`` has None for one without plain value; ``raw`` are not filled in further.
    """
    known: dict[str, str] = {}
    opened: list[str] = []

    def value(name: str) -> str | None:
        if name in known:
            return known[name]
        if name in opened:
            raise NoValue(f"{name} is made of itself")
        if len(opened) > _DEEPEST_VARIABLE:
            raise NoValue("its variables are nested too deeply")
        if name not in given:
            if name.startswith(_SET_BY_GITLAB) or name == "CI":
                raise NoValue(f"{name} is known only to a running job")
            return None
        if (found := given[name]) is None:
            raise NoValue(f"{name} has no plain value here")
        if name not in raw:
            opened.append(name)
            try:
                found = expand(found, value, GITLAB)
            finally:
                opened.pop()
        known[name] = found
        return found

    return value


class _Jobs:
    """Learns the images of all jobs of one pipeline."""

    def __init__(self, learned: Learned, pipeline: Pipeline, composes: Composes) -> None:
        self.learned = learned
        self.pipeline = pipeline
        self._steps = _MOST_STEPS
        self._entries = _MOST_ENTRIES
        self.used: set[tuple[Place, str]] = set()
        """Images that jobs use, as they are written, and where."""
        self.scripts = Scripts(learned, composes, pipeline.root)
        self._read: set[tuple[object, ...]] = set()
        """Scripts that were read, with the values of their variables."""
        self._texts: dict[str, tuple[bool, frozenset[str]]] = {}
        """Of each text whether it may ask docker for anything, and the variables that it names.

        An alias may give many jobs the same one.
        """

    def read(self) -> list[tuple[str, Place]]:
        """Learn the images; answers the child pipelines, and where they are named."""
        names = [
            name
            for name, value in pairs(self.pipeline.config)
            if name not in _GLOBAL and isinstance(value, Table)
        ]
        children: list[tuple[str, Place]] = []
        for name in names:
            job = None if name.startswith(".") else self.pipeline.job(name)
            if job is not None and "trigger" in job.values:
                children += self._children(job)
            elif job is not None:
                self._job(name, job)
        templates = [(name, self.pipeline.job(name)) for name in names if name.startswith(".")]
        for name, template in [*templates, ("default", self._defaults())]:
            if template is not None:
                self._unused(name, template)
        return children

    def _job(self, name: str, job: Table) -> None:
        default = self._defaults()
        inherited = {
            key: default.get(key)
            for key in ("image", "services", *_SCRIPTS)
            if job.get(key) is None and self._inherits(job, "default", key)
        }
        parent = self.pipeline.missing.get(name)
        for key in ("image", "services"):
            value = job.get(key)
            if value is None and parent is not None:
                if key == "image":
                    why = f"not in these files, so the image of the job {name} is not known"
                    self.learned.leave(f"extends: {parent.text}", parent.place, ELSEWHERE, why)
            else:
                for each in self._images(inherited.get(key, value)):
                    self._image(each, job)
        # What runs after the script begins anew.
        for keys in (("before_script", "script"), ("after_script",)):
            parts = [
                part for key in keys for part in self._parts(inherited.get(key, job.get(key)), 0)
            ]
            known = [self._known(text) for text, _ in parts]
            if any(may_ask for may_ask, _ in known):
                # Compose reads its own: COMPOSE_FILE.
                varies = any("$" in text or "compose" in text for text, _ in parts)
                named = sorted({"COMPOSE_FILE"}.union(*(names for _, names in known)))
                ways: Iterable[Lookup] = self._ways(job) if varies else [lambda _: None]
                for values in ways:
                    self._script(parts, named, values)

    def _parts(self, value: Value | None, depth: int) -> Iterator[Part]:
        """The entries of a script in the order in which they run."""
        value = self.pipeline.resolved(value)
        if isinstance(value, Items) and depth <= _DEEPEST:
            for each in value.values:
                self._entries -= 1
                if self._entries < 0:
                    raise Unreadable("the scripts of its jobs have far too many entries")
                yield from self._parts(each, depth + 1)
        elif isinstance(value, Scalar) and not is_null(value):
            file, line = value.place
            yield value.text, Place(file, line + value.literal)

    def _known(self, text: str) -> tuple[bool, frozenset[str]]:
        if text not in self._texts:
            self._texts[text] = bool(_MAY_ASK.search(text)), frozenset(_NAMED.findall(text))
        return self._texts[text]

    def _script(self, parts: Sequence[Part], named: Sequence[str], values: Lookup) -> None:
        """Learn of a script with these variables, unless that was done before."""
        given: list[str | None] = []
        for name in named:
            try:
                given.append(values(name))
            except NoValue as missing:
                given.append(f"$ {missing}")
        key = (tuple(parts), *given)
        if key not in self._read:
            self._read.add(key)
            self.scripts.read(parts, values)

    def _defaults(self) -> Table:
        """What jobs have that say nothing themselves."""
        config = self.pipeline.config
        keys = ("image", "services", *_SCRIPTS)
        old = {key: each for key in keys if (each := config.get(key))}
        return Table(old | dict(pairs(config.get("default"))), config.place)

    def _inherits(self, job: Table, what: str, key: str) -> bool:
        said = below(job, "inherit", what)
        if isinstance(said, Scalar) and said.kind == "bool":
            return said.text.lower() in ("true", "yes", "on")
        return not isinstance(said, Items) or key in (each.text for each in texts(said))

    def _images(self, value: Value | None) -> Iterator[Value]:
        """The names of images in an ``image`` or in ``services``; what cannot be told is noted."""
        waiting, met = deque([value]), set()
        while waiting:
            each = self.pipeline.resolved(waiting.popleft())
            if isinstance(each, Table):
                each = self.pipeline.resolved(each.get("name"))
            if isinstance(each, Items):
                # An alias can name the same list again and again.
                if id(each) not in met:
                    met.add(id(each))
                    waiting += each.values
            elif each is not None:
                yield each

    def _image(self, image: Value, job: Table) -> None:
        self._count(1)
        text = image.text if isinstance(image, Scalar) else ""
        # One line can have several images: services: [postgres:16, redis:7].
        if "$" not in text and (image.place, text) in self.used:
            return
        self.used.add((image.place, text))
        if not isinstance(image, Scalar) or image.kind != "str":
            leave_odd(self.learned, image)
        elif "$" not in text or template_mark(text):
            if text:
                self.learned.use(text, image.place)
        else:
            for values in self._ways(job):
                try:
                    self.learned.use(expand(text, values, GITLAB), image.place)
                except NoValue as missing:
                    self.learned.leave(text, image.place, VARIABLE, str(missing))

    def _ways(self, job: Table) -> Iterator[Lookup]:
        """Every way in which a job may run, by its matrix and its rules."""
        raw: set[str] = set()
        config = self.pipeline.config
        common = {
            name: value
            for name, value in self._variables(config.get("variables"), raw)
            if self._inherits(job, "variables", name)
        }
        common |= dict(self._variables(job.get("variables"), raw))
        ruled: list[dict[str, str | None]] = [{}]
        ruled += (
            dict(self._variables(rule.get("variables"), raw))
            for holder in (config.get("workflow"), job)
            for rule in items(below(holder, "rules"))
            if isinstance(rule, Table) and "variables" in rule.values
        )
        matrix = itertools.islice(_matrix(job), _MOST_JOBS)
        for each, rule in itertools.product(matrix, ruled[:_MOST_JOBS]):
            self._count(1 + len(common))
            yield _lookup(common | each | rule, raw)

    def _count(self, steps: int) -> None:
        self._steps -= steps
        if self._steps < 0:
            raise Unreadable("its jobs can run in far too many ways")

    def _variables(self, value: Value | None, raw: set[str]) -> Iterator[tuple[str, str | None]]:
        """Variables with their plain values; ``raw`` gets those that are not filled in further."""
        for name, each in pairs(self.pipeline.resolved(value, told=False)):
            said = self.pipeline.resolved(each, told=False)
            if isinstance(said, Table):
                expands = said.get("expand")
                if isinstance(expands, Scalar) and expands.text.lower() == "false":
                    raw.add(name)
                said = said.get("value")
            yield name, said.plain if isinstance(said, Scalar) else None

    def _children(self, job: Table) -> Iterator[tuple[str, Place]]:
        """The files of child pipelines in this repository."""
        for each in one_or_more(below(job, "trigger", "include")):
            local = each.get("local") if isinstance(each, Table) else each
            if isinstance(local, Scalar):
                for path in self.pipeline.local_paths(local):
                    yield path, local.place
            elif isinstance(each, Table):
                self.pipeline.elsewhere(each)

    def _unused(self, name: str, template: Table) -> None:
        """Note the images of a template that no job uses."""
        for key in ("image", "services"):
            for image in self._images(template.get(key)):
                if not isinstance(image, Scalar) or not image.text:
                    continue
                if (image.place, image.text) not in self.used:
                    self.used.add((image.place, image.text))
                    why = f"only in {name}, which no job in these files uses"
                    self.learned.leave(image.text, image.place, UNUSED, why)


def _matrix(job: Table) -> Iterator[dict[str, str | None]]:
    """The variables of each job of ``parallel:matrix``; none, once, without one."""
    matrix = below(job, "parallel", "matrix")
    if not isinstance(matrix, Items):
        yield {}
    for entry in items(matrix):
        if isinstance(entry, Table):
            choices = (
                [one.plain if isinstance(one, Scalar) else None for one in one_or_more(each)]
                for each in entry.values.values()
            )
            for values in itertools.product(*choices):
                yield dict(zip(entry.values, values, strict=True))

"""The images of GitLab pipelines: what jobs and services run in, variables filled in.

A variable is filled in where the files give it a plain value: globally, in the job, in its rules
or in ``parallel:matrix``. What the project or a schedule sets is not in the files.
"""

from __future__ import annotations

import itertools
import os
from collections import deque
from collections.abc import Iterator

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
from holystone.scan.gitlab_config import Pipeline, Unknown
from holystone.scan.gitlab_values import Values
from holystone.scan.job_scripts import SCRIPTS, JobScripts, no_values
from holystone.scan.variables import GITLAB, NoValue, expand
from holystone.scan.yaml_nodes import Items, Scalar, Table, Value, leave_odd, texts

_GLOBAL = frozenset(
    (
        "after_script", "before_script", "cache", "default", "image", "include", "services", "spec",
        "stages", "types", "variables", "workflow",
    )
)  # fmt: skip
_MOST_JOBS = 200
"""Of one matrix: GitLab's own limit."""
_MOST_STEPS = 1_000_000


class Pipelines:
    """Reads the pipelines of a repository, each once."""

    def __init__(self, learned: Learned, composes: Composes) -> None:
        self.learned = learned
        self.composes = composes
        self.seen: set[str] = set()
        """Real paths of all files that were read, included ones too."""

    def read(self, path: str) -> None:
        """Learn the images of a pipeline and of its children. Raises Unreadable."""
        waiting = [(path, Place(""))]
        while waiting:
            at, named = waiting.pop(0)
            pipeline = Pipeline(self.learned, root_of(at), self.seen.add)
            try:
                pipeline.load(at)
                children = _Jobs(self.learned, pipeline, self.composes).read()
            except Unreadable as fault:
                if not named.file:
                    raise
                why = f"{fault} (a child pipeline of {named})"
                self.learned.trouble(Place(at, fault.line), why)
                continue
            for child, place in children:
                if os.path.realpath(child) not in self.seen:
                    self.seen.add(os.path.realpath(child))
                    waiting.append((child, place))


class _Jobs:
    """Learns the images of all jobs of one pipeline."""

    def __init__(self, learned: Learned, pipeline: Pipeline, composes: Composes) -> None:
        self.learned = learned
        self.pipeline = pipeline
        self._left = _MOST_STEPS
        self.used: set[tuple[Place, str]] = set()
        """Images that jobs use, as they are written, and where."""
        self.scripts = JobScripts(learned, pipeline, composes)

    def read(self) -> list[tuple[str, Place]]:
        """Learn the images; answers the child pipelines, and where they are named."""
        names = [
            name
            for name, value in self.pipeline.config.values.items()
            if name not in _GLOBAL and isinstance(value, Table)
        ]
        children: list[tuple[str, Place]] = []
        for name in names:
            if name.startswith("."):
                continue
            job = self.pipeline.job(name)
            if job is None:
                continue
            if "trigger" in job.values:
                children += self._children(job.get("trigger"))
            else:
                self._job(name, job)
        templates = [(name, self.pipeline.job(name)) for name in names if name.startswith(".")]
        for name, template in [*templates, ("default", self._defaults())]:
            if template is not None:
                self._unused(name, template)
        return children

    def _job(self, name: str, job: Table) -> None:
        default = self._defaults()
        for key in ("image", "services"):
            value = job.get(key)
            if value is None and name in self.pipeline.missing:
                self._untold(name, key)
            elif value is None and self._inherits(job, "default", key):
                value = default.get(key)
            for each in self._images(value):
                self._image(each, job)
        self._scripts(job, default)

    def _scripts(self, job: Table, default: Table) -> None:
        """What the scripts of a job ask docker for; what runs after them begins anew."""
        given = {
            key: default.get(key)
            if job.get(key) is None and self._inherits(job, "default", key)
            else job.get(key)
            for key in SCRIPTS
        }
        for keys in (("before_script", "script"), ("after_script",)):
            parts = self.scripts.parts([given[key] for key in keys])
            if self.scripts.asks(parts):
                # Compose reads its own: COMPOSE_FILE.
                varies = any("$" in part.text or "compose" in part.text for part in parts)
                for values in self._ways(job) if varies else [no_values]:
                    self.scripts.read(parts, values)

    def _untold(self, name: str, key: str) -> None:
        """Note that a job has its image from a template that is not in these files."""
        parent = self.pipeline.missing[name]
        if key == "image":
            why = f"not in these files, so the image of the job {name} is not known"
            self.learned.leave(f"extends: {parent.text}", parent.place, ELSEWHERE, why)

    def _defaults(self) -> Table:
        """What jobs have that say nothing themselves."""
        config = self.pipeline.config
        keys = ("image", "services", *SCRIPTS)
        old = {key: each for key in keys if (each := config.get(key))}
        default = config.get("default")
        return Table(old | (default.values if isinstance(default, Table) else {}), config.place)

    def _inherits(self, job: Table, what: str, key: str) -> bool:
        inherit = job.get("inherit")
        said = inherit.get(what) if isinstance(inherit, Table) else None
        if isinstance(said, Scalar) and said.kind == "bool":
            return said.text.lower() in ("true", "yes", "on")
        if isinstance(said, Items):
            return key in (each.text for each in texts(said))
        return True

    def _images(self, value: Value | None) -> Iterator[Value]:
        """The names of images in an ``image`` or in ``services``; what cannot be told is noted."""
        waiting, met = deque([value]), set()
        while waiting:
            try:
                each = self.pipeline.resolved(waiting.popleft())
                if isinstance(each, Table):
                    each = self.pipeline.resolved(each.get("name"))
            except Unknown as unknown:
                self.learned.leave("!reference", unknown.place, ELSEWHERE, str(unknown))
                continue
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
            return
        if not image.text:
            return
        if "$" not in image.text or template_mark(image.text):
            self.learned.use(image.text, image.place)
            return
        for values in self._ways(job):
            try:
                written = expand(image.text, values, GITLAB)
            except NoValue as missing:
                self.learned.leave(image.text, image.place, VARIABLE, str(missing))
            else:
                self.learned.use(written, image.place)

    def _ways(self, job: Table) -> Iterator[Values]:
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
        for holder in (config.get("workflow"), job):
            rules = holder.get("rules") if isinstance(holder, Table) else None
            ruled += (
                dict(self._variables(rule.get("variables"), raw))
                for rule in (rules.values if isinstance(rules, Items) else ())
                if isinstance(rule, Table) and "variables" in rule.values
            )
        matrix = itertools.islice(self._matrix(job), _MOST_JOBS)
        for each, rule in itertools.product(matrix, ruled[:_MOST_JOBS]):
            self._count(1 + len(common))
            yield Values(common | each | rule, raw)

    def _count(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise Unreadable("its jobs can run in far too many ways")

    def _variables(self, value: Value | None, raw: set[str]) -> Iterator[tuple[str, str | None]]:
        """Variables with their plain values; ``raw`` gets those that are not filled in further."""
        try:
            table = self.pipeline.resolved(value)
        except Unknown:
            return
        for name, each in table.values.items() if isinstance(table, Table) else ():
            try:
                said = self.pipeline.resolved(each)
            except Unknown:
                said = None
            if isinstance(said, Table):
                expands = said.get("expand")
                if isinstance(expands, Scalar) and expands.text.lower() == "false":
                    raw.add(name)
                said = said.get("value")
            yield name, said.plain if isinstance(said, Scalar) else None

    def _matrix(self, job: Table) -> Iterator[dict[str, str | None]]:
        """The variables of each job of ``parallel:matrix``; none, once, without one."""
        parallel = job.get("parallel")
        matrix = parallel.get("matrix") if isinstance(parallel, Table) else None
        if not isinstance(matrix, Items):
            yield {}
            return
        for entry in matrix.values:
            if isinstance(entry, Table):
                names = list(entry.values)
                choices = [_choices(each) for each in entry.values.values()]
                for values in itertools.product(*choices):
                    yield dict(zip(names, values, strict=True))

    def _children(self, trigger: Value | None) -> Iterator[tuple[str, Place]]:
        """The files of child pipelines in this repository."""
        include = trigger.get("include") if isinstance(trigger, Table) else None
        for each in include.values if isinstance(include, Items) else (include,):
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


def _choices(value: Value) -> list[str | None]:
    each = value.values if isinstance(value, Items) else (value,)
    return [one.plain if isinstance(one, Scalar) else None for one in each]

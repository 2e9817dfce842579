"""The images of GitHub workflows and actions: containers, services, ``docker://`` steps."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Mapping

from holystone.scan.files import read_text
from holystone.scan.findings import TEMPLATE, VARIABLE, Build, Learned, Unreadable
from holystone.scan.yaml_nodes import (
    Items,
    Scalar,
    Table,
    Value,
    below,
    documents,
    is_null,
    items,
    leave_odd,
    pairs,
)

_MOST_JOBS = 256
"""Of one matrix: GitHub's own limit."""
_MOST_STEPS = 100_000
_DOCKER = "docker://"
_EXPRESSION = re.compile(r"\$\{\{((?:(?!\$\{\{|\}\}).)*)\}\}", re.DOTALL)
_OF_MATRIX = re.compile(r"matrix\.([\w-]+(?:\.[\w-]+)*)")

Combination = Mapping[str, Value]


def read(learned: Learned, path: str) -> None:
    """Learn the images of a workflow or an action. Raises Unreadable."""
    for document in documents(read_text(path, learned.roots), path):
        if is_null(document):
            continue
        if not isinstance(document, Table):
            raise Unreadable("it is no workflow: no mapping", document.place.line)
        workflow = _Workflow(learned)
        for _, job in pairs(document.get("jobs")):
            workflow.job(job)
        runs = document.get("runs")
        _steps(learned, runs)
        # An action that runs in a container.
        using, image = below(runs, "using"), below(runs, "image")
        if isinstance(using, Scalar) and using.text == "docker" and isinstance(image, Scalar):
            if image.text.startswith(_DOCKER):
                learned.use(image.text.removeprefix(_DOCKER), image.place)
            elif image.text:
                file = os.path.normpath(os.path.join(os.path.dirname(path), image.text))
                learned.builds.append(Build(file, {}, frozenset()))


def _steps(learned: Learned, holder: Value | None) -> None:
    for step in items(below(holder, "steps")):
        uses = below(step, "uses")
        if isinstance(uses, Scalar) and uses.text.startswith(_DOCKER):
            learned.use(uses.text.removeprefix(_DOCKER), uses.place)


class _Workflow:
    """Learns the images of the jobs of one file."""

    def __init__(self, learned: Learned) -> None:
        self.learned = learned
        self._left = _MOST_STEPS
        self._matrices: dict[int, tuple[Table, list[Combination]]] = {}
        """By identity: an alias may give many jobs the same one."""

    def job(self, job: Value) -> None:
        matrix = below(job, "strategy", "matrix")
        for _, each in [("", below(job, "container")), *pairs(below(job, "services"))]:
            image = each.get("image") if isinstance(each, Table) else each
            if image is not None:
                self._image(image, matrix)
        _steps(self.learned, job)

    def _image(self, image: Value, matrix: Value | None) -> None:
        self._count()
        if not isinstance(image, Scalar) or image.kind != "str":
            leave_odd(self.learned, image)
            return
        names = [name.strip() for name in _EXPRESSION.findall(image.text)]
        if other := [name for name in names if not _OF_MATRIX.fullmatch(name)]:
            why = f"known only to a run: {other[0][:60]}"
            self.learned.leave(image.text, image.place, TEMPLATE, why)
            return
        # Without an expression there is one way to fill it in.
        made = self._combinations(matrix) if names else [{}]
        if not made:
            why = "the matrix is not written out"
            self.learned.leave(image.text, image.place, VARIABLE, why)
        for combination in made:
            if names:
                self._count()
            values = {name: _value_at(combination, name) for name in names}
            if missing := [name for name in names if values[name] is None]:
                why = f"{missing[-1]} has no plain value in the matrix"
                self.learned.leave(image.text, image.place, VARIABLE, why)
                continue
            parts = _EXPRESSION.split(image.text)
            parts[1::2] = [values[name] or "" for name in names]
            if written := "".join(parts):  # Else the job runs on the machine itself.
                self.learned.use(written.removeprefix(_DOCKER), image.place)

    def _combinations(self, matrix: Value | None) -> list[Combination]:
        if not isinstance(matrix, Table):
            return []
        if id(matrix) not in self._matrices:
            self._matrices[id(matrix)] = (matrix, _combinations(matrix))
        return self._matrices[id(matrix)][1]

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unreadable("its jobs can run in far too many ways")


def _combinations(matrix: Table) -> list[Combination]:
    """The products of all lists of a ``strategy.matrix``, without what ``exclude`` matches.

    An entry of ``include`` adds to each combination of which it changes nothing, else it is one.
    """
    lists = {
        name: value.values
        for name, value in matrix.values.items()
        if name not in ("include", "exclude") and isinstance(value, Items)
    }
    ways = itertools.islice(itertools.product(*lists.values()), _MOST_JOBS if lists else 0)
    original: list[Combination] = [dict(zip(lists, values, strict=True)) for values in ways]
    excluded, included = (
        [each.values for each in items(matrix.get(key)) if isinstance(each, Table)]
        for key in ("exclude", "include")
    )
    original = [each for each in original if not any(_fits(entry, each) for entry in excluded)]
    made = list(original)
    for entry in included:
        own = {name: value for name, value in entry.items() if name in lists}
        fitting = [at for at, each in enumerate(original) if _fits(own, each)]
        for at in fitting:
            made[at] = {**made[at], **entry}
        if not fitting:
            made.append(entry)
    return made


def _fits(entry: Combination, combination: Combination) -> bool:
    """Whether the combination has all that the entry has."""
    return all(
        name in combination and _text(combination[name]) == _text(value)
        for name, value in entry.items()
    )


def _text(value: Value) -> str | None:
    return value.text if isinstance(value, Scalar) else None


def _value_at(combination: Combination, path: str) -> str | None:
    """The plain text at ``matrix.version`` or ``matrix.image.tag``, None where there is none."""
    _, first, *names = path.split(".")
    found = below(combination.get(first), *names)
    return found.plain if isinstance(found, Scalar) else None

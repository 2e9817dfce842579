"""The images of GitHub workflows and actions: containers, services, ``docker://`` steps."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from holystone.scan.files import read_text
from holystone.scan.findings import TEMPLATE, VARIABLE, Build, Learned, Unreadable
from holystone.scan.matrix import Combination, combinations, value_at
from holystone.scan.yaml_nodes import Items, Scalar, Table, Value, documents, leave_odd

_MOST_STEPS = 100_000
_DOCKER = "docker://"
_EXPRESSION = re.compile(r"\$\{\{((?:(?!\$\{\{|\}\}).)*)\}\}", re.DOTALL)
_OF_MATRIX = re.compile(r"matrix\.([\w-]+(?:\.[\w-]+)*)")


class _Workflow:
    """Learns the images of one file."""

    def __init__(self, learned: Learned) -> None:
        self.learned = learned
        self._left = _MOST_STEPS
        self._matrices: dict[int, tuple[Table, list[Combination]]] = {}
        """By identity: an alias may give many jobs the same one."""

    def job(self, job: Table) -> None:
        strategy = job.get("strategy")
        matrix = strategy.get("matrix") if isinstance(strategy, Table) else None
        images = [_image(job.get("container"))]
        services = job.get("services")
        if isinstance(services, Table):
            images += [_image(service) for service in services.values.values()]
        for image in images:
            if image is not None:
                self._named(image, matrix)
        _steps(self.learned, job.get("steps"))

    def _combinations(self, matrix: Value | None) -> list[Combination]:
        if not isinstance(matrix, Table):
            return []
        if id(matrix) not in self._matrices:
            self._matrices[id(matrix)] = (matrix, combinations(matrix))
        return self._matrices[id(matrix)][1]

    def _named(self, image: Value, matrix: Value | None) -> None:
        self._count()
        if not isinstance(image, Scalar) or image.kind != "str":
            leave_odd(self.learned, image)
            return
        if not image.text:
            return  # Then the job runs on the machine itself.
        names = [name.strip() for name in _EXPRESSION.findall(image.text)]
        if not names:
            self._use(image.text, image)
        elif other := [name for name in names if not _OF_MATRIX.fullmatch(name)]:
            why = f"known only to a run: {other[0][:60]}"
            self.learned.leave(image.text, image.place, TEMPLATE, why)
        elif made := self._combinations(matrix):
            for written, missing in _filled(image.text, made):
                self._count()
                if missing:
                    why = f"{missing} has no plain value in the matrix"
                    self.learned.leave(image.text, image.place, VARIABLE, why)
                elif written:
                    self._use(written, image)
        else:
            why = "the matrix is not written out"
            self.learned.leave(image.text, image.place, VARIABLE, why)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Unreadable("its jobs can run in far too many ways")

    def _use(self, written: str, image: Scalar) -> None:
        self.learned.use(written.removeprefix(_DOCKER), image.place)


def read(learned: Learned, path: str) -> None:
    """Learn the images of a workflow or an action. Raises Unreadable."""
    for document in documents(read_text(path, learned.roots), path):
        if isinstance(document, Scalar) and document.kind == "null":
            continue
        if not isinstance(document, Table):
            raise Unreadable("it is no workflow: no mapping", document.place.line)
        jobs = document.get("jobs")
        workflow = _Workflow(learned)
        for job in jobs.values.values() if isinstance(jobs, Table) else ():
            if isinstance(job, Table):
                workflow.job(job)
        runs = document.get("runs")
        if isinstance(runs, Table):
            _action(learned, runs, path)


def _image(value: Value | None) -> Value | None:
    return value.get("image") if isinstance(value, Table) else value


def _filled(text: str, made: list[Combination]) -> Iterator[tuple[str, str]]:
    """The text with each combination filled in, and what of it has no value."""
    for combination in made:
        missing = ""
        written = ""
        at = 0
        for match in _EXPRESSION.finditer(text):
            name = match[1].strip()
            value = value_at(combination, name.removeprefix("matrix."))
            if value is None:
                missing = name
            written += text[at : match.start()] + (value or "")
            at = match.end()
        yield written + text[at:], missing


def _steps(learned: Learned, steps: Value | None) -> None:
    for step in steps.values if isinstance(steps, Items) else ():
        uses = step.get("uses") if isinstance(step, Table) else None
        if isinstance(uses, Scalar) and uses.text.startswith(_DOCKER):
            learned.use(uses.text.removeprefix(_DOCKER), uses.place)


def _action(learned: Learned, runs: Table, path: str) -> None:
    """An action that runs in a container, or that has steps of its own."""
    _steps(learned, runs.get("steps"))
    using, image = runs.get("using"), runs.get("image")
    if not (isinstance(using, Scalar) and using.text == "docker" and isinstance(image, Scalar)):
        return
    if image.text.startswith(_DOCKER):
        learned.use(image.text.removeprefix(_DOCKER), image.place)
    elif image.text:
        file = os.path.normpath(os.path.join(os.path.dirname(path), image.text))
        learned.builds.append(Build(file, {}, frozenset()))

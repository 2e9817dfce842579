"""The scripts of GitLab jobs: ``before_script`` and ``script`` together, ``after_script`` alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from holystone.scan.compose import Composes
from holystone.scan.findings import ELSEWHERE, Learned, Place, Unreadable
from holystone.scan.gitlab_config import Pipeline, Unknown
from holystone.scan.scripts import Part, Scripts
from holystone.scan.variables import Lookup, NoValue
from holystone.scan.yaml_nodes import Items, Scalar, Value

SCRIPTS = ("before_script", "script", "after_script")
_MOST_ENTRIES = 500_000
_DEEPEST = 10
"""Lists in lists: GitLab's own limit."""
_NAMED = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_MAY_ASK = re.compile(r"docker|podman|nerdctl|/|sh\b|\beval\b|\bsource\b")
"""What no script lacks that asks for images, or calls one that may."""


def no_values(_: str) -> None:
    """The variables of a script that names none."""


class JobScripts:
    """Reads the scripts of the jobs of one pipeline, each once with the same variables."""

    def __init__(self, learned: Learned, pipeline: Pipeline, composes: Composes) -> None:
        self.learned = learned
        self.pipeline = pipeline
        self.scripts = Scripts(learned, composes, pipeline.root)
        self._read: set[tuple[object, ...]] = set()
        self._names: dict[str, frozenset[str]] = {}
        """The variables that each text names; an alias may give many jobs the same one."""
        self._asks: dict[str, bool] = {}
        self._left = _MOST_ENTRIES

    def parts(self, values: Sequence[Value | None]) -> list[Part]:
        """The entries of a script in the order in which they run."""
        return [part for value in values for part in self._parts(value, 0)]

    def _parts(self, value: Value | None, depth: int) -> Iterator[Part]:
        try:
            value = self.pipeline.resolved(value)
        except Unknown as unknown:
            self.learned.leave("!reference", unknown.place, ELSEWHERE, str(unknown))
            return
        if isinstance(value, Items) and depth <= _DEEPEST:
            for each in value.values:
                self._left -= 1
                if self._left < 0:
                    raise Unreadable("the scripts of its jobs have far too many entries")
                yield from self._parts(each, depth + 1)
        elif isinstance(value, Scalar) and value.kind != "null":
            file, line = value.place
            yield Part(value.text, Place(file, line + value.literal))

    def asks(self, parts: Sequence[Part]) -> bool:
        """Whether a script may ask docker for anything."""
        for text in (part.text for part in parts):
            if text not in self._asks:
                self._asks[text] = _MAY_ASK.search(text) is not None
        return any(self._asks[part.text] for part in parts)

    def read(self, parts: Sequence[Part], values: Lookup) -> None:
        """Learn of a script with these variables, unless that was done before."""
        for text in (part.text for part in parts):
            if text not in self._names:
                self._names[text] = frozenset(_NAMED.findall(text))
        names = sorted({"COMPOSE_FILE"}.union(*(self._names[part.text] for part in parts)))
        key = (tuple(parts), *(_value(values, name) for name in names))
        if key not in self._read:
            self._read.add(key)
            self.scripts.read(parts, values)


def _value(values: Lookup, name: str) -> str | None:
    try:
        return values(name)
    except NoValue as missing:
        return f"$ {missing}"

"""The combinations of a ``strategy.matrix`` of GitHub Actions, where they are written out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from holystone.scan.yaml_nodes import Items, Scalar, Table, Value

MOST_JOBS = 256
"""GitHub's own limit."""

Combination = Mapping[str, Value]


def combinations(matrix: Table) -> list[Combination]:
    """The combinations: the products of all lists, without what ``exclude`` matches.

    An entry of ``include`` adds to each combination of which it changes nothing, else it is one.
    """
    lists = {
        name: value.values
        for name, value in matrix.values.items()
        if name not in ("include", "exclude") and isinstance(value, Items)
    }
    made: list[Combination] = [
        dict(zip(lists, values, strict=True))
        for values in itertools.islice(itertools.product(*lists.values()), MOST_JOBS)
    ] if lists else []  # fmt: skip
    excluded = _tables(matrix.get("exclude"))
    made = [each for each in made if not any(_fits(entry, each) for entry in excluded)]
    original = list(made)
    for entry in _tables(matrix.get("include")):
        own = {name: value for name, value in entry.values.items() if name in lists}
        fitting = [at for at, each in enumerate(original) if _fits(Table(own, entry.place), each)]
        for at in fitting:
            made[at] = {**made[at], **entry.values}
        if not fitting:
            made.append(entry.values)
    return made


def value_at(combination: Combination, path: str) -> str | None:
    """The plain text at ``version`` or ``image.tag``, None where there is none."""
    found: Value | None = Table(dict(combination), next(iter(combination.values())).place) \
        if combination else None  # fmt: skip
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Table) else None
    return found.plain if isinstance(found, Scalar) else None


def _tables(value: Value | None) -> list[Table]:
    if not isinstance(value, Items):
        return []
    return [each for each in value.values if isinstance(each, Table)]


def _fits(entry: Table, combination: Combination) -> bool:
    """Whether the combination has all that the entry has."""
    return all(
        name in combination and _text(combination[name]) == _text(value)
        for name, value in entry.values.items()
    )


def _text(value: Value) -> str | None:
    return value.text if isinstance(value, Scalar) else None

"""GitLab jobs with an ``after_script`` of their own, which takes the place of one they extend."""

from __future__ import annotations

import os
from typing import NamedTuple

from holystone.scan.files import read_text, root_of
from holystone.scan.findings import Learned, Place, Unreadable
from holystone.scan.gitlab_config import Pipeline
from holystone.scan.yaml_nodes import Items, Scalar, Table, Value

_KEY = "after_script"


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
    found = []
    holders = [("default", pipeline.config), *pipeline.config.values.items()]
    for name, holder in holders:
        value = holder.get(_KEY) if isinstance(holder, Table) else None
        if value is None or _has(value, shared, clean) or _is_empty(value):
            continue
        if os.path.realpath(value.place.file) != os.path.realpath(template):
            found.append(OwnScript(name, _place_of_key(value.place)))
    return sorted(set(found), key=lambda each: (each.place, each.job))


def _has(value: Value, shared: str, clean: str) -> bool:
    if isinstance(value, Scalar):
        return clean in value.text
    if not isinstance(value, Items):
        return False
    first = value.values[0] if value.values else None
    if value.tag == "!reference":
        return isinstance(first, Scalar) and first.text == shared
    return any(_has(each, shared, clean) for each in value.values)


def _is_empty(value: Value) -> bool:
    """Whether it says that nothing is to run: then that is meant."""
    return isinstance(value, Items) and not value.values


def _place_of_key(place: Place) -> Place:
    """Where the key stands: a list begins in a line below it."""
    try:
        lines = read_text(place.file).splitlines()[: place.line]
    except Unreadable:
        return place
    above = (n for n in range(len(lines), 0, -1) if _KEY in lines[n - 1])
    return Place(place.file, next(above, place.line))

"""Deleted files that are still open: which container holds them, and what frees their bytes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Container, Iterable, Iterator
from typing import NamedTuple

from holystone.operations.audit.facts import Facts
from holystone.operations.audit.record import Entry, Kind
from holystone.outside.deleted_files import Deleted
from holystone.outside.process_container import container_of

_LOG = re.compile(
    r"containers/(?P<id>[0-9a-f]{64})/"
    r"(?:(?P=id)-json\.log|local-logs/container\.log|userdata/ctr\.log)[^/]*$"
)


class _Held(NamedTuple):
    """Whose files they are."""

    process: int
    container: str
    """The ID of the container; empty where it is none of the engine's."""
    log: bool
    """Whether the files are its log, which the engine holds open, and not files in it."""


def deleted(
    files: Iterable[Deleted],
    facts: Facts,
    within: Callable[[int, Container[str]], str] = container_of,
) -> Iterator[Entry]:
    """An entry for the deleted files of each process; for each container where they are logs.

    ``within`` tells the container that a process runs in.
    """
    inside: dict[int, str] = {}
    groups: dict[_Held, list[Deleted]] = {}
    for each in files:
        log = _LOG.search(each.path)
        process = each.process
        if process not in inside:
            inside[process] = within(process, facts.containers)
        if log and not inside[process]:
            held = _Held(process, log["id"], log=True)
        else:
            held = _Held(process, inside[process], log=False)
        groups.setdefault(held, []).append(each)
    for held, group in groups.items():
        if any(each.size for each in group):
            yield _entry(held, group, facts)


def _entry(held: _Held, files: list[Deleted], facts: Facts) -> Entry:
    """The entry of the deleted files of one process, which are not all empty."""
    largest = max(files, key=lambda each: each.size)
    listed = held.container in facts.containers
    name = facts.container(held.container)
    what = largest.path
    if held.log:
        what = f"the log of container {name}" + (
            "" if listed else ", which the engine has no more,"
        )
    elif listed:
        what = f"{largest.path}, a path in container {name},"
    said = f"{what} was deleted and is open"
    if len(files) > 1:
        said = f"{len(files)} deleted files are open, the largest: {said}"
    frees = ""
    if listed:
        command = "podman" if facts.engine.store == "podman" else "docker"
        frees = f"restart that container: {command} restart {shlex.quote(name)}"
    elif held.log:
        frees = "a restart of the engine, which stops every running container where live-restore "
        frees += "is not on"
    return Entry(
        Kind.DELETED,
        f"{largest.program} (process {held.process})",
        sum(each.size for each in files),
        sum(each.apparent for each in files),
        len(files),
        # A path in a container is none on the host.
        "" if listed and not held.log else largest.path,
        holders=(name,) if listed else (),
        evidence=said,
        frees=frees,
    )

"""What each kind of bytes is called, what frees it, and how safe that is."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from holystone.operations.audit.facts import UNTAGGED
from holystone.operations.audit.record import Entry, Kind, Safety


class About(NamedTuple):
    """What is to be said of a kind."""

    title: str
    frees: str
    """What frees it: a command, or words."""
    safety: Safety


KINDS = {
    Kind.IMAGE: About(
        "images",
        "holystone clean; holystone rm --kind image NAME. A layer goes with the last image that "
        "holds it",
        Safety.COSTS,
    ),
    Kind.CONTENT: About(
        "image content",
        "holystone rm --kind image NAME: the compressed content of an image goes with it",
        Safety.COSTS,
    ),
    Kind.TWICE: About(
        "content kept twice",
        "goes with its image: the containerd store keeps a layer's archive beside its files",
        Safety.COSTS,
    ),
    Kind.CACHE: About(
        "build cache", "holystone clean, within the budget of the cache", Safety.COSTS
    ),
    Kind.CONTAINER: About(
        "containers",
        "holystone clean, once the container has stopped; holystone rm --kind container NAME",
        Safety.LOSES,
    ),
    Kind.VOLUME: About(
        "volumes", "holystone rm --kind volume NAME, if nobody needs its data", Safety.LOSES
    ),
    Kind.BUILDER: About(
        "other builders",
        "docker buildx prune --builder NAME: its records are not the engine's",
        Safety.COSTS,
    ),
    Kind.LOG: About(
        "container logs",
        "goes with its container; a limit, see below, keeps those of new containers small",
        Safety.LOSES,
    ),
    Kind.NETWORK: About("networks", "the engine keeps this file", Safety.NEVER),
    Kind.PLUGIN: About("plugins", "docker plugin rm NAME", Safety.COSTS),
    Kind.ENGINE: About("engine's own files", "the engine needs them", Safety.NEVER),
    Kind.ORPHAN: About(
        "orphans",
        "no command: look at the evidence, stop the engine and keep a copy before you delete it",
        Safety.UNKNOWN,
    ),
    Kind.LEFTOVER: About(
        "leftovers",
        "mostly a restart of the engine, which stops every running container where live-restore "
        "is not on",
        Safety.UNKNOWN,
    ),
    Kind.LAZY: About(
        "lazy-pull caches",
        "goes with its images; the snapshotter fetches it again when it is read",
        Safety.COSTS,
    ),
    Kind.UNKNOWN: About("unknown", "find out what wrote it", Safety.UNKNOWN),
    Kind.DELETED: About(
        "deleted, still open", "restart the process that has the file open", Safety.UNKNOWN
    ),
    Kind.OTHER: About(
        "rest of the disk", "not the engine's: look into the largest folders", Safety.UNKNOWN
    ),
    Kind.FILE_SYSTEM: About(
        "file system itself",
        "nothing: its own metadata, and files that cannot be seen from here",
        Safety.NEVER,
    ),
}


_MOST_IMAGES = 3
"""Images named in one command."""


def frees(entry: Entry) -> str:
    """What frees an entry, in words; commands have its name, quoted for a shell."""
    return entry.frees or _command(entry) or KINDS[entry.kind].frees


def _command(entry: Entry) -> str:
    """The words with a command for this entry; empty where there is none."""
    name = shlex.quote(entry.name)
    if entry.kind is Kind.VOLUME:
        return f"holystone rm --kind volume {name}, if nobody needs its data"
    if entry.kind is Kind.CONTAINER and entry.name != entry.id:
        # What has no name is not in the engine's list.
        return f"holystone rm --kind container {name}, once it has stopped; holystone clean"
    if entry.kind is Kind.PLUGIN:
        return f"docker plugin rm {name}"
    if entry.kind in (Kind.IMAGE, Kind.CONTENT, Kind.TWICE):
        return _of_images(entry.holders)
    return ""


def _of_images(holders: tuple[str, ...]) -> str:
    """The command that removes these images; empty where they are too many, or not the engine's."""
    if not 0 < len(holders) <= _MOST_IMAGES or any(": " in each for each in holders):
        return ""
    names = " ".join(shlex.quote(each.removeprefix(UNTAGGED)) for each in holders)
    more = ": it goes with the last image that holds it" if len(holders) > 1 else ""
    return f"holystone rm --kind image {names}{more}"


def safety(entry: Entry) -> Safety:
    """How safe that is."""
    return entry.safety or KINDS[entry.kind].safety

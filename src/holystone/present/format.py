"""Format objects, amounts and times as text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from holystone.outside.text import safe as safe  # noqa: PLC0414 - for those who render
from holystone.planner.builders import parted
from holystone.planner.inventory import Container, Engine
from holystone.planner.units import format_duration, format_size
from holystone.planner.verdict import KINDS, Plan, Verdict

_NOUNS = {"cache": "build cache record", "builder": "builder record"}
SHORT_ID = 12
"""Characters of an ID that people are shown, as the docker command cuts them."""


def plural(kind: str) -> str:
    """The heading of a kind: ``images``, ``build cache``."""
    return "build cache" if kind == "cache" else f"{noun(kind)}s"


def count_of(count: int, kind: str) -> str:
    """How many of a kind: ``1 image``, ``3 build cache records``."""
    return counted(count, noun(kind))


def noun(kind: str) -> str:
    """What one object of a kind is called: ``build cache record``."""
    return _NOUNS.get(kind, kind)


def counted(count: int, noun: str) -> str:
    """How many of something whose plural ends in s: ``1 step``, ``12 steps``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def counts_of(counts: Mapping[str, int], *, images: str = "") -> str:
    """Counts per kind as a phrase: ``2 containers, 1 image and 4 networks``.

    ``images`` says how many images there are in other words.
    """
    told = {kind: count_of(counts[kind], kind) for kind in KINDS if counts.get(kind)}
    told |= {"image": images} if images else {}
    return listed([told[kind] for kind in KINDS if kind in told])


def listed(parts: list[str]) -> str:
    """The parts as a phrase: ``a``, ``a and b``, ``a, b and c``."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def run_name(level: str) -> str:
    """What a run of this level was: ``weekly clean``, ``repair``, ``rm``."""
    return level if level in ("repair", "rm") else safe(f"{level} clean")


def short_id(identifier: str) -> str:
    """The start of an ID, without its algorithm."""
    return identifier.removeprefix("sha256:")[:SHORT_ID]


def short_reference(reference: str, short: Callable[[str], str] = short_id) -> str:
    """A reference whose digest, if it has one, is cut: ``python@sha256:3f1c9e2a71b0``."""
    name, at, digest = reference.partition("@")
    algorithm, colon, hexadecimal = digest.partition(":")
    return safe(f"{name}{at}{algorithm}{colon}{short(hexadecimal)}")


def name_of(verdict: Verdict, short: Callable[[str], str] = short_id) -> str:
    """What an object is called by itself: its names, else the start of its ID.

    ``short`` shortens IDs. The rows of a listing take ``apart.names_of``.
    """
    if verdict.kind in ("cache", "builder"):
        step = safe(" ".join(verdict.names)).strip()
        identifier = short(verdict.id)
        if verdict.kind == "builder":
            builder, own_id = parted(verdict.id)
            identifier = safe(f"{builder}/{own_id[:SHORT_ID]}")
        return f"{identifier} {step}" if step else identifier
    if verdict.kind == "image":
        names = [short_reference(name, short) for name in verdict.names]
        return ", ".join(names) or short(verdict.id)
    name = safe(" ".join(verdict.names)) or short(verdict.id)
    # The name of an anonymous volume is 64 hexadecimal digits, which are hard to read.
    return short(name) if verdict.kind == "volume" and is_hash(name) else name


def is_hash(name: str) -> bool:
    """Whether a name is one that an engine made: 64 hexadecimal digits."""
    return len(name) == 64 and not set(name) - set("0123456789abcdef")


def engine_name(engine: Engine) -> str:
    """The engine in a few words: ``Docker 28.5.1, overlay2``."""
    product = "Podman" if engine.store == "podman" else "Docker"
    store = "containerd image store" if engine.store == "containerd" else engine.storage_driver
    return safe(f"{product} {engine.version}, {store}".rstrip(", "))


def amount(count: int, *, estimated: bool = False, at_least: int = 0, at_most: int = 0) -> str:
    """Bytes: ``1.2 GB``, or ``about 1.2 GB (between 1.1 GB and 1.3 GB)`` where they are estimated.

    Bounds that read like the figure itself are left out.
    """
    figure = format_size(count)
    if not estimated:
        return figure
    least, most = format_size(at_least), format_size(at_most)
    bounds = "" if least == most == figure else f" (between {least} and {most})"
    return f"about {figure}{bounds}"


def promised(plan: Plan) -> str:
    """The bytes a plan frees, with their bounds where they are estimated."""
    bounds = {"at_least": plan.at_least, "at_most": plan.at_most}
    return amount(plan.freed_bytes, estimated=plan.estimated, **bounds)


def parts_of(containers: Iterable[Container]) -> dict[str, str]:
    """What the bytes of containers with a log consist of, by container ID."""
    return {
        container.id: f"{format_size(container.writable_size)} written, "
        f"{format_size(container.log_size)} log"
        for container in containers
        if container.log_size
    }


def ago(seconds: float) -> str:
    """An age: ``3 h ago``, ``12 days ago``, ``just now``."""
    return f"{age(seconds)} ago" if seconds >= 1 else "just now"


def age(seconds: float) -> str:
    """How long ago in one unit: ``25 min``, ``3 h``, ``12 days``."""
    if seconds < 5400:
        return format_duration(min(3600, seconds))
    return format_duration(round(seconds / 3600) * 3600)


def waited(seconds: float) -> str:
    """How long jobs waited in all, to be compared: in hours where it is days, ``77 h``."""
    hours = round(seconds / 3600)
    return format_duration(seconds) if hours < 48 else f"{hours} h"


def timestamp(moment: float) -> str:
    """UTC as RFC 3339 with whole seconds: ``2025-03-04T14:03:00Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


def clock(moment: float, now: float) -> str:
    """The next whole minute at or after ``moment``, with the date where it is not that of now."""
    minute = time.gmtime(-(-moment // 60) * 60)
    same_day = minute[:3] == time.gmtime(now)[:3]
    return time.strftime("%H:%M UTC" if same_day else "%Y-%m-%d %H:%M UTC", minute)

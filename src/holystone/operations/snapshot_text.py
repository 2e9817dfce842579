"""A look at a host as JSON, from the agent to the command line.

Records are lists of their fields in order, mappings lists of pairs. Only the same version of
holystone reads it.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from holystone import __version__
from holystone.planner.inventory import Inventory
from holystone.planner.usage import Usage


class Told(NamedTuple):
    """What the agent tells of a host."""

    version: str
    """Of holystone."""
    endpoint: str
    """Where the host is, as people write it."""
    inventory: Inventory
    usage: Usage
    looked_at: float
    """When the look began, UTC seconds on this machine's clock."""


def encode(endpoint: str, inventory: Inventory, usage: Usage, looked_at: float) -> bytes:
    """A look at a host, for ``decode``."""
    told = Told(__version__, endpoint, inventory, usage, looked_at)
    return json.dumps(_plain(told)).encode()


def decode(text: bytes) -> Told:
    """The look. Raises ValueError where this is none, or of another version."""
    try:
        told = json.loads(text)
        if told[0] != __version__:
            raise ValueError(f"it is of holystone {told[0]!r}")
        made: Told = _reader(Told)(told)
    except (IndexError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it makes no sense ({error})") from None
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return [[_plain(key), _plain(each)] for key, each in value.items()]
    if isinstance(value, (tuple, list, frozenset)):
        return [_plain(each) for each in value]
    return value


@cache
def _reader(kind: Any) -> Callable[[Any], Any]:
    """What makes a value of this type of plain JSON. Raises TypeError, ValueError for another."""
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if isinstance(kind, type) and hasattr(kind, "_fields"):
        hints = typing.get_type_hints(kind)
        readers = [_reader(hints[name]) for name in kind._fields]
        make = typing.cast("Any", kind)._make

        def record(value: Any) -> Any:
            return make([read(each) for read, each in zip(readers, value, strict=True)])

        return record
    if origin in (types.UnionType, typing.Union):
        (read,) = [_reader(each) for each in inner if each is not type(None)]
        return lambda value: None if value is None else read(value)
    if origin is tuple and inner[-1] is not ...:
        readers = [_reader(each) for each in inner]
        return lambda value: tuple(read(each) for read, each in zip(readers, value, strict=True))
    if origin in (tuple, Sequence):
        read = _reader(inner[0])
        return lambda value: tuple([read(each) for each in value])
    if origin is Mapping:
        of_key, of_value = map(_reader, inner)
        return lambda value: {of_key(key): of_value(each) for key, each in value}
    allowed = (int, float) if kind is float else kind

    def plain(value: Any) -> Any:
        if not isinstance(value, allowed):
            raise TypeError(f"{value!r:.40} is no {kind.__name__}")
        return value

    return plain

"""Unique names and short IDs for the objects of one listing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise

from holystone.planner.verdict import Verdict
from holystone.present.format import SHORT_ID, is_hash, name_of, safe

_ALGORITHM = "sha256:"


def shortened(identifiers: Iterable[str]) -> Callable[[str], str]:
    """What shortens each of these IDs: to 12 characters, to more where others begin like it."""
    bare = sorted({identifier.removeprefix(_ALGORITHM) for identifier in identifiers})
    lengths: dict[str, int] = {}
    for one, other in pairwise(bare):
        differs = (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
        same = next(differs, min(len(one), len(other)))
        if same >= SHORT_ID:
            for each in (one, other):
                lengths[each] = max(same + 1, lengths.get(each, SHORT_ID))

    def short(identifier: str) -> str:
        whole = identifier.removeprefix(_ALGORITHM)
        return whole[: lengths.get(whole, SHORT_ID)]

    return short


def names_of(verdicts: Iterable[Verdict]) -> Callable[[Verdict], str]:
    """What the rows of a listing call these objects: each differently from all others of its kind.

    Names and short IDs, as ``name_of`` has them. Objects that share a name have their ID with it,
    and where that does not help a number.
    """
    verdicts = list(verdicts)
    short = shortened(each for verdict in verdicts for each in _identifiers(verdict))
    names = {(each.kind, each.id): name_of(each, short) for each in verdicts}
    for alike in _alike(names):
        for kind, object_id in alike:
            names[kind, object_id] += f" ({safe(short(object_id))})"
    for alike in _alike(names):
        for number, key in enumerate(alike[1:], 2):
            names[key] += f" #{number}"
    return lambda verdict: names.get((verdict.kind, verdict.id)) or name_of(verdict, short)


def _identifiers(verdict: Verdict) -> Iterable[str]:
    yield verdict.id
    for name in verdict.names:
        digest = name.partition("@")[2]
        if digest:
            yield digest
        elif is_hash(name):
            yield name


def _alike(names: Mapping[tuple[str, str], str]) -> list[list[tuple[str, str]]]:
    by_name: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for (kind, object_id), name in names.items():
        by_name[kind, name].append((kind, object_id))
    return [keys for keys in by_name.values() if len(keys) > 1]

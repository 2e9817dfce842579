"""What is there of an object whose removal got no usable answer."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import closing
from urllib.parse import quote

from holystone.engine.buildkit.records import list_cache
from holystone.engine.client import Client
from holystone.engine.errors import EngineError
from holystone.engine.host import FAILED, REMOVED, Removal
from holystone.engine.parse import references as references_in
from holystone.engine.reading import image_is_gone, is_gone, read_one
from holystone.engine.transport.http import Response
from holystone.planner.verdict import Left, Step, lost

PATIENCE = 4.0
"""Seconds for an engine that went away to answer again."""
_LEAST_WAIT = 0.5
_PAUSE = 0.2
_SECOND_LOOK = 1.0
"""Seconds after which what is still there is looked at once more: an engine that stood still
carries out late what it was asked."""
_OK = 200
_PATHS = {
    "container": "/containers/{}/json",
    "image": "/images/{}/json",
    "volume": "/volumes/{}",
    "network": "/networks/{}",
}


def path_of(kind: str, object_id: str) -> str:
    """Where the engine tells of one object."""
    return _PATHS[kind].format(quote(object_id, safe=":/@"))


def left_of(step: Step, answer: Response) -> Left | None:
    """What is left of a step's object; None where the answer does not tell."""
    if image_is_gone(answer) if step.kind == "image" else is_gone(answer):
        return Left(there=False)
    if answer.status != _OK:
        return None
    if step.kind != "image":
        return Left(there=True)
    told = answer.json()
    if not isinstance(told, dict):
        return None
    named = [target for target in step.targets if target != step.id]
    return Left(there=True, lost=lost(named, references_in(told)))


def look(client: Client, steps: Sequence[Step], removals: Sequence[Removal]) -> list[Removal]:
    """What became of steps without an answer; ``unknown`` as they are where the engine is away.

    ``client`` is the caller's alone. What is still there is looked at twice.
    """
    until = time.monotonic() + PATIENCE
    whole = client.timeout
    found: dict[int, Left] = {}
    left = list(range(len(steps)))
    with closing(client):
        for pause in (0.0, _SECOND_LOOK):
            time.sleep(pause)
            until += pause
            while True:
                # An engine that stands still takes connections, and must not be waited for long.
                client.timeout = min(whole, max(_LEAST_WAIT, until - time.monotonic()))
                try:
                    found.update(_look_once(client, [(i, steps[i]) for i in left]))
                    break
                except EngineError:
                    client.close()
                    if time.monotonic() + _PAUSE > until:
                        return _results(removals, found)
                    time.sleep(_PAUSE)
            left = [i for i in left if i in found and found[i].there]
            if not left:
                break
    return _results(removals, found)


def _look_once(client: Client, steps: Sequence[tuple[int, Step]]) -> dict[int, Left]:
    """What is left of each object by its place. Raises EngineError."""
    others = [(place, step) for place, step in steps if step.kind != "cache"]
    paths = (("GET", client.versioned(path_of(step.kind, step.id))) for _, step in others)
    answers = client.send(paths)
    told = [(place, left_of(step, now)) for (place, step), now in zip(others, answers, strict=True)]
    found = {place: left for place, left in told if left is not None}
    if len(others) < len(steps):
        records = list_cache(client)
        found |= {
            place: Left(there=step.id in records) for place, step in steps if step.kind == "cache"
        }
    return found


def _results(removals: Sequence[Removal], found: dict[int, Left]) -> list[Removal]:
    return [
        told(removal, found[place]) if place in found else removal
        for place, removal in enumerate(removals)
    ]


def told(removal: Removal, left: Left) -> Removal:
    """The result of a removal without an answer, by what is left of its object."""
    if not left.there:
        return Removal(REMOVED, left.detail)
    also = tuple(dict.fromkeys((*removal.lost, *left.lost)))
    return Removal(FAILED, Left(there=True, lost=also).detail, also)


def references(client: Client, image_id: str) -> set[str]:
    """The tags and digests of an image as they are now. Raises EngineError."""
    (answer,) = client.send([("GET", client.versioned(f"/images/{image_id}/json"))])
    return read_one(dict, answer, references_in)

"""Check an engine's answers against the API: lists, single objects, odd ones."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from holystone.engine.errors import EngineRefused, SenselessAnswer
from holystone.engine.transport.http import Response
from holystone.planner.inventory import Note

T = TypeVar("T")

NOT_FOUND = 404
PAUSES = (0.02, 0.1, 0.3, 0.9)
"""Seconds before each further try where an engine stumbled over what just went away."""
FAULT = 500
_RUNNING = "already running"
_ANOTHER = 60.0
"""Seconds to wait for the engine's answer to another client."""
_TURN = 0.2
"""Seconds before the next try meanwhile."""
_PODMAN_GONE = ("not known", "no such", "64-byte hexadecimal")
"""What Podman says in a 500 of an image that went a moment ago."""
_GONE = ("no such", "not known", "not found", "does not exist", "unrecognized image")
"""What engines say, with any status, about an object that went a moment ago."""
_SENSELESS = (KeyError, TypeError, ValueError, AttributeError, OverflowError, IndexError)
"""What reading an answer of another shape than the API's raises."""
_SHOWN = 120


def of_kind(kind: type[T], answer: Any, path: str) -> T:
    """The answer, where it is of the kind the API promises. Raises SenselessAnswer."""
    if not isinstance(answer, kind):
        raise SenselessAnswer(
            f"GET {path} answers {str(answer)[:60]!r}, which is not what the Docker Engine API "
            "promises. Is this an engine?"
        )
    return answer


def read_one(kind: type[Any], answer: Response, read: Callable[[Any], T]) -> T:
    """What an answer of this kind tells. Raises EngineRefused or SenselessAnswer."""
    return read_told(kind, answer.checked().json(), answer.request.partition(" ")[2], read)


def read_told(kind: type[Any], told: Any, path: str, read: Callable[[Any], T]) -> T:
    """What is read of JSON of this kind. Raises SenselessAnswer for what makes no sense."""
    try:
        return read(of_kind(kind, told, path))
    except _SENSELESS as error:
        raise _senseless(path, error) from None


def read_list(
    read: Callable[[Any], T],
    entries: Any,
    path: str,
    kind: str,
    left: Callable[[Any], T | None] = lambda _: None,
) -> tuple[list[T], list[Note]]:
    """The entries of a list of objects of this kind, with a note for each that makes no sense.

    ``left`` answers what can be told of such an object all the same, None where nothing can. Raises
    SenselessAnswer where that is so of most of a list: then this is no engine.
    """
    found: list[T] = []
    notes: list[Note] = []
    unreadable: list[Exception] = []
    for entry in of_kind(list, entries, path):
        try:
            found.append(read(entry))
        except _SENSELESS as error:
            named = entry if isinstance(entry, dict) else {}
            names = [named[key] for key in ("Id", "ID", "Name") if isinstance(named.get(key), str)]
            name = next(filter(None, names), "")
            said = f"{type(error).__name__}: {error}"
            notes.append(Note("entry", kind, name, name, said[:_SHOWN]))
            rest = left(entry) if name else None
            if rest is not None:
                found.append(rest)
            elif not name:
                unreadable.append(error)
    if len(unreadable) > len(found):
        raise _senseless(path, unreadable[0])
    return found, notes


def _senseless(path: str, error: Exception) -> SenselessAnswer:
    return SenselessAnswer(
        f"an entry of GET {path} makes no sense ({type(error).__name__}: {error}). "
        "Is this a Docker Engine API?"
    )


def is_gone(answer: Response) -> bool:
    """Whether an inspection says that the object is not there; Podman answers 500 in a race."""
    return answer.status == NOT_FOUND or (
        answer.status >= FAULT and any(words in answer.words() for words in _PODMAN_GONE)
    )


def says_gone(words: str) -> bool:
    """Whether an engine says by this that the object was not there when it was to be removed."""
    return any(sign in words.lower() for sign in _GONE)


def image_is_gone(answer: Response) -> bool:
    """Whether the answer says that there is no such image.

    The containerd store answers 404 as well where an image is there and a blob of it is not.
    """
    return is_gone(answer) and "blob" not in answer.words()


def trouble(answer: Response, error: EngineRefused | SenselessAnswer) -> str:
    """The engine's wrong answer, in a few words."""
    if isinstance(error, EngineRefused):
        return f"{error.status}: {error.words}"[:_SHOWN]
    return answer.body[:60].decode("utf-8", "replace").strip() or "nothing"


def patiently(ask: Callable[[], T]) -> T:
    """The engine's answer; after a passing error it is asked again. Raises EngineError.

    Right after a build the containerd store's ``/system/df`` answers 404, "snapshot … does not
    exist": something it was about to count went away. Docker 20.10 refuses a ``/system/df`` while
    it answers one to another client: "a disk usage operation is already running".
    """
    pauses = iter(PAUSES)
    until = time.monotonic() + _ANOTHER
    while True:
        try:
            return ask()
        except EngineRefused as refusal:
            if _RUNNING in refusal.words and time.monotonic() < until:
                pause = _TURN
            else:
                again = next(pauses, None) if refusal.status == NOT_FOUND else None
                if again is None:
                    raise
                pause = again
        time.sleep(pause)

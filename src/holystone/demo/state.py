"""The changes to the demo host, kept in a file of the state folder between commands.

The file is not trusted: any user may have written it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, NoReturn

from holystone.engine.errors import EngineError
from holystone.outside.text import safe
from holystone.outside.writing import replace
from holystone.planner.verdict import KINDS

FILE = "demo.json"
SCHEMA = "holystone/demo/1"
_LARGEST = 1 << 20
"""Bytes of the file; what holystone writes has a few thousand."""
_EARLIEST = 1_577_836_800.0
"""The demo host is not older than 2020."""
_PATIENCE = 5.0
"""Seconds to wait for another command that is writing."""


class DemoStateError(EngineError):
    """The file cannot be used; the message says why and what to do."""


class KeptImage(NamedTuple):
    """How an image differs from what it was when the demo host began."""

    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    arrived: float | None = None
    """When it was pulled, UTC seconds; None where it was here from the beginning."""
    last_tagged: float | None = None


class Kept(NamedTuple):
    """What is in the file."""

    began: float
    """The moment at which the demo host was as it is built in, UTC seconds."""
    gone: Mapping[str, frozenset[str]] = {}
    """The IDs of what was removed, by kind."""
    images: Mapping[str, KeptImage] = {}
    """By ID the images that are here and not as they were."""


class DemoState:
    """The file in this folder. Without a folder nothing is kept."""

    def __init__(self, folder: str | None) -> None:
        self.folder = folder
        self.path = os.path.join(folder, FILE) if folder else ""

    def read(self) -> Kept | None:
        """What is kept; None where nothing is. Raises DemoStateError."""
        if not self.folder:
            return None
        try:
            return _parsed(json.loads(_read(self.path), parse_constant=_no_constant))
        except FileNotFoundError:
            return None
        except OSError as error:
            link = error.errno == errno.ELOOP
            self._refuse("it is a symbolic link" if link else str(error.strerror))
        except RecursionError:
            self._refuse("it is nested too deep")
        except json.JSONDecodeError as error:
            self._refuse(f"it is not valid JSON ({error})")
        except (TypeError, ValueError) as error:
            self._refuse(str(error))

    def add(
        self, began: float, gone: Mapping[str, set[str]], images: Mapping[str, KeptImage]
    ) -> None:
        """Add what has gone, and images as they are now. Raises DemoStateError.

        ``began`` counts where nothing is kept yet.
        """
        if not self.folder:
            return
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            with _locked(self.folder):
                known = self.read() or Kept(began)
                here = {**known.images, **images}
                went = {
                    kind: (known.gone.get(kind, frozenset()) | gone.get(kind, set()))
                    - (images.keys() if kind == "image" else set())
                    for kind in KINDS
                }
                left = {i: each for i, each in here.items() if i not in went["image"]}
                _write(self.path, Kept(known.began, went, left))
        except OSError as error:
            raise DemoStateError(
                f"cannot keep the state of the demo host in {self.folder}: {error.strerror}. "
                "Pass another --state folder, or set HOLYSTONE_STATE."
            ) from None

    def _refuse(self, why: str) -> NoReturn:
        why = safe(why)
        why = why if len(why) <= 120 else f"{why[:120]}…"
        raise DemoStateError(
            f"cannot use the state of the demo host in {self.path}: {why}. "
            "Delete the file to reset the demo host, or pass another --state folder."
        )

    def refuse_unknown(self, kind: str, name: str) -> NoReturn:
        """Raise DemoStateError for an object that the demo host never had."""
        self._refuse(f"the demo host never had {kind} {name!r}")


def _read(path: str) -> str:
    """The text of a regular file of bearable size. Raises OSError, ValueError."""
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(number, "rb") as file:
        told = os.fstat(number)
        if not stat.S_ISREG(told.st_mode):
            raise ValueError("it is not a file")
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it has more than {_LARGEST} bytes")
    return content.decode()


def _write(path: str, kept: Kept) -> None:
    """Put a new file in the place of the old one. Raises OSError."""
    told = {
        "schema": SCHEMA,
        "began": kept.began,
        "gone": {kind: sorted(ids) for kind, ids in kept.gone.items() if ids},
        "images": {image_id: each._asdict() for image_id, each in sorted(kept.images.items())},
    }
    replace(path, json.dumps(told, indent=1))


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Let no other command write at the same time. Raises OSError."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
        yield
    finally:
        os.close(number)


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _parsed(told: object) -> Kept:
    """What a document says. Raises TypeError or ValueError where holystone wrote none such."""
    document = _mapping(told, "the whole")
    if document.get("schema") != SCHEMA:
        raise ValueError(f"its schema is not {SCHEMA}")
    gone = _mapping(document.get("gone"), "gone")
    if unknown := sorted(set(gone) - set(KINDS)):
        raise ValueError(f"there is no kind {unknown[0]!r}")
    images = _mapping(document.get("images"), "images")
    return Kept(
        _moment(document.get("began"), "began"),
        {kind: frozenset(_texts(ids, f"gone.{kind}")) for kind, ids in gone.items()},
        {image_id: _image(each, image_id) for image_id, each in images.items()},
    )


def _image(told: object, image_id: str) -> KeptImage:
    where = f"image {image_id[:19]}"
    document = _mapping(told, where)
    if document.keys() != set(KeptImage._fields):
        raise ValueError(f"{where} has not the keys {', '.join(KeptImage._fields)}")
    moments = [
        None if document[key] is None else _moment(document[key], f"{key} of {where}")
        for key in ("arrived", "last_tagged")
    ]
    tags, digests = (
        tuple(_texts(document[key], f"{key} of {where}")) for key in ("tags", "digests")
    )
    return KeptImage(tags, digests, *moments)


def _mapping(told: object, where: str) -> dict[str, Any]:
    if not isinstance(told, dict):
        raise TypeError(f"{where} is no object")
    return told


def _texts(told: object, where: str) -> list[str]:
    if not isinstance(told, list) or not all(isinstance(each, str) for each in told):
        raise TypeError(f"{where} is no list of texts")
    return told


def _moment(told: object, where: str) -> float:
    """A time that can be: not before the first demo host, not after today."""
    if not isinstance(told, int | float) or isinstance(told, bool):
        raise TypeError(f"{where} is no time")
    if not _EARLIEST <= told <= time.time() + 86400:
        raise ValueError(f"{where} is no time in the past")
    return float(told)

"""Add images to [protect] of a ``holystone.toml``; the rest of the file stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from holystone.config.edit import CannotAdd, add
from holystone.config.errors import ConfigError
from holystone.config.load import LARGEST
from holystone.config.reading import read_all
from holystone.config.toml_text import Lines, loads
from holystone.operations.errors import OperationError
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import safe, said
from holystone.outside.writing import create, rewrite
from holystone.planner.patterns import covers


@dataclass(frozen=True, slots=True)
class Written:
    """The changes to a ``holystone.toml``."""

    path: str
    created: bool
    added: tuple[str, ...]
    covered: tuple[tuple[str, str], ...]
    """References that are protected there already, each with the pattern that does it."""
    excepted: tuple[tuple[str, str], ...]
    """References that the file takes back, each with the pattern that does it."""


def protect(path: str, references: Sequence[str]) -> Written:
    """Add the references that a file lacks, or create the file; returns the changes.

    Raises OperationError, and then the file is as it was.
    """
    text = _text(path)
    told = _compared(path, text, references)
    if not told.added:
        return told
    try:
        changed = add(text or "", told.added)
    except CannotAdd as error:
        line = Lines(text or "").of(["protect", "images"])
        listing = ", ".join(f'"{each}"' for each in told.added)
        raise OperationError(
            f"{path}:{line or 1}: {error}. Nothing was written; add by hand: {listing}"
        ) from None
    try:
        if text is None:
            create(path, changed)
        else:
            rewrite(path, changed)
    except (OSError, ValueError) as error:
        raise OperationError(f"cannot write {path!r}: {said(error)}. Name another file.") from None
    return told


def _text(path: str) -> str | None:
    """The text of a file that is right; None where there is none. Raises OperationError."""
    try:
        content = read_regular(path, LARGEST)
    except FileNotFoundError:
        return None
    except NotRegular as error:
        why = f"is no file that can be written to: {error}. Name another."
        raise OperationError(f"{path!r} {why}") from None
    except (OSError, ValueError) as error:
        raise OperationError(f"cannot read {path!r}: {said(error)}. Name another file.") from None
    try:
        read_all([(path, content)])
    except ConfigError as error:
        told = "\n".join(safe(line) for line in str(error).split("\n"))
        raise OperationError(f"{told}\nMend that first; nothing was written.") from None
    return content.decode("utf-8")


def _compared(path: str, text: str | None, references: Sequence[str]) -> Written:
    """What a file has of these references already, and what it lacks."""
    table = loads((text or "").removeprefix("\ufeff")).get("protect", {})
    patterns = list(table.get("images", ()))
    added, covered, excepted = [], [], []
    for reference in references:
        against = [each for each in patterns if each[0] == "!" and covers([each[1:]], reference)]
        if pattern := covers(patterns, reference):
            covered.append((reference, pattern))
        elif against:
            excepted.append((reference, against[-1]))
        else:
            added.append(reference)
    created = text is None and bool(added)
    return Written(path, created, tuple(added), tuple(covered), tuple(excepted))

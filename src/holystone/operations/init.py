"""Make holystone part of a CI system or a host: choose the files, and write them.

Also find parts of a repository that conflict with a clean: commands that prune the host, and jobs
whose own ``after_script`` overrides the cleaning one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from holystone.operations.ci_targets import File, Target, text, used
from holystone.operations.errors import OperationError
from holystone.outside import writing
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import said
from holystone.scan.gitlab_config import OwnScript, own_after_scripts
from holystone.scan.prune_lines import LARGEST, PruneFile, find

WRITE = "write"
REPLACE = "replace"
UNCHANGED = "unchanged"
LEAVE = "leave"
"""What happens to a file. ``LEAVE``: the repository has its own file, which stays."""
SHARED = ".holystone-clean"
"""The job of GitLab's template that others extend."""
_TEMPLATE = os.path.join("templates", "holystone-clean.yml")
_LARGEST = 10_000_000
"""Bytes of a file that is there already."""


@dataclass(frozen=True, slots=True)
class Change:
    """What becomes of one file."""

    file: File
    path: str
    action: str
    text: str


@dataclass(frozen=True, slots=True)
class Beside:
    """What a repository has beside the files of a target."""

    own: tuple[OwnScript, ...] = ()
    """Jobs with an ``after_script`` of their own."""
    prunes: tuple[PruneFile, ...] = ()
    replaced: bool = False
    """Whether the prunes were replaced."""

    @property
    def changeable(self) -> list[PruneFile]:
        """The files whose prunes can be replaced."""
        return [file for file in self.prunes if file.replaced]


def changes(target: Target, folder: str, command: str) -> list[Change]:
    """What becomes of each file of a target in a folder; writes nothing. Raises OperationError.

    ``command`` is how the files call holystone.
    """
    mark = used(target, folder)
    made = []
    for file in target.files:
        path = os.path.join(folder, file.path)
        body = text(target, file, command)
        if not os.path.lexists(path):
            action = WRITE
            if file.example and mark:
                action, path = LEAVE, os.path.join(folder, mark)
        elif _read(path) == body:
            action = UNCHANGED
        else:
            action = LEAVE if file.example else REPLACE
        made.append(Change(file, path, action, body))
    return made


def write(made: Sequence[Change]) -> None:
    """Write the files, each whole or not at all. Raises OperationError."""
    for change in made:
        if change.action not in (WRITE, REPLACE):
            continue
        put = writing.replace if change.action == REPLACE else writing.create
        try:
            put(change.path, change.text, executable=change.file.executable)
        except (OSError, ValueError) as error:
            raise _cannot("write", change.path, error) from None


def look_beside(targets: Sequence[Target], folder: str, command: str) -> Beside:
    """What a repository has beside the files of these targets."""
    own: list[OwnScript] = []
    path = os.path.join(folder, ".gitlab-ci.yml")
    if any(target.name == "gitlab" for target in targets) and os.path.isfile(path):
        own = own_after_scripts(path, os.path.join(folder, _TEMPLATE), SHARED, f"{command} clean")
    in_repository = any(not target.home for target in targets)
    return Beside(tuple(own), tuple(find(folder, command)) if in_repository else ())


def replace_prunes(beside: Beside, target: Target, folder: str, command: str) -> Beside:
    """Put a clean in the place of the commands that prune. Raises OperationError."""
    for file in beside.changeable:
        try:
            if read_regular(file.path, LARGEST).decode() != file.before:
                raise OperationError(f"{file.path!r} was changed meanwhile; run this again")
            writing.rewrite(file.path, file.after)
        except (OSError, ValueError) as error:
            raise OperationError(f"cannot write {file.path!r}: {said(error)}") from None
    return replace(beside, own=look_beside([target], folder, command).own, replaced=True)


def _read(path: str) -> str | None:
    """What is in a file; None where that is no text. Raises OperationError."""
    try:
        return read_regular(path, _LARGEST).decode("utf-8")
    except NotRegular as error:
        raise OperationError(f"cannot read {path!r}: {error}. Nothing was written.") from None
    except (UnicodeDecodeError, FileNotFoundError):
        return None  # Not found: a link that leads nowhere. Replacing it is for the user to say.
    except OSError as error:
        raise _cannot("read", path, error) from None


def _cannot(verb: str, path: str, error: Exception) -> OperationError:
    return OperationError(
        f"cannot {verb} {path!r}: {said(error)}. Name another folder with --into."
    )

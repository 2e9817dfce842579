"""Find the files of a repository to read, their kind, and their text within limits."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence

from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import said
from holystone.scan.findings import Unreadable

DOCKERFILE = "Dockerfile"
COMPOSE = "compose file"
GITLAB = "GitLab pipeline"
GITHUB = "GitHub workflow"
ACTION = "GitHub action"

LARGEST = 1_000_000
"""Bytes of a file. The largest pipelines that people write have a tenth of it."""
MOST_ENTRIES = 200_000
"""Files and folders of a repository that are looked at."""
SKIPPED = frozenset(
    (
        ".git", ".hg", ".svn", "node_modules", "bower_components", "site-packages",
        ".tox", ".nox", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".terraform",
    )
)  # fmt: skip
"""Folders of what other people wrote, or of what programs made."""

_NAMES = (
    (re.compile(r"(Docker|Container)file([._-].+)?|.+\.(Docker|Container)file", re.IGNORECASE),
     DOCKERFILE),
    (re.compile(r"(docker-)?compose([._-][\w.-]+)?\.ya?ml"), COMPOSE),
    (re.compile(r"(.*\.)?\.?gitlab-ci\.ya?ml"), GITLAB),
    (re.compile(r"action\.ya?ml"), ACTION),
)  # fmt: skip
_NOT_DOCKERFILES = re.compile(r".*(\.(dockerignore|md|txt|rst|bak|orig|rej|swp)|~)", re.IGNORECASE)
_WORKFLOW = re.compile(r"(?:.*/)?\.(?:github|gitea|forgejo)/workflows/[^/]+\.ya?ml")


def kind_of(path: str) -> str:
    """What a file is, by its name and folder; empty where that does not tell."""
    name = os.path.basename(path)
    if _WORKFLOW.fullmatch(os.path.abspath(path).replace(os.sep, "/")):
        return GITHUB
    for pattern, kind in _NAMES:
        if pattern.fullmatch(name):
            return "" if kind == DOCKERFILE and _NOT_DOCKERFILES.fullmatch(name) else kind
    return ""


def walk(folder: str, fault: Callable[[str, str], None]) -> Iterator[str]:
    """The files below a folder, sorted, without those of others; links to folders are left.

    ``fault`` is called for a folder that cannot be listed, and if there are too many files.
    """
    left = MOST_ENTRIES

    def unlisted(error: OSError) -> None:
        fault(str(error.filename), f"cannot be listed: {said(error)}")

    for inside, folders, names in os.walk(folder, onerror=unlisted):
        folders[:] = sorted(
            name
            for name in folders
            if name not in SKIPPED and not os.path.lexists(os.path.join(inside, name, "pyvenv.cfg"))
        )
        for name in sorted(names):
            yield os.path.normpath(os.path.join(inside, name))
        left -= len(names) + len(folders)
        if left < 0:
            fault(folder, f"has more than {MOST_ENTRIES} files; name a part of it")
            return


def inside(path: str, roots: Sequence[str] | None) -> bool:
    """Whether a path stays in one of these folders, links followed; anywhere where None."""
    real = os.path.realpath(path)
    return roots is None or any(
        real == root or real.startswith(os.path.join(root, "")) for root in roots
    )


def is_below(path: str, root: str) -> bool:
    """Whether a path is below this folder, links followed."""
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(root or "."), ""))


def read_text(path: str, roots: Sequence[str] | None = None) -> str:
    """The text of a file in one of these folders. Raises Unreadable, without a word of the file.

    A repository is not trusted: the files that it names are read with the rights of the user.
    """
    if not inside(path, roots):
        raise Unreadable("it leads out of the repository, and is not read")
    try:
        content = read_regular(os.path.realpath(path), LARGEST)
    except NotRegular as error:
        raise Unreadable(f"{error}, and is not read") from None
    except (OSError, ValueError) as error:
        raise Unreadable(f"cannot be read: {said(error)}") from None
    if b"\0" in content:
        raise Unreadable("it is binary")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise Unreadable("it is not UTF-8", line) from None


def root_of(path: str) -> str:
    """The folder of the repository a file is in, else the file's own folder."""
    folder = os.path.dirname(path)
    above, steps = os.path.abspath(folder), 0
    while not os.path.lexists(os.path.join(above, ".git")):
        parent = os.path.dirname(above)
        if parent == above:
            return folder
        above, steps = parent, steps + 1
    return os.path.normpath(os.path.join(folder, *[os.pardir] * steps)) if steps else folder


def repository_of(path: str) -> str:
    """The real path of the repository that a file or folder is in, as ``root_of`` tells it."""
    within = os.path.join(path, "") if os.path.isdir(path) else path
    return os.path.realpath(root_of(within) or ".")

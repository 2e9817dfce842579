"""Where ``holystone.toml`` is looked for, and what comes of the files that are there.

A run without any file costs the look for three of them, and one for the docker command's own
configuration: what reads and checks is imported only where there is something to read.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from holystone.config import docker
from holystone.config.errors import ConfigError, Fault
from holystone.outside.home import home
from holystone.outside.regular_file import read_regular
from holystone.planner.policy import TAKES, Policy

if TYPE_CHECKING:
    from holystone.config.settings import Settings

NAME = "holystone.toml"
HERE = f"./{NAME}"
"""The file in the current folder: it comes with a checkout, and can only protect more."""
MEND_HERE = f"--config {NAME} gives it full say"
SYSTEM = f"/etc/holystone/{NAME}"
LARGEST = 1_000_000
"""Bytes of a file."""
_MEND = "Mend that, or name another file with --config."


class Place(NamedTuple):
    """A place where a file was looked for."""

    path: str
    found: bool
    named_by: str = ""
    """``--config`` or ``HOLYSTONE_CONFIG``, where one of them says to read this file alone."""

    @property
    def only_protects(self) -> bool:
        """Whether what it says counts only where that protects more."""
        return self.path == HERE and not self.named_by


class Source(NamedTuple):
    """A file that was read, and what it can say."""

    path: str
    says: str
    """``everything``, ``protection`` or ``pruneFilters``."""


class Configuration(NamedTuple):
    """What the files say that were found."""

    places: tuple[Place, ...]
    """The nearest first."""
    settings: Settings | None
    """None where there is no file."""
    docker: docker.Docker

    @property
    def sources(self) -> tuple[Source, ...]:
        """The files that count, the nearest first; docker's where it has filters."""
        read = [
            Source(place.path, "protection" if place.only_protects else "everything")
            for place in self.places
            if place.found
        ]
        if self.docker.prune_filters:
            read.append(Source(self.docker.path, "pruneFilters"))
        return tuple(read)

    @property
    def without_effect(self) -> tuple[Fault, ...]:
        """What the file in the current folder asks for in vain: it would let more go."""
        return self.settings.without_effect if self.settings else ()

    def policy(self, level: str) -> Policy:
        """The owner's policy for a level."""
        if self.settings is None:
            made = Policy(level, TAKES[level])
        else:
            from holystone.config.settings import policy

            made = policy(self.settings, level)
        return made._replace(prune_filters=self.docker.prune_filters)


def load(explicit: str | None, environ: Mapping[str, str], *, here: bool = True) -> Configuration:
    """The configuration that counts. ``explicit`` is the value of ``--config``, None without it.

    Without ``here`` the file in the current folder is passed over, unless it is named.

    Raises ConfigError with everything that is wrong with any of the files.
    """
    faults: list[Fault] = []
    places = []
    files = []
    for path, named_by in _wanted(explicit, environ, here=here):
        try:
            content = read_regular(path, LARGEST)
        except (FileNotFoundError, NotADirectoryError):
            content = None
            if os.path.islink(path) and not named_by:
                faults.append(Fault(f"it is a link to a file that is not there. {_MEND}", path))
            if named_by:
                mend = "Correct it, or write a file there with 'holystone config init'."
                faults.append(Fault(f"{named_by} names this file, and there is none. {mend}", path))
        except OSError as error:
            if _hidden(error, path, environ):
                content = None
            else:
                content = b""
                problem = (error.strerror or str(error)).lower()
                faults.append(Fault(f"cannot read it: {problem}. {_MEND}", path))
        except ValueError as error:
            content = b""
            faults.append(Fault(f"{error}. {_MEND}", path))
        places.append(Place(path, content is not None, named_by))
        if content:
            files.append((path, content))
    settings = None
    if files or any(place.found for place in places) or faults:
        from holystone.config.files import read_all

        checkout = HERE if any(place.only_protects for place in places) else ""
        settings = read_all(files, faults, here=checkout)
    return Configuration(tuple(places), settings, docker.load(environ))


def _wanted(
    explicit: str | None, environ: Mapping[str, str], *, here: bool
) -> list[tuple[str, str]]:
    """The files to look for, the nearest first, and what names them. Raises ConfigError."""
    for path, named_by in (
        (explicit, "--config"),
        (environ.get("HOLYSTONE_CONFIG") or None, "HOLYSTONE_CONFIG"),
    ):
        if path is None:
            continue
        if not path or "\0" in path:
            raise ConfigError([Fault(f"{named_by} is {path!r}: that is no name of a file")])
        return [(path, named_by)]
    own = own_file(environ)
    owners = [*([(own, "")] if own else []), (SYSTEM, "")]
    if not here or any(_is_here(path) for path, _ in owners):
        return owners
    return [(HERE, ""), *owners]


def _is_here(path: str) -> bool:
    """Whether the file in the current folder is this one."""
    try:
        return os.path.samefile(HERE, path)
    except (OSError, ValueError):
        return False


def own_file(environ: Mapping[str, str]) -> str:
    """The user's own file: ``$XDG_CONFIG_HOME/holystone/holystone.toml``.

    Empty where the user has no home folder.
    """
    folder = environ.get("XDG_CONFIG_HOME", "")
    # The specification says to pass over a relative one.
    if not os.path.isabs(folder):
        at_home = home(environ)
        if not at_home:
            return ""
        folder = os.path.join(at_home, ".config")
    return os.path.join(folder, "holystone", NAME)


def _hidden(error: OSError, path: str, environ: Mapping[str, str]) -> bool:
    """Whether a file cannot be seen because HOME is somebody else's, as with ``sudo -u``.

    Nobody meant that user to read it. A file of the system that cannot be read is an error: what
    it protects would go.
    """
    return (
        isinstance(error, PermissionError)
        and path == own_file(environ)
        and not os.access(os.path.dirname(path), os.X_OK)
    )

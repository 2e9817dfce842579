"""Find the files ``holystone.toml``, and read them into one configuration.

A run without any file only looks for three of them and for the docker command's own configuration.
The modules that read and check are imported only if there is a file.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from holystone.config.errors import ConfigError, Fault
from holystone.outside.home import LARGEST_CONFIG, config_folder, home
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import said
from holystone.planner.policy import TAKES, Policy

if TYPE_CHECKING:
    from holystone.config.agent_settings import AgentSettings
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


class Docker(NamedTuple):
    """What the docker command's ``config.json`` says that ``docker ... prune`` spares."""

    path: str
    prune_filters: tuple[str, ...] = ()
    """Those on labels: ``label=KEY``, ``label!=KEY=VALUE``."""
    ignored: tuple[str, ...] = ()
    """Those on anything else."""
    problem: str = ""
    """Why nothing can be told from it; empty where all is well."""


class Configuration(NamedTuple):
    """What the files say that were found."""

    places: tuple[Place, ...]
    """The nearest first."""
    settings: Settings | None
    """None where there is no file."""
    docker: Docker

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
        """Values without effect in the file of the current folder: they would remove more."""
        return self.settings.without_effect if self.settings else ()

    def agent(self) -> AgentSettings:
        """How the agent works."""
        from holystone.config.agent_settings import AgentSettings  # No other command needs them.

        return AgentSettings() if self.settings is None else self.settings.agent()

    def policy(self, level: str) -> Policy:
        """The owner's policy for a level."""
        made = Policy(level, TAKES[level])
        if self.settings is not None:
            made = self.settings.policy(level)
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
        content, problem = None, ""
        try:
            content = read_regular(path, LARGEST)
        except (FileNotFoundError, NotADirectoryError):
            if named_by:
                mend = "Correct it, or write a file there with 'holystone config init'."
                problem = f"{named_by} names this file, and there is none. {mend}"
            elif os.path.islink(path):
                problem = f"it is a link to a file that is not there. {_MEND}"
        except OSError as error:
            if not _hidden(error, path, environ):
                content = b""
                problem = f"cannot read it: {said(error)}. {_MEND}"
        except ValueError as error:
            content, problem = b"", f"{error}. {_MEND}"
        faults += [Fault(problem, path)] if problem else []
        places.append(Place(path, content is not None, named_by))
        if content:
            files.append((path, content))
    settings = None
    if faults or any(place.found for place in places):
        from holystone.config.reading import read_all

        checkout = HERE if any(place.only_protects for place in places) else ""
        settings = read_all(files, faults, here=checkout)
    return Configuration(tuple(places), settings, _docker(environ))


def _wanted(
    explicit: str | None, environ: Mapping[str, str], *, here: bool
) -> list[tuple[str, str]]:
    """The files to look for, the nearest first, and what names them. Raises ConfigError."""
    for path, named_by in (
        (explicit, "--config"),
        (environ.get("HOLYSTONE_CONFIG") or None, "HOLYSTONE_CONFIG"),
    ):
        if path is not None:
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


def _docker(environ: Mapping[str, str]) -> Docker:
    """The filters of the user's docker command. The search for the engine tells other faults."""
    path = os.path.join(config_folder(environ), "config.json")
    try:
        content = read_regular(path, LARGEST_CONFIG)
    except NotRegular as error:
        return Docker(path, problem=str(error))
    except (OSError, ValueError):
        return Docker(path)
    return read_docker(path, content) if b"pruneFilters" in content else Docker(path)


def read_docker(path: str, content: bytes) -> Docker:
    """The filters in a file with this content; never fails, for docker's file is not ours."""
    try:
        document: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        return Docker(path, problem=f"not valid JSON ({str(error)[:100]})")
    filters = document.get("pruneFilters") if isinstance(document, dict) else None
    if filters is None:
        return Docker(path)
    if not isinstance(filters, list) or not all(isinstance(each, str) for each in filters):
        return Docker(path, problem="pruneFilters is no list of texts")
    on_labels = tuple(each for each in filters if _on_label(each))
    return Docker(path, on_labels, tuple(each for each in filters if not _on_label(each)))


def _on_label(text: str) -> bool:
    """Whether it is a filter on a label; docker passes over one without a value, as here."""
    name, _, label = text.partition("=")
    return name in ("label", "label!") and bool(label.partition("=")[0])

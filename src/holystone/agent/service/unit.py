"""Write the unit that makes systemd run the agent.

The first line of the file has a checksum of the rest. By that a file that somebody else wrote, or
changed by hand, is known and left alone.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from importlib.resources import files
from shlex import quote
from typing import NamedTuple

from holystone.config.agent_settings import Service
from holystone.operations.errors import OperationError
from holystone.outside import home as users_home
from holystone.outside import writing
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import said
from holystone.store.folder import OF_ROOT

NAME = "holystone-agent.service"
RUNTIME_FOLDER = "/run/holystone"
"""Made by systemd while the agent runs, and open to others."""
SYSTEM_FOLDER = "/etc/systemd/system"
_STAGED_FOLDER = "/etc/systemd/user"
"""For the units of all users."""
_LARGEST = 1_000_000
_ALONE = "0700"
_MADE = "# Made by holystone agent install. To change it: {systemctl} edit {name}. Checksum: {sum}"
_CHECKSUM = re.compile(r"# Made by holystone agent install\..* Checksum: ([0-9a-f]{64})")
_PLAIN = re.compile(r"[\w@%+=:,./-]+", re.ASCII)
_TMP = re.compile(r"(/var)?/tmp(/|$)")
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\t": r"\t", "%": "%%", "$": "$$"})


class Options(NamedTuple):
    """What the unit is to say."""

    command: Sequence[str]
    """The program, by its absolute path, and what stands before ``agent``: ``-m holystone``."""
    arguments: Sequence[str] = ()
    """The options of ``holystone agent``."""
    user: bool = False
    """For the manager of this user: a rootless engine."""
    root: str = ""
    """The folder of a staged installation; empty: this machine."""
    writable: Sequence[str] = ()
    """Files and folders that the agent writes to beside its state and /run/holystone."""
    environment: Mapping[str, str] = {}
    """Variables that the agent is started with."""
    force: bool = False
    """Replace a file that somebody else wrote or changed."""


class Installed(NamedTuple):
    """How it went."""

    path: str
    """The unit."""
    written: bool
    """Whether it was written now; else it was there already, as it should be."""
    next: Sequence[str]
    """The commands that are left to run, with what each is for where that needs words."""

    @property
    def lines(self) -> list[str]:
        """The same, to read."""
        return [f"{self.path} {'written' if self.written else 'is as it should be'}", *self.next]


def beside_state(service: Service, folder: str) -> list[str]:
    """The folders for ``Options.writable``: of an agent with these settings and state folder."""
    named = {folder, os.path.dirname(service.socket), os.path.dirname(service.textfile)}
    return sorted(path for path in named if path and path not in (OF_ROOT, RUNTIME_FOLDER))


def unit_text(options: Options, *, state_mode: str = _ALONE) -> str:
    """The unit. ``state_mode`` are the rights of the state folder. Raises OperationError."""
    from jinja2 import Environment, StrictUndefined

    source = files("holystone.agent.service").joinpath(f"{NAME}.j2").read_text(encoding="utf-8")
    text = Environment(  # noqa: S701 - it makes no HTML
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    body = text.from_string(source).render(
        command=_line(options),
        environment=[_variable(*each) for each in sorted(options.environment.items())],
        private_tmp=not _in_tmp(options),
        user=options.user,
        writable=[_path(path) for path in sorted(set(options.writable))],
        state_mode=state_mode,
    )
    return f"{_made(body, user=options.user)}\n{body}"


def unit_path(options: Options, environ: Mapping[str, str]) -> str:
    """Where the unit belongs. Raises OperationError for a user without a home folder."""
    folder = _STAGED_FOLDER if options.user and options.root else SYSTEM_FOLDER
    if options.user and not options.root:
        config = environ.get("XDG_CONFIG_HOME", "")
        if not os.path.isabs(config):
            config = os.path.join(users_home.home(environ) or users_home.NOWHERE, ".config")
        if config.startswith(users_home.NOWHERE):
            raise OperationError("there is no home folder to write a user's unit to; set HOME")
        folder = os.path.join(config, "systemd/user")
    path = os.path.join(folder, NAME)
    return os.path.join(options.root, path.lstrip("/")) if options.root else path


def install(options: Options, environ: Mapping[str, str]) -> Installed:
    """Write the unit.

    Raises OperationError where a file is there that holystone did not write so, without ``force``.
    """
    path = unit_path(options, environ)
    text = unit_text(options, state_mode=_ALONE if options.user else _state_mode(options.root))
    there = _read(path)
    if there == text:
        return Installed(path, written=False, next=_next(options, replaced=False))
    if there is not None and not options.force and not _is_ours(there):
        raise OperationError(
            f"{path!r} is there already, and it is not as holystone agent install wrote it. Nothing"
            " was written. Keep your changes in a drop-in"
            f" ({_systemctl(user=options.user)} edit {NAME}), or pass --force to"
            " replace the file."
        )
    put = writing.create if there is None else writing.replace
    try:
        put(path, text)
    except (OSError, ValueError) as error:
        raise _cannot("write", path, error) from None
    return Installed(path, written=True, next=_next(options, replaced=there is not None))


def _next(options: Options, *, replaced: bool) -> list[str]:
    """The commands that are left to run."""
    if options.root:
        scope = "--global " if options.user else ""
        return [f"Then: systemctl {scope}--root={quote(options.root)} enable {NAME}"]
    systemctl = _systemctl(user=options.user)
    start = f"restart {NAME}" if replaced else f"enable --now {NAME}"
    lines = [f"Then: {systemctl} daemon-reload && {systemctl} {start}"]
    if options.user:
        lines.append("To have it run while you are logged out: loginctl enable-linger")
    return lines


def _state_mode(root: str) -> str:
    """The rights of the state folder: systemd sets them at each start, and it may be shared."""
    with suppress(OSError):
        rights = stat.S_IMODE(os.stat(os.path.join(root or "/", OF_ROOT.lstrip("/"))).st_mode)
        if rights & stat.S_ISGID and rights & stat.S_IWGRP and not rights & stat.S_IWOTH:
            return f"{rights:04o}"
    return _ALONE


def _read(path: str) -> str | None:
    """What is in the file; None where there is none. Raises OperationError."""
    if not os.path.lexists(path):
        return None
    if os.path.islink(path):
        return ""  # Like that of a masked unit, to /dev/null.
    try:
        return read_regular(path, _LARGEST).decode("utf-8", "replace")
    except NotRegular as error:
        raise OperationError(f"cannot read {path!r}: {error}. Nothing was written.") from None
    except OSError as error:
        raise _cannot("read", path, error) from None


def _made(body: str, *, user: bool) -> str:
    told = sha256(body.encode()).hexdigest()
    return _MADE.format(systemctl=_systemctl(user=user), name=NAME, sum=told)


def _systemctl(*, user: bool) -> str:
    return "systemctl --user" if user else "systemctl"


def _is_ours(text: str) -> bool:
    """Whether the file is as some version of holystone wrote it."""
    head, _, body = text.partition("\n")
    told = _CHECKSUM.fullmatch(head)
    return told is not None and told[1] == sha256(body.encode()).hexdigest()


def _line(options: Options) -> str:
    """The command line, as systemd.service(5) wants it quoted. Raises OperationError."""
    program, *rest = options.command
    if not os.path.isabs(program) or re.search("[$\"'\\\\]", program):
        raise OperationError(
            f"systemd cannot start {program!r}; it takes an absolute path without quotes, "
            "backslashes and dollar signs"
        )
    return " ".join(map(_word, (program, *rest, "agent", *options.arguments)))


def _in_tmp(options: Options) -> bool:
    """Whether anything that the service needs is in a folder that ``PrivateTmp=`` hides."""
    named = (*options.command, *options.arguments, *options.environment.values(), *options.writable)
    return any(_TMP.match(each.removeprefix("unix://")) for each in named)


def _variable(name: str, value: str) -> str:
    """A variable, for Environment=, which takes $ literally. Raises OperationError."""
    return '"{}"'.format(_escaped(f"{name}={value}").replace("$$", "$"))


def _word(text: str) -> str:
    """One word, literally. Raises OperationError."""
    escaped = _escaped(text)
    return escaped if _PLAIN.fullmatch(text) else f'"{escaped}"'


def _escaped(text: str) -> str:
    if not text.isprintable() and not text.replace("\t", "").isprintable():
        raise OperationError(f"{text!r} cannot be written into a unit: it has control characters")
    return text.translate(_ESCAPES)


def _path(path: str) -> str:
    """A path that may be missing, for ReadWritePaths=, which knows no escapes."""
    if not os.path.isabs(path) or not path.isprintable() or re.search("[\"'\\\\]", path):
        raise OperationError(
            f"{path!r} cannot be written into a unit; it takes an absolute path without quotes and "
            "backslashes"
        )
    return '"-{}"'.format(path.replace("%", "%%"))


def _cannot(verb: str, path: str, error: Exception) -> OperationError:
    return OperationError(
        f"cannot {verb} {path!r}: {said(error)}. Run it as root, or with --user for a rootless "
        "engine."
    )

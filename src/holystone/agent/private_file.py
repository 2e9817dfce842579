"""Read a file that holds a secret, where only those who may can read and change it."""

from __future__ import annotations

import os
import shlex
import stat

from holystone.outside.regular_file import NotRegular, open_regular
from holystone.outside.text import said
from holystone.store.folder import user_name

_MOST = 1_000_000


class NotPrivate(Exception):
    """The file cannot be used; the message names it, says why, and what to do."""


def read_private(path: str, key: str) -> bytes:
    """The content of a file that the key of the configuration names. Raises NotPrivate."""
    about = f"cannot use {path} ({key}): "
    try:
        with open_regular(path) as file:
            found = os.fstat(file.fileno())
            _check(path, about, found)
            content = file.read(_MOST + 1)
    except FileNotFoundError as error:
        raise NotPrivate(f"{about}{said(error)}. Write it, or correct {key}") from None
    except PermissionError as error:
        mend = "Give the user of the agent the right to read it"
        raise NotPrivate(f"{about}{said(error)}. {mend}") from None
    except (OSError, NotRegular) as error:
        raise NotPrivate(f"{about}{said(error)}. Correct {key}") from None
    if len(content) > _MOST:
        raise NotPrivate(f"{about}it is larger than {_MOST // 1_000_000} MB")
    return content


def _check(path: str, about: str, found: os.stat_result) -> None:
    """The group may read it: that is how a file is shared with the agent."""
    rights, quoted = stat.S_IMODE(found.st_mode), shlex.quote(path)
    if rights & 0o027:
        who = "everybody on this machine" if rights & 0o007 else "its group"
        what = "read" if rights & 0o004 else "change"
        raise NotPrivate(
            f"{about}{who} can {what} it (mode {rights:o}). Mend it with 'chmod o-rwx,g-w {quoted}'"
        )
    if found.st_uid not in (os.geteuid(), 0):
        raise NotPrivate(
            f"{about}it belongs to {user_name(found.st_uid)}. "
            f"Mend it with 'chown {os.geteuid()} {quoted}'"
        )

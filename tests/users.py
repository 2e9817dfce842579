"""Other users of the machine, for tests that run as root; they need no entry in passwd."""

from __future__ import annotations

import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
STRANGER = 54321
"""A user with no entry in the passwd database."""
COLLEAGUE = 54322


def as_program(uid: int) -> tuple[str, ...]:
    """What to run a program under so that it is another user's, who can read what root can.

    The interpreter may be in root's home folder.
    """
    of = ("--reuid", str(uid), "--regid", str(uid), "--clear-groups")
    return ("setpriv", *of, "--inh-caps", "+dac_read_search", "--ambient-caps", "+dac_read_search")


def as_user(uid: int, action: Callable[[], None], *, groups: tuple[int, ...] = ()) -> None:
    """Do something as another user, in a process of its own. Fails the test where it raises.

    What it needs must be imported before: that user may not read the interpreter's files.
    """
    told, telling = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(groups)
            os.setgid(uid)
            os.setuid(uid)
            action()
        except BaseException:  # noqa: BLE001 - the parent raises it
            os.write(telling, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(telling)
    with os.fdopen(told) as pipe:
        fault = pipe.read()
    os.waitpid(child, 0)
    assert not fault, fault


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A new folder that every user can enter; that of pytest is for its owner alone."""
    folder = Path(tempfile.mkdtemp(prefix="holystone-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)

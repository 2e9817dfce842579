"""One agent for each state folder, and whether the agent before it crashed."""

from __future__ import annotations

import errno
import fcntl
import os

from holystone.operations.errors import OperationError
from holystone.store import StoreError
from holystone.store.folder import MEND, UnsafeError, open_folder

_NAME = "agent.lock"
_RUNS, _ENDED = b"runs", b"ended"


class AgentRunsError(OperationError):
    """Another agent has this state folder."""


class FolderError(StoreError):
    """The state folder cannot be used, and another start does not change that."""


_PASSING = frozenset(
    (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOMEM, errno.ENFILE)
)
"""What may be over at the next start."""


class Instance:
    """Holds the folder from the start on. Raises AgentRunsError, StoreError."""

    def __init__(self, folder: str) -> None:
        try:
            with open_folder(folder) as place:
                self._file = place.open(_NAME, os.O_RDWR | os.O_CREAT)
        except OSError as error:
            message = f"cannot use the state folder {folder}: {error.strerror}. {MEND}"
            raise (StoreError if error.errno in _PASSING else FolderError)(message) from None
        except UnsafeError as error:
            raise FolderError(str(error)) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise AgentRunsError(
                f"another agent runs with the state folder {folder}. Stop that one, or give this "
                "one another folder with --state."
            ) from None
        self.crashed = os.pread(self._file, 16, 0) == _RUNS
        """Whether the agent before this one did not come to its end."""

    def begin(self) -> None:
        """Note that it runs: a start that is refused is no crash."""
        self._note(_RUNS)

    def end(self) -> None:
        """Note that it ended as it should."""
        self._note(_ENDED)
        os.close(self._file)

    def _note(self, what: bytes) -> None:
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, what, 0)
        except OSError:
            pass  # A full disk: whether it crashed is then not known.

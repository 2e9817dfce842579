"""An engine behind ssh: ``docker system dial-stdio`` there, a socket here."""

from __future__ import annotations

import math
import socket
import subprocess
import tempfile
from typing import IO

from holystone.engine.errors import EngineUnreachable
from holystone.engine.transport.endpoint import Endpoint, ssh_destination
from holystone.engine.transport.failures import failure, login_by_hand, ssh_failure
from holystone.outside.text import words_of

_LONGEST_LOGIN = 30
"""Seconds the docker command gives a login (docker/cli ``connhelper.addSSHTimeout``)."""
_TO_GO = 2.0
"""Seconds an ssh that has nothing left to do may take to go."""


class LoginSilent(EngineUnreachable, TimeoutError):
    """Nothing came over ssh yet: the login may hang, or the engine."""


class _SSHSocket(socket.socket):
    """The near end of an ssh that runs. Until the first answer came, every break is ssh's."""

    def __init__(
        self, fileno: int, child: subprocess.Popen[bytes], said: IO[bytes], endpoint: Endpoint
    ) -> None:
        super().__init__(fileno=fileno)
        self.child = child
        self.said = said
        self.endpoint = endpoint
        self.answered = False

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        if self.answered:
            return super().recv(size, flags)
        try:
            data = super().recv(size, flags)
        except TimeoutError:
            login, timeout = login_by_hand(self.endpoint), self.gettimeout()
            told = failure(self.endpoint, "silent over ssh", timeout=timeout, login=login)
            raise LoginSilent(told) from None
        except OSError:
            raise self._failure() from None
        if not data:
            raise self._failure()
        if not b"HTTP/1.".startswith(data[:7]):
            start = data[:60].decode("utf-8", "replace").splitlines()[0]
            raise failure(self.endpoint, "noise", said=start)
        self.answered = True
        return data

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        try:
            super().sendall(data, flags)
        except TimeoutError:
            raise
        except OSError:
            if self.answered:
                raise
            raise self._failure() from None

    def close(self) -> None:
        """Close the connection and end its ssh."""
        super().close()
        if self.child.poll() is None:
            self.child.terminate()
        self._wait()
        self.said.close()

    def _wait(self) -> int:
        """The exit status of ssh, which is killed where it does not go."""
        try:
            return self.child.wait(_TO_GO)
        except subprocess.TimeoutExpired:
            self.child.kill()
            return self.child.wait()

    def _failure(self) -> EngineUnreachable:
        status = self._wait()
        self.said.seek(0)
        return ssh_failure(self.endpoint, status, self.said.read().decode("utf-8", "replace"))


def dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A socket whose other end is an ssh that runs ``docker system dial-stdio`` on the host.

    Nobody is asked for a password or a passphrase. Whether the login worked shows with the first
    answer: the socket raises EngineUnreachable there. Raises EngineUnreachable where there
    is no ssh.
    """
    near, far = socket.socketpair()
    said = tempfile.TemporaryFile()  # noqa: SIM115 (the socket closes it)
    try:
        # A separate session: only holystone handles an interrupt from the terminal.
        child = subprocess.Popen(
            command(endpoint, timeout),
            stdin=far.fileno(),
            stdout=far.fileno(),
            stderr=said,
            start_new_session=True,
        )
    except OSError as error:
        near.close()
        said.close()
        kind = "no ssh" if isinstance(error, FileNotFoundError) else "cannot run ssh"
        raise failure(endpoint, kind, said=words_of(error).lower()) from None
    finally:
        far.close()
    sock = _SSHSocket(near.detach(), child, said, endpoint)
    sock.settimeout(timeout)
    return sock


def command(endpoint: Endpoint, timeout: float) -> list[str]:
    """The ssh command line for an endpoint; a path in the address is the socket to use there."""
    place = ssh_destination(endpoint.address)
    remote = ["docker", "system", "dial-stdio"]
    if place.path:
        remote[1:1] = ["--host", "'unix://" + place.path.replace("'", "'\\''") + "'"]
    login = max(1, min(_LONGEST_LOGIN, math.ceil(timeout)))
    options = ["-T", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={login}"]
    if place.user:
        options += ["-l", place.user]
    if place.port:
        options += ["-p", place.port]
    return ["ssh", *options, "--", place.host, *remote]

"""An engine behind ssh: ``docker system dial-stdio`` there, a socket here."""

from __future__ import annotations

import math
import socket
import subprocess
import tempfile
from typing import IO, NamedTuple

from holystone.engine.errors import EngineUnreachable
from holystone.engine.transport.address import Endpoint, ssh_destination, unreachable

_LONGEST_LOGIN = 30
"""Seconds the docker command gives a login (docker/cli ``connhelper.addSSHTimeout``)."""
_TO_GO = 2.0
"""Seconds an ssh that has nothing left to do may take to go."""


class _Known(NamedTuple):
    """A failure known by words on standard error. ``{host}`` and the like are filled in."""

    words: str
    cause: str
    mend: str


_FAILURES = (
    _Known(
        "connect: permission denied",
        "logged in, but permission to the engine's socket is denied there",
        "Add the remote user to the docker group there.",
    ),
    _Known(
        "failed to open the raw stream connection",
        "logged in, but no engine answers there ({said})",
        "Start the engine on {host}, or name its socket: ssh://{host}/path.",
    ),
    _Known(
        "is not a docker command",
        "the docker command there is too old for dial-stdio",
        "Install version 18.09 or newer on {host}.",
    ),
    _Known(
        "host key verification failed",
        "the key of {host} is not known or has changed",
        "Log in once by hand ('{login}') and check it.",
    ),
    _Known(
        "could not resolve hostname",
        "the name {host!r} is not known",
        "Check its spelling, or use a name from ~/.ssh/config.",
    ),
    _Known(
        "connection refused",
        "connection refused by {host}",
        "Is sshd running there, on that port? Check with '{login}'.",
    ),
    _Known(
        "timed out",
        "no answer from {host}",
        "Check the address and any firewall between; '{login}' must work.",
    ),
    _Known(
        "bad configuration option",
        "ssh cannot read its configuration ({said})",
        "Mend ~/.ssh/config; '{login}' must work.",
    ),
    _Known(
        "permission denied (",
        "{host} refused the login ({said})",
        "holystone asks for no password: load the key into ssh-agent, or name it in ~/.ssh/config.",
    ),
    _Known(
        "too many authentication failures",
        "{host} refused the login ({said})",
        "Name the right key in ~/.ssh/config with IdentityFile and IdentitiesOnly.",
    ),
)


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
        try:
            data = super().recv(size, flags)
        except TimeoutError:
            if self.answered:
                raise
            raise LoginSilent(
                unreachable(
                    self.endpoint,
                    f"no answer over ssh within {self.gettimeout():g} s",
                    f"Try '{_login(self.endpoint)}' by hand, or a longer --timeout.",
                )
            ) from None
        except OSError:
            if self.answered:
                raise
            raise self._failure() from None
        if self.answered:
            return data
        if not data:
            raise self._failure()
        if not b"HTTP/1.".startswith(data[:7]):
            start = data[:60].decode("utf-8", "replace").splitlines()[0]
            raise unreachable(
                self.endpoint,
                f"the remote shell says {start!r} before the engine's answer",
                "Its start-up files must print nothing where there is no terminal.",
            )
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
        return _explained(self.endpoint, status, self.said.read().decode("utf-8", "replace"))


def dial(endpoint: Endpoint, timeout: float) -> socket.socket:
    """A socket whose other end is an ssh that runs ``docker system dial-stdio`` on the host.

    Nobody is asked for a password or a passphrase. Whether the login worked shows with the first
    answer: the socket raises EngineUnreachable there. Raises EngineUnreachable where there
    is no ssh.
    """
    near, far = socket.socketpair()
    said = tempfile.TemporaryFile()  # noqa: SIM115 (the socket closes it)
    try:
        # A session of its own: an interrupt from the terminal is holystone's to handle.
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
        if isinstance(error, FileNotFoundError):
            raise unreachable(
                endpoint, "there is no ssh command", "Install the OpenSSH client or pass --host."
            ) from None
        raise unreachable(
            endpoint, f"cannot run ssh: {(error.strerror or str(error)).lower()}", "Pass --host."
        ) from None
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


def _explained(endpoint: Endpoint, status: int, stderr: str) -> EngineUnreachable:
    """The failure of an ssh that ended before an answer."""
    place, login = ssh_destination(endpoint.address), _login(endpoint)
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    for known in _FAILURES:
        said = next((line for line in reversed(lines) if known.words in line.lower()), None)
        if said:
            cause = known.cause.format(host=place.host, said=said, login=login)
            return unreachable(endpoint, cause, known.mend.format(host=place.host, login=login))
    last = lines[-1].rstrip(".") if lines else f"ssh ended with status {status}"
    if status == 127:
        return unreachable(
            endpoint,
            f"logged in, but there is no docker command there ({last})",
            f"Install it on {place.host}, on the PATH of logins without a terminal.",
        )
    return unreachable(endpoint, last, f"Check that '{login} docker version' works.")


def _login(endpoint: Endpoint) -> str:
    """The command with which a person tries the same login."""
    place = ssh_destination(endpoint.address)
    port = f"-p {place.port} " if place.port else ""
    user = f"{place.user}@" if place.user else ""
    return f"ssh {port}{user}{place.host}"

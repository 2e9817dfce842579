"""Runs ``python -m holystone`` as a user, a CI job, a pipe or a terminal would."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import holystone
from tests.engines.places import CLEAN_PATH

SOURCE = str(Path(holystone.__file__).parents[1])
PROGRAM = (sys.executable, "-m", "holystone")
POWERLESS = ("setpriv", "--bounding-set=-all") if os.geteuid() == 0 else ()
"""What to run a command under so that the rights of files count for root as well."""
UNPRIVILEGED = ("unshare", "--user") if os.geteuid() == 0 else ()
"""What to run a command under so that it is not root."""
_SGR = re.compile(r"\x1b\[[0-9;]*m")
_CLEARED = re.compile(r"[^\n]*\r\x1b\[2K")
_PATIENCE = 60.0


class Done(NamedTuple):
    """How a run ended and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object on standard output, where there is nothing else on it."""
        answer = json.loads(self.out)
        assert isinstance(answer, dict)
        return answer

    @property
    def lines(self) -> list[str]:
        """The lines of standard output without colours."""
        return _SGR.sub("", self.out).splitlines()

    def failed(self, code: int) -> str:
        """The one message of a run that ended with this code and answered nothing."""
        assert self.code == code, self
        assert self.out == ""
        assert "Traceback" not in self.err
        assert re.match(r"holystone( [a-z]+)?: \S", self.err), self.err
        assert self.err.count("holystone: ") <= 1
        assert self.err.count("\n") == 1
        return self.err


class Command:
    """The command in a home of its own. Keyword arguments are variables; None unsets one."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is the user's home and holds the state."""
        self.home = folder
        self.state = folder / "state"

    def __call__(self, *arguments: object, **variables: str | None) -> Done:
        """Run to the end with pipes."""
        return self._run([*PROGRAM, *map(str, arguments)], variables)

    def under(self, program: Sequence[str], *arguments: object, **variables: str | None) -> Done:
        """Run to the end by way of another program."""
        return self._run([*program, *PROGRAM, *map(str, arguments)], variables)

    def shell(self, line: str, **variables: str | None) -> Done:
        """Run a line of sh in which ``holystone`` is the command; the code is the pipe's last.

        A path that has the word in it, such as that of the checkout, stays.
        """
        line = re.sub(r"(?<![\w./-])holystone(?![\w./-])", " ".join(PROGRAM), line)
        return self._run(["/bin/sh", "-c", line], variables)

    def _run(self, command: Sequence[str], variables: dict[str, str | None]) -> Done:
        done = subprocess.run(
            command,
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def environment(self, variables: dict[str, str | None]) -> dict[str, str]:
        """What the command finds in its environment, and nothing of the test run's own."""
        usual: dict[str, str | None] = {
            "PATH": CLEAN_PATH,
            "PYTHONPATH": SOURCE,
            "PYTHONDONTWRITEBYTECODE": os.environ.get("PYTHONDONTWRITEBYTECODE"),
            "HOME": str(self.home),
            "HOLYSTONE_STATE": str(self.state),
            "LANG": "C.UTF-8",
        }
        return {name: v for name, v in (usual | variables).items() if v is not None}

    @contextlib.contextmanager
    def started(
        self, *arguments: object, **variables: str | None
    ) -> Iterator[subprocess.Popen[str]]:
        """A run under way, for signals; killed at the end of the block if it still runs."""
        with subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            env=self.environment(variables),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def on_terminal(
        self, *arguments: object, columns: int, answer: str = "", **variables: str | None
    ) -> Done:
        """Run with a terminal of that many columns as input, output and errors, told as one.

        ``answer`` is what is typed there.
        """
        with self._terminal(arguments, columns, variables) as finish:
            return finish(answer)

    @contextlib.contextmanager
    def asking(
        self, *arguments: object, **variables: str | None
    ) -> Iterator[Callable[[str], Done]]:
        """A run on a terminal that waits for an answer: calling what this gives answers it."""
        with self._terminal(arguments, 100, variables, until="[y/N]") as finish:
            yield finish

    @contextlib.contextmanager
    def _terminal(
        self,
        arguments: Sequence[object],
        columns: int,
        variables: dict[str, str | None],
        until: str = "",
    ) -> Iterator[Callable[[str], Done]]:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
        process = subprocess.Popen(
            [*PROGRAM, *map(str, arguments)],
            env=self.environment({"TERM": "xterm-256color", **variables}),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
        )
        os.close(theirs)
        written = b""
        while until and until.encode() not in written:
            written += os.read(ours, 1 << 16)

        def finish(answer: str) -> Done:
            nonlocal written
            os.write(ours, answer.encode())
            # Reading fails once nobody has the other side open any more.
            with contextlib.suppress(OSError):
                while some := os.read(ours, 1 << 16):
                    written += some
            encoding = variables.get("PYTHONIOENCODING") or "utf-8"
            text = written.decode(encoding).replace("\r\n", "\n")
            return Done(process.wait(_PATIENCE), _CLEARED.sub("", text), "")

        try:
            yield finish
        finally:
            process.kill()
            process.wait(_PATIENCE)
            os.close(ours)


def ended(process: subprocess.Popen[str]) -> Done:
    """The rest of a run that was started."""
    out, err = process.communicate(timeout=_PATIENCE)
    return Done(process.returncode, out, err)


def interrupt(process: subprocess.Popen[str], number: signal.Signals = signal.SIGINT) -> None:
    """Send Ctrl-C's signal once the run waits for something.

    Python loses one that comes while it drops the lock of an import.
    """
    stat = Path(f"/proc/{process.pid}/stat")

    def rests() -> bool:
        before = stat.read_text().rpartition(")")[2].split()
        time.sleep(0.05)
        after = stat.read_text().rpartition(")")[2].split()
        return before[0] == after[0] == "S" and before[11:13] == after[11:13]

    wait_until(rests)
    process.send_signal(number)


def wait_until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait for a condition. Fails the test where it does not come true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.01)

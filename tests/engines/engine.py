"""Starting private engines and holding on to them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .api import ApiError, EngineApi
from .kept import EngineFailed, EngineUnavailable, Kept, claim_folder
from .kinds import KINDS, Kind, Store
from .places import CLEAN_PATH, DOCKER
from .records import Record, Specification, records, sweep

_DETACHED = {"-d", "--detach"}


class Engine:
    """A private engine that runs."""

    def __init__(self, kind: Kind, data: Path, kept: Kept) -> None:
        self.kind = kind.name
        self.store: Store = kind.store
        self.data = data
        self.socket = data / "docker.sock"
        self.host = f"unix://{self.socket}"
        self.client = EngineApi(str(self.socket))
        self._kept = kept

    def __repr__(self) -> str:
        return f"<{self.kind} at {self.host}>"

    @property
    def alive(self) -> bool:
        """Whether it still runs: a test may have killed it."""
        return self.ended() is None

    def ended(self) -> str | None:
        """The end of its log if it has ended on its own, else None."""
        return self._kept.ended()

    @property
    def log(self) -> str:
        """The daemon's log so far."""
        return self._kept.log

    @property
    def environment(self) -> dict[str, str]:
        """The environment that points docker, and holystone, at this engine and no other."""
        return {
            "PATH": CLEAN_PATH,
            "HOME": str(self.data),
            "LANG": "C.UTF-8",
            "DOCKER_HOST": self.host,
            "DOCKER_CONFIG": str(self.data / "client"),
        }

    def api(
        self, method: str, path: str, body: object = None, headers: dict[str, str] | None = None
    ) -> Any:
        """One call of the engine's interface; see ``EngineApi.call``."""
        return self.client.call(method, path, body, headers)

    def disk_usage(self) -> dict[str, Any]:
        """``GET /system/df``, once it answers.

        Right after a build the containerd store answers 404: a snapshot that it was about to
        count went away.
        """
        for _ in range(50):
            try:
                return in_old_shape(self.api("GET", "/system/df?verbose=1"))
            except ApiError as error:
                if error.status != 404:
                    raise
            time.sleep(0.1)
        return in_old_shape(self.api("GET", "/system/df?verbose=1"))

    def docker(
        self, *arguments: str, stdin: bytes = b"", check: bool = True, buildkit: bool = False
    ) -> str:
        """What Debian's docker client prints for a command, stripped.

        Raises ``subprocess.CalledProcessError``, with the client's own words, when it fails and
        ``check`` is set. With Podman it speaks the compatible interface: BuildKit does not exist.
        A named container that has ended by ``run`` or ``wait`` is no longer listed as running.
        """
        done = subprocess.run(
            [DOCKER, *arguments],
            env={**self.environment, "DOCKER_BUILDKIT": "1" if buildkit else "0"},
            input=stdin,
            capture_output=True,
            check=False,
        )
        said = done.stdout.decode(errors="replace").strip()
        if check and done.returncode:
            error = subprocess.CalledProcessError(done.returncode, done.args, done.stdout)
            error.add_note(done.stderr.decode(errors="replace").strip())
            raise error
        if arguments[0] == "wait":
            self._see_end(*arguments[1:])
        elif arguments[0] == "run" and "--name" in arguments and not _DETACHED & {*arguments}:
            self._see_end(arguments[arguments.index("--name") + 1])
        return said

    def _see_end(self, *containers: str) -> None:
        """Wait until the engine lists these as ended; it reports their end a moment earlier."""
        deadline = time.monotonic() + 10
        for name in containers:
            with contextlib.suppress(ApiError):
                while self.client.call("GET", f"/containers/{name}/json")["State"]["Running"]:
                    assert time.monotonic() < deadline, f"{name} still runs"
                    time.sleep(0.02)

    def restart(self, timeout: float = 90.0) -> None:
        """End the daemon as a service manager does, start it anew, and wait until it answers."""
        self._start_anew(signal.SIGTERM, [self._daemon()], timeout)

    def rename(self, name: str) -> None:
        """Give its host another name, as ``hostnamectl`` does; for one started with a name."""
        assert os.readlink(f"/proc/{self._daemon()}/ns/uts") != os.readlink("/proc/self/ns/uts")
        write = f"echo {name} > /proc/sys/kernel/hostname"
        subprocess.run(
            ["nsenter", f"--target={self._daemon()}", "--uts", "sh", "-c", write], check=True
        )

    def crash(self, timeout: float = 90.0) -> None:
        """Kill the daemon and its containerd, start it anew, and wait until it answers."""
        self._start_anew(signal.SIGKILL, self.processes(), timeout)

    def processes(self) -> list[int]:
        """The daemon and the processes that it started, its containerd for one."""
        daemon = self._daemon()
        children: set[int] = set()
        for file in Path(f"/proc/{daemon}/task").glob("*/children"):
            # Threads end at any time.
            with contextlib.suppress(OSError):
                children.update(map(int, file.read_text().split()))
        return [daemon, *children]

    def _start_anew(self, number: signal.Signals, pids: Sequence[int], timeout: float) -> None:
        again = self.data / "restart"
        again.touch()
        for pid in pids:
            # A containerd ends by itself once its daemon is gone.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + timeout
        while again.exists():
            if time.monotonic() > deadline:
                raise EngineFailed(f"{self.kind} did not end in {timeout:.0f} s")
            time.sleep(0.05)
        _wait(self, timeout)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the daemon."""
        os.kill(self._daemon(), number)

    def _daemon(self) -> int:
        """The process that serves the socket."""
        roots = {f"--data-root={self.data}/root".encode(), f"--root={self.data}/root".encode()}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                program, *arguments = (folder / "cmdline").read_bytes().split(b"\0")
                if program.endswith((b"dockerd", b"podman")) and roots.intersection(arguments):
                    return int(folder.name)
        raise EngineFailed(f"no daemon of {self.kind} runs")

    def stop(self) -> None:
        """Kill the engine with all it started, unmount and remove its data. Takes no leave."""
        self._kept.stop()


def in_old_shape(usage: dict[str, Any]) -> dict[str, Any]:
    """``GET /system/df`` as it was up to API 1.51, of whatever version."""
    shaped = dict(usage)
    for kind in ("Images", "Containers", "Volumes", "BuildCache"):
        newer = usage.get(f"{kind.removesuffix('s')}Usage") or {}
        shaped.setdefault(kind, newer.get("Items") or [])
        if kind == "Images":
            shaped.setdefault("LayersSize", newer.get("TotalSize") or 0)
    return shaped


def start_engine(
    name: str,
    *,
    data: Path | None = None,
    arguments: Sequence[str] = (),
    hostname: str = "",
    engine_id: str = "",
    tied: bool = True,
    timeout: float = 90.0,
) -> Engine:
    """Start an engine of a kind and wait until it answers.

    ``data``: its folder, new or empty (default: a new one). ``arguments``: more for the daemon.
    ``hostname``: what it sees as the name of its host (default: this machine's). ``engine_id``: its
    ID (default: a new one), as a machine has it that was made from a template; Docker 20.10 has
    this machine's in any case.
    ``tied``: it ends with this process, however that ends; otherwise with ``stop_recorded``.
    Raises ``EngineUnavailable`` when this machine cannot run it and ``EngineFailed`` when it
    does not come up within ``timeout`` seconds.
    """
    kind = KINDS[name]
    if reason := kind.missing():
        raise EngineUnavailable(f"{name}: {reason}")
    sweep()
    data = claim_folder(name, data)
    kind.prepare(data)
    if engine_id:
        (data / "root").mkdir(mode=0o710)
        (data / "root" / "engine-id").write_text(engine_id)
    engine = _launch(kind, data, arguments, hostname, tied)
    try:
        _wait(engine, timeout)
    except BaseException:
        engine.stop()
        raise
    return engine


def _launch(kind: Kind, data: Path, arguments: Sequence[str], hostname: str, tied: bool) -> Engine:
    socket = data / "docker.sock"
    command = [
        *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
        *(("--uts",) if hostname else ()),
        *("--propagation", "private", str(Path(__file__).with_name("inside.sh"))),
        *(str(data), str(kind.rootfs or "-")),
        *kind.command(data, socket),
        *arguments,
    ]
    spec = Specification(
        kind=kind.name,
        data=str(data),
        command=command,
        environment={**kind.environment(data), "ENGINE_HOSTNAME": hostname},
        url=f"unix://{socket}",
        tied=tied,
    )
    return Engine(kind, data, Kept(spec))


def _wait(engine: Engine, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    ask = EngineApi(str(engine.socket), timeout=5)
    while True:
        with contextlib.suppress(OSError, ApiError):
            ask.raw("GET", "/_ping")
            return
        log = engine.ended()
        if log is not None:
            raise EngineFailed(f"{engine.kind} ended while starting:\n{log}")
        if time.monotonic() > deadline:
            raise EngineFailed(
                f"{engine.kind}: no answer in {timeout:.0f} s:\n{engine.log[-4000:]}"
            )
        time.sleep(0.05)


def running() -> Iterator[Record]:
    """The engines and registries that run on this machine, started by whomever."""
    return (record for record in records() if record.alive)


def stop_recorded(record: Record, timeout: float = 60.0) -> None:
    """End an engine by its record; returns when its data is gone."""
    with contextlib.suppress(ProcessLookupError):
        if record.alive:
            os.kill(record.keeper, signal.SIGTERM)
    deadline = time.monotonic() + timeout
    while record.alive:
        if time.monotonic() > deadline:
            raise EngineFailed(f"{record.kind} in {record.data} did not end in {timeout:.0f} s")
        time.sleep(0.05)

"""The keeper: a small process beside each engine that ends it and removes its data, come what may.

It starts the engine, writes its record, and waits for the first of: its standard input closing
(whoever started it is gone, however it went), SIGTERM, or the engine's own end. Should the keeper
itself be killed, the kernel ends the engine (parent-death signal, then the process namespace).

    python -m tests.engines.keeper SPECIFICATION.json
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from .api import ApiError, EngineApi
from .records import Record, Specification, birth, remove_cgroups, remove_data


def remove_bridges(api: EngineApi) -> None:
    """Delete the engine's own networks: their bridges live in the machine's network namespace."""
    with contextlib.suppress(ApiError, OSError, ValueError):
        networks = [n for n in api.list("/networks") if n["Driver"] == "bridge"]
        made = [n for n in networks if n["Name"] not in ("bridge", "podman")]
        if made:
            for container in api.list("/containers/json"):
                api.call("POST", f"/containers/{container['Id']}/kill")
            for container in api.list("/containers/json?all=1"):
                api.call("DELETE", f"/containers/{container['Id']}?force=1")
        for network in made:
            api.call("DELETE", f"/networks/{network['Id']}")


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the engine: its process 1 first, which takes all of its namespace with it."""
    with contextlib.suppress(OSError):
        inner = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in inner:
            os.kill(int(child), signal.SIGKILL)
        if inner:
            process.wait(timeout=30)
    process.kill()
    process.wait()


def keep(spec: Specification) -> int:
    """Run the engine until it shall end, then clear everything away; returns the exit code."""
    data = Path(spec.data)
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker)
    for number in (signal.SIGTERM, signal.SIGCHLD):
        signal.signal(number, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)

    record = Record(spec.kind, spec.data, spec.url, os.getpid(), birth(os.getpid()), spec.tied)
    record.write()
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *spec.command],
            env=spec.environment,
            cwd=data,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    failed = False
    try:
        while True:
            ready, _, _ = select.select([wake, *([0] if spec.tied else [])], [], [])
            if 0 in ready and not os.read(0, 64):
                break
            if wake in ready and signal.SIGTERM in os.read(wake, 64):
                break
            if process.poll() is not None:
                failed = True
                break
    finally:
        if not failed and spec.url.startswith("unix://"):
            remove_bridges(EngineApi(spec.url.removeprefix("unix://"), timeout=5))
        end(process)
        if failed:
            # For whoever started the engine; the log itself goes with the data.
            with contextlib.suppress(OSError):
                sys.stderr.write((data / "log").read_text(errors="replace")[-4000:])
                sys.stderr.flush()
        remove_cgroups(data)
        remove_data(data)
        record.path.unlink(missing_ok=True)
    return 1 if failed else 0


def main() -> int:
    """Read the specification and keep the engine."""
    path = Path(sys.argv[1])
    spec = Specification(**json.loads(path.read_text()))
    with contextlib.suppress(OSError):
        os.setsid()
    return keep(spec)


if __name__ == "__main__":
    sys.exit(main())

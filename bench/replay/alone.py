"""One replay in a process of its own: what it came to, how long it took, how much memory."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from typing import NamedTuple

from holystone.replay.result import Replayed
from holystone.replay.running import Job, run_job
from holystone.replay.trace import read


class Measured(NamedTuple):
    """A replay and what it cost."""

    replayed: Replayed
    seconds: float
    """Of the replay alone, without reading the trace."""
    peak_memory_bytes: int
    """Of the whole process, the trace included."""


def measure(path: str, job: Job) -> Measured:
    """Replay a trace once, in a fresh process."""
    command = [sys.executable, "-m", "bench.replay.alone", path, job.order, str(job.budget_bytes)]
    told = json.loads(subprocess.check_output(command))
    return Measured(Replayed(**told["replayed"]), told["seconds"], told["peak_memory_bytes"])


def main() -> None:
    """Replay what the arguments say, and print it as JSON."""
    path, order, budget = sys.argv[1:]
    trace = read(path)
    started = time.perf_counter()
    replayed = run_job(trace, None, Job(order, int(budget)))
    seconds = time.perf_counter() - started
    # Linux tells it in kilobytes.
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        json.dumps(
            {
                "replayed": replayed._asdict(),
                "seconds": round(seconds, 3),
                "peak_memory_bytes": memory,
            }
        )
    )


if __name__ == "__main__":
    main()

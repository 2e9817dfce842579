"""The command line: start, list and stop private engines by hand.

    python -m tests.engines start docker28c      prints the DOCKER_HOST line to set
    python -m tests.engines list
    python -m tests.engines stop docker28c       or a data folder, or --all
    python -m tests.engines prepare              makes the root file systems of newer engines

Engines started here stay until stopped; those of a test run end with it.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .engine import running, start_engine, stop_recorded
from .kept import EngineFailed, EngineUnavailable
from .kinds import KINDS
from .records import sweep
from .registry import start_registry
from .rootfs import SUITES, NoRootfs, prepare


def start(arguments: argparse.Namespace) -> int:
    """Start an engine or a registry that stays until stopped."""
    folder: Path | None = arguments.dir
    if arguments.kind == "registry":
        registry = start_registry(port=arguments.port, data=folder, tied=False)
        print(f"REGISTRY={registry.address}")
        return 0
    engine = start_engine(arguments.kind, data=folder, arguments=arguments.argument, tied=False)
    print(f"export DOCKER_HOST={engine.host}")
    return 0


def stop(arguments: argparse.Namespace) -> int:
    """Stop engines started by hand by their kind, any engine by its data folder."""
    sweep()
    found = [
        record
        for record in running()
        if (not record.tied and (arguments.all or record.kind in arguments.which))
        or record.data in [str(Path(name).resolve()) for name in arguments.which]
    ]
    for record in found:
        stop_recorded(record)
        print(f"stopped {record.kind} in {record.data}")
    if not found and not arguments.all:
        print("nothing of that name runs here", file=sys.stderr)
        return 1
    return 0


def clear(_: argparse.Namespace) -> int:
    """Remove what engines left whose keeper was killed."""
    for record in sweep():
        print(f"removed {record.data}, left by {record.kind}")
    return 0


def show(_: argparse.Namespace) -> int:
    """List what runs."""
    for record in running():
        whose = "of a test run" if record.tied else "started by hand"
        print(f"{record.kind:<10} {record.url}  ({whose}; keeper {record.keeper})")
    return 0


def make(arguments: argparse.Namespace) -> int:
    """Make the root file systems that are missing."""
    for suite in arguments.suite or SUITES:
        begun = time.monotonic()
        made = prepare(suite)
        took = f"made in {time.monotonic() - begun:.0f} s" if made else "there already"
        print(f"root file system {suite}: {took}", flush=True)
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line's grammar."""
    top = argparse.ArgumentParser(
        prog="python -m tests.engines",
        description="Private real engines for tests and benches. They never touch the system's.",
    )
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("start", help="start an engine or a registry")
    one.add_argument("kind", choices=[*KINDS, "registry"])
    one.add_argument("--dir", type=Path, help="its data folder, new or empty (default: a new one)")
    one.add_argument("--port", type=int, help="of a registry (default: a free one from 5000 on)")
    one.add_argument(
        "--argument", action="append", default=[], help="one more for the daemon, as --argument=--X"
    )
    one.set_defaults(run=start)
    two = commands.add_parser("stop", help="stop engines and remove their data")
    two.add_argument("which", nargs="*", metavar="KIND|DIR")
    two.add_argument("--all", action="store_true", help="all that were started by hand")
    two.set_defaults(run=stop)
    commands.add_parser("list", help="show what runs").set_defaults(run=show)
    commands.add_parser("sweep", help="remove what killed engines left").set_defaults(run=clear)
    last = commands.add_parser("prepare", help="make the root file systems of newer engines")
    last.add_argument("suite", nargs="*", metavar="SUITE", help=f"of {', '.join(SUITES)}")
    last.set_defaults(run=make)
    return top


def main() -> int:
    """Run one command; returns the exit code."""
    arguments = parser().parse_args()
    try:
        code: int = arguments.run(arguments)
    except (EngineUnavailable, EngineFailed, NoRootfs) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())

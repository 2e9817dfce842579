"""A machine of its own with a real systemd, in namespaces: this host's files, none of its services.

What is written there goes into memory and is gone with it. The network is that of the host.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from tests.engines.places import REPOSITORY
from tests.engines.records import CGROUPS, remove_cgroups

BOOT = r"""
set -eu
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
root=$1/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$root"
shift
for folder in run tmp var/lib/docker; do
    mkdir -p "$root/$folder"
    mount -t tmpfs tmpfs "$root/$folder"
done
# These may be in such a folder, or on file systems of their own, which an overlay leaves out.
for path; do
    mkdir -p "$root$path"
    mount --rbind "$path" "$root$path"
done
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t sysfs -o ro sysfs "$root/sys"
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
else
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    for path in /sys/fs/cgroup/*; do
        name=${path##*/}
        mkdir "$root$path"
        case $name in
            systemd) mount -t cgroup -o none,name=systemd cgroup "$root$path" ;;
            unified) mount -t cgroup2 cgroup2 "$root$path" ;;
            *) mount -t cgroup -o "$name" cgroup "$root$path" ;;
        esac
    done
fi
rm -rf "$root/etc/systemd/system" "$root/var/lib/holystone"
mkdir "$root/etc/systemd/system"
printf '[Unit]\nDefaultDependencies=no\n' >"$root/etc/systemd/system/empty.target"
echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
exec chroot "$root" env -i container=test PATH="$PATH" \
    /lib/systemd/systemd --system --unit=empty.target --show-status=no --log-target=null
"""
"""Takes the folder to mount things on, then the paths to take along."""
DOCKER = """
[Service]
Type=notify
ExecStart=/usr/sbin/dockerd --iptables=false --bridge=none
"""
"""Debian's engine, at the places where everybody has it. It leaves the network alone."""


class Machine:
    """A context manager. Needs root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.group = f"hs-machine-{os.getpid()}"
        self.boot: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        groups = [*CGROUPS.glob("*/cgroup.procs"), *CGROUPS.glob("cgroup.procs")]
        mine = [each.parent / self.group for each in groups if each.parent.name != "cpuset"]
        for each in mine:
            each.mkdir()
        paths = [str(REPOSITORY), sys.prefix, sys.base_prefix]
        spaces = ("--pid", "--mount", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child")
        joined = 'for each in $1; do echo $$ >"$each/cgroup.procs"; done; shift; exec "$@"'
        self.boot = subprocess.Popen(
            ["sh", "-c", joined, "sh", " ".join(map(str, mine)),
             "unshare", *spaces, "sh", "-c", BOOT, "sh", self.folder, *paths],
        )  # fmt: skip
        self.wait(lambda: self("systemctl", "is-system-running").stdout == "running\n")
        return self

    def __exit__(self, *_: object) -> None:
        assert self.boot is not None
        self.boot.kill()
        self.boot.wait()
        self.wait(lambda: not self._first())
        remove_cgroups(Path(self.group))

    def __call__(self, *command: str | Path, text: str | None = None) -> Done:
        """Run a command in it."""
        first = self._first()
        if not first:
            return subprocess.CompletedProcess(command, 1, "", "the machine is not up")
        spaces = (f"--target={first}", "--pid", "--mount", "--cgroup", "--uts", "--ipc")
        return subprocess.run(
            ["nsenter", *spaces, "--root", "--wd=/", "env", "-i", f"PATH={os.environ['PATH']}",
             "HOME=/root", *command],
            input=text, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def holystone(self, *arguments: str | Path) -> Done:
        """Run holystone in it, as root would."""
        return self(sys.executable, "-m", "holystone", *arguments)

    def write(self, path: str, text: str) -> None:
        """Write a file in it, and its folder."""
        done = self("sh", "-c", 'mkdir -p "${1%/*}" && cat >"$1"', "sh", path, text=text)
        assert done.returncode == 0, done.stderr

    def tells(self, unit: str, *names: str) -> list[str]:
        """Properties of a unit, as systemd has them."""
        done = self("systemctl", "show", unit, *(f"--property={name}" for name in names))
        told = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
        return [told.get(name, "") for name in names]

    def wait(self, until: Callable[[], object], limit: float = 60.0) -> None:
        """Wait until this holds."""
        end = time.monotonic() + limit
        while not until():
            assert time.monotonic() < end, "it did not come about"
            time.sleep(0.05)

    def _first(self) -> str:
        """The process ID of its systemd on the host; empty: there is none."""
        assert self.boot is not None
        try:
            children = Path(f"/proc/{self.boot.pid}/task/{self.boot.pid}/children").read_text()
            first = children.split()[0]
            is_up = Path(f"/proc/{first}/comm").read_text() == "systemd\n"
        except (OSError, IndexError):
            return ""
        return first if is_up else ""


Done = subprocess.CompletedProcess[str]

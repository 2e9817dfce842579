"""The kinds of engine there are: which root file system, which command line, which image store."""

from __future__ import annotations

import dataclasses
import os
import resource
from pathlib import Path
from typing import Literal

from .places import CLEAN_PATH, DOCKER, cache_folder

Store = Literal["classic", "containerd", "podman"]

REGISTRY_PORTS = range(5000, 5020)
"""Ports a private registry listens on. Podman must be told of them before it starts."""

PODMAN_FILES = ("conf", "storage_conf", "registries_conf")
"""Podman's configuration files, by the end of the variable that names each."""

# Podman by itself would raise the limits beyond what this process may give; and crun refuses hosts
# with both generations of cgroups, so it is runc, which docker.io brings along.
PODMAN_CONF = """\
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc={processes}:{processes}"]
[engine]
runtime = "runc"
lock_type = "file"
"""

PODMAN_STORAGE = """\
[storage]
driver = "overlay"
graphroot = "{data}/root"
runroot = "/run/containers"
"""

PODMAN_REGISTRY = """\
[[registry]]
location = "127.0.0.1:{port}"
insecure = true
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """One kind of engine."""

    name: str
    store: Store
    suite: str | None
    """The Debian suite of its root file system; none for the machine's own packages."""
    arguments: tuple[str, ...] = ()
    """What the daemon gets beyond the usual."""

    @property
    def rootfs(self) -> Path | None:
        """Its root file system in the cache, whether made yet or not."""
        return cache_folder() / self.suite if self.suite else None

    @property
    def program(self) -> str:
        """The engine's program, as a path inside its root file system."""
        return "/usr/bin/podman" if self.store == "podman" else "/usr/sbin/dockerd"

    def missing(self) -> str:
        """Why this kind cannot run here and now; empty when it can."""
        if os.geteuid() != 0:
            return "real engines need root"
        root = self.rootfs
        if root is not None and not root.is_dir():
            return f"no {self.suite} root file system (make it: python -m tests.engines prepare)"
        if not Path(str(root or "") + self.program).exists():
            return f"{self.program} is not installed (scripts/install-engines installs it)"
        if not Path(DOCKER).exists():
            return "the docker client is not installed (scripts/install-engines installs it)"
        return ""

    def command(self, data: Path, socket: Path) -> list[str]:
        """The command line that runs the engine on a data folder.

        What it keeps while it runs is in its private ``/run``: in memory, and with short paths,
        since those of sockets end at 107 bytes.
        """
        if self.store == "podman":
            return [
                self.program,
                f"--root={data}/root",
                "--runroot=/run/containers",
                "--tmpdir=/run/libpod",
                f"--network-config-dir={data}/networks",
                f"--volumepath={data}/volumes",
                "--storage-driver=overlay",
                "--cgroup-manager=cgroupfs",
                "--events-backend=file",
                *self.arguments,
                *("system", "service", "--time=0", f"unix://{socket}"),
            ]
        return [
            self.program,
            f"--data-root={data}/root",
            "--exec-root=/run/docker",
            f"--pidfile={data}/pid",
            f"--host=unix://{socket}",
            f"--config-file={data}/daemon.json",
            "--storage-driver=overlay2" if self.store == "classic" else "--debug=false",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            f"--cgroup-parent=/{data.name}",
            "--bridge=none",
            "--iptables=false",
            "--ip6tables=false",
            *self.arguments,
        ]

    def environment(self, data: Path) -> dict[str, str]:
        """The engine's environment: nothing of the caller's."""
        environment = {
            "PATH": CLEAN_PATH,
            "HOME": str(data),
            "LANG": "C.UTF-8",
            "TMPDIR": str(data / "tmp"),
        }
        if self.store == "podman":
            for name in PODMAN_FILES:
                environment[f"CONTAINERS_{name.upper()}"] = str(data / f"{name}.toml")
        return environment

    def prepare(self, data: Path) -> None:
        """Write the files the engine reads into its data folder."""
        (data / "tmp").mkdir()
        if self.store != "podman":
            (data / "daemon.json").write_text("{}")
            return
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        processes = resource.getrlimit(resource.RLIMIT_NPROC)[1]
        registries = [PODMAN_REGISTRY.format(port=port) for port in REGISTRY_PORTS]
        texts = {
            "conf": PODMAN_CONF.format(files=files, processes=processes),
            "storage_conf": PODMAN_STORAGE.format(data=data),
            "registries_conf": "".join(registries),
        }
        for name in PODMAN_FILES:
            (data / f"{name}.toml").write_text(texts[name])


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("docker20", "classic", None),
        Kind("docker26", "classic", "trixie"),
        Kind("docker28", "classic", "sid", ("--feature=containerd-snapshotter=false",)),
        Kind("docker28c", "containerd", "sid", ("--feature=containerd-snapshotter=true",)),
        Kind("podman", "podman", None),
        Kind("podman5", "podman", "trixie"),
    )
}
"""Every kind by name. The exact version is what the suite holds now: see ``GET /version``."""

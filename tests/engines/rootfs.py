"""Root file systems of newer Debian suites, made with debootstrap and kept in the cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from .places import CLEAN_PATH, cache_folder

SUITES = ("trixie", "sid")

PACKAGES = (
    "docker.io",
    "docker-cli",
    "docker-buildx",
    "iptables",
    "ca-certificates",
    "podman",
    "crun",
    "netavark",
    "aardvark-dns",
)


class NoRootfs(Exception):
    """A root file system could not be made; the message says why."""


def mirror(sources: Path = Path("/etc/apt")) -> str:
    """The address this machine takes Debian itself from: the ``main`` component of its own sources.

    Raises ``NoRootfs`` when no source is Debian's.
    """
    files = [sources / "sources.list", *sorted((sources / "sources.list.d").glob("*"))]
    for path in files:
        if not path.is_file():
            continue
        text = path.read_text()
        found = _from_stanzas(text) if path.suffix == ".sources" else _from_lines(text)
        for address, suites, components in found:
            plain = any("-" not in suite and "/" not in suite for suite in suites)
            if plain and "main" in components and address.rstrip("/").endswith("/debian"):
                return address.rstrip("/")
    raise NoRootfs(f"no source of Debian's main component in {sources}")


def _from_stanzas(text: str) -> Iterable[tuple[str, list[str], list[str]]]:
    for stanza in text.split("\n\n"):
        fields = {}
        for line in stanza.splitlines():
            if not line.startswith("#") and ":" in line:
                name, _, value = line.partition(":")
                fields[name.strip().lower()] = value.split()
        if "deb" in fields.get("types", []) and fields.get("enabled") != ["no"]:
            for address in fields.get("uris", []):
                yield address, fields.get("suites", []), fields.get("components", [])


def _from_lines(text: str) -> Iterable[tuple[str, list[str], list[str]]]:
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        if words[:1] == ["deb"]:
            rest = words[1:]
            if rest and rest[0].startswith("["):
                close = next((i for i, word in enumerate(rest) if word.endswith("]")), 0)
                rest = rest[close + 1 :]
            if len(rest) >= 3:
                yield rest[0], [rest[1]], rest[2:]


def prepare(suite: str) -> bool:
    """Make a suite's root file system unless the cache has it; true if it was made now.

    Only one process builds at a time; the others wait for it. What is half built has another
    name and is thrown away. Takes one to two minutes and about 700 MB. Raises ``NoRootfs``.
    """
    folder = cache_folder()
    target = folder / suite
    if target.is_dir():
        return False
    if os.geteuid() != 0:
        raise NoRootfs("root file systems can only be made by root")
    debootstrap = shutil.which("debootstrap", path=CLEAN_PATH)
    if debootstrap is None:
        raise NoRootfs("debootstrap is not installed (scripts/install-engines installs it)")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.is_dir():
            return False
        building = folder / f"{suite}.tmp"
        _remove(building)
        log = folder / f"{suite}.log"
        with log.open("w") as output:
            done = subprocess.run(
                [
                    debootstrap,
                    "--variant=minbase",
                    f"--include={','.join(PACKAGES)}",
                    suite,
                    building,
                    mirror(),
                ],
                env={**os.environ, "PATH": CLEAN_PATH, "LC_ALL": "C.UTF-8"},
                check=False,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        if done.returncode:
            end = "\n".join(log.read_text().splitlines()[-15:])
            _remove(building)
            raise NoRootfs(f"debootstrap of {suite} failed (all of it in {log}):\n{end}")
        trim(building)
        building.rename(target)
    return True


def trim(root: Path) -> None:
    """Delete what an engine never reads: the package caches, lists, manuals."""
    for place in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
        for path in (root / place).glob("*"):
            _remove(path)


def _remove(path: Path) -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", "--", path], check=False)

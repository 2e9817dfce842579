"""The engine's disk is in sight where it is proved to be that engine's, and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holystone.engine.sight import place
from tests.cli.command import POWERLESS, PROGRAM, Command, Done
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

APART = ("unshare", "--mount", "--propagation", "private")
"""What to run a shell under that mounts something for itself alone."""
IN_A_CONTAINER = (*APART, "--pid", "--fork", "--mount-proc")
"""The same, where the engine's process cannot be seen either."""


def status(holystone: Command, engine: Engine, *program: str, first: str = "true") -> Done:
    """``status --json`` under another program, after a line of sh."""
    line = f"{first} && exec {' '.join(PROGRAM)} status --json -H {engine.host}"
    return holystone.under((*program, "sh", "-c", line, "sh"))


def is_in_sight(done: Done) -> bool:
    """Whether the document has the disk; where it has not it says why."""
    assert done.code == 0, done
    disk = done.json["disk"]
    assert (disk["total_bytes"] is None) == (disk["free_bytes"] is None)
    assert (disk["total_bytes"] is None) == bool(disk["not_in_sight"])
    return disk["total_bytes"] is not None


def mount_over(engine: Engine, source: str = "") -> str:
    """The line of sh that puts another folder where the engine has its data."""
    how = f"--bind {source}" if source else "-t tmpfs tmpfs"
    return f"mount {how} {engine.data}/root"


@contextmanager
def closed(engine: Engine) -> Iterator[None]:
    """The engine's data folder, which only those may read whom rights do not stop."""
    root = engine.data / "root"
    rights = root.stat().st_mode
    root.chmod(0)
    try:
        yield
    finally:
        root.chmod(rights)


@pytest.mark.engine("docker20", "docker28c", "podman")
def test_the_engine_beside_us(fresh_engine: Engine, holystone: Command) -> None:
    """As root and as somebody who may not look into the folder."""
    assert is_in_sight(status(holystone, fresh_engine, "env"))
    with closed(fresh_engine):
        assert is_in_sight(status(holystone, fresh_engine, *POWERLESS))


@pytest.mark.engine("docker20", "docker28c", "podman")
def test_another_disk_at_the_same_path(
    fresh_engine: Engine, holystone: Command, unique: str
) -> None:
    """Nothing is taken for a target, and the text says that the disk is not in sight."""
    load(fresh_engine, ImageToLoad([layer(unique)], labels={"n": unique}))
    apart = status(holystone, fresh_engine, *APART, first=mount_over(fresh_engine))
    assert not is_in_sight(apart)
    assert "another file system is at" in apart.json["disk"]["not_in_sight"]
    for options in ("--watermarks", "--until-free 1GB", "--until-used 50%"):
        line = f"{mount_over(fresh_engine)} && {' '.join(PROGRAM)} clean --min-age 0s {options}"
        done = holystone.under((*APART, "sh", "-c", f"{line} -H {fresh_engine.host}", "sh"))
        assert done.code == 1
        assert "that disk is not in sight" in done.err
    assert len(fresh_engine.client.list("/images/json?all=1")) == 1
    line = f"{mount_over(fresh_engine)} && {' '.join(PROGRAM)} status -H {fresh_engine.host}"
    text = holystone.under((*APART, "sh", "-c", line, "sh"))
    assert "  not in sight: another file system is at" in text.out


@pytest.mark.engine("docker20", "docker28c")
def test_from_a_container_the_files_decide(
    fresh_engine: Engine, holystone: Command, tmp_path: Path, unique: str
) -> None:
    """The engine's own folder at its path proves itself; a copy of it that lives on does not."""
    assert is_in_sight(status(holystone, fresh_engine, *IN_A_CONTAINER))
    empty = status(holystone, fresh_engine, *IN_A_CONTAINER, first=mount_over(fresh_engine))
    assert not is_in_sight(empty)
    copy = tmp_path / "copy"
    for folder in ("network", "containers"):
        shutil.copytree(fresh_engine.data / "root" / folder, copy / folder, symlinks=True)
    over = mount_over(fresh_engine, str(copy))
    assert is_in_sight(status(holystone, fresh_engine, *IN_A_CONTAINER, first=over))
    fresh_engine.docker("network", "create", f"{unique}-net")
    assert not is_in_sight(status(holystone, fresh_engine, *IN_A_CONTAINER, first=over))
    assert is_in_sight(status(holystone, fresh_engine, *IN_A_CONTAINER))


@pytest.mark.engine("podman")
def test_podman_from_a_container(fresh_engine: Engine, holystone: Command, unique: str) -> None:
    """Its networks prove nothing, a container of its does."""
    assert not is_in_sight(status(holystone, fresh_engine, *IN_A_CONTAINER))
    tag = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer()], [tag]))
    fresh_engine.docker("create", "--network", "none", tag, "true")
    assert is_in_sight(status(holystone, fresh_engine, *IN_A_CONTAINER))


FORWARDER = """
import os, socket, sys, threading
path, engine, program = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(64)
print("listens", flush=True)
if os.fork():
    os.wait()
os.set_inheritable(listener.fileno(), True)
code = '''
import socket, sys, threading
def copy(source, target):
    while some := source.recv(65536):
        target.sendall(some)
    target.shutdown(socket.SHUT_WR)
listener = socket.socket(fileno=int(sys.argv[1]))
while True:
    here, _ = listener.accept()
    there = socket.socket(socket.AF_UNIX)
    there.connect(sys.argv[2])
    for pair in ((here, there), (there, here)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
'''
os.execl(program, program, "-c", code, str(listener.fileno()), engine)
"""


@contextmanager
def activated(engine: Engine, folder: Path, listener: str, served_by: str) -> Iterator[str]:
    """A socket on which one program listens and another, its child, serves as the engine does."""
    for name in (listener, served_by):
        (folder / name).symlink_to(os.path.realpath(sys.executable))
    socket = folder / "activated.sock"
    arguments = [folder / listener, "-c", FORWARDER, socket, engine.socket, folder / served_by]
    with subprocess.Popen(
        [*map(str, arguments)], stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listens\n"
        try:
            yield f"unix://{socket}"
        finally:
            os.killpg(process.pid, 9)


@pytest.mark.engine("docker20")
@pytest.mark.parametrize(
    ("listener", "served_by", "proved"),
    [
        ("systemd", "dockerd", True),
        ("systemd", "socat", False),
        ("ssh", "dockerd", False),
    ],
)
def test_a_socket_that_another_program_listens_on(
    fresh_engine: Engine,
    holystone: Command,
    tmp_path: Path,
    listener: str,
    served_by: str,
    proved: bool,
) -> None:
    """An engine that systemd started is one; what forwards a socket may lead to any engine.

    To those who cannot read the folder. To root the folder's files tell.
    """
    with activated(fresh_engine, tmp_path, listener, served_by) as host:
        arguments = ("status", "--json", "-H", host)
        assert is_in_sight(holystone(*arguments))
        with closed(fresh_engine):
            assert is_in_sight(holystone.under(POWERLESS, *arguments)) is proved
        line = f"{mount_over(fresh_engine)} && exec {' '.join(PROGRAM)} {' '.join(arguments)}"
        assert not is_in_sight(holystone.under((*APART, "sh", "-c", line, "sh")))


def test_a_later_mount_hides_those_below_it(tmp_path: Path) -> None:
    """As the kernel has it: what is mounted on a folder above takes the place of it all."""
    lines = {
        "own": "2 1 8:2 / /var/lib/docker rw - ext4 b rw",
        "bound": "2 1 8:1 /data/docker /var/lib/docker rw - ext4 a rw",
        "hidden": "2 1 8:2 / /var/lib/docker rw - ext4 b rw\n3 1 0:9 / /var rw - tmpfs t rw",
        "stacked": "2 1 8:2 / /var/lib rw - ext4 b rw\n3 2 8:3 /a\\040b /var/lib rw - ext4 c rw",
        "none": "",
    }
    for name, more in lines.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / "mountinfo").write_text(f"1 0 8:1 / / rw - ext4 /dev/a rw\n{more}")

    def there(name: str) -> tuple[str, str] | None:
        return place(f"..{tmp_path}/{name}", "/var/lib/docker")

    assert there("own") == ("8:2", "/")
    assert there("bound") == ("8:1", "/data/docker")
    assert there("hidden") == ("0:9", "/lib/docker")
    assert there("stacked") == ("8:3", "/a b/docker")
    assert there("none") == ("8:1", "/var/lib/docker")
    assert there("nobody") is None

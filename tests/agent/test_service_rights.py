"""With the rights that the unit leaves it, the agent still sees which disk is the engine's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from holystone.agent.service.unit import Options, unit_text
from tests.engines import Engine

READ_ONLY = """
mount --make-rslave /
while read -r _ _ _ _ at _; do
    mount -o remount,bind,ro "$at" 2>/dev/null || true
done </proc/self/mountinfo
exec "$@"
"""
"""As ``ProtectSystem=strict``: every file system read-only, in a mount namespace."""
LOOK = """
import json, os, sys
from holystone.engine import sight
from holystone.engine.client import Client
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import resolve

client = Client(resolve(sys.argv[1], None, {}), 30, connect)
info = client.get("/info")
root = info["DockerRootDir"]
proved = sight._by_process(client, root, info["Name"])
engine = next(iter(int(p) for p in os.listdir("/proc") if p.isdecimal()
              and sight.place(p, root) == sight.place("self", root)
              and open(f"/proc/{p}/comm").read() == "dockerd\\n"), 0)
try:
    os.stat(f"/proc/{engine}/root{root}")
    followed = True
except PermissionError:
    followed = False
try:
    os.mkdir(os.path.join(root, "written"))
    written = True
except OSError:
    written = False
containers = os.listdir(f"{root}/containers") is not None
disk = sight.disk(sight.find(client, info, [], client.get("/networks")))
print(json.dumps([proved, followed, written, containers, bool(disk.total_bytes)]))
"""


def look(engine: Engine, capabilities: list[str]) -> list[bool]:
    names = [f"+{each.removeprefix('CAP_').lower()}" for each in capabilities]
    rights = ["setpriv", f"--bounding-set=-all,{','.join(names)}", "--no-new-privs"]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", READ_ONLY, "sh", *rights,
         sys.executable, "-B", "-c", LOOK, engine.host],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert isinstance(told, list)
    return told


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up rights of root")
@pytest.mark.engine("docker20", "docker28c")
def test_the_rights_of_the_unit_are_enough_and_needed(engine: Engine) -> None:
    bounding = re.search("^CapabilityBoundingSet=(.*)$", unit_text(Options(("/x",))), re.MULTILINE)
    assert bounding is not None
    rights = bounding[1].split()
    assert look(engine, rights) == [True, True, False, True, True]
    # Without it the engine's view of its folders cannot be followed.
    rights.remove("CAP_SYS_PTRACE")
    assert look(engine, rights)[1] is False

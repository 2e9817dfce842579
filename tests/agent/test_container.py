"""The image and the compose file of ``holystone init agent``, on a real engine."""

from __future__ import annotations

import json
import re
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import distribution, requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import holystone
from tests.dist.python_image import import_python
from tests.engines import Engine
from tests.engines.places import REPOSITORY
from tests.integrations.copies import FOLDER

PYTHON = Path(sys.executable).resolve()
LEFT_OUT = {"apprise"}
"""Large, and imported to send alerts alone."""

VENV = f"""\
#!/bin/sh
# No package can be downloaded here: the libraries are in the image, and this is venv and pip.
set -e
[ "$1 $2" = "-m venv" ] || exec {PYTHON} "$@"
busybox mkdir -p "$3/bin"
busybox ln -s {PYTHON} "$3/bin/python3"
busybox cp /pip "$3/bin/pip"
"""
PIP = f"""\
#!/bin/sh
set -e
wheel=${{3%\\[agent\\]}}
[ "$1 $2 $3 $4" = "install --no-cache-dir $wheel[agent] tzdata" ]
{PYTHON} -m zipfile -e "$wheel" /opt/holystone/lib
busybox cp -r /site/. /opt/holystone/lib/
program=/opt/holystone/bin/holystone
echo '#!/bin/sh' > $program
echo 'export PYTHONPATH=/opt/holystone/lib' >> $program
echo 'exec /opt/holystone/bin/python3 -m holystone "$@"' >> $program
busybox chmod 755 $program
"""


def libraries() -> Iterator[Path]:
    """The modules of what holystone and its agent need, where they are installed."""
    names = _needed("holystone", {"agent"})
    seen = {*LEFT_OUT}
    while names:
        name = names.pop()
        if name in seen:
            continue
        seen.add(name)
        found = distribution(name)
        names += _needed(name, {""})
        for file in found.files or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                yield Path(str(file))


def _needed(name: str, extras: set[str]) -> list[str]:
    wanted = [Requirement(line) for line in requires(name) or ()]
    return [
        each.name.lower()
        for each in wanted
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def base_image(engine: Engine, folder: Path, name: str) -> None:
    """An image with Python, the libraries, and what stands in for venv and pip."""
    import_python(engine, f"{name}:bare")
    folder.mkdir()
    site = Path(str(distribution("rich").locate_file("")))
    for file in libraries():
        target = folder / "site" / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(site / file, target)
    for script, text in (("python3", VENV), ("pip", PIP)):
        (folder / script).write_text(text)
        (folder / script).chmod(0o755)
    (folder / "Dockerfile").write_text(
        f"FROM {name}:bare\nCOPY site /site\nCOPY pip /pip\nCOPY python3 /shim/python3\n"
        'ENV PATH=/shim:/usr/local/bin:/usr/bin:/bin\nRUN ["/bin/busybox", "mkdir", "-p", "/tmp"]\n'
        "USER 1000\n"
    )
    engine.docker("build", "--quiet", "--network=none", "--tag", f"{name}:python", str(folder))


@pytest.fixture
def image(engine: Engine, tmp_path: Path, unique: str) -> str:
    """The image as the Dockerfile makes it."""
    base_image(engine, tmp_path / "base", unique)
    folder = tmp_path / "agent"
    folder.mkdir()
    shutil.copy(FOLDER / "agent" / "Dockerfile", folder)
    subprocess.run([sys.executable, REPOSITORY / "scripts" / "dist", folder], check=True)
    base = f"PYTHON={unique}:python"
    build = ("build", "--quiet", "--network=none", "--build-arg", base, "--tag", unique)
    engine.docker(*build, str(folder))
    return unique


def service() -> dict[str, Any]:
    text = (FOLDER / "agent" / "compose.yaml").read_text()
    told = yaml.safe_load(text)["services"]["holystone"]
    assert isinstance(told, dict)
    return told


def as_run(told: dict[str, Any], places: dict[str, str]) -> list[str]:
    """The options of ``docker run`` that say the same, with these places in place of others."""
    known = {"build", "image", "command", "restart", "stop_grace_period", "healthcheck"}
    options = [f"--network={told['network_mode']}", f"--userns={told['userns_mode']}"]
    options += ["--read-only"] if told["read_only"] else []
    for key, option in {
        "tmpfs": "--tmpfs", "cap_drop": "--cap-drop", "cap_add": "--cap-add",
        "security_opt": "--security-opt",
    }.items():  # fmt: skip
        options += [f"{option}={value}" for value in told[key]]
        known.add(key)
    for volume in told["volumes"]:
        source, target, *mode = re.sub(r"\$\{\w+:-([^}]+)\}", r"\1", volume).split(":")
        if source == target == "/var/lib/docker":
            target = places[source]
        options += ["-v", ":".join([places[source], target, *mode])]
    done = {"network_mode", "userns_mode", "read_only", "volumes", "environment"}
    assert set(told) <= known | done
    return options


@pytest.mark.engine("docker20", "docker28c")
def test_the_agent_runs_in_a_container_and_sees_the_disk(
    engine: Engine, image: str, tmp_path: Path, unique: str
) -> None:
    told = json.loads(engine.docker("image", "inspect", image))[0]["Config"]
    assert told["User"] == "0:0"
    assert told["Cmd"] == ["agent"]
    assert told["Entrypoint"] == ["/opt/holystone/bin/holystone"]
    places = {
        "/var/run/docker.sock": str(engine.socket),
        "/var/lib/docker": engine.api("GET", "/info")["DockerRootDir"],
    }
    for path in ("/var/lib/holystone", "/etc/holystone"):
        places[path] = str(tmp_path / path.strip("/").replace("/", "-"))
        Path(places[path]).mkdir(mode=0o700)
    compose = service()
    options = as_run(compose, places)
    run = ("run", "--rm", *options, image)
    assert engine.docker(*run, "--version") == f"holystone {holystone.__version__}"
    status = json.loads(engine.docker(*run, "status", "--json"))
    assert status["disk"]["total_bytes"] > 0, status

    # As the service runs it, but for the port, which somebody else may have.
    port = str(free_port())
    command = [word.replace("9469", port) for word in compose["command"]]
    try:
        engine.docker("run", "--detach", "--name", unique, *options, image, *command)
        kind, *health = [word.replace("9469", port) for word in compose["healthcheck"]["test"]]
        assert kind == "CMD"
        wait_for(lambda: succeeds(engine, "exec", unique, *health), engine, unique)
        ask = ("exec", unique, "/opt/holystone/bin/holystone", "agent", "status", "--json")
        wait_for(lambda: json.loads(engine.docker(*ask))["disk"]["total_bytes"], engine, unique)
        assert stat.S_IMODE(Path(places["/var/lib/holystone"]).stat().st_mode) == 0o700
        grace = int(compose["stop_grace_period"].removesuffix("s"))
        engine.docker("stop", "--time", str(grace), unique)
        ended = engine.api("GET", f"/containers/{unique}/json")["State"]
        assert ended["ExitCode"] == 0, engine.docker("logs", unique)
    finally:
        # It would go on cleaning an engine that other tests use.
        engine.docker("rm", "--force", unique)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(what: Callable[[], object], engine: Engine, name: str) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until, engine.docker("logs", name)
        time.sleep(0.2)


def succeeds(engine: Engine, *command: str) -> bool:
    try:
        engine.docker(*command)
    except subprocess.CalledProcessError:
        return False
    return True

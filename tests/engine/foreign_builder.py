"""A builder outside the engine, with a real BuildKit behind it.

There is no image of moby/buildkit here. But a Docker engine has a whole BuildKit in it, which
serves ``moby.buildkit.v1.Control`` at ``POST /grpc``. So the builder's container has a program
``buildctl`` whose ``dial-stdio`` connects to the socket of another engine and asks for that
upgrade. Container, volume and call are those of ``docker buildx create``; records, sizes and
removals are BuildKit's own.
"""

from __future__ import annotations

import json

from tests.dist.python_image import import_python
from tests.engines import Engine
from tests.engines.images import tar_of

_IMAGE = "localhost/moby/buildkit:buildx-stable-1"
_SOCKET = "/run/other/docker.sock"
_BUILDCTL = f"""#!/usr/local/bin/python3
import select, socket, sys

if sys.argv[1:] != ["dial-stdio"]:
    sys.exit("buildctl: no such command: " + " ".join(sys.argv[1:]))
other = socket.socket(socket.AF_UNIX)
other.connect("{_SOCKET}")
lines = ["POST /grpc HTTP/1.1", "Host: docker", "Connection: Upgrade", "Upgrade: h2c"]
other.sendall("\\r\\n".join([*lines, "Content-Length: 0", "", ""]).encode())
head = b""
while not head.endswith(b"\\r\\n\\r\\n"):
    head += other.recv(1) or sys.exit("buildctl: the other engine hung up")
if b" 101 " not in head.splitlines()[0]:
    sys.exit("buildctl: no upgrade")
while True:
    for ready in select.select([0, other], [], [])[0]:
        data = sys.stdin.buffer.raw.read(65536) if ready == 0 else other.recv(65536)
        if not data:
            sys.exit(0)
        if ready == 0:
            other.sendall(data)
        else:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
"""


def make_builder(engine: Engine, name: str, other: Engine, *, buildctl: bool = True) -> str:
    """Give an engine a running builder whose BuildKit is that of another; its container's ID.

    Without ``buildctl`` the program is missing in it.
    """
    programs = {"/usr/bin/buildctl": _BUILDCTL} if buildctl else {}
    image = _IMAGE if buildctl else f"{_IMAGE}-empty"
    import_python(engine, image, programs)
    return engine.docker(
        *("run", "--detach", "--network", "none", "--name", f"buildx_buildkit_{name}"),
        *("--volume", f"buildx_buildkit_{name}_state:/var/lib/buildkit"),
        # The folder: a socket that is mounted alone is gone once its engine was restarted.
        *("--volume", f"{other.data}:/run/other:ro", image),
        *("/bin/sh", "-c", "trap exit TERM; while :; do /bin/busybox sleep 1; done"),
    )


def make_records(other: Engine, unique: str, steps: int, *, size: int = 200_000) -> None:
    """Build cache records in the builder: a chain of steps, each with a file of so many bytes."""
    dockerfile = "FROM scratch\n" + "".join(f"COPY f /{unique}-{n}\n" for n in range(steps))
    content = json.dumps(unique).encode().ljust(size, b".")
    context = tar_of({"Dockerfile": dockerfile.encode(), "f": content})
    other.docker("build", "--quiet", "-", stdin=context, buildkit=True)
    for image in other.client.list("/images/json"):
        other.api("DELETE", f"/images/{image['Id']}?force=1")

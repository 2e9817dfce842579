"""A proxy before a real engine's socket that notes what is asked, and can cut everything off.

with proxy(engine) as front:
    ...  # ask at front.url; front.requests lists what was asked, in order of arrival
    front.cut_before = "DELETE", 3  # the fourth DELETE ends every connection, for good
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import tempfile
import threading
from collections.abc import Iterator

from tests.engines import Engine

_REQUEST = re.compile(r"(GET|POST|DELETE|PUT|HEAD) (\S+) HTTP/1\.[01]\r\n")


class Front:
    """What stands before the engine: its URL, and what was asked of it, as it was asked."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[str] = []
        self.cut_before: tuple[str, int] | None = None
        """A method, and how many requests of it get through before all ends."""
        self.forbidden = ""
        """A path that is answered 403, as proxies before an engine do; none where it is empty."""
        self.fails = ""
        """A regular expression of requests that are answered 500; none where it is empty."""
        self.unnamed = False
        """Whether the engine's name is taken out of its answers, as some proxies do."""

    @property
    def paths(self) -> list[str]:
        """What was asked, without API versions, object IDs and times, in alphabetical order."""
        short = [re.sub(r"/v\d+\.\d+/", "/", request) for request in self.requests]
        short = [re.sub(r"(/events\?).*", r"\1past", request) for request in short]
        return sorted(re.sub(r"(sha256:)?[0-9a-f]{64}", "ID", request) for request in short)


@contextlib.contextmanager
def proxy(engine: Engine, *, tcp: bool = False) -> Iterator[Front]:
    """A proxy that runs until the block ends, on a socket or on a loopback port."""
    with tempfile.TemporaryDirectory(prefix="proxy-") as folder:
        path = os.path.join(folder, "engine.sock")
        server = _Proxy("" if tcp else path, str(engine.socket))
        try:
            yield server.front
        finally:
            server.close()


class _Proxy:
    def __init__(self, path: str, target: str) -> None:
        self.target = target
        self.lock = threading.Lock()
        if path:
            self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.listener.bind(path)
            self.listener.listen(64)
            self.front = Front(f"unix://{path}")
        else:
            self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
            self.front = Front(f"tcp://127.0.0.1:{self.listener.getsockname()[1]}")
        self.open: list[socket.socket] = []
        self.closed = False
        self.threads: list[threading.Thread] = []
        self.start(self.accept)

    def start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)  # type: ignore[arg-type]
        self.threads.append(thread)
        thread.start()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                with self.lock:
                    self.open += [near, far]
                far.connect(self.target)
                self.start(self.ask, near, far)
                self.start(self.carry, far, near)

    def ask(self, near: socket.socket, far: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := near.recv(1 << 16):
                answer = b""
                for method, path in re.findall(_REQUEST, data.decode("latin-1")):
                    if not self.allows(method, path):
                        return self.cut()
                    if path == self.front.forbidden:
                        near.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                        near.shutdown(socket.SHUT_RDWR)
                        return None
                    if self.front.fails and re.match(self.front.fails, f"{method} {path}"):
                        answer = b"HTTP/1.1 500 Fault\r\nContent-Length: 0\r\n\r\n"
                (near if answer else far).sendall(answer or data)
            far.shutdown(socket.SHUT_WR)
        return None

    def allows(self, method: str, path: str) -> bool:
        with self.lock:
            if self.front.cut_before is not None and self.front.cut_before[0] == method:
                passed = sum(1 for request in self.front.requests if request.startswith(method))
                if passed >= self.front.cut_before[1]:
                    return False
            self.front.requests.append(f"{method} {path}")
            return True

    def carry(self, far: socket.socket, near: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := far.recv(1 << 16):
                if self.front.unnamed:
                    data = data.replace(b"\r\nServer: Docker/", b"\r\nServer: Proxy/")
                near.sendall(data)
            near.shutdown(socket.SHUT_WR)

    def cut(self) -> None:
        """End every connection and take no more."""
        with self.lock:
            self.closed = True
            for each in (self.listener, *self.open):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def close(self) -> None:
        self.cut()
        for thread in self.threads:
            thread.join(5)
        for each in self.open:
            each.close()

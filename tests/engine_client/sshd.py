"""A real sshd on a loopback port with throw-away keys, and an ssh on PATH that knows it."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path

DAEMON = shutil.which("sshd") or "/usr/sbin/sshd"


class SSHServer:
    """Logs in whoever has ``key``; commands run with ``commands`` as their whole PATH."""

    def __init__(self, folder: Path) -> None:
        """Make keys and configuration and start sshd. Raises RuntimeError where it does not run."""
        self.folder = folder
        self.user = getpass.getuser()
        self.ssh = shutil.which("ssh") or "/usr/bin/ssh"
        self.key = _key(folder / "key")
        self.stranger = _key(folder / "stranger")
        self.commands = folder / "commands"
        self.commands.mkdir()
        self.greeting = folder / "greeting"
        host_key = _key(folder / "host-key")
        (folder / "authorized").write_text((folder / "key.pub").read_text())
        # The user's shell may read start-up files that set PATH, so it is set after them.
        runner = _script(
            folder / "runner",
            f"PATH={shlex.quote(str(self.commands))}; export PATH\n"
            f'[ ! -e {self.greeting} ] || while read -r line; do echo "$line"; done'
            f" <{self.greeting}\n"
            'exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"\n',
        )
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        configuration = folder / "sshd_config"
        configuration.write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {host_key}\n"
            f"AuthorizedKeysFile {folder / 'authorized'}\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"PermitRootLogin prohibit-password\nPidFile none\nForceCommand {runner}\n"
        )
        if os.getuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        self.log = (folder / "sshd.log").open("w+")
        self.daemon = subprocess.Popen(
            [DAEMON, "-D", "-e", "-f", str(configuration)], stderr=self.log
        )
        self._await()
        self.known_hosts = folder / "known_hosts"
        words = (folder / "host-key.pub").read_text()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {words}")

    def client(self, folder: Path, *, key: Path | None = None, known: bool = True) -> str:
        """A PATH with an ssh on it that uses these keys and nothing of the user's own."""
        folder.mkdir(exist_ok=True)
        configuration = folder / "ssh_config"
        configuration.write_text(
            f"IdentityFile {key or self.key}\nIdentitiesOnly yes\nIdentityAgent none\n"
            f"UserKnownHostsFile {self.known_hosts if known else '/dev/null'}\n"
            "GlobalKnownHostsFile /dev/null\n"
        )
        _script(folder / "ssh", f'exec {self.ssh} -F {shlex.quote(str(configuration))} "$@"\n')
        return f"{folder}:{os.environ['PATH']}"

    def install_docker(self, script: str | None = None) -> None:
        """Give the remote side a docker command: the real one, or a shell script."""
        command = self.commands / "docker"
        command.unlink(missing_ok=True)
        if script is not None:
            _script(command, script)
        elif real := shutil.which("docker"):
            command.symlink_to(real)

    def stop(self) -> None:
        """End sshd."""
        self.daemon.terminate()
        self.daemon.wait(10)
        self.log.close()

    def _await(self) -> None:
        until = time.monotonic() + 10
        while self.daemon.poll() is None and time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        self.daemon.kill()
        self.daemon.wait()
        self.log.seek(0)
        raise RuntimeError(f"sshd does not start: {self.log.read().strip()}")


def _key(path: Path) -> Path:
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return path


def _script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}")
    path.chmod(0o755)
    return path

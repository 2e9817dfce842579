"""Which engine is meant: precedence, host URLs, TLS from the environment, contexts."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from holystone.engine.errors import EndpointError
from holystone.engine.transport import endpoint as subject
from holystone.engine.transport.endpoint import TLS, Endpoint, resolve, ssh_destination


class Home:
    """A home folder with a Docker configuration, and the environment that points to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.docker = folder / ".docker"
        self.docker.mkdir()
        self.environ = {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder / "runtime")}

    def resolve(
        self, host: str | None = None, context: str | None = None, **variables: str
    ) -> Endpoint:
        return resolve(host, context, {**self.environ, **variables})

    def error(self, host: str | None = None, context: str | None = None, **variables: str) -> str:
        with pytest.raises(EndpointError) as caught:
            self.resolve(host, context, **variables)
        return str(caught.value)

    def config(self, content: Any) -> Path:
        path = self.docker / "config.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    def context(self, name: str, engine: Any, *files: str) -> Path:
        digest = hashlib.sha256(name.encode()).hexdigest()
        meta = self.docker / "contexts" / "meta" / digest / "meta.json"
        meta.parent.mkdir(parents=True)
        endpoints = {} if engine is None else {"docker": engine}
        meta.write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoints}))
        tls = self.docker / "contexts" / "tls" / digest / "docker"
        for file in files:
            tls.mkdir(parents=True, exist_ok=True)
            (tls / file).touch()
        return meta

    def certificates(self, name: str, *files: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        for file in files:
            (folder / file).touch()
        return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """No engine of this machine is seen, only what a test puts there."""
    monkeypatch.setattr(subject, "DOCKER_SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setattr(subject, "PODMAN_SOCKET", str(tmp_path / "root" / "podman.sock"))
    monkeypatch.setattr(subject, "USER_SOCKETS", str(tmp_path / "user"))
    return Home(tmp_path)


@pytest.fixture
def sockets() -> Iterator[Any]:
    """Makes sockets that are there."""
    made: list[socket.socket] = []

    def make(path: Path) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        made.append(socket.socket(socket.AF_UNIX))
        made[-1].bind(str(path))
        return str(path)

    yield make
    for each in made:
        each.close()


# Precedence


def test_precedence(home: Home) -> None:
    for name in ("asked", "variable", "current"):
        home.context(name, {"Host": f"tcp://{name}:1"})
    home.config({"currentContext": "current"})
    both = {"DOCKER_HOST": "tcp://host:1", "DOCKER_CONTEXT": "variable"}

    assert home.resolve(None, "asked", **both) == ("tcp", "asked:1", None, "context asked")
    assert home.resolve("tcp://flag:1", **both) == ("tcp", "flag:1", None, "--host")
    assert home.resolve(**both) == ("tcp", "host:1", None, "DOCKER_HOST")
    assert home.resolve(DOCKER_CONTEXT="variable").source == "context variable"
    assert home.resolve().source == "context current"
    assert home.resolve(DOCKER_CONTEXT="default").source == "default"


@pytest.mark.parametrize(
    ("host", "context", "words"),
    [
        ("tcp://a", "b", "--host and --context are both given"),
        ("", None, "--host is '': it is empty."),
        (None, "", "--context is empty."),
    ],
)
def test_options_that_name_no_engine(
    home: Home, host: str | None, context: str | None, words: str
) -> None:
    """A variable that a script forgot to set must not lead to another engine."""
    assert home.error(host, context).startswith(words)


def test_empty_variables_are_unset(home: Home) -> None:
    found = home.resolve(
        DOCKER_HOST=" ", DOCKER_CONTEXT="", DOCKER_TLS="", DOCKER_TLS_VERIFY="", DOCKER_CONFIG=""
    )
    assert found == ("unix", subject.DOCKER_SOCKET, None, "default")


def test_the_default_context_is_the_environment(home: Home) -> None:
    """``--context default`` means DOCKER_HOST where that is set, not the current context."""
    home.context("current", {"Host": "tcp://current:1"})
    home.config({"currentContext": "current"})
    assert home.resolve(None, "default").source == "default"
    assert home.resolve(None, "default", DOCKER_HOST="tcp://a:1").source == "DOCKER_HOST"


def test_docker_config_names_the_folder(home: Home, tmp_path: Path) -> None:
    """``DOCKER_CONFIG`` moves config.json and contexts."""
    (tmp_path / "other").mkdir()
    other = Home(tmp_path / "other")
    other.context("there", {"Host": "tcp://there:1"})
    other.config({"currentContext": "there"})
    assert home.resolve(DOCKER_CONFIG=str(other.docker)).address == "there:1"
    assert home.resolve(DOCKER_CONFIG=str(tmp_path / "missing")).source == "default"


# The default socket, and Podman's


def test_sockets_in_their_order(home: Home, sockets: Any) -> None:
    """Docker's, rootless Docker's, Podman's own and of the user, and Podman's for root."""
    places = [
        Path(subject.PODMAN_SOCKET),
        Path(subject.USER_SOCKETS) / str(os.getuid()) / "podman" / "podman.sock",
        home.folder / "runtime" / "podman" / "podman.sock",
        home.folder / "runtime" / "docker.sock",
        Path(subject.DOCKER_SOCKET),
    ]
    assert home.resolve().address == subject.DOCKER_SOCKET
    for place in places:
        sockets(place)
        assert home.resolve() == ("unix", str(place), None, "default")


def test_sockets_of_the_user_without_xdg_runtime_dir(home: Home, sockets: Any) -> None:
    place = sockets(Path(subject.USER_SOCKETS) / str(os.getuid()) / "docker.sock")
    assert home.resolve(XDG_RUNTIME_DIR="").address == place


# Host URLs


@pytest.mark.parametrize(
    ("text", "scheme", "address"),
    [
        ("unix:///run/docker.sock", "unix", "/run/docker.sock"),
        ("tcp://engine:4000", "tcp", "engine:4000"),
        ("tcp://engine", "tcp", "engine:2375"),
        ("tcp://engine/", "tcp", "engine:2375"),
        ("tcp://engine:", "tcp", "engine:2375"),
        ("tcp://", "tcp", "localhost:2375"),
        ("tcp://:4000", "tcp", "localhost:4000"),
        ("TCP://10.0.0.1:4000", "tcp", "10.0.0.1:4000"),
        ("tcp://[::1]:4000", "tcp", "[::1]:4000"),
        ("tcp://[fe80::1%eth0]", "tcp", "[fe80::1%eth0]:2375"),
        ("http://engine:80", "tcp", "engine:80"),
        ("engine:4000", "tcp", "engine:4000"),
        ("engine", "tcp", "engine:2375"),
        ("[::1]:4000", "tcp", "[::1]:4000"),
        (" tcp://engine:1\n", "tcp", "engine:1"),
        ("ssh://host", "ssh", "host"),
        ("ssh://me@host:22", "ssh", "me@host:22"),
        ("ssh://me@[::1]:22/run/docker.sock", "ssh", "me@[::1]:22/run/docker.sock"),
        ("ssh://me%40corp@host/", "ssh", "me@corp@host"),
        ("demo:", "demo", ""),
        ("demo://", "demo", ""),
    ],
)
def test_host_urls(home: Home, text: str, scheme: str, address: str) -> None:
    assert home.resolve(text) == (scheme, address, None, "--host")
    assert home.resolve(DOCKER_HOST=text) == (scheme, address, None, "DOCKER_HOST")
    again = home.resolve(home.resolve(text).url)
    assert again == home.resolve(text)
    assert home.resolve("unix://").address == subject.DOCKER_SOCKET


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("npipe:////./pipe/docker_engine", "named pipes of Windows are not supported. Use unix:"),
        ("fd://", "a file descriptor is for the engine to listen on"),
        ("demo", "the built-in host is written demo: with nothing behind it"),
        ("demo:small", "a machine called demo tcp://demo"),
        ("demo:2375", "a machine called demo tcp://demo"),
        ("ftp://host", "an engine has no scheme 'ftp'. Use unix:///path, tcp://host:port"),
        ("unix://run/docker.sock", "must be absolute. Did you mean unix:///run/docker.sock?"),
        ("/run/docker.sock", "a path needs its scheme: unix:///run/docker.sock"),
        ("unix:/run/docker.sock", "nothing may follow host and port. For a socket write unix:///"),
        ("tcp://host:2375/prefix", "nothing may follow host and port"),
        ("tcp://host:99999", "'99999' is no port. A port is a number from 1 to 65535"),
        ("tcp://host:0", "'0' is no port"),
        ("tcp://host:http", "'http' is no port"),
        ("tcp://host:²", "'²' is no port"),
        ("tcp://::1", "write an IPv6 address in brackets, like [::1]:2375"),
        ("tcp://::1:2375", "write an IPv6 address in brackets"),
        ("tcp://[::1", "write an IPv6 address like [::1]:2375"),
        ("tcp://[::1]2375", "write an IPv6 address like [::1]:2375"),
        ("tcp://me@host", "a user name cannot be part of it"),
        ("tcp://a b", "no spaces or control characters"),
        ("unix:///a\0b", "no spaces or control characters"),
        ("ssh://", "the host or the user is missing"),
        ("ssh://@host", "the host or the user is missing"),
        ("ssh://me@", "the host or the user is missing"),
        ("ssh://host:port", "'port' is no port"),
        ("ssh://host?a=b", "only a port and the path of a socket may follow"),
        ("ssh://-oProxyCommand=id", "neither host nor user may start with a dash"),
        ("ssh://-oProxyCommand=id@host", "neither host nor user may start with a dash"),
    ],
)
def test_bad_host_urls(home: Home, text: str, words: str) -> None:
    for message, name in ((home.error(text), "--host"), (home.error(DOCKER_HOST=text), "DOCKER_")):
        assert message.startswith(name)
        assert repr(text) in message
        assert words in message


def test_passwords_are_refused_and_not_shown(home: Home) -> None:
    """They would end in logs."""
    message = home.error("ssh://me:secret@host")
    assert message == (
        "--host is 'ssh://me:***@host': a password cannot be part of it. Log in with a key."
    )
    assert "secret" not in home.error("tcp://me:secret@host")


def test_ssh_destination() -> None:
    assert ssh_destination("host") == ("", "host", "", "")
    assert ssh_destination("me@host:22") == ("me", "host", "22", "")
    assert ssh_destination("a@b@host") == ("a@b", "host", "", "")
    assert ssh_destination("me@[::1]:22/a/b.sock") == ("me", "::1", "22", "/a/b.sock")
    assert ssh_destination("[::1]") == ("", "::1", "", "")


# TLS from the environment


def test_tls_variables(home: Home) -> None:
    """Any value asks for TLS; DOCKER_CERT_PATH says where the files are; the port becomes 2376."""
    folder = home.certificates("certs", "ca.pem", "cert.pem", "key.pem")
    path = str(folder)
    verified = TLS(f"{path}/ca.pem", f"{path}/cert.pem", f"{path}/key.pem", verify=True)
    unverified = verified._replace(verify=False)
    for host in ("tcp://engine", "https://engine", "engine"):
        found = home.resolve(host, DOCKER_TLS_VERIFY="0", DOCKER_CERT_PATH=path)
        assert found == ("tcp", "engine:2376", verified, "--host")
    found = home.resolve(DOCKER_HOST="tcp://a:1", DOCKER_TLS="1", DOCKER_CERT_PATH=path)
    assert found == ("tcp", "a:1", unverified, "DOCKER_HOST")
    both = home.resolve("a", DOCKER_TLS="1", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=path)
    assert both.tls == verified
    assert home.resolve("tcp://engine", DOCKER_CERT_PATH=path).tls is None
    assert home.resolve(DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=path) == (
        *("tcp", "localhost:2376", verified),
        "DOCKER_TLS_VERIFY without DOCKER_HOST",
    )


def test_tls_files_that_are_not_needed(home: Home) -> None:
    """A socket and ssh need none, and https has the system's authorities."""
    for host in ("unix:///a", "ssh://a", "demo:"):
        assert home.resolve(host, DOCKER_TLS_VERIFY="1").tls is None
    assert home.resolve("https://engine") == (
        *("tcp", "engine:2376", TLS(None, None, None, verify=True)),
        "--host",
    )
    (home.docker / "ca.pem").touch()
    ca = str(home.docker / "ca.pem")
    assert home.resolve("a", DOCKER_TLS_VERIFY="1").tls == TLS(ca, None, None, verify=True)


def test_missing_tls_files(home: Home) -> None:
    folder = home.certificates("certs", "cert.pem", "key.pem")
    message = home.error("a", DOCKER_TLS_VERIFY="1", DOCKER_CERT_PATH=str(folder))
    assert message == (
        "DOCKER_TLS_VERIFY asks to check the engine's certificate, but there is no "
        f"{folder}/ca.pem. Set DOCKER_CERT_PATH to the folder that holds ca.pem, cert.pem and "
        "key.pem, or unset DOCKER_TLS_VERIFY."
    )
    assert home.resolve("a", DOCKER_TLS="1", DOCKER_CERT_PATH=str(folder)).tls is not None
    half = home.certificates("half", "ca.pem", "cert.pem")
    message = home.error("a", DOCKER_TLS="1", DOCKER_CERT_PATH=str(half))
    assert f"{half} holds cert.pem but no key.pem" in message


# Contexts


def test_a_context_with_tls(home: Home) -> None:
    home.context("full", {"Host": "tcp://full"}, "ca.pem", "cert.pem", "key.pem")
    home.context("lax", {"Host": "tcp://lax", "SkipTLSVerify": True})
    home.context("plain", {"Host": "tcp://plain", "SkipTLSVerify": False})
    full = home.resolve(None, "full")
    assert full.address == "full:2376"
    assert full.tls is not None
    assert full.tls.verify
    assert full.tls.key is not None
    assert full.tls.key.startswith(str(home.docker / "contexts" / "tls"))
    assert home.resolve(None, "lax").tls == TLS(None, None, None, verify=False)
    # The environment's TLS is not the context's.
    assert home.resolve(None, "plain", DOCKER_TLS_VERIFY="1").tls is None


def test_unknown_contexts(home: Home) -> None:
    home.context("staging", {"Host": "tcp://staging"})
    config = home.config({"currentContext": "stagign"})
    end = f"Contexts in {home.docker}: default, staging. Did you mean 'staging'?"
    for message, by in (
        (home.error(None, "stagign"), "--context"),
        (home.error(DOCKER_CONTEXT="stagign"), "DOCKER_CONTEXT"),
        (home.error(), str(config)),
    ):
        assert message == f"unknown context 'stagign' (named by {by}). {end}"
    assert home.error(None, "x").endswith("default, staging.")


@pytest.mark.parametrize(
    ("engine", "words"),
    [
        (None, "lacks Endpoints.docker"),
        ([], "lacks Endpoints.docker"),
        ({}, "Endpoints.docker.Host in {meta} is None"),
        ({"Host": 5}, "Endpoints.docker.Host in {meta} is 5"),
        ({"Host": "tcp://a", "SkipTLSVerify": "no"}, "SkipTLSVerify in {meta} is 'no'"),
        ({"Host": "npipe:////a"}, "Endpoints.docker.Host of context 'c' ({meta}) is 'npipe:"),
    ],
)
def test_broken_contexts(home: Home, engine: Any, words: str) -> None:
    meta = home.context("c", engine)
    message = home.error(None, "c")
    assert "context 'c'" in message
    assert words.format(meta=meta) in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is no JSON"),
        ("\xff", "is no JSON"),
        ("[]", "holds no JSON object"),
        ('{"currentContext": 5}', "currentContext is 5, not a name"),
    ],
)
def test_broken_config_json(home: Home, content: str, words: str) -> None:
    """It may name another engine, so it is not passed over; --host does without it."""
    path = home.docker / "config.json"
    path.write_bytes(content.encode("latin-1"))
    message = home.error()
    assert message.startswith(str(path))
    assert words in message
    assert "pass --host" in message
    assert home.resolve("tcp://a").source == "--host"


def test_a_config_json_that_is_a_folder(home: Home) -> None:
    """It stands for every file that cannot be read."""
    (home.docker / "config.json").mkdir()
    assert home.error() == (
        f"cannot read {home.docker}/config.json: it is a directory, not a regular file. Mend that, "
        "or pass --host."
    )


def test_contexts_the_docker_command_makes(home: Home) -> None:
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("no docker command")
    ca = home.folder / "my-ca.pem"
    # The command checks that it can use the file.
    request = ("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null")
    subprocess.run(
        ["openssl", *request, "-out", str(ca), "-subj", "/CN=a", "-days", "1"],
        check=True,
        capture_output=True,
    )

    def run(*arguments: str) -> None:
        command = [docker, "--config", str(home.docker), "context", *arguments]
        subprocess.run(command, check=True, capture_output=True, env={"PATH": os.environ["PATH"]})

    run("create", "staging", "--docker", f"host=tcp://staging:2376,ca={ca}")
    run("create", "remote", "--docker", "host=ssh://me@remote")
    run("use", "staging")
    staging = home.resolve()
    assert (staging.url, staging.source) == ("tcp://staging:2376", "context staging")
    assert staging.tls is not None
    assert staging.tls.ca is not None
    assert Path(staging.tls.ca).read_text() == ca.read_text()
    assert home.resolve(None, "remote").url == "ssh://me@remote"
    assert "default, remote, staging" in home.error(None, "nowhere")

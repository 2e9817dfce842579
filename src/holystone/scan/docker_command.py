"""What a docker command line asks for: images, builds, compose files. Also of Podman and nerdctl.

Only options that take no value are listed: almost all others take one, new ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PROGRAMS = frozenset(("docker", "podman", "nerdctl"))
COMPOSE_PROGRAMS = frozenset(("docker-compose", "podman-compose"))

_PULL = frozenset(("all-tags", "disable-content-trust", "quiet"))
_RUN = frozenset(
    (
        "detach", "disable-content-trust", "env-host", "help", "http-proxy", "init", "interactive",
        "no-healthcheck", "no-hosts", "oom-kill-disable", "privileged", "publish-all", "quiet",
        "read-only", "replace", "rm", "rmi", "rootfs", "sig-proxy", "tls-verify", "tty",
        "use-api-socket",
    )
)  # fmt: skip
_BUILD = frozenset(
    (
        "all-platforms", "check", "compress", "debug", "disable-content-trust", "force-rm",
        "layers", "load", "no-cache", "pull", "push", "quiet", "rm", "squash", "squash-all",
        "stdin", "tls-verify",
    )
)  # fmt: skip
_GLOBAL = frozenset(("debug", "tls", "tlsverify", "remote"))
_COMPOSE = frozenset(("all-resources", "compatibility", "dry-run", "verbose", "no-ansi"))
_SERVICE = frozenset(
    ("detach", "init", "no-healthcheck", "no-resolve-image", "quiet", "read-only", "tty",
     "with-registry-auth")
)  # fmt: skip
_GROUPS = {
    "image": ("build", "pull", "tag"),
    "container": ("create", "run"),
    "builder": ("build",),
    "buildx": ("b", "build"),
}
_DEPLOYS = frozenset(("build", "config", "create", "pull", "run", "start", "up", "watch"))
_FLAGS_WITHOUT_VALUE = "aDdiPqtV"
_BUILD_FLAGS_WITHOUT_VALUE = "Dq"


class Asked(NamedTuple):
    """What one command line asks for, in words as they are written."""

    images: tuple[str, ...] = ()
    """Images that must be on the host, or are pulled to it."""
    made: tuple[str, ...] = ()
    """Names that images get which are built or tagged by it."""
    builds: bool = False
    dockerfile: str = ""
    """Empty: the one in the context."""
    context: str = ""
    arguments: tuple[str, ...] = ()
    """Of the build: ``NAME=VALUE`` each."""
    contexts: tuple[str, ...] = ()
    compose: tuple[str, ...] | None = None
    """Compose files; none of them: the usual one. None where it is no compose command."""
    compose_folder: str = ""
    elsewhere: str = ""
    """The option that names another engine than that of the host."""
    baked: tuple[str, ...] | None = None
    """Of ``buildx bake``: its files."""


class _Line(NamedTuple):
    """The options and the other words of a command line."""

    options: tuple[tuple[str, str], ...]
    rest: tuple[str, ...]

    def all(self, *names: str) -> tuple[str, ...]:
        """The values of an option, by all its names."""
        return tuple(value for name, value in self.options if name in names)

    def last(self, *names: str) -> str:
        """The last value of an option, else an empty text."""
        return (self.all(*names) or ("",))[-1]


def asked(words: Sequence[str]) -> Asked | None:
    """What this command line asks for; None where it is not of docker, or asks for nothing.

    ``words`` are those of a shell, the program first.
    """
    program = words[0].rpartition("/")[2] if words else ""
    if program in COMPOSE_PROGRAMS:
        return _compose(words[1:], "")
    if program not in PROGRAMS:
        return None
    line = _split(words[1:], _GLOBAL, "D")
    elsewhere = next((f"--{n}" if n[1:] else f"-{n}" for n, _ in line.options
                      if n in ("H", "host", "c", "context", "connection", "url")), "")  # fmt: skip
    rest = line.rest
    if rest and rest[0] in _GROUPS:
        if rest[1:2] == ("bake",):
            return Asked(baked=_split(rest[2:], _BUILD, "").all("f", "file"))
        if len(rest) < 2 or rest[1] not in _GROUPS[rest[0]]:
            return None
        rest = rest[1:]
    name, arguments = (rest[0], rest[1:]) if rest else ("", ())
    if name == "compose":
        return _compose(arguments, elsewhere)
    if name == "pull":
        images = _split(arguments, _PULL, "aq", everywhere=True).rest
        return Asked(images=images, elsewhere=elsewhere)
    if name in ("run", "create"):
        images = _split(arguments, _RUN, _FLAGS_WITHOUT_VALUE).rest[:1]
        return Asked(images=images, elsewhere=elsewhere)
    if name in ("build", "b"):
        return _build(arguments, elsewhere)
    if name == "tag":
        names = [word for word in arguments if not word.startswith("-")]
        return Asked(images=tuple(names[:1]), made=tuple(names[1:2]), elsewhere=elsewhere)
    if name in ("service", "stack"):
        return _swarm(name, arguments, elsewhere)
    return None


def _build(arguments: Sequence[str], elsewhere: str) -> Asked:
    line = _split(arguments, _BUILD, _BUILD_FLAGS_WITHOUT_VALUE, everywhere=True)
    return Asked(
        builds=True,
        made=line.all("t", "tag"),
        dockerfile=line.last("f", "file"),
        context=line.rest[0] if line.rest else "",
        arguments=line.all("build-arg"),
        contexts=line.all("build-context"),
        elsewhere=elsewhere,
    )


def _compose(arguments: Sequence[str], elsewhere: str) -> Asked | None:
    line = _split(arguments, _COMPOSE, "v")
    if not line.rest or line.rest[0] not in _DEPLOYS:
        return None
    return Asked(
        compose=line.all("f", "file"),
        compose_folder=line.last("project-directory"),
        elsewhere=elsewhere or ("--host" if line.all("H", "host") else ""),
    )


def _swarm(name: str, arguments: Sequence[str], elsewhere: str) -> Asked | None:
    verb, rest = (arguments[0], arguments[1:]) if arguments else ("", ())
    if (name, verb) == ("service", "create"):
        images = _split(rest, _SERVICE, "dqt").rest[:1]
        return Asked(images=images, elsewhere=elsewhere)
    if (name, verb) == ("service", "update"):
        return Asked(images=_split(rest, _SERVICE, "dq").all("image"), elsewhere=elsewhere)
    if name == "stack" and verb in ("deploy", "up"):
        files = _split(rest, frozenset(("prune", "with-registry-auth", "detach", "quiet")), "dq")
        return Asked(compose=files.all("c", "compose-file"), elsewhere=elsewhere)
    return None


def _split(
    words: Sequence[str], without: frozenset[str], flags: str, *, everywhere: bool = False
) -> _Line:
    """Options, and what follows them; ``everywhere``: options may stand behind other words too.

    ``without`` are the long options that take no value, ``flags`` the short ones.
    """
    options: list[tuple[str, str]] = []
    rest: list[str] = []
    at = 0
    while at < len(words):
        word = words[at].strip("\"'") if words[at][:1] in "\"'" else words[at]
        at += 1
        if word == "--":
            rest += words[at:]
            break
        if not word.startswith("-") or word == "-":
            rest.append(words[at - 1])
            if not everywhere:
                rest += words[at:]
                break
        elif word.startswith("--"):
            name, given, value = word[2:].partition("=")
            if not given and name not in without and at < len(words):
                value = words[at]
                at += 1
            options.append((name, value))
        else:
            letters = word[1:]
            while letters and letters[0] in flags:
                options.append((letters[0], ""))
                letters = letters[1:]
            if letters:
                value = letters[1:].removeprefix("=")
                if len(letters) == 1 and at < len(words):
                    value = words[at]
                    at += 1
                options.append((letters[0], value))
    return _Line(tuple(options), tuple(rest))

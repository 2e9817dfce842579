"""Find the images, builds and compose files in a command line of docker, Podman or nerdctl.

Only options that take no value are listed: almost all others take one, new ones too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

PROGRAMS = frozenset(("docker", "podman", "nerdctl"))
_COMPOSE_PROGRAMS = ("docker-compose", "podman-compose")
_LONG = {
    "": "debug remote tls tlsverify",
    "pull": "all-tags disable-content-trust quiet",
    "run": (
        "detach disable-content-trust env-host help http-proxy init interactive no-healthcheck "
        "no-hosts oom-kill-disable privileged publish-all quiet read-only replace rm rmi rootfs "
        "sig-proxy tls-verify tty use-api-socket"
    ),
    "build": (
        "all-platforms check compress debug disable-content-trust force-rm layers load no-cache "
        "pull push quiet rm squash squash-all stdin tls-verify"
    ),
    "compose": "all-resources compatibility dry-run no-ansi verbose",
    "service": "detach init no-healthcheck no-resolve-image quiet read-only tty with-registry-auth",
    "stack": "detach prune quiet with-registry-auth",
}
_SHORT = {
    "": "D", "pull": "aq", "run": "aDdiPqtV", "build": "Dq", "compose": "v", "service": "dqt",
    "stack": "dq",
}  # fmt: skip
_GROUPS = {
    "image": ("build", "pull", "tag"),
    "container": ("create", "run"),
    "builder": ("build",),
    "buildx": ("b", "build"),
}
_ELSEWHERE = ("H", "host", "c", "context", "connection", "url")
_DEPLOYS = frozenset(("build", "config", "create", "pull", "run", "start", "up", "watch"))


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
    elsewhere: str = ""
    """The option that names another engine than that of the host."""
    bakes: bool = False
    """Whether it is ``buildx bake``."""


Options = list[tuple[str, str]]
"""Names of options with their values."""


def asked(words: Sequence[str]) -> Asked | None:
    """What this command line asks for; None where it is not of docker, or asks for nothing.

    ``words`` are those of a shell, the program first.
    """
    program = words[0].rpartition("/")[2] if words else ""
    if program in _COMPOSE_PROGRAMS:
        return _asked(("compose", *words[1:]), "")
    if program not in PROGRAMS:
        return None
    options, rest = _split(words[1:], "")
    elsewhere = next((name for name, _ in options if name in _ELSEWHERE), "")
    dashes = "-" * min(len(elsewhere), 2)
    if rest and rest[0] in _GROUPS:
        if rest[1:2] == ("bake",):
            return Asked(bakes=True)
        if len(rest) < 2 or rest[1] not in _GROUPS[rest[0]]:
            return None
        rest = rest[1:]
    return _asked(rest, dashes + elsewhere)


def _asked(words: tuple[str, ...], elsewhere: str) -> Asked | None:
    """What the words behind the program and its own options ask for."""
    found = Asked(elsewhere=elsewhere)
    match words:
        case ("compose", *more):
            options, rest = _split(more, "compose")
            if not rest or rest[0] not in _DEPLOYS:
                return None
            elsewhere = elsewhere or ("--host" if _values(options, "H", "host") else "")
            return Asked(compose=_values(options, "f", "file"), elsewhere=elsewhere)
        case ("pull", *more):
            return found._replace(images=_split(more, "pull", everywhere=True)[1])
        case ("run" | "create", *more):
            return found._replace(images=_split(more, "run")[1][:1])
        case ("build" | "b", *more):
            options, rest = _split(more, "build", everywhere=True)
            return found._replace(
                builds=True,
                made=_values(options, "t", "tag"),
                dockerfile=(_values(options, "f", "file") or ("",))[-1],
                context=(rest or ("",))[0],
                arguments=_values(options, "build-arg"),
                contexts=_values(options, "build-context"),
            )
        case ("tag", *more):
            names = tuple(word for word in more if not word.startswith("-"))
            return found._replace(images=names[:1], made=names[1:2])
        case ("service", "create", *more):
            return found._replace(images=_split(more, "service")[1][:1])
        case ("service", "update", *more):
            return found._replace(images=_values(_split(more, "service")[0], "image"))
        case ("stack", "deploy" | "up", *more):
            return found._replace(compose=_values(_split(more, "stack")[0], "c", "compose-file"))
    return None


def _values(options: Options, *names: str) -> tuple[str, ...]:
    """The values of an option, by all its names."""
    return tuple(value for name, value in options if name in names)


def _split(
    words: Sequence[str], command: str, *, everywhere: bool = False
) -> tuple[Options, tuple[str, ...]]:
    """Options, and what follows them; ``everywhere``: options may stand behind other words too."""
    options: Options = []
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
            continue
        if word.startswith("--"):
            name, given, value = word[2:].partition("=")
            takes_next = not given and name not in _LONG[command].split()
        else:
            letters = word[1:].lstrip(_SHORT[command])
            if not letters:
                continue
            name, value = letters[0], letters[1:].removeprefix("=")
            takes_next = len(letters) == 1
        if takes_next and at < len(words):
            value = words[at]
            at += 1
        options.append((name, value))
    return options, tuple(rest)

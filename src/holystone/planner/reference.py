"""Image references: parsed, normalised as docker does it, and matched against patterns.

The grammar and the normalisation are those of github.com/distribution/reference (``regexp.go``,
``normalize.go``), which docker, Podman's compatible API and BuildKit share.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from holystone.planner.glob import Glob, of_path, of_text

HUB = "docker.io"
_LEGACY_HUB = "index.docker.io"
_OFFICIAL = "library/"
DEFAULT_TAG = "latest"
_LONGEST_PATH = 255

# Compiled by ``re`` at first use, which a routine clean may never come to.
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?"
_COMPONENT = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_PATH = f"{_COMPONENT}(?:/{_COMPONENT})*"
_TAG = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}"
_ALGORITHM = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*"
_DIGEST = f"{_ALGORITHM}:[0-9a-fA-F]{{32,}}"
_DIGEST_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


class InvalidReference(ValueError):
    """The text is no image reference, or no pattern of one; the message says what is wrong."""


class Reference(NamedTuple):
    """An image reference, its name complete: ``docker.io``, ``library/python``, ``3.12-slim``."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def name(self) -> str:
        """The complete name without tag and digest: ``docker.io/library/python``."""
        return f"{self.domain}/{self.path}"

    @property
    def familiar_name(self) -> str:
        """The name as docker shows it: ``python``, ``ultralytics/yolov5``, ``ghcr.io/a/b``."""
        if self.domain != HUB:
            return self.name
        short = self.path.removeprefix(_OFFICIAL)
        return self.path if "/" in short else short

    @property
    def familiar(self) -> str:
        """The reference as docker shows it: ``python:3.12-slim``."""
        return self.familiar_name + self._suffix()

    @property
    def complete(self) -> Reference:
        """The reference docker would use: with ``latest`` where neither tag nor digest is given."""
        return self if self.tag or self.digest else self._replace(tag=DEFAULT_TAG)

    @property
    def decisive(self) -> Reference:
        """The reference by what decides: by its digest alone where it has one, as docker does."""
        return self._replace(tag="") if self.digest else self.complete

    def __str__(self) -> str:
        return self.name + self._suffix()

    def _suffix(self) -> str:
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


class Pattern(NamedTuple):
    """A pattern of references; see ``parse_pattern``. ``tag`` and ``digest`` may match any."""

    text: str
    names: Glob
    """What a name must look like, in one of its spellings."""
    tag: Glob | None = None
    digest: Glob | None = None

    def matches(self, reference: Reference) -> bool:
        """True where the pattern covers this reference."""
        if self.tag is not None and not (reference.tag and self.tag.matches(reference.tag)):
            return False
        if self.digest is not None and not self.digest.matches(reference.digest):
            return False
        return any(map(self.names.matches, spellings(reference)))


def parse(text: str) -> Reference:
    """The reference written here, its domain and path filled in as docker does; tag as written.

    Raises InvalidReference.
    """
    name, tag, digest = _split(text)
    if re.fullmatch("[a-f0-9]{64}", text):
        raise InvalidReference(f"{text!r} is an image ID, not a reference")
    domain, path, fault = _read_name(name)
    if fault:
        raise InvalidReference(f"{text!r}: {fault}")
    if tag is not None and not re.fullmatch(_TAG, tag):
        raise InvalidReference(f"{text!r}: {_tag_fault(tag)}")
    if digest is not None:
        _check_digest(text, digest)
    return Reference(domain, path, tag or "", digest or "")


def parse_pattern(text: str) -> Pattern:
    """The pattern written here: a reference with ``*`` and ``?`` in it. Raises InvalidReference.

    - A name alone covers every tag and digest of it: ``node`` is ``node:18-alpine`` and the rest.
    - ``:tag`` covers references with such a tag, ``@digest`` those with such a digest:
      ``python:*-slim``, ``repo@sha256:*``.
    - ``*`` and ``?`` stay inside one part of a path; ``**`` and a closing ``/*`` go below:
      ``registry.example.com/team/*`` covers ``registry.example.com/team/app/web`` as well, since a
      pattern that protects must not miss a folder. ``*`` alone as a name is any name.
    - Names of Docker Hub may be short or complete: ``python``, ``library/python`` and
      ``docker.io/python`` are one, ``docker.io/*`` is all of Docker Hub.
    """
    name, tag, digest = _split(text)
    _check_pattern(text, name, tag, digest)
    if not any(mark in name.partition("/")[0] for mark in "*?"):
        domain, path = _split_domain(name)
        # ``docker.io/*`` means all of Docker Hub, not the official images alone.
        name = name if "*" in path or "?" in path else f"{domain}/{path}"
    name = name.replace(f"{_LEGACY_HUB}/", f"{HUB}/", 1) if name.startswith(_LEGACY_HUB) else name
    return Pattern(
        text,
        of_path(name),
        of_text(tag) if tag else None,
        of_text(digest) if digest else None,
    )


def matches(pattern: str, reference: str) -> bool:
    """True where the pattern covers the reference. Raises InvalidReference."""
    return parse_pattern(pattern).matches(parse(reference))


def _check_pattern(text: str, name: str, tag: str | None, digest: str | None) -> None:
    """Refuse what no reference can match: the pattern with letters for its wildcards is parsed."""
    letters = {ord("*"): "a", ord("?"): "a"}
    stand_in = name.translate(letters)
    try:
        parse(stand_in if tag is None else f"{stand_in}:{tag.translate(letters)}")
    except InvalidReference as fault:
        said = str(fault).partition(": ")[2] or str(fault)
        said = said.replace(stand_in, name)
        raise InvalidReference(f"{text!r} is not a pattern of references: {said}") from None
    if digest is not None and not re.fullmatch(r"[A-Za-z0-9+._*?-]+:[0-9a-f*?]+", digest):
        raise InvalidReference(
            f"{text!r} is not a pattern of references: {digest!r} is no digest; "
            "write it like sha256:*"
        )


def spellings(reference: Reference) -> tuple[str, ...]:
    """Every way docker lets one write the name of this reference."""
    if reference.domain != HUB:
        return (reference.name,)
    familiar = reference.familiar_name
    if familiar == reference.path:
        return (familiar, reference.name)
    return (familiar, reference.path, f"{HUB}/{familiar}", reference.name)


def _split(text: str) -> tuple[str, str | None, str | None]:
    """Name, tag and digest as written; None for a part that is not there."""
    if not text:
        raise InvalidReference("an image reference cannot be empty")
    if text != text.strip():
        raise InvalidReference(f"{text!r}: a reference has no blanks around it")
    if "://" in text:
        raise InvalidReference(f"{text!r} is a URL; a reference starts with the registry's name")
    named, at, digest = text.partition("@")
    slash = named.rfind("/")
    colon = named.find(":", slash + 1)
    name, tag = (named, None) if colon < 0 else (named[:colon], named[colon + 1 :])
    if not name:
        raise InvalidReference(f"{text!r}: the name is missing")
    return name, tag, digest if at else None


@lru_cache(maxsize=1024)
def _read_name(name: str) -> tuple[str, str, str]:
    """Registry and path of a name, and what is wrong with it; a host has many tags of one name."""
    domain, path = _split_domain(name)
    fault = ""
    if not re.fullmatch(_DOMAIN, domain):
        fault = f"{domain!r} is not the name of a registry"
    elif not re.fullmatch(_PATH, path):
        fault = _path_fault(path)
    elif len(path) > _LONGEST_PATH:
        fault = f"the repository name is longer than {_LONGEST_PATH}"
    return domain, path, fault


def _split_domain(name: str) -> tuple[str, str]:
    """Registry and path of a name; ``splitDockerDomain`` in ``normalize.go``."""
    first, slash, rest = name.partition("/")
    if not slash:
        return HUB, _OFFICIAL + name
    if first == _LEGACY_HUB:
        domain, path = HUB, rest
    elif first == "localhost" or "." in first or ":" in first or first != first.lower():
        domain, path = first, rest
    else:
        domain, path = HUB, name
    return domain, _OFFICIAL + path if domain == HUB and "/" not in path else path


def _path_fault(path: str) -> str:
    shown = path.removeprefix(_OFFICIAL)
    if path != path.lower() and re.fullmatch(_PATH, path.lower()):
        return f"the repository name {shown!r} must be lower case"
    if not shown:
        return "the name of the repository is missing"
    if path.endswith("/") or "//" in path or path.startswith("/"):
        return f"a part of the repository name {shown!r} is empty"
    return (
        f"{shown!r} is not a repository name: parts are lower-case letters and digits, "
        "with '.', '_', '__' or '-' between them"
    )


def _tag_fault(tag: str) -> str:
    if not tag:
        return "the tag is empty"
    if len(tag) > 128:
        return "the tag is longer than 128 characters"
    return f"{tag!r} is not a tag: letters, digits, '_', '.' and '-', not starting with '.' or '-'"


def _check_digest(text: str, digest: str) -> None:
    algorithm, _, value = digest.partition(":")
    length = _DIGEST_LENGTHS.get(algorithm)
    if not re.fullmatch(_DIGEST, digest):
        wanted = f"{length} hexadecimal digits" if length else "algorithm:hexadecimal digits"
        raise InvalidReference(f"{text!r}: {digest!r} is not a digest, which has {wanted}")
    if length is None:
        known = ", ".join(_DIGEST_LENGTHS)
        raise InvalidReference(f"{text!r}: unknown digest algorithm {algorithm!r} ({known})")
    if len(value) != length:
        raise InvalidReference(
            f"{text!r}: a {algorithm} digest has {length} hexadecimal digits, this has {len(value)}"
        )
    if value != value.lower():
        raise InvalidReference(f"{text!r}: the digits of a digest are lower case")


@lru_cache(maxsize=65_536)
def parsed_or_none(reference: str) -> Reference | None:
    """The reference; None where it is none by docker's grammar."""
    try:
        return parse(reference)
    except InvalidReference:
        return None

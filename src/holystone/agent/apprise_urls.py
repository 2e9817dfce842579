"""The addresses of Apprise: one in a line of a file that not everybody may read."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from holystone.agent.logs import host_of
from holystone.agent.private_file import NotPrivate, read_private

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+-]{0,40}://\S.*")
_MOST = 100


class Address(NamedTuple):
    """Where Apprise sends a message to."""

    number: str
    """Tells it from others, and says nothing of it."""
    shown: str
    """Its scheme, for anything else may be secret, and its line."""
    url: str


def read_addresses(path: str) -> list[Address]:
    """The addresses, each once. Empty lines and those that begin with ``#`` do not count.

    Raises NotPrivate with the file and the line.
    """
    about = f"cannot use {path} (alerts.urls_file): "
    try:
        lines = read_private(path, "alerts.urls_file").decode().splitlines()
    except UnicodeDecodeError:
        raise NotPrivate(f"{about}it is not UTF-8") from None
    found: dict[str, Address] = {}
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        if not _ADDRESS.fullmatch(line):
            raise NotPrivate(
                f"{about}line {number} is no address of Apprise. Write one in a line, "
                "like mailto://user:password@example.com"
            )
        digest = hashlib.sha256(line.encode()).hexdigest()[:12]
        found.setdefault(digest, Address(digest, f"{host_of(line)} (line {number})", line))
    if not found:
        raise NotPrivate(f"{about}there is no address in it")
    if len(found) > _MOST:
        raise NotPrivate(f"{about}there are more than {_MOST} addresses in it")
    return [*found.values()]

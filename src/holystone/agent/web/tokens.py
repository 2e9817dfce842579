"""The token file: who may use the API, and who may give orders.

A line is ``NAME SCOPE sha256:HEX``; ``make_token`` adds one. A secret that Docker or Kubernetes
mounts has no hash: a line may also be ``TOKEN`` (it may write), ``SCOPE TOKEN`` or
``NAME SCOPE TOKEN``. Memory holds only hashes. Errors name the file and the line, never what stands
there.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import re
import secrets
import shlex
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

from holystone.outside.regular_file import open_regular
from holystone.outside.text import safe, said
from holystone.outside.writing import refuse
from holystone.store.folder import user_name

READ, WRITE = "read", "write"
SCOPES = (READ, WRITE)
LONGEST = 512
"""Characters of a token."""
_SHORTEST = 16
_LARGEST = 1_000_000
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})")
_TOKEN = re.compile(r"[!-~]+")
_MODE_WANTED = 0o600
_FORM = "The form of a line is NAME SCOPE sha256:HEX; holystone agent token writes such lines"


_NAMES = "A name has 1 to 64 letters, digits, '_', '.' or '-', and is not 'read' or 'write'"


class TokenError(Exception):
    """The token file cannot be used. The message names the file, the line and the mend."""


class Token(NamedTuple):
    """One line of the file."""

    name: str
    scope: str
    """``read`` or ``write``."""
    digest: bytes
    """The SHA-256 of the token."""


class Tokens:
    """The tokens of a file. Without a file (an empty path) there are none."""

    def __init__(self, path: str = "") -> None:
        self.path = path
        self._known: tuple[Token, ...] = ()
        self.read_again()

    def read_again(self) -> None:
        """Read the file again. Raises TokenError; then the tokens from before still count."""
        self._known = _read(self.path) if self.path else ()

    def use(self, path: str) -> None:
        """Go on with another file. Raises TokenError; then the tokens from before still count."""
        self._known, self.path = (_read(path) if path else ()), path

    def __len__(self) -> int:
        return len(self._known)

    def who(self, token: str) -> Token | None:
        """Whose token this is, None where it is nobody's. Takes as long for either."""
        given = _digest(token[:LONGEST])
        found = None
        for each in self._known:
            if hmac.compare_digest(each.digest, given):
                found = each
        return found


def make_token(path: str, name: str, scope: str) -> str:
    """Make a token, add its hash to the file, and return it: it is nowhere else.

    A new file is for its owner alone; one that is there keeps its owner and its rights. Raises
    TokenError.
    """
    if not _NAME.fullmatch(name) or name in SCOPES:
        raise TokenError(f"a token cannot be called {safe(name)!r}. {_NAMES}")
    if scope not in SCOPES:
        raise TokenError(f"the scope of a token is {' or '.join(SCOPES)}, not {safe(scope)!r}")
    token = secrets.token_urlsafe(32)
    try:
        with _locked(os.path.dirname(path) or "."):
            refuse(path)
            text, there = _current(path)
            if any(each.name == name for each in _parse(path, text)):
                mend = "Take another name, or delete its line first."
                raise TokenError(f"{safe(path)} has a token called {name} already. {mend}")
            if text and not text.endswith("\n"):
                text += "\n"
            _put(path, f"{text}{name} {scope} sha256:{_digest(token).hex()}\n", there)
    except FileNotFoundError as error:
        mend = f"Make the folder {safe(os.path.dirname(path))} first"
        about = f"cannot write the token file {safe(path)}: {said(error)}"
        raise TokenError(f"{about}. {mend}") from None
    except (OSError, ValueError) as error:
        denied = isinstance(error, PermissionError)
        mend = ". Run it as root (with sudo), or name another file" if denied else ""
        raise TokenError(f"cannot write the token file {safe(path)}: {said(error)}{mend}") from None
    return token


def _current(path: str) -> tuple[str, os.stat_result | None]:
    """What the file says, and its owner and rights; nothing where there is none yet."""
    try:
        return _text(path)
    except FileNotFoundError:
        return "", None


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Hold the folder, so that of two commands at once none loses its token."""
    number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)


def _put(path: str, text: str, there: os.stat_result | None) -> None:
    """Put a file in this place, whole or not at all."""
    folder, name = os.path.split(path)
    number, draft = tempfile.mkstemp(prefix=f".{name[:100]}.", dir=folder or ".")
    try:
        with open(number, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            if there is not None:
                with suppress(OSError):
                    os.fchown(number, there.st_uid, there.st_gid)
            os.fchmod(number, _MODE_WANTED if there is None else stat.S_IMODE(there.st_mode))
            os.fsync(number)
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise


def _read(path: str) -> tuple[Token, ...]:
    try:
        return _parse(path, _text(path)[0])
    except FileNotFoundError:
        mend = f"holystone agent token NAME --token-file {shlex.quote(safe(path))} makes it"
        raise TokenError(f"there is no token file {safe(path)}: {mend}") from None
    except (OSError, ValueError) as error:
        raise TokenError(f"cannot read the token file {safe(path)}: {said(error)}") from None


def _text(path: str) -> tuple[str, os.stat_result]:
    """What the file says. Raises TokenError where others could read or change it, OSError."""
    with open_regular(path) as file:
        there, quoted = os.fstat(file.fileno()), shlex.quote(safe(path))
        if there.st_uid not in (0, os.geteuid()):
            mend = f"Give it to root or to the user of the agent: chown root {quoted}"
            owner = user_name(there.st_uid)
            raise TokenError(f"the token file {safe(path)} belongs to the user {owner}. {mend}")
        mode = stat.S_IMODE(there.st_mode)
        if mode & 0o027:
            mend = f"Close it to them: chmod 600 {quoted} (a secret in a container: mode 0400)"
            why = f"other users can read or change the token file {safe(path)}"
            raise TokenError(f"{why} (mode {mode:04o}). {mend}")
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST // 1_000_000} MB")
    try:
        return content.decode(), there
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise TokenError(f"{safe(path)}, line {line}: it is not text in UTF-8. {_FORM}") from None


def _parse(path: str, text: str) -> tuple[Token, ...]:
    """The tokens of these lines. Raises TokenError."""
    found: dict[str, Token] = {}
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        where = f"{safe(path)}, line {number}"
        try:
            token = _token(words, f"line-{number}")
        except ValueError as error:
            raise TokenError(f"{where}: {error}") from None
        if token.name in found:
            raise TokenError(f"{where}: another line has the same name. Give each token its own")
        found[token.name] = token
    return tuple(found.values())


def _token(words: list[str], name: str) -> Token:
    """The token of a line. Raises ValueError, with words that do not show it."""
    scope = WRITE
    if len(words) == 3:
        name, scope, secret = words
        if not _NAME.fullmatch(name) or name in SCOPES:
            raise ValueError(f"the first word is no name for a token. {_NAMES}")
    elif len(words) == 2:
        scope, secret = words
    elif len(words) == 1:
        (secret,) = words
    else:
        raise ValueError(f"it has {len(words)} words, and a line has at most 3. {_FORM}")
    if scope not in SCOPES:
        raise ValueError(f"the word before the token is neither read nor write. {_FORM}")
    if secret.startswith("sha256:"):
        hashed = _HASH.fullmatch(secret)
        if hashed is None or len(words) == 1:
            wanted = "sha256: has 64 digits (0-9, a-f) behind it, and a scope before it"
            raise ValueError(f"the hash is not complete: {wanted}. {_FORM}")
        return Token(name, scope, bytes.fromhex(hashed[1]))
    if not _TOKEN.fullmatch(secret) or not _SHORTEST <= len(secret) <= LONGEST:
        wanted = f"{_SHORTEST} to {LONGEST} visible ASCII characters"
        raise ValueError(f"a token has {wanted}. Make one with holystone agent token NAME")
    return Token(name, scope, _digest(secret))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()

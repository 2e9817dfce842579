"""The user's credentials for registries, found where the docker command keeps them.

In this order, as docker/cli does (``cli/config/configfile/file.go``): the variable
``DOCKER_AUTH_CONFIG``, the helper that ``credHelpers`` names for the registry, the one that
``credsStore`` names for all, and ``auths`` in the configuration file.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from holystone.engine.transport.endpoint import LARGEST_CONFIG, config_folder
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.planner.reference import HUB

_HUB_KEY = "https://index.docker.io/v1/"
"""What Docker Hub is called in the configuration file and by helpers."""
_NOT_FOUND = "credentials not found in native keychain"
"""What a working helper says that has none (docker-credential-helpers ``credentials/error.go``)."""
_TOKEN = "<token>"  # noqa: S105 - the name that marks one
"""The user name that stands before an identity token."""
_HELPER_SECONDS = 30.0
_SHOWN = 160


class CredentialsError(Exception):
    """The credentials of a registry could not be read; says from where, why, and the mend."""


class Credentials:
    """The user's credentials by registry. Each helper is asked once for each registry.

    Safe to use from several threads.
    """

    def __init__(self, environ: Mapping[str, str], *, timeout: float = _HELPER_SECONDS) -> None:
        """``timeout``: the seconds a helper may take."""
        self.environ = environ
        self.path = os.path.join(config_folder(environ), "config.json")
        self.timeout = timeout
        self._lock = threading.Lock()
        self._known: dict[str, str | CredentialsError] = {}
        self._file: dict[str, Any] | CredentialsError | None = None

    def header(self, domain: str) -> str:
        """What ``X-Registry-Auth`` is to say for a registry; empty where the user has no login.

        ``domain`` is that of a complete reference: ``docker.io``, ``registry.example.com:5000``.
        Raises CredentialsError.
        """
        with self._lock:
            if domain not in self._known:
                try:
                    self._known[domain] = _encoded(self._find(domain))
                except CredentialsError as error:
                    self._known[domain] = error
            found = self._known[domain]
        if isinstance(found, CredentialsError):
            raise found
        return found

    def _find(self, domain: str) -> dict[str, str]:
        server = _HUB_KEY if domain == HUB else domain
        if found := self._in_environment(server):
            return found
        config = self._configuration()
        if helper := _helper(config, server, self.path):
            return self._ask(helper, server)
        return _login(_objects(config, "auths", self.path), server, self.path)

    def _in_environment(self, server: str) -> dict[str, str]:
        text = self.environ.get("DOCKER_AUTH_CONFIG", "")
        if not text:
            return {}
        try:
            config = json.loads(text)
        except ValueError:
            config = None
        if not isinstance(config, dict):
            raise CredentialsError(
                "DOCKER_AUTH_CONFIG holds no JSON object. Correct or unset the variable."
            )
        return _login(_objects(config, "auths", "DOCKER_AUTH_CONFIG"), server, "DOCKER_AUTH_CONFIG")

    def _configuration(self) -> dict[str, Any]:
        """The configuration file, empty where there is none."""
        if self._file is None:
            try:
                self._file = _read(self.path)
            except CredentialsError as error:
                self._file = error
        if isinstance(self._file, CredentialsError):
            raise self._file
        return self._file

    def _ask(self, helper: str, server: str) -> dict[str, str]:
        """What a credential helper answers. Nothing it says but an error's words is ever shown."""
        program = f"docker-credential-{helper}"
        tried = f"{program} (named in {self.path}) cannot tell the credentials of {server}"
        mend = "Mend or remove it there."
        try:
            done = subprocess.run(
                [program, "get"],
                input=server.encode(),
                capture_output=True,
                env=dict(self.environ),
                timeout=self.timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise CredentialsError(f"{tried}: no answer in {self.timeout:g} s. {mend}") from None
        except FileNotFoundError:
            raise CredentialsError(f"{tried}: it is not in PATH. {mend}") from None
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise CredentialsError(f"{tried}: {why}. {mend}") from None
        said = done.stdout.decode("utf-8", "replace").strip()
        if done.returncode:
            if said == _NOT_FOUND:
                return {}
            complaint = said or done.stderr.decode("utf-8", "replace").strip()
            raise CredentialsError(f"{tried}: {_harmless(complaint, done.returncode)}. {mend}")
        return _told(said, server, f"{tried}: its answer is not what docker expects. {mend}")


def _encoded(login: Mapping[str, str]) -> str:
    """A login as the engine takes it: JSON in base64 for URLs. Empty for an empty one."""
    if not login:
        return ""
    return base64.urlsafe_b64encode(json.dumps(login).encode()).decode("ascii")


def _read(path: str) -> dict[str, Any]:
    try:
        content = json.loads(read_regular(path, LARGEST_CONFIG))
    except FileNotFoundError:
        return {}
    except NotRegular as error:
        raise CredentialsError(f"cannot read {path}: {error}. Mend that.") from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise CredentialsError(f"cannot read {path}: {why}. Mend that.") from None
    except (ValueError, RecursionError):
        raise CredentialsError(f"{path} is no JSON. Mend it.") from None
    if not isinstance(content, dict):
        raise CredentialsError(f"{path} holds no JSON object. Mend it.")
    return content


def _helper(config: Mapping[str, Any], server: str, path: str) -> str:
    """The name of the helper for a server; empty where none is named."""
    helpers = _objects(config, "credHelpers", path)
    named = helpers.get(server) or config.get("credsStore") or ""
    if not isinstance(named, str):
        raise CredentialsError(f"{path}: the name of a credential helper is no text. Mend it.")
    return named


def _login(auths: Mapping[str, Any], server: str, where: str) -> dict[str, str]:
    """The login for a server under ``auths``; empty where there is none.

    By the key as it is, else by one that is the same host written as a URL.
    """
    key = server if server in auths else None
    if key is None:
        key = next((each for each in auths if _hostname(each) == server), None)
    if key is None:
        return {}
    entry = auths[key]
    broken = CredentialsError(
        f"{where}: the login for {key} is no user name and password. Log in again: docker login."
    )
    if not isinstance(entry, dict):
        raise broken
    login = {
        name: str(entry[name])
        for name in ("username", "password", "identitytoken", "registrytoken")
        if entry.get(name)
    }
    if entry.get("auth"):
        login["username"], login["password"] = _decoded(entry["auth"], broken)
    return login | {"serveraddress": key} if login else {}


def _decoded(text: object, broken: CredentialsError) -> tuple[str, str]:
    """User name and password in an ``auth`` value. Raises ``broken``."""
    try:
        pair = base64.b64decode(str(text), validate=True).decode("utf-8")
    except ValueError:
        raise broken from None
    name, colon, password = pair.partition(":")
    if not name or not colon:
        raise broken
    return name, password.strip("\x00")


def _told(said: str, server: str, fault: str) -> dict[str, str]:
    """The login in a helper's answer. Raises CredentialsError with the fault."""
    try:
        answer = json.loads(said)
        name, secret = answer["Username"], answer["Secret"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CredentialsError(fault) from None
    if not isinstance(name, str) or not isinstance(secret, str):
        raise CredentialsError(fault)
    if name == _TOKEN:
        return {"identitytoken": secret, "serveraddress": server}
    return {"username": name, "password": secret, "serveraddress": server}


def _hostname(url: str) -> str:
    """The host, with its port, in a key of ``auths``."""
    return url.partition("://")[2].partition("/")[0] if "://" in url else url.partition("/")[0]


def _objects(config: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise CredentialsError(f"{where}: {key} is no JSON object. Mend it.")
    return value


def _harmless(complaint: str, code: int) -> str:
    """A helper's error in one short line; what could hold a secret is not shown."""
    line = " ".join(complaint.split())
    if not line or "{" in line or "secret" in line.lower():
        return f"it ended with code {code}"
    return line[:_SHOWN].rstrip(".")

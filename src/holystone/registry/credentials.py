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
from functools import cached_property
from typing import Any

from holystone.outside.home import LARGEST_CONFIG, config_folder
from holystone.outside.regular_file import NotRegular, read_regular
from holystone.outside.text import said, words_of
from holystone.planner.reference import HUB

_HUB_KEY = "https://index.docker.io/v1/"
"""What Docker Hub is called in the configuration file and by helpers."""
_VARIABLE = "DOCKER_AUTH_CONFIG"
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

    def header(self, domain: str) -> str:
        """What ``X-Registry-Auth`` is to say for a registry; empty where the user has no login.

        ``domain`` is that of a complete reference: ``docker.io``, ``registry.example.com:5000``.
        It is JSON in base64 for URLs. Raises CredentialsError.
        """
        with self._lock:
            if domain not in self._known:
                try:
                    login = self._find(_HUB_KEY if domain == HUB else domain)
                    text = base64.urlsafe_b64encode(json.dumps(login).encode()).decode("ascii")
                    self._known[domain] = text if login else ""
                except CredentialsError as error:
                    self._known[domain] = error
            found = self._known[domain]
        if isinstance(found, CredentialsError):
            raise found
        return found

    def _find(self, server: str) -> dict[str, str]:
        if text := self.environ.get(_VARIABLE, ""):
            try:
                config = json.loads(text)
            except ValueError:
                config = None
            if not isinstance(config, dict):
                raise CredentialsError(
                    f"{_VARIABLE} holds no JSON object. Correct or unset the variable."
                )
            if found := _login(config, server, _VARIABLE):
                return found
        config = self._configuration
        named = _object(config, "credHelpers", self.path).get(server) or config.get("credsStore")
        if named and not isinstance(named, str):
            raise CredentialsError(
                f"{self.path}: the name of a credential helper is no text. Mend it."
            )
        return self._ask(named, server) if named else _login(config, server, self.path)

    @cached_property
    def _configuration(self) -> dict[str, Any]:
        try:
            content = json.loads(read_regular(self.path, LARGEST_CONFIG))
        except FileNotFoundError:
            return {}
        except NotRegular as error:
            raise CredentialsError(f"cannot read {self.path}: {error}. Mend that.") from None
        except OSError as error:
            raise CredentialsError(f"cannot read {self.path}: {said(error)}. Mend that.") from None
        except (ValueError, RecursionError):
            raise CredentialsError(f"{self.path} is no JSON. Mend it.") from None
        if not isinstance(content, dict):
            raise CredentialsError(f"{self.path} holds no JSON object. Mend it.")
        return content

    def _ask(self, helper: str, server: str) -> dict[str, str]:
        """What a credential helper answers. Nothing it says but an error's words is ever shown."""
        program = f"docker-credential-{helper}"

        def fault(why: str) -> CredentialsError:
            tried = f"{program} (named in {self.path}) cannot tell the credentials of {server}"
            return CredentialsError(f"{tried}: {why}. Mend or remove it there.")

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
            raise fault(f"no answer in {self.timeout:g} s") from None
        except FileNotFoundError:
            raise fault("it is not in PATH") from None
        except (OSError, ValueError) as error:
            raise fault(words_of(error)) from None
        said = done.stdout.decode("utf-8", "replace").strip()
        if done.returncode:
            if said == _NOT_FOUND:
                return {}
            complaint = said or done.stderr.decode("utf-8", "replace").strip()
            line = " ".join(complaint.split())
            # What could hold a secret is not shown.
            if not line or "{" in line or "secret" in line.lower():
                raise fault(f"it ended with code {done.returncode}")
            raise fault(line[:_SHOWN].rstrip("."))
        try:
            answer = json.loads(said)
            name, secret = answer["Username"], answer["Secret"]
        except (ValueError, KeyError, TypeError, RecursionError):
            name = secret = None
        if not isinstance(name, str) or not isinstance(secret, str):
            raise fault("its answer is not what docker expects")
        login = {"username": name, "password": secret}
        if name == _TOKEN:
            login = {"identitytoken": secret}
        return login | {"serveraddress": server}


def _login(config: Mapping[str, Any], server: str, where: str) -> dict[str, str]:
    """The login for a server under ``auths``; empty where there is none.

    By the key as it is, else by one that is the same host written as a URL.
    """
    auths = _object(config, "auths", where)
    key = server if server in auths else None
    for each in auths if key is None else ():
        if (each.partition("://")[2] or each).partition("/")[0] == server:
            key = each
            break
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
        try:
            pair = base64.b64decode(str(entry["auth"]), validate=True).decode("utf-8")
        except ValueError:
            raise broken from None
        name, colon, password = pair.partition(":")
        if not name or not colon:
            raise broken
        login["username"], login["password"] = name, password.strip("\x00")
    return login | {"serveraddress": key} if login else {}


def _object(config: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
    value = config.get(key) or {}
    if not isinstance(value, dict):
        raise CredentialsError(f"{where}: {key} is no JSON object. Mend it.")
    return value

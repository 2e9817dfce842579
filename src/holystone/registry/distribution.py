"""Ask a registry directly, as an engine asks it: with TLS, logins, tokens and redirects.

It follows the OCI distribution specification, and docker's rules for insecure registries.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import os
import re
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.request import Request

from holystone import __version__
from holystone.engine.client import Client
from holystone.planner.reference import HUB
from holystone.registry.credentials import Credentials

_CERTIFICATES = "/etc/docker/certs.d"
"""Where an engine has authorities and certificates for a registry, in a folder of its name."""
_PARAMETER = re.compile(r'(?<!\w)(\w+)="([^"]*)"')
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_UNAUTHORIZED = 401


class RegistryError(Exception):
    """A registry gave no answer, or refused access; names the registry and the reason."""


class Registry:
    """One registry. Safe to use from several threads."""

    def __init__(
        self,
        domain: str,
        login: Mapping[str, str],
        *,
        insecure: bool = False,
        timeout: float = 60.0,
    ) -> None:
        """``login`` as the engine takes it. ``insecure``: also without TLS, or with any."""
        self.domain = domain
        self.login = login
        self.timeout = timeout
        self._insecure = insecure
        host = "registry-1.docker.io" if domain == HUB else domain
        self._bases = [f"https://{host}"] + ([f"http://{host}"] if insecure else [])
        tls = urllib.request.HTTPSHandler(context=_tls(domain, insecure=insecure))
        self._opener = urllib.request.build_opener(tls)
        self._opener.addheaders = [("User-Agent", f"holystone/{__version__}")]
        self._lock = threading.Lock()
        self._passes: dict[str, str] = {}
        """The header that lets in, by repository."""

    def open(self, method: str, repository: str, path: str, headers: Mapping[str, str]) -> Any:
        """The answer with any status; its body must still be read and closed.

        Raises RegistryError where there is none.
        """
        with self._lock:
            key = self._passes.get(repository, "")
        answer = self._send(method, f"/v2/{repository}/{path}", headers, key)
        if answer.status != _UNAUTHORIZED:
            return answer
        with answer:
            challenge = answer.headers.get("WWW-Authenticate") or ""
        key = self._admission(challenge, repository)
        with self._lock:
            self._passes[repository] = key
        return self._send(method, f"/v2/{repository}/{path}", headers, key)

    def _send(self, method: str, path: str, headers: Mapping[str, str], key: str) -> Any:
        said = ""
        for base in list(self._bases):
            request = Request(base + path, headers=dict(headers), method=method)  # noqa: S310
            if key:
                # A blob's real place is often elsewhere, which is to see no login.
                request.add_unredirected_header("Authorization", key)
            try:
                answer = self._fetch(request)
            except RegistryError as error:
                said = said or str(error)
                continue
            self._bases = [base]
            return answer
        raise RegistryError(f"no answer from {self.domain}: {said}")

    def _fetch(self, request: Request) -> Any:
        try:
            return self._opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as answer:
            return answer
        except urllib.error.URLError as error:
            why = getattr(error.reason, "strerror", "") or error.reason
            raise RegistryError(str(why)) from None
        except (OSError, ValueError, HTTPException) as error:
            raise RegistryError(str(error) or type(error).__name__) from None

    def _admission(self, challenge: str, repository: str) -> str:
        """The header that answers a challenge. Raises RegistryError."""
        kind, _, rest = challenge.partition(" ")
        told = dict(_PARAMETER.findall(rest))
        if self.login.get("registrytoken"):
            return f"Bearer {self.login['registrytoken']}"
        if kind.lower() == "basic" and self.login.get("username"):
            return self._basic()
        if kind.lower() != "bearer" or "realm" not in told:
            raise RegistryError(f"{self.domain} refuses access: there is no login for it")
        return f"Bearer {self._token(told, repository)}"

    def _basic(self) -> str:
        pair = f"{self.login['username']}:{self.login.get('password', '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _token(self, told: Mapping[str, str], repository: str) -> str:
        """A token to pull with, from where the challenge says. Raises RegistryError."""
        realm = told["realm"]
        if not realm.startswith(("https://", "http://") if self._insecure else "https://"):
            # A login must not leave over a line that anybody can read.
            raise RegistryError(f"{self.domain} wants a login at {realm}, which is not safe")
        asked = {"service": told.get("service", ""), "scope": f"repository:{repository}:pull"}
        identity = self.login.get("identitytoken")
        if identity:
            grant = {"grant_type": "refresh_token", "refresh_token": identity}
            form = urllib.parse.urlencode({**asked, **grant, "client_id": "holystone"}).encode()
            request = Request(realm, form)  # noqa: S310 - checked above
        else:
            joint = "&" if "?" in realm else "?"
            url = f"{realm}{joint}{urllib.parse.urlencode(asked)}"
            request = Request(url)  # noqa: S310 - checked above
            if self.login.get("username"):
                request.add_unredirected_header("Authorization", self._basic())
        try:
            with self._fetch(request) as answer:
                body = json.loads(answer.read(1 << 20))
                token = body.get("token") or body.get("access_token")
        except (OSError, ValueError, AttributeError, HTTPException):
            token = None
        if not isinstance(token, str) or not token.isascii():
            raise RegistryError(f"{self.domain} refuses access: {realm} gives no token")
        return token


def registries(client: Client, credentials: Credentials) -> Callable[[str], Registry]:
    """What makes the registry of a domain, secured as the engine's configuration says.

    Raises EngineError. What it returns raises CredentialsError, RegistryError.
    """
    info = client.get("/info")
    said = info.get("RegistryConfig") if isinstance(info, dict) else None
    config: Mapping[str, Any] = said or {}

    def reach(domain: str) -> Registry:
        header = credentials.header(domain)
        login: dict[str, str] = json.loads(base64.urlsafe_b64decode(header)) if header else {}
        return Registry(domain, login, insecure=is_insecure(domain, config))

    return reach


def is_insecure(domain: str, config: Mapping[str, Any]) -> bool:
    """Whether an engine pulls from a registry without TLS, by ``RegistryConfig`` of its ``/info``.

    The rule is that of moby's ``registry/config.go``: registries that it names, and addresses in
    its ranges, which loopback always is.
    """
    named = (config.get("IndexConfigs") or {}).get(domain) or {}
    if domain == HUB or named:
        return named.get("Secure") is False
    host = domain.rpartition(":")[0] if ":" in domain else domain
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host.strip("[]"))
    except ValueError:
        return False
    ranges = [ipaddress.ip_network(each) for each in config.get("InsecureRegistryCIDRs") or ()]
    return address.is_loopback or any(address in each for each in ranges)


def _tls(domain: str, *, insecure: bool) -> ssl.SSLContext:
    """TLS as an engine here would speak it with a registry."""
    context = ssl.create_default_context()
    folder = os.path.join(_CERTIFICATES, domain)
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        names = []
    for name in names:
        path = os.path.join(folder, name)
        stem, kind = os.path.splitext(path)
        try:
            if kind == ".crt":
                context.load_verify_locations(path)
            elif kind == ".cert":
                context.load_cert_chain(path, f"{stem}.key")
        except (OSError, ssl.SSLError) as error:
            raise RegistryError(f"cannot use {path}: {error}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

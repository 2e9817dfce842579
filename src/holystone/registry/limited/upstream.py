"""A registry asked directly, as an engine asks it: TLS, logins, tokens, and where blobs are moved.

By the distribution specification, and docker's rules for what it calls insecure registries.
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any

from holystone import __version__
from holystone.planner.reference import HUB

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


class UpstreamError(Exception):
    """A registry gave no answer, or let nobody in; says which, and why."""


class Upstream:
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

    def digest(self, repository: str, tag: str) -> str:
        """What a tag means there now. Raises UpstreamError."""
        with self.open("HEAD", repository, f"manifests/{tag}", {"Accept": MANIFESTS}) as answer:
            found = answer.headers.get("Docker-Content-Digest") or ""
            if answer.status >= 400:
                raise UpstreamError(f"{self.domain} answers {answer.status} for {repository}:{tag}")
        if not found.startswith("sha256:"):
            raise UpstreamError(f"{self.domain} tells no digest of {repository}:{tag}")
        return str(found)

    def open(self, method: str, repository: str, path: str, headers: Mapping[str, str]) -> Any:
        """The answer, whatever its status, its body still to be read and closed.

        Raises UpstreamError where there is none.
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
            request = _request(base + path, headers=headers, method=method)
            if key:
                # A blob's real place is often elsewhere, which is to see no login.
                request.add_unredirected_header("Authorization", key)
            try:
                answer = self._fetch(request)
            except UpstreamError as error:
                said = said or str(error)
                continue
            self._bases = [base]
            return answer
        raise UpstreamError(f"no answer from {self.domain}: {said}")

    def _fetch(self, request: urllib.request.Request) -> Any:
        try:
            return self._opener.open(request, timeout=self.timeout)
        except urllib.error.HTTPError as answer:
            return answer
        except urllib.error.URLError as error:
            why = getattr(error.reason, "strerror", "") or error.reason
            raise UpstreamError(str(why)) from None
        except (OSError, ValueError, HTTPException) as error:
            raise UpstreamError(str(error) or type(error).__name__) from None

    def _admission(self, challenge: str, repository: str) -> str:
        """The header that answers a challenge. Raises UpstreamError."""
        kind, _, rest = challenge.partition(" ")
        told = dict(_PARAMETER.findall(rest))
        if self.login.get("registrytoken"):
            return f"Bearer {self.login['registrytoken']}"
        if kind.lower() == "basic" and self.login.get("username"):
            return self._basic()
        if kind.lower() != "bearer" or "realm" not in told:
            raise UpstreamError(f"{self.domain} refuses access: there is no login for it")
        return f"Bearer {self._token(told, repository)}"

    def _basic(self) -> str:
        pair = f"{self.login['username']}:{self.login.get('password', '')}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"

    def _token(self, told: Mapping[str, str], repository: str) -> str:
        """A token to pull with, from where the challenge says. Raises UpstreamError."""
        realm = told["realm"]
        if not realm.startswith(("https://", "http://") if self._insecure else "https://"):
            # A login must not leave over a line that anybody can read.
            raise UpstreamError(f"{self.domain} wants a login at {realm}, which is not safe")
        asked = {"service": told.get("service", ""), "scope": f"repository:{repository}:pull"}
        if identity := self.login.get("identitytoken"):
            form = asked | {
                "grant_type": "refresh_token",
                "refresh_token": identity,
                "client_id": "holystone",
            }
            request = _request(realm, urllib.parse.urlencode(form).encode())
        else:
            joint = "&" if "?" in realm else "?"
            request = _request(f"{realm}{joint}{urllib.parse.urlencode(asked)}")
            if self.login.get("username"):
                request.add_unredirected_header("Authorization", self._basic())
        try:
            with self._fetch(request) as answer:
                body = json.loads(answer.read(1 << 20))
                token = body.get("token") or body.get("access_token")
        except (OSError, ValueError, AttributeError, HTTPException):
            token = None
        if not isinstance(token, str) or not token.isascii():
            raise UpstreamError(f"{self.domain} refuses access: {realm} gives no token")
        return token


def _request(
    url: str,
    body: bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    method: str | None = None,
) -> urllib.request.Request:
    """A request for a URL that is known to be of HTTP."""
    return urllib.request.Request(url, body, dict(headers or {}), method=method)  # noqa: S310


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
            raise UpstreamError(f"cannot use {path}: {error}") from None
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context

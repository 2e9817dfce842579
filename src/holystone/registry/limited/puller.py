"""Pulls at a limited rate: the layers come through the gateway, then the tag itself is pulled."""

from __future__ import annotations

import base64
import ipaddress
import json
from collections.abc import Callable, Mapping
from typing import Any

from holystone.engine.client import Client
from holystone.engine.errors import EngineError, EngineRefused
from holystone.planner.reference import HUB, parse
from holystone.registry.credentials import Credentials
from holystone.registry.limited.gateway import Gateway
from holystone.registry.limited.upstream import Upstream, UpstreamError
from holystone.registry.pull import Progress, PullCancelled, Puller, PullFailed

_NO_WAY = ("connection refused", "no route to host", "i/o timeout")


class LimitedPuller:
    """A ``Puller`` whose layers come through a gateway. Safe to use from several threads."""

    def __init__(self, puller: Puller, gateway: Gateway) -> None:
        self.puller = puller
        self.gateway = gateway

    def pull(self, reference: str, progress: Progress, *, platform: str = "") -> str:
        """Pull a reference with a tag, as ``Puller.pull`` does."""
        wanted = parse(reference).complete
        try:
            repository, digest = self.gateway.offer(wanted)
        except UpstreamError as error:
            raise PullFailed(str(error)) from None
        through = f"{repository}@{digest}"
        try:
            self._pull_through(through, repository, wanted.name, progress, platform)
            # All its layers are here: what comes is the manifest alone, and the tag moves.
            return self.puller.pull(reference, lambda _come, _size: None, platform=platform)
        finally:
            self._untag(through)

    def cancel(self) -> None:
        """As ``Puller.cancel``."""
        self.puller.cancel()

    def _pull_through(
        self, through: str, repository: str, name: str, progress: Progress, platform: str
    ) -> None:
        try:
            self.puller.pull(through, progress, login=False, platform=platform)
        except PullCancelled:
            raise
        except EngineError as error:
            said = str(error).replace(repository, name)
            address = repository.partition("/")[0]
            if address in said and any(sign in said for sign in _NO_WAY):
                said = (
                    f"the engine cannot reach {address} on this machine, through which it is to "
                    "pull at a limited rate: is it in a network of its own? Leave the limit out"
                )
            raise PullFailed(said) from None

    def _untag(self, through: str) -> None:
        """Take the gateway's name from the image again."""
        client = self.puller.client.sibling()
        try:
            client.delete(f"/images/{through}?noprune=1")
        except EngineRefused:
            return  # It never came, or has no other name left and something uses it.
        finally:
            client.close()


def upstreams(client: Client, credentials: Credentials) -> Callable[[str], Upstream]:
    """What makes the upstream for a domain, by the engine's view of registries."""
    info = client.get("/info")
    said = info.get("RegistryConfig") if isinstance(info, dict) else None
    config: Mapping[str, Any] = said or {}

    def reach(domain: str) -> Upstream:
        return Upstream(domain, _login(credentials, domain), insecure=is_insecure(domain, config))

    return reach


def is_insecure(domain: str, config: Mapping[str, Any]) -> bool:
    """Whether an engine pulls from a registry without TLS, by ``RegistryConfig`` of its ``/info``.

    As moby's ``registry/config.go`` has it: what it names, and addresses in its ranges, which
    loopback always is.
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


def _login(credentials: Credentials, domain: str) -> Mapping[str, str]:
    """The user's login for a registry, empty where there is none. Raises CredentialsError."""
    header = credentials.header(domain)
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(header)) if header else {}
    return found

"""The policy of one operation: the owner's configuration, and the options of this call."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from holystone.config.load import Configuration, load
from holystone.operations.errors import RequestError
from holystone.planner.policy import LEVELS, Grace, Mark, Policy, Term
from holystone.planner.verdict import KINDS

_PLURALS = {"caches": "cache", **{f"{kind}s": kind for kind in KINDS if kind != "cache"}}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What one call asks for. None and False ask for nothing: the configuration counts."""

    level: str = "routine"
    """``routine``, ``weekly`` or ``deep``."""
    min_age: float | None = None
    """How old an object must be to go, seconds."""
    cache_budget: int | None = None
    """Bytes of build cache that may stay."""
    until_free: int | None = None
    """Go on beyond the level until so many bytes of the disk are free."""
    until_used: float | None = None
    """The same until no more than this share of the disk is used, 0 to 1."""
    watermarks: bool = False
    """The same where the disk is above its high watermark, until it is below the low one."""
    check_registry: bool | None = None
    """Whether registries are asked before a tagged image goes."""
    include_local: bool = False
    """``deep``: also images that no registry can give back."""
    volumes: str | None = None
    """``deep``: unused volumes too, the ``anonymous`` or the ``named`` ones as well."""
    only: tuple[str, ...] | None = None
    """Only objects of these kinds or with these names may go: kinds, names and patterns."""

    def policy(self, configuration: Configuration) -> Policy:
        """The owner's policy with these wishes. Raises RequestError where they contradict."""
        if said := self._contradiction():
            raise RequestError(said)
        policy = configuration.policy(self.level)
        if self.min_age is not None:
            policy = policy._replace(grace=Grace.uniform(self.min_age))
        if self.cache_budget is not None:
            cache = policy.cache._replace(
                budget_bytes=self.cache_budget, least_bytes=0, least_share=0.0
            )
            policy = policy._replace(cache=cache)
        if self.watermarks:
            policy = policy._replace(target=policy.disk.end, only_when_high=True)
        if self.until_free is not None:
            policy = policy._replace(target=Mark(free_bytes=self.until_free))
        if self.until_used is not None:
            policy = policy._replace(target=Mark(used_share=self.until_used))
        if self.volumes and policy.volumes.remove != "never":
            volumes = policy.volumes._replace(remove=self.volumes)
            if self.volumes == "named":
                volumes = volumes._replace(names=("*",))
            policy = policy._replace(volumes=volumes, takes=policy.takes._replace(volumes=True))
        if self.check_registry is not None:
            policy = policy._replace(check_registry=self.check_registry)
        if self.only is not None:
            policy = policy._replace(only=tuple(map(term, self.only)))
        return policy._replace(include_local=self.include_local)

    def _contradiction(self) -> str:
        """What these wishes cannot mean together; empty where they can."""
        if self.level not in LEVELS:
            return f"there is no level {self.level!r}: {', '.join(LEVELS)}"
        deep = {"--include-local": self.include_local, "--volumes": self.volumes}
        names = [name for name, given in deep.items() if given]
        if names and self.level != "deep":
            return f"{' and '.join(names)}: only a deep clean takes these; say deep"
        targets = (self.until_free is not None, self.until_used is not None, self.watermarks)
        if sum(targets) > 1:
            return "--until-free, --until-used and --watermarks: give only one of them"
        return ""


def term(word: str) -> Term:
    """The term that a word means: a kind, also in the plural, or else a name or pattern."""
    kind = _PLURALS.get(word, word)
    return Term(kind=kind) if kind in KINDS else Term(text=word)


def policy_for(
    wishes: Wishes | str = "routine",
    *,
    config: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> Policy:
    """The owner's policy for a level, or for wishes. Raises ConfigError, RequestError.

    ``config`` names the ``holystone.toml`` to read; by default those of the user and the system
    count, and one in the current folder can protect more.
    """
    wished = Wishes(wishes) if isinstance(wishes, str) else wishes
    return wished.policy(load(config, os.environ if environ is None else environ))

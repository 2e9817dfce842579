"""GitLab Runner's cache volumes in an account: whose they are, and when they were used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from holystone.operations.audit.record import Account, Entry, Kind, Safety
from holystone.planner.inventory import Volume
from holystone.planner.runner_caches import RunnerCache, runner_cache
from holystone.planner.units import format_duration
from holystone.planner.usage import Key

_FREES = "holystone clean weekly, within a budget: budgets below [volumes] in holystone.toml"


def with_runner_caches(
    account: Account, volumes: Iterable[Volume], last_used: Mapping[Key, float], now: float
) -> Account:
    """The account with what is known of the cache volumes in it."""
    caches = {volume.name: cache for volume in volumes if (cache := runner_cache(volume))}
    return account._replace(
        entries=tuple(
            _cache(each, caches[each.name], last_used.get(("volume", each.name)), now)
            if each.kind is Kind.VOLUME and each.name in caches
            else each
            for each in account.entries
        )
    )


def _cache(entry: Entry, cache: RunnerCache, used: float | None, now: float) -> Entry:
    what = "cache" if cache.folder in ("", "/cache") else f"cache of {cache.folder}"
    if cache.protected:
        what += " for protected branches"
    whose = f"project {cache.of}" if cache.of else "project not known"
    when = (
        "use not seen" if used is None else f"last used {format_duration(max(0, now - used))} ago"
    )
    return entry._replace(
        evidence=f"{what} of GitLab Runner, {whose}, {when}",
        frees=_FREES,
        safety=Safety.COSTS,
        project=cache.of,
        used=used,
    )

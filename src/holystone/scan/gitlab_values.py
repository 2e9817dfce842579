"""The values of a GitLab job's variables, those in them filled in."""

from __future__ import annotations

from collections.abc import Mapping

from holystone.scan.variables import GITLAB, NoValue, expand

_DEEPEST = 20
_SET_BY_GITLAB = ("CI_", "GITLAB_", "CHAT_", "FF_", "TRIGGER_")

Variables = Mapping[str, "str | None"]
"""Their values, None for one that has no plain value."""


class Values:
    """The variables of a job in one of the ways it may run."""

    def __init__(self, given: Variables, raw: set[str]) -> None:
        """Nothing is filled in into the values of those that are ``raw``."""
        self.given = given
        self.raw = raw
        self._known: dict[str, str] = {}
        self._open: list[str] = []

    def __call__(self, name: str) -> str | None:
        """The value with the variables in it filled in, None without one. Raises NoValue."""
        if name in self._known:
            return self._known[name]
        if name in self._open:
            raise NoValue(f"{name} is made of itself")
        if len(self._open) > _DEEPEST:
            raise NoValue("its variables are nested too deeply")
        if name not in self.given:
            if name.startswith(_SET_BY_GITLAB) or name == "CI":
                raise NoValue(f"{name} is known only to a running job")
            return None
        found = self.given[name]
        if found is None:
            raise NoValue(f"{name} has no plain value here")
        if name not in self.raw:
            self._open.append(name)
            try:
                found = expand(found, self, GITLAB)
            finally:
                self._open.pop()
        self._known[name] = found
        return found

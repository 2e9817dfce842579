"""Every rule that keeps an object or lets it go, in words. The one place that renders reasons.

The words are ASCII, so that they come out the same on every stream. Each rule has three: a
sentence with all its facts (``text``), a few words for a table's row (``brief``), and the name of
the group the object is counted in (``label``).
"""

from __future__ import annotations

from collections.abc import Mapping

from holystone.core.decision import Reason
from holystone.present import container_reasons
from holystone.present.rule_wording import Facts, Wording, count, duration, number, size
from holystone.present.wording import age, ago, clock, counted, safe, short_reference

_JUST_NOW = 60.0
"""Seconds within which a registry was asked in this run."""


def text(reason: Reason) -> str:
    """The reason as a short sentence with its facts. Raises KeyError for an unknown rule."""
    return RULES[reason.rule].text(reason.facts)


def brief(reason: Reason) -> str:
    """The reason in a few words, for a row. Raises KeyError for an unknown rule."""
    wording = RULES[reason.rule]
    return (wording.brief or wording.text)(reason.facts)


def label(rule: str) -> str:
    """What a rule's objects have in common, after a count: ``31 tagged``. Raises KeyError."""
    return RULES[rule].label


def texts(reasons: tuple[Reason, ...]) -> str:
    """All reasons of a verdict as one line."""
    return "; ".join(map(text, reasons))


def briefs(reasons: tuple[Reason, ...]) -> str:
    """All reasons of a verdict in a few words."""
    return "; ".join(map(brief, reasons))


def _in_use(facts: Facts) -> str:
    if facts.get("build"):
        return "in use by a build that runs now"
    state = facts.get("state")
    if state == "created":
        return container_reasons.created(facts)
    if state is not None:
        return f"in use: the container is {safe(str(state))}"
    others = count(facts, "containers") - 1
    return f"in use by container {safe(str(facts.get('container')))}" + (
        f" and {others} more" if others > 0 else ""
    )


def _in_use_brief(facts: Facts) -> str:
    state = facts.get("state")
    if facts.get("build"):
        return "in use by a build"
    if state is not None:
        return safe(str(state))
    return _in_use(facts).replace("by container ", "by ", 1)


def _released(facts: Facts) -> str:
    return f"its last container, {safe(str(facts.get('container')))}, goes in this run"


def _untagged(facts: Facts) -> str:
    digest = facts.get("digest")
    how = "untagged: it lost its last tag" if facts.get("once_tagged") else "untagged"
    return f"{how}; it was pulled as {short_reference(str(digest))}" if digest else how


def _untagged_brief(facts: Facts) -> str:
    if facts.get("once_tagged"):
        return "lost its last tag"
    return "pulled, has no tag now" if facts.get("digest") else "has no tag"


def _young(facts: Facts) -> str:
    least = f"min age {duration(facts, 'min_age')}"
    if facts.get("age") is None:
        return f"seen for the first time, of unknown age: left for a later run ({least})"
    since = f"{facts.get('since')} {ago(number(facts, 'age'))}"
    return f"{since}: left for the next run {_until(facts)} ({least})"


def _young_brief(facts: Facts) -> str:
    if facts.get("age") is None:
        return "age not known yet"
    return f"{facts.get('since')} {ago(number(facts, 'age'))}, left {_until(facts)}"


def _until(facts: Facts) -> str:
    until = number(facts, "until")
    return f"until {clock(until, until - number(facts, 'min_age') + number(facts, 'age'))}"


def _tagged(facts: Facts) -> str:
    tags = count(facts, "tags")
    return "tagged" if tags == 1 else f"tagged ({tags} tags)"


def _parent(facts: Facts) -> str:
    children = count(facts, "children")
    stay = "stays was" if children == 1 else "stay were"
    return f"{counted(children, 'image')} that {stay} built on it"


def _needed(facts: Facts) -> str:
    children = count(facts, "children")
    stay = "stays and is" if children == 1 else "stay and are"
    return f"{counted(children, 'cache record')} {stay} made from it"


def _level(facts: Facts) -> str:
    level = safe(str(facts.get("level")))
    if "anonymous" not in facts:
        return f"a {level} clean takes none of these"
    what = "an unused anonymous volume" if facts.get("anonymous") else "unused, but named"
    return f"{what}; it can hold data, and a {level} clean takes no volumes"


def _idle_for(facts: Facts) -> str:
    return "" if facts.get("idle") is None else f", last used {ago(number(facts, 'idle'))}"


def _unused(facts: Facts) -> str:
    return f"unused{_idle_for(facts)}"


def _pressure(facts: Facts) -> str:
    return f"the disk is to have {size(facts, 'least_free')} free; {expected(facts)}"


def expected(facts: Facts) -> str:
    """What is expected of an image or record: its past use, what it frees, and what that costs."""
    told = []
    if facts.get("idle") is not None:
        told.append(f"last used {ago(number(facts, 'idle'))}")
    if facts.get("gap") is not None:
        told.append(f"used about every {age(number(facts, 'gap'))}")
    if facts.get("chance") is not None:
        told.append(f"{number(facts, 'chance'):.0%} likely to follow what was just asked for")
    told.append(f"frees {size(facts, 'frees')}")
    if facts.get("seconds") is not None:
        told.append(f"would take about {age(max(1.0, number(facts, 'seconds')))} to fetch")
    return ", ".join(told)


def _protected(facts: Facts) -> str:
    if "cache_mounts" in facts:
        return "protected: a cache mount (build_cache.keep_mounts)"
    return f"protected: {_protected_by(facts)}"


def _protected_by(facts: Facts) -> str:
    reference = safe(str(facts.get("reference")))
    if "pattern" in facts:
        return f"{reference} matches {safe(str(facts['pattern']))}"
    if "label" in facts:
        return f"it has the label {safe(str(facts['label']))}"
    if "official" in facts:
        return f"{reference} is an official image"
    if "newest" in facts:
        return f"{reference} is among the newest {count(facts, 'newest')} of its repository"
    if "larger_than" in facts:
        return f"{size(facts, 'size')}, larger than {size(facts, 'larger_than')}"
    if "local" in facts:
        return "no registry is known to have it"
    age = "at a time not known" if facts.get("age") is None else ago(number(facts, "age"))
    if "used_within" in facts:
        return f"last used {age}, within {duration(facts, 'used_within')}"
    return f"came here {age}, less than {duration(facts, 'min_age')} ago"


def _leased(facts: Facts) -> str:
    until = number(facts, "until")
    job = f" by job {safe(str(facts['job']))}" if facts.get("job") else ""
    return f"leased{job} until {clock(until, number(facts, 'now'))}"


def _prune_filter(facts: Facts) -> str:
    return f"protected by pruneFilters of the docker configuration: {safe(str(facts['filter']))}"


def _exit_code(facts: Facts) -> str:
    return f"exit code {facts.get('exit_code')} is not among containers.exit_codes"


def _retained(facts: Facts) -> str:
    if "policy" not in facts:
        return f"no retention rule lets {safe(str(facts.get('reference') or 'it'))} go"
    by = f"kept by rule {safe(str(facts['policy']))!r}"
    if "newest" in facts:
        newest = count(facts, "newest")
        which = "the newest tag" if newest == 1 else f"among the newest {newest} tags"
        return f"{by}: {which} of its repository"
    if "idle" not in facts:
        return by
    said = []
    for fact, limit, words in (("idle", "unused_for", "last used"), ("age", "max_age", "came")):
        if facts.get(limit) is not None:
            known = facts.get(fact) is not None
            when = ago(number(facts, fact)) if known else "at a time not known"
            said.append(f"{words} {when}, goes after {duration(facts, limit)}")
    return f"{by}: {'; '.join(said)}" if said else f"{by}, which lets nothing go"


def _expired(facts: Facts) -> str:
    by = f"let go by rule {safe(str(facts.get('policy')))!r}"
    if "age" in facts:
        return f"{by}: came {ago(number(facts, 'age'))}, over {duration(facts, 'max_age')}"
    return f"{by}: last used {ago(number(facts, 'idle'))}, over {duration(facts, 'unused_for')}"


def _local(facts: Facts) -> str:
    if facts.get("said"):
        return f"its registry cannot give it back: {safe(str(facts['said']))}{_asked(facts)}"
    return "no registry can give it back: it was never pulled or pushed"


def _asked(facts: Facts) -> str:
    """When the registry was asked, where that was not just now."""
    since = number(facts, "asked_ago")
    return f" (asked {ago(since)})" if since >= _JUST_NOW else ""


def _unconfirmed(facts: Facts) -> str:
    if facts.get("said"):
        once = ", which had it before," if facts.get("once_there") else ""
        return f"its registry{once} could not be asked: {safe(str(facts['said']))}"
    if facts.get("checked") is False:
        return "no registry is asked (check_registry is off), and none is known to have had it"
    return "no registry was asked whether it has it"


def _over_budget(facts: Facts) -> str:
    total, budget = size(facts, "total"), size(facts, "budget")
    used = ago(number(facts, "idle"))
    return f"build cache is {total}, over its budget of {budget}; last used {used}"


def _within_budget(facts: Facts) -> str:
    total, budget = size(facts, "total"), size(facts, "budget")
    return f"build cache is {total}, within its budget of {budget}"


def _idle(facts: Facts) -> str:
    return f"not used for {duration(facts, 'idle')}, over {duration(facts, 'unused_for')}"


RULES: Mapping[str, Wording] = {
    "in-use": Wording(_in_use, "in use", _in_use_brief),
    **container_reasons.RULES,
    "tagged": Wording(_tagged, "tagged"),
    "untagged": Wording(_untagged, "untagged", _untagged_brief),
    "parent": Wording(_parent, "parent images"),
    "young": Wording(_young, "too young", _young_brief),
    "level": Wording(_level, "not for this level", lambda _: "not for this level"),
    "protected": Wording(_protected, "protected"),
    "prune-filter": Wording(
        _prune_filter, "protected by pruneFilters", lambda _: "protected by pruneFilters"
    ),
    "leased": Wording(_leased, "leased"),
    "exit-code": Wording(_exit_code, "of other exit codes"),
    "named": Wording(
        lambda _: "unused, but named: it can hold data, and no rule lets it go",
        "named",
        lambda _: "unused, but named",
    ),
    "by-hand": Wording(
        lambda _: "unused, but no tool made it: something may name it that does not run now",
        "made by hand",
        lambda _: "unused, made by hand",
    ),
    "released": Wording(
        lambda facts: f"{_released(facts)}: left for a later run",
        "just released",
        _released,
    ),
    "unused": Wording(_unused, "unused"),
    "retained": Wording(_retained, "retained", lambda facts: _retained(facts).partition(":")[0]),
    "expired": Wording(_expired, "expired"),
    "pressure": Wording(
        _pressure, "given up for space", lambda facts: f"for space{_idle_for(facts)}"
    ),
    "local": Wording(_local, "only here", lambda _: "only here: no registry has it"),
    "unconfirmed": Wording(
        _unconfirmed, "not confirmed by a registry", lambda _: "not confirmed by its registry"
    ),
    "changed": Wording(
        lambda facts: f"changed since the plan was made: {safe(str(facts.get('what')))}",
        "changed since planned",
    ),
    "agreed": Wording(lambda _: "in the plan that was agreed on", "as planned"),
    "not-in-plan": Wording(lambda _: "not in the plan", "not in the plan"),
    "builtin": Wording(lambda _: "belongs to the engine", "the engine's own"),
    "over-budget": Wording(
        _over_budget, "over the budget", lambda facts: f"last used {ago(number(facts, 'idle'))}"
    ),
    "idle": Wording(_idle, "not used for long"),
    "within-budget": Wording(_within_budget, "within the budget", lambda _: "within the budget"),
    "needed": Wording(_needed, "needed by others"),
    "shared": Wording(
        lambda _: "shares its layer with an image that is here now: removing it frees nothing yet",
        "shared with images",
        lambda _: "shared with an image",
    ),
}
"""How each rule reads."""

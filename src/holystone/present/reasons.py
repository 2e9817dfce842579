"""Every rule that keeps an object or lets it go, in words. The one place that renders reasons.

The words are ASCII, so that they come out the same on every stream. Each rule has three: a
sentence with all its facts (``text``), a few words for a table's row (``brief``), and the name of
the group the object is counted in (``label``).
"""

from __future__ import annotations

from collections.abc import Mapping

from holystone.planner.verdict import Reason, Rule
from holystone.present import container_reasons
from holystone.present.format import age, ago, clock, counted, listed, safe, short_reference
from holystone.present.rule_wording import Facts
from holystone.present.rule_wording import Wording as _Wording
from holystone.present.rule_wording import count as _count
from holystone.present.rule_wording import duration as _duration
from holystone.present.rule_wording import number as _number
from holystone.present.rule_wording import size as _size

_JUST_NOW = 60.0
"""Seconds within which a registry was asked in this run."""


def text(reason: Reason) -> str:
    """The reason as a short sentence with its facts. Raises KeyError for an unknown rule."""
    return RULES[reason.rule].text(reason.facts)


def brief(reason: Reason) -> str:
    """The reason in a few words, for a row. Raises KeyError for an unknown rule."""
    wording = RULES[reason.rule]
    return (wording.brief or wording.text)(reason.facts)


def label(rule: Rule) -> str:
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
    if facts.get("manifest_list"):
        return f"in use by manifest list {safe(str(facts['manifest_list']))}"
    state = facts.get("state")
    if state == "created":
        return container_reasons.created(facts)
    if state is not None:
        return f"in use: the container is {safe(str(state))}"
    others = _count(facts, "containers") - 1
    return f"in use by container {safe(str(facts.get('container')))}" + (
        f" and {others} more" if others > 0 else ""
    )


def _in_use_brief(facts: Facts) -> str:
    state = facts.get("state")
    if facts.get("build"):
        return "in use by a build"
    if facts.get("manifest_list"):
        return _in_use(facts)
    if state == "created":
        return container_reasons.created_brief(facts)
    if state is not None:
        return safe(str(state))
    return _in_use(facts).replace("by container ", "by ", 1)


def _untagged(facts: Facts) -> str:
    digest = facts.get("digest")
    how = "untagged: it lost its last tag" if facts.get("once_tagged") else "untagged"
    return f"{how}; it was pulled as {short_reference(str(digest))}" if digest else how


def _step(facts: Facts) -> str:
    """Of how many images that go it was a step."""
    others = _count(facts, "images") - 1
    more = f" and {others} more" if others > 0 else ""
    goes = "go" if more else "goes"
    return f"build step of {safe(str(facts.get('image')))}{more}, which {goes} too"


def _untagged_brief(facts: Facts) -> str:
    if facts.get("once_tagged"):
        return "lost its last tag"
    return "pulled, has no tag now" if facts.get("digest") else "has no tag"


def _young(facts: Facts) -> str:
    least = f"min age {_duration(facts, 'min_age')}"
    if facts.get("age") is None:
        return f"seen for the first time, of unknown age: kept for now ({least})"
    since = f"{facts.get('since')} {ago(_number(facts, 'age'))}"
    return f"{since}: too recent, kept {_until(facts)} ({least})"


def _young_brief(facts: Facts) -> str:
    if facts.get("age") is None:
        return "age not known yet"
    return f"{facts.get('since')} {ago(_number(facts, 'age'))}, kept {_until(facts)}"


def _until(facts: Facts) -> str:
    until = _number(facts, "until")
    return f"until {clock(until, until - _number(facts, 'min_age') + _number(facts, 'age'))}"


def _tagged(facts: Facts) -> str:
    tags = _count(facts, "tags")
    return "tagged" if tags == 1 else f"tagged ({tags} tags)"


def _digest(facts: Facts) -> str:
    reference = short_reference(str(facts.get("reference")))
    if facts.get("certain"):
        return f"pulled by digest: {reference}"
    return (
        f"it has no tag but a digest: {reference}. Either it was pulled by that digest, or its tag "
        "moved to another image before holystone saw it"
    )


def _parent(facts: Facts) -> str:
    children = _count(facts, "children")
    stay = "stays was" if children == 1 else "stay were"
    return f"{counted(children, 'image')} that {stay} built on it"


def _needed(facts: Facts) -> str:
    children = _count(facts, "children")
    stay = "stays and is" if children == 1 else "stay and are"
    return f"{counted(children, 'cache record')} {stay} made from it"


def _level(facts: Facts) -> str:
    level = safe(str(facts.get("level")))
    if "anonymous" not in facts:
        return f"a {level} clean takes none of these"
    what = "an unused anonymous volume" if facts.get("anonymous") else "unused, but named"
    return f"{what}; it can hold data, and a {level} clean takes no volumes"


def _idle_for(facts: Facts) -> str:
    return "" if facts.get("idle") is None else f", {_sign(facts)} {ago(_number(facts, 'idle'))}"


def _sign(facts: Facts) -> str:
    """What ``idle`` counts from: where no use is known, when it was made or came here."""
    return safe(str(facts.get("sign") or "last used"))


def _unused_since(facts: Facts) -> str:
    """The same beside a limit on how long it may be unused."""
    sign = _sign(facts)
    return sign if sign == "last used" else f"no use known, {sign}"


def _released(facts: Facts) -> str:
    return f"its last container, {safe(str(facts.get('container')))}, goes in this run"


def _unused(facts: Facts) -> str:
    return f"unused{_idle_for(facts)}"


def _pressure(facts: Facts) -> str:
    return f"the disk needs {_size(facts, 'least_free')} free; {expected(facts)}"


def expected(facts: Facts) -> str:
    """What is expected of an image or record: its past use, what it frees, and what that costs."""
    told = []
    if facts.get("idle") is not None:
        told.append(f"{_sign(facts)} {ago(_number(facts, 'idle'))}")
    if facts.get("gap") is not None:
        told.append(f"used about every {age(_number(facts, 'gap'))}")
    if facts.get("chance") is not None:
        told.append(f"{_number(facts, 'chance'):.0%} likely to follow what was just asked for")
    told.append(f"frees {_freed(facts)}")
    if facts.get("seconds") is not None:
        told.append(f"would take about {age(max(1.0, _number(facts, 'seconds')))} to fetch")
    return ", ".join(told)


def _freed(facts: Facts) -> str:
    """The bytes, and how many build steps and records of the same layers have to go for them."""
    together = [
        counted(count, noun)
        for fact, noun in (("with_steps", "build step"), ("with_records", "cache record"))
        if (count := _count(facts, fact))
    ]
    return _size(facts, "frees") + (f" with {listed(together)}" if together else "")


def _pressure_brief(facts: Facts) -> str:
    others = facts.get("with_records") or facts.get("with_steps")
    together = f", frees {_freed(facts)}" if others else ""
    return f"for space{_idle_for(facts)}{together}"


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
        return f"{reference} is among the newest {_count(facts, 'newest')} of its repository"
    if "larger_than" in facts:
        return f"{_size(facts, 'size')}, larger than {_size(facts, 'larger_than')}"
    if "local" in facts:
        return "no registry is known to have it"
    age = "at a time not known" if facts.get("age") is None else ago(_number(facts, "age"))
    if "used_within" in facts:
        return f"last used {age}, within {_duration(facts, 'used_within')}"
    return f"came here {age}, less than {_duration(facts, 'min_age')} ago"


def _leased(facts: Facts) -> str:
    if facts.get("unread"):
        return "perhaps leased: the leases cannot be read"
    until = _number(facts, "until")
    job = f" by job {safe(str(facts['job']))}" if facts.get("job") else ""
    user = f" of user {safe(str(facts['user']))}" if facts.get("user") else ""
    return f"leased{job}{user} until {clock(until, _number(facts, 'now'))}"


def _prune_filter(facts: Facts) -> str:
    return f"protected by pruneFilters of the docker configuration: {safe(str(facts['filter']))}"


def _exit_code(facts: Facts) -> str:
    return f"exit code {facts.get('exit_code')} is not among containers.exit_codes"


def _retained(facts: Facts) -> str:
    if "policy" not in facts:
        return f"no retention rule lets {safe(str(facts.get('reference') or 'it'))} go"
    by = f"kept by rule {safe(str(facts['policy']))!r}"
    if "newest" in facts:
        count = _count(facts, "newest")
        what = "digest" if "@" in str(facts.get("reference")) else "tag"
        which = f"the newest {what}" if count == 1 else f"among the newest {count} {what}s"
        return f"{by}: {which} of its repository"
    if "idle" not in facts:
        return by
    said = []
    for fact, limit, words in (
        ("idle", "unused_for", _unused_since(facts)),
        ("age", "max_age", "came"),
    ):
        if facts.get(limit) is not None:
            known = facts.get(fact) is not None
            when = ago(_number(facts, fact)) if known else "at a time not known"
            said.append(f"{words} {when}, goes after {_duration(facts, limit)}")
    return f"{by}: {'; '.join(said)}" if said else f"{by}, which lets nothing go"


def _expired(facts: Facts) -> str:
    by = f"let go by rule {safe(str(facts.get('policy')))!r}"
    if "age" in facts:
        return f"{by}: came {ago(_number(facts, 'age'))}, over {_duration(facts, 'max_age')}"
    since = f"{_unused_since(facts)} {ago(_number(facts, 'idle'))}"
    return f"{by}: {since}, over {_duration(facts, 'unused_for')}"


def _local(facts: Facts) -> str:
    if facts.get("said"):
        return f"its registry cannot give it back: {safe(str(facts['said']))}{_asked(facts)}"
    return "no registry can give it back: it was never pulled or pushed"


def _asked(facts: Facts) -> str:
    """When the registry was asked, where that was not just now."""
    since = _number(facts, "asked_ago")
    return f" (asked {ago(since)})" if since >= _JUST_NOW else ""


def _unconfirmed(facts: Facts) -> str:
    if facts.get("said"):
        once = ", which had it before," if facts.get("once_there") else ""
        return f"its registry{once} could not be asked: {safe(str(facts['said']))}"
    if facts.get("checked") is False:
        return "no registry is asked (check_registry is off), and none is known to have had it"
    return "no registry was asked whether it has it"


def _over_budget(facts: Facts) -> str:
    total, budget = _size(facts, "total"), _size(facts, "budget")
    used = f"{_sign(facts)} {ago(_number(facts, 'idle'))}"
    if not facts.get("budget"):
        return f"the budget of the build cache is 0 B; {used}"
    return f"build cache is {total}, over its budget of {budget}; {used}"


def _within_budget(facts: Facts) -> str:
    total, budget = _size(facts, "total"), _size(facts, "budget")
    return f"build cache is {total}, within its budget of {budget}"


def _idle(facts: Facts) -> str:
    return f"not used for {_duration(facts, 'idle')}, over {_duration(facts, 'unused_for')}"


RULES: Mapping[Rule, _Wording] = {
    Rule.IN_USE: _Wording(_in_use, "in use", _in_use_brief),
    **container_reasons.RULES,
    Rule.TAGGED: _Wording(_tagged, "tagged"),
    Rule.DIGEST: _Wording(
        _digest,
        "pulled by digest",
        lambda facts: "pulled by digest" if facts.get("certain") else "perhaps pulled by digest",
    ),
    Rule.UNTAGGED: _Wording(_untagged, "untagged", _untagged_brief),
    Rule.STEP: _Wording(_step, "build steps"),
    Rule.PARENT: _Wording(_parent, "parent images"),
    Rule.YOUNG: _Wording(_young, "too recent", _young_brief),
    Rule.LEVEL: _Wording(_level, "not for this level", lambda _: "not for this level"),
    Rule.PROTECTED: _Wording(_protected, "protected"),
    Rule.PRUNE_FILTER: _Wording(
        _prune_filter, "protected by pruneFilters", lambda _: "protected by pruneFilters"
    ),
    Rule.LEASED: _Wording(_leased, "leased"),
    Rule.EXIT_CODE: _Wording(_exit_code, "of other exit codes"),
    Rule.NAMED: _Wording(
        lambda _: "unused, but named: it can hold data, and no rule lets it go",
        "named",
        lambda _: "unused, but named",
    ),
    Rule.BY_HAND: _Wording(
        lambda _: "unused, but no tool made it: something may name it that does not run now",
        "made by hand",
        lambda _: "unused, made by hand",
    ),
    Rule.RELEASED: _Wording(
        lambda facts: f"{_released(facts)}: kept for now",
        "just released",
        _released,
    ),
    Rule.UNUSED: _Wording(_unused, "unused"),
    Rule.RETAINED: _Wording(
        _retained, "retained", lambda facts: _retained(facts).partition(":")[0]
    ),
    Rule.EXPIRED: _Wording(_expired, "expired"),
    Rule.PRESSURE: _Wording(_pressure, "evicted for space", _pressure_brief),
    Rule.LOCAL: _Wording(_local, "only here", lambda _: "only here: no registry has it"),
    Rule.UNCONFIRMED: _Wording(
        _unconfirmed, "not confirmed by a registry", lambda _: "not confirmed by its registry"
    ),
    Rule.CHANGED: _Wording(
        lambda facts: f"changed since the plan was made: {safe(str(facts.get('what')))}",
        "changed since planned",
    ),
    Rule.USE_UNKNOWN: _Wording(
        lambda _: "the engine no longer tells what used it since the plan was made",
        "use since planned not known",
    ),
    Rule.AGREED: _Wording(lambda _: "in the plan that was agreed on", "as planned"),
    Rule.NOT_IN_PLAN: _Wording(lambda _: "not in the plan", "not in the plan"),
    Rule.BUILTIN: _Wording(lambda _: "belongs to the engine", "the engine's own"),
    Rule.OVER_BUDGET: _Wording(
        _over_budget,
        "over the budget",
        lambda facts: f"{_sign(facts)} {ago(_number(facts, 'idle'))}",
    ),
    Rule.IDLE: _Wording(_idle, "not used for long"),
    Rule.WITHIN_BUDGET: _Wording(
        _within_budget, "within the budget", lambda _: "within the budget"
    ),
    Rule.NEEDED: _Wording(_needed, "needed by others"),
    Rule.DAMAGED: _Wording(lambda _: "its content was damaged", "damaged"),
    Rule.ODD: _Wording(
        lambda _: "the engine's entry for it makes no sense: left alone", "not understood"
    ),
    Rule.SHARED: _Wording(
        lambda _: "shares its layer with an image that is here now: removing it frees nothing yet",
        "shared with images",
        lambda _: "shared with an image",
    ),
}
"""How each rule reads."""

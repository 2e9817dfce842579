"""Every rule that keeps an object or lets it go, in words. The one place that renders reasons.

The words are ASCII, so that they come out the same on every stream. Each rule has three: a
sentence with all its facts (``text``), a few words for a table's row (``brief``), and the name of
the group the object is counted in (``label``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from holystone.planner.units import format_duration, format_size
from holystone.planner.verdict import Fact, Reason, Rule
from holystone.present.format import age, ago, clock, counted, listed, safe, short_reference

_JUST_NOW = 60.0
"""Seconds within which a registry was asked in this run."""


class _Fact:
    """One fact; the format ``{name:size}`` says how people read it, ``{name}`` as text."""

    __slots__ = ("value",)

    def __init__(self, value: Fact) -> None:
        self.value = value

    def __format__(self, form: str) -> str:
        if not form:
            return safe(str(self.value))
        if form == "reference":
            return short_reference(str(self.value))
        return _FORMS[form](float(self.value or 0))


_FORMS: Mapping[str, Callable[[float], str]] = {
    "size": lambda count: format_size(int(count)),
    "duration": format_duration,
    "ago": ago,
    "count": lambda count: str(int(count)),
    "percent": "{:.0%}".format,
}


class _Facts:
    """The facts of a reason, as people read them. A format string takes them by their names."""

    def __init__(self, told: Mapping[str, Fact]) -> None:
        self._told = told

    def __contains__(self, name: str) -> bool:
        """Whether a fact is given, if only as not known."""
        return name in self._told

    def __getitem__(self, name: str) -> _Fact:
        return _Fact(self._told.get(name))

    def known(self, name: str) -> bool:
        """Whether a fact is given and known."""
        return self._told.get(name) is not None

    def true(self, name: str) -> bool:
        """Whether a fact holds: true, or neither 0 nor empty."""
        return bool(self._told.get(name))

    def number(self, name: str) -> float:
        """A fact as a number; 0 where it is missing."""
        return float(self._told.get(name) or 0)

    def count(self, name: str) -> int:
        """A fact as a whole number."""
        return int(self.number(name))

    def clock(self, name: str, now: float) -> str:
        """A time, a fact in UTC seconds."""
        return clock(self.number(name), now)

    def said(self, words: _Words) -> str:
        """These words with the facts in their places."""
        return words.format_map(self) if isinstance(words, str) else words(self)


_Words = str | Callable[[_Facts], str]
"""A format string, or what makes the words of the facts."""


class _Wording(NamedTuple):
    label: str
    text: _Words
    brief: _Words | None = None
    """None where the sentence is short enough for a row."""
    until: str = ""
    """The words for a row are those of the sentence up to this mark."""


def text(reason: Reason) -> str:
    """The reason as a short sentence with its facts. Raises KeyError for an unknown rule."""
    return _Facts(reason.facts).said(RULES[reason.rule].text)


def brief(reason: Reason) -> str:
    """The reason in a few words, for a row. Raises KeyError for an unknown rule."""
    wording = RULES[reason.rule]
    said = _Facts(reason.facts).said(wording.brief or wording.text)
    return said.partition(wording.until)[0] if wording.until else said


def label(rule: Rule) -> str:
    """What a rule's objects have in common, after a count: ``31 tagged``. Raises KeyError."""
    return RULES[rule].label


def texts(reasons: tuple[Reason, ...]) -> str:
    """All reasons of a verdict as one line."""
    return "; ".join(map(text, reasons))


def briefs(reasons: tuple[Reason, ...]) -> str:
    """All reasons of a verdict in a few words."""
    return "; ".join(map(brief, reasons))


def expected(told: Mapping[str, Fact]) -> str:
    """What is expected of an image or record: its past use, what it frees, and what that costs."""
    return _expected(_Facts(told))


def _in_use(facts: _Facts) -> str:
    if facts.true("build"):
        return "in use by a build that runs now"
    if facts.true("manifest_list"):
        return facts.said("in use by manifest list {manifest_list}")
    if not facts.known("state"):
        others = facts.count("containers") - 1
        return facts.said("in use by container {container}") + _more(others)
    if facts.said("{state}") != "created":
        return facts.said("in use: the container is {state}")
    why = "a job may be about to start it"
    if facts.true("task"):
        why = "a task of a Swarm service, which may start it"
    return f"{_created_brief(facts)}{', ' if facts.known('until') else ': '}{why}"


def _in_use_brief(facts: _Facts) -> str:
    if facts.true("build"):
        return "in use by a build"
    if facts.known("state") and not facts.true("manifest_list"):
        state = facts.said("{state}")
        return _created_brief(facts) if state == "created" else state
    return _in_use(facts).replace("by container ", "by ", 1)


def _created_brief(facts: _Facts) -> str:
    told = "created, never started"
    if not facts.known("until"):
        return told
    return f"{told}: kept until {facts.clock('until', facts.number('now'))}"


def _more(others: int) -> str:
    return f" and {others} more" if others > 0 else ""


def _stopped_group(facts: _Facts) -> str:
    if "group" not in facts:
        return "part of a group that stays"
    part = facts.said("part of {group} {name}")
    if facts.true("container"):
        return part + facts.said(": container {container} stays")
    since = facts.said("{stopped_for:ago}") if facts.known("stopped_for") else ""
    never = facts.true("never_started")
    if never:
        when = f"made {since} and never started" if since else "never started"
    else:
        when = f"stopped {since}".rstrip()
    if facts.known("least"):
        return f"{part}, {when}" + facts.said(": goes as a whole after {least:duration}")
    if facts.true("level"):
        can = "can be started" if never else "can be started again"
        return f"{part}, {when}: {can}" + facts.said(", stays at {level}")
    return f"{part}, which could be started again"


def _stopped(facts: _Facts) -> str:
    when = "stopped"
    if facts.known("stopped_for"):
        first = "first seen " if facts.true("first_seen") else ""
        when = first + facts.said("stopped {stopped_for:ago}")
    return when + (facts.said(" (exit code {exit_code})") if facts.known("exit_code") else "")


def _untagged(facts: _Facts) -> str:
    how = "untagged: it lost its last tag" if facts.true("once_tagged") else "untagged"
    pulled = "; it was pulled as {digest:reference}" if facts.true("digest") else ""
    return how + facts.said(pulled)


def _untagged_brief(facts: _Facts) -> str:
    if facts.true("once_tagged"):
        return "lost its last tag"
    return "pulled, has no tag now" if facts.true("digest") else "has no tag"


def _step(facts: _Facts) -> str:
    more = _more(facts.count("images") - 1)
    return facts.said("build step of {image}") + (
        f"{more}, which go too" if more else ", which goes too"
    )


def _digest(facts: _Facts) -> str:
    if facts.true("certain"):
        return facts.said("pulled by digest: {reference:reference}")
    return facts.said(
        "it has no tag but a digest: {reference:reference}. Either it was pulled by that digest, "
        "or its tag moved to another image before holystone saw it"
    )


def _parent(facts: _Facts) -> str:
    children = facts.count("children")
    stay = "stays was" if children == 1 else "stay were"
    return f"{counted(children, 'image')} that {stay} built on it"


def _needed(facts: _Facts) -> str:
    children = facts.count("children")
    stay = "stays and is" if children == 1 else "stay and are"
    return f"{counted(children, 'cache record')} {stay} made from it"


def _sign(facts: _Facts) -> str:
    """What ``idle`` counts from: where no use is known, when it was made or came here."""
    return facts.said("{sign}") if facts.true("sign") else "last used"


def _used(facts: _Facts) -> str:
    """How long something is unused, and what that counts from."""
    return f"{_sign(facts)} " + facts.said("{idle:ago}")


def _idle_for(facts: _Facts) -> str:
    return f", {_used(facts)}" if facts.known("idle") else ""


def _unused_since(facts: _Facts) -> str:
    """What ``idle`` counts from, beside a limit on how long it may be unused."""
    since = _sign(facts)
    return since if since == "last used" else f"no use known, {since}"


def _policy(facts: _Facts) -> str:
    return f"rule {facts.said('{policy}')!r}"


def _retained(facts: _Facts) -> str:
    if "policy" not in facts:
        name = "{reference}" if facts.true("reference") else "it"
        return facts.said(f"no retention rule lets {name} go")
    by = f"kept by {_policy(facts)}"
    if "newest" in facts:
        count = facts.count("newest")
        what = "digest" if "@" in facts.said("{reference}") else "tag"
        which = f"the newest {what}" if count == 1 else f"among the newest {count} {what}s"
        return f"{by}: {which} of its repository"
    if "idle" not in facts:
        return by
    told = [
        f"{words} {_when(facts, fact)}, " + facts.said(f"goes after {{{limit}:duration}}")
        for fact, limit, words in (
            ("idle", "unused_for", _unused_since(facts)),
            ("age", "max_age", "came"),
        )
        if facts.known(limit)
    ]
    return f"{by}: {'; '.join(told)}" if told else f"{by}, which lets nothing go"


def _when(facts: _Facts, fact: str) -> str:
    return facts.said(f"{{{fact}:ago}}") if facts.known(fact) else "at a time not known"


def _expired(facts: _Facts) -> str:
    by = f"let go by {_policy(facts)}: "
    if "age" in facts:
        return by + facts.said("came {age:ago}, over {max_age:duration}")
    return by + _unused_since(facts) + facts.said(" {idle:ago}, over {unused_for:duration}")


def _local(facts: _Facts) -> str:
    if not facts.true("said"):
        return "no registry can give it back: it was never pulled or pushed"
    asked = " (asked {asked_ago:ago})" if facts.number("asked_ago") >= _JUST_NOW else ""
    return facts.said("its registry cannot give it back: {said}" + asked)


def _unconfirmed(facts: _Facts) -> str:
    if facts.true("said"):
        once = ", which had it before," if facts.true("once_there") else ""
        return facts.said(f"its registry{once} could not be asked: {{said}}")
    if facts.known("checked") and not facts.true("checked"):
        return "no registry is asked (check_registry is off), and none is known to have had it"
    return "no registry was asked whether it has it"


def _young(facts: _Facts) -> str:
    if not facts.known("age"):
        told = "seen for the first time, of unknown age: kept for now"
    else:
        told = facts.said("{since} {age:ago}: too recent, kept ") + _until(facts)
    return told + facts.said(" (min age {min_age:duration})")


def _young_brief(facts: _Facts) -> str:
    if not facts.known("age"):
        return "age not known yet"
    return facts.said("{since} {age:ago}, kept ") + _until(facts)


def _until(facts: _Facts) -> str:
    now = facts.number("until") - facts.number("min_age") + facts.number("age")
    return f"until {facts.clock('until', now)}"


def _level(facts: _Facts) -> str:
    if "anonymous" not in facts:
        return facts.said("a {level} clean takes none of these")
    what = "an unused anonymous volume" if facts.true("anonymous") else "unused, but named"
    return what + facts.said("; it can hold data, and a {level} clean takes no volumes")


def _expected(facts: _Facts) -> str:
    told = [_used(facts)] if facts.known("idle") else []
    if facts.known("gap"):
        told.append(f"used about every {age(facts.number('gap'))}")
    if facts.known("chance"):
        told.append(facts.said("{chance:percent} likely to follow what was just asked for"))
    told.append(f"frees {_freed(facts)}")
    if facts.known("seconds"):
        told.append(f"would take about {age(max(1.0, facts.number('seconds')))} to fetch")
    return ", ".join(told)


def _freed(facts: _Facts) -> str:
    """The bytes, and how many build steps and records of the same layers have to go for them."""
    together = [
        counted(count, noun)
        for fact, noun in (("with_steps", "build step"), ("with_records", "cache record"))
        if (count := facts.count(fact))
    ]
    return facts.said("{frees:size}") + (f" with {listed(together)}" if together else "")


def _pressure_brief(facts: _Facts) -> str:
    others = facts.true("with_records") or facts.true("with_steps")
    return f"for space{_idle_for(facts)}" + (f", frees {_freed(facts)}" if others else "")


_PROTECTED: Mapping[str, str] = {
    "cache_mounts": "a cache mount (build_cache.keep_mounts)",
    "pattern": "{reference} matches {pattern}",
    "label": "it has the label {label}",
    "official": "{reference} is an official image",
    "newest": "{reference} is among the newest {newest:count} of its repository",
    "larger_than": "{size:size}, larger than {larger_than:size}",
    "local": "no registry is known to have it",
}
"""By the fact that tells of it."""


def _protected(facts: _Facts) -> str:
    told = next((words for fact, words in _PROTECTED.items() if fact in facts), "")
    if not told:
        when = _when(facts, "age")
        told = f"came here {when}, less than {{min_age:duration}} ago"
        if "used_within" in facts:
            told = f"last used {when}, within {{used_within:duration}}"
    return "protected: " + facts.said(told)


def _leased(facts: _Facts) -> str:
    if facts.true("unread"):
        return "perhaps leased: the leases cannot be read"
    job = " by job {job}" if facts.true("job") else ""
    user = " of user {user}" if facts.true("user") else ""
    return facts.said(f"leased{job}{user} until ") + facts.clock("until", facts.number("now"))


def _over_budget(facts: _Facts) -> str:
    told = f"{_keeps(facts)} {{total:size}}, over {_their(facts)} budget of {{budget:size}}; "
    if not facts.true("budget"):
        whose = "builder {builder}" if facts.true("builder") else "the build cache"
        if facts.true("pattern"):
            whose = "volumes like {pattern}"
        told = f"the budget of {whose} is 0 B; "
    return facts.said(told) + _used(facts)


def _within_budget(facts: _Facts) -> str:
    if facts.true("unmeasured"):
        return facts.said("its size is not known, so the budget of {pattern} does not let it go")
    return facts.said(
        f"{_keeps(facts)} {{total:size}}, within {_their(facts)} budget of {{budget:size}}"
    )


def _their(facts: _Facts) -> str:
    return "their" if facts.true("pattern") else "its"


def _keeps(facts: _Facts) -> str:
    if facts.true("pattern"):
        return "volumes like {pattern} hold"
    return "builder {builder} keeps" if facts.true("builder") else "build cache is"


RULES: Mapping[Rule, _Wording] = {
    Rule.IN_USE: _Wording("in use", _in_use, _in_use_brief),
    Rule.NEEDED_BY: _Wording(
        "needed by others", "needed by container {container} ({state}), which stays", until=" ("
    ),
    Rule.GROUP_ALIVE: _Wording(
        "of running groups", "part of {group} {name}: container {container} runs"
    ),
    Rule.STOPPED_GROUP: _Wording("of stopped groups", _stopped_group, until=":"),
    Rule.TOOL: _Wording(
        "kept by tools",
        lambda facts: facts.said("kept by {tool}" + (": {what}" if facts.true("what") else "")),
    ),
    Rule.RESTART: _Wording(
        "to be restarted",
        "restart policy {policy}: meant to be started again, goes after {least:duration} without "
        "a start",
        until=":",
    ),
    Rule.STOPPED: _Wording("stopped", _stopped),
    Rule.NEVER_STARTED: _Wording(
        "never started",
        lambda facts: facts.said(
            f"created{' {age:ago}' if facts.known('age') else ''} and never started"
        ),
    ),
    Rule.EXIT_CODE: _Wording(
        "of other exit codes", "exit code {exit_code} is not among containers.exit_codes"
    ),
    Rule.TAGGED: _Wording(
        "tagged",
        lambda facts: facts.said(
            "tagged" if facts.count("tags") == 1 else "tagged ({tags:count} tags)"
        ),
    ),
    Rule.DIGEST: _Wording(
        "pulled by digest",
        _digest,
        lambda facts: "pulled by digest" if facts.true("certain") else "perhaps pulled by digest",
    ),
    Rule.UNTAGGED: _Wording("untagged", _untagged, _untagged_brief),
    Rule.STEP: _Wording("build steps", _step),
    Rule.PARENT: _Wording("parent images", _parent),
    Rule.RETAINED: _Wording("retained", _retained, until=":"),
    Rule.EXPIRED: _Wording("expired", _expired),
    Rule.LOCAL: _Wording("only here", _local, "only here: no registry has it"),
    Rule.UNCONFIRMED: _Wording(
        "not confirmed by a registry", _unconfirmed, "not confirmed by its registry"
    ),
    Rule.YOUNG: _Wording("too recent", _young, _young_brief),
    Rule.LEVEL: _Wording("not for this level", _level, "not for this level"),
    Rule.PROTECTED: _Wording("protected", _protected),
    Rule.PRUNE_FILTER: _Wording(
        "protected by pruneFilters",
        "protected by pruneFilters of the docker configuration: {filter}",
        "protected by pruneFilters",
    ),
    Rule.LEASED: _Wording("leased", _leased),
    Rule.NOT_SELECTED: _Wording(
        "not selected", "not selected: only something else may go this time", "not selected"
    ),
    Rule.NAMED: _Wording(
        "named", "unused, but named: it can hold data, and no rule lets it go", "unused, but named"
    ),
    Rule.BY_HAND: _Wording(
        "made by hand",
        "unused, but no tool made it: something may name it that does not run now",
        "unused, made by hand",
    ),
    Rule.RELEASED: _Wording(
        "just released",
        "its last container, {container}, goes in this run: kept for now",
        "its last container, {container}, goes in this run",
    ),
    Rule.UNUSED: _Wording("unused", lambda facts: f"unused{_idle_for(facts)}"),
    Rule.PRESSURE: _Wording(
        "evicted for space",
        lambda facts: facts.said("the disk needs {least_free:size} free; ") + _expected(facts),
        _pressure_brief,
    ),
    Rule.CHANGED: _Wording("changed since planned", "changed since the plan was made: {what}"),
    Rule.USE_UNKNOWN: _Wording(
        "use since planned not known",
        "the engine no longer has all events since the plan was made",
    ),
    Rule.AGREED: _Wording("as planned", "in the plan that was agreed on"),
    Rule.NOT_IN_PLAN: _Wording("not in the plan", "not in the plan"),
    Rule.BUILTIN: _Wording("the engine's own", "belongs to the engine"),
    Rule.OVER_BUDGET: _Wording("over the budget", _over_budget, _used),
    Rule.IDLE: _Wording(
        "not used for long", "not used for {idle:duration}, over {unused_for:duration}"
    ),
    Rule.WITHIN_BUDGET: _Wording(
        "within the budget",
        _within_budget,
        "within the budget",
    ),
    Rule.NEEDED: _Wording("needed by others", _needed),
    Rule.DAMAGED: _Wording("damaged", "its content was damaged"),
    Rule.ODD: _Wording("not understood", "the engine's entry for it is invalid: left alone"),
    Rule.SHARED: _Wording(
        "shared with images",
        "shares its layer with an image that is here now: removing it frees nothing yet",
        "shared with an image",
    ),
}
"""How each rule reads."""

"""Every rule that keeps an object or lets it go, in words. The one place that renders reasons.

The words are ASCII, so that they come out the same on every stream. Each rule has three: a
sentence with all its facts (``text``), a few words for a table's row (``brief``), and the name of
the group the object is counted in (``label``).
"""

from __future__ import annotations

from collections.abc import Mapping

from holystone.planner.verdict import Fact, Reason, Rule
from holystone.present import container_reasons, image_reasons
from holystone.present.format import age, counted, listed
from holystone.present.rule_wording import Facts, Wording, fixed, used


def text(reason: Reason) -> str:
    """The reason as a short sentence with its facts. Raises KeyError for an unknown rule."""
    return RULES[reason.rule].text(Facts(reason.facts))


def brief(reason: Reason) -> str:
    """The reason in a few words, for a row. Raises KeyError for an unknown rule."""
    wording = RULES[reason.rule]
    return (wording.brief or wording.text)(Facts(reason.facts))


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
    return _expected(Facts(told))


def _in_use(facts: Facts) -> str:
    if facts.true("build"):
        return "in use by a build that runs now"
    if facts.true("manifest_list"):
        return f"in use by manifest list {facts.text('manifest_list')}"
    if facts.known("state"):
        state = facts.text("state")
        if state == "created":
            return container_reasons.created(facts)
        return f"in use: the container is {state}"
    others = facts.count("containers") - 1
    more = f" and {others} more" if others > 0 else ""
    return f"in use by container {facts.text('container')}{more}"


def _in_use_brief(facts: Facts) -> str:
    if facts.true("build"):
        return "in use by a build"
    if facts.known("state") and not facts.true("manifest_list"):
        state = facts.text("state")
        return container_reasons.created_brief(facts) if state == "created" else state
    return _in_use(facts).replace("by container ", "by ", 1)


def _young(facts: Facts) -> str:
    least = f"min age {facts.duration('min_age')}"
    if not facts.known("age"):
        return f"seen for the first time, of unknown age: kept for now ({least})"
    return f"{_since(facts)}: too recent, kept {_until(facts)} ({least})"


def _young_brief(facts: Facts) -> str:
    return f"{_since(facts)}, kept {_until(facts)}" if facts.known("age") else "age not known yet"


def _since(facts: Facts) -> str:
    return f"{facts.text('since')} {facts.ago('age')}"


def _until(facts: Facts) -> str:
    now = facts.number("until") - facts.number("min_age") + facts.number("age")
    return f"until {facts.clock('until', now)}"


def _needed(facts: Facts) -> str:
    children = facts.count("children")
    stay = "stays and is" if children == 1 else "stay and are"
    return f"{counted(children, 'cache record')} {stay} made from it"


def _level(facts: Facts) -> str:
    level = facts.text("level")
    if "anonymous" not in facts:
        return f"a {level} clean takes none of these"
    what = "an unused anonymous volume" if facts.true("anonymous") else "unused, but named"
    return f"{what}; it can hold data, and a {level} clean takes no volumes"


def _idle_for(facts: Facts) -> str:
    return f", {used(facts)}" if facts.known("idle") else ""


def _released(facts: Facts) -> str:
    return f"its last container, {facts.text('container')}, goes in this run"


def _pressure(facts: Facts) -> str:
    return f"the disk needs {facts.size('least_free')} free; {_expected(facts)}"


def _expected(facts: Facts) -> str:
    told = []
    if facts.known("idle"):
        told.append(used(facts))
    if facts.known("gap"):
        told.append(f"used about every {age(facts.number('gap'))}")
    if facts.known("chance"):
        told.append(f"{facts.number('chance'):.0%} likely to follow what was just asked for")
    told.append(f"frees {_freed(facts)}")
    if facts.known("seconds"):
        told.append(f"would take about {age(max(1.0, facts.number('seconds')))} to fetch")
    return ", ".join(told)


def _freed(facts: Facts) -> str:
    """The bytes, and how many build steps and records of the same layers have to go for them."""
    together = [
        counted(count, noun)
        for fact, noun in (("with_steps", "build step"), ("with_records", "cache record"))
        if (count := facts.count(fact))
    ]
    return facts.size("frees") + (f" with {listed(together)}" if together else "")


def _pressure_brief(facts: Facts) -> str:
    others = facts.true("with_records") or facts.true("with_steps")
    together = f", frees {_freed(facts)}" if others else ""
    return f"for space{_idle_for(facts)}{together}"


def _protected(facts: Facts) -> str:
    if "cache_mounts" in facts:
        return "protected: a cache mount (build_cache.keep_mounts)"
    return f"protected: {_protected_by(facts)}"


def _protected_by(facts: Facts) -> str:
    reference = facts.text("reference")
    if "pattern" in facts:
        return f"{reference} matches {facts.text('pattern')}"
    if "label" in facts:
        return f"it has the label {facts.text('label')}"
    if "official" in facts:
        return f"{reference} is an official image"
    if "newest" in facts:
        return f"{reference} is among the newest {facts.count('newest')} of its repository"
    if "larger_than" in facts:
        return f"{facts.size('size')}, larger than {facts.size('larger_than')}"
    if "local" in facts:
        return "no registry is known to have it"
    when = facts.ago("age") if facts.known("age") else "at a time not known"
    if "used_within" in facts:
        return f"last used {when}, within {facts.duration('used_within')}"
    return f"came here {when}, less than {facts.duration('min_age')} ago"


def _leased(facts: Facts) -> str:
    if facts.true("unread"):
        return "perhaps leased: the leases cannot be read"
    job = f" by job {facts.text('job')}" if facts.true("job") else ""
    user = f" of user {facts.text('user')}" if facts.true("user") else ""
    return f"leased{job}{user} until {facts.clock('until', facts.number('now'))}"


def _over_budget(facts: Facts) -> str:
    if not facts.true("budget"):
        return f"the budget of the build cache is 0 B; {used(facts)}"
    return f"{_total(facts)}, over its budget of {facts.size('budget')}; {used(facts)}"


def _total(facts: Facts) -> str:
    return f"build cache is {facts.size('total')}"


RULES: Mapping[Rule, Wording] = {
    Rule.IN_USE: Wording(_in_use, "in use", _in_use_brief),
    **container_reasons.RULES,
    **image_reasons.RULES,
    Rule.YOUNG: Wording(_young, "too recent", _young_brief),
    Rule.LEVEL: Wording(_level, "not for this level", fixed("not for this level")),
    Rule.PROTECTED: Wording(_protected, "protected"),
    Rule.PRUNE_FILTER: Wording(
        lambda facts: (
            f"protected by pruneFilters of the docker configuration: {facts.text('filter')}"
        ),
        "protected by pruneFilters",
        fixed("protected by pruneFilters"),
    ),
    Rule.LEASED: Wording(_leased, "leased"),
    Rule.NAMED: Wording(
        fixed("unused, but named: it can hold data, and no rule lets it go"),
        "named",
        fixed("unused, but named"),
    ),
    Rule.BY_HAND: Wording(
        fixed("unused, but no tool made it: something may name it that does not run now"),
        "made by hand",
        fixed("unused, made by hand"),
    ),
    Rule.RELEASED: Wording(
        lambda facts: f"{_released(facts)}: kept for now", "just released", _released
    ),
    Rule.UNUSED: Wording(lambda facts: f"unused{_idle_for(facts)}", "unused"),
    Rule.PRESSURE: Wording(_pressure, "evicted for space", _pressure_brief),
    Rule.CHANGED: Wording(
        lambda facts: f"changed since the plan was made: {facts.text('what')}",
        "changed since planned",
    ),
    Rule.USE_UNKNOWN: Wording(
        fixed("the engine no longer tells what used it since the plan was made"),
        "use since planned not known",
    ),
    Rule.AGREED: Wording(fixed("in the plan that was agreed on"), "as planned"),
    Rule.NOT_IN_PLAN: Wording(fixed("not in the plan"), "not in the plan"),
    Rule.BUILTIN: Wording(fixed("belongs to the engine"), "the engine's own"),
    Rule.OVER_BUDGET: Wording(_over_budget, "over the budget", used),
    Rule.IDLE: Wording(
        lambda facts: f"not used for {facts.duration('idle')}, over {facts.duration('unused_for')}",
        "not used for long",
    ),
    Rule.WITHIN_BUDGET: Wording(
        lambda facts: f"{_total(facts)}, within its budget of {facts.size('budget')}",
        "within the budget",
        fixed("within the budget"),
    ),
    Rule.NEEDED: Wording(_needed, "needed by others"),
    Rule.DAMAGED: Wording(fixed("its content was damaged"), "damaged"),
    Rule.ODD: Wording(
        fixed("the engine's entry for it makes no sense: left alone"), "not understood"
    ),
    Rule.SHARED: Wording(
        fixed("shares its layer with an image that is here now: removing it frees nothing yet"),
        "shared with images",
        fixed("shared with an image"),
    ),
}
"""How each rule reads."""

"""The rules on images alone, in words; see ``reasons``."""

from __future__ import annotations

from collections.abc import Mapping

from holystone.planner.verdict import Rule
from holystone.present.format import counted
from holystone.present.rule_wording import Facts, Wording, fixed, sign, until

_JUST_NOW = 60.0
"""Seconds within which a registry was asked in this run."""


def _unused_since(facts: Facts) -> str:
    """What ``idle`` counts from, beside a limit on how long it may be unused."""
    since = sign(facts)
    return since if since == "last used" else f"no use known, {since}"


def _untagged(facts: Facts) -> str:
    how = "untagged: it lost its last tag" if facts.true("once_tagged") else "untagged"
    return f"{how}; it was pulled as {facts.reference('digest')}" if facts.true("digest") else how


def _untagged_brief(facts: Facts) -> str:
    if facts.true("once_tagged"):
        return "lost its last tag"
    return "pulled, has no tag now" if facts.true("digest") else "has no tag"


def _step(facts: Facts) -> str:
    """Of how many images that go it was a step."""
    others = facts.count("images") - 1
    goes = f" and {others} more, which go too" if others > 0 else ", which goes too"
    return f"build step of {facts.text('image')}{goes}"


def _tagged(facts: Facts) -> str:
    tags = facts.count("tags")
    return "tagged" if tags == 1 else f"tagged ({tags} tags)"


def _digest(facts: Facts) -> str:
    reference = facts.reference("reference")
    if facts.true("certain"):
        return f"pulled by digest: {reference}"
    return (
        f"it has no tag but a digest: {reference}. Either it was pulled by that digest, or its tag "
        "moved to another image before holystone saw it"
    )


def _digest_brief(facts: Facts) -> str:
    return "pulled by digest" if facts.true("certain") else "perhaps pulled by digest"


def _parent(facts: Facts) -> str:
    children = facts.count("children")
    stay = "stays was" if children == 1 else "stay were"
    return f"{counted(children, 'image')} that {stay} built on it"


def _retained(facts: Facts) -> str:
    if "policy" not in facts:
        name = facts.text("reference") if facts.true("reference") else "it"
        return f"no retention rule lets {name} go"
    by = f"kept by rule {facts.text('policy')!r}"
    if "newest" in facts:
        count = facts.count("newest")
        what = "digest" if "@" in facts.text("reference") else "tag"
        which = f"the newest {what}" if count == 1 else f"among the newest {count} {what}s"
        return f"{by}: {which} of its repository"
    if "idle" not in facts:
        return by
    said = [
        f"{words} {facts.ago(fact) if facts.known(fact) else 'at a time not known'}, "
        f"goes after {facts.duration(limit)}"
        for fact, limit, words in (
            ("idle", "unused_for", _unused_since(facts)),
            ("age", "max_age", "came"),
        )
        if facts.known(limit)
    ]
    return f"{by}: {'; '.join(said)}" if said else f"{by}, which lets nothing go"


def _expired(facts: Facts) -> str:
    by = f"let go by rule {facts.text('policy')!r}"
    if "age" in facts:
        return f"{by}: came {facts.ago('age')}, over {facts.duration('max_age')}"
    return f"{by}: {_unused_since(facts)} {facts.ago('idle')}, over {facts.duration('unused_for')}"


def _local(facts: Facts) -> str:
    if not facts.true("said"):
        return "no registry can give it back: it was never pulled or pushed"
    asked = f" (asked {facts.ago('asked_ago')})" if facts.number("asked_ago") >= _JUST_NOW else ""
    return f"its registry cannot give it back: {facts.text('said')}{asked}"


def _unconfirmed(facts: Facts) -> str:
    if facts.true("said"):
        once = ", which had it before," if facts.true("once_there") else ""
        return f"its registry{once} could not be asked: {facts.text('said')}"
    if facts.known("checked") and not facts.true("checked"):
        return "no registry is asked (check_registry is off), and none is known to have had it"
    return "no registry was asked whether it has it"


RULES: Mapping[Rule, Wording] = {
    Rule.TAGGED: Wording(_tagged, "tagged"),
    Rule.DIGEST: Wording(_digest, "pulled by digest", _digest_brief),
    Rule.UNTAGGED: Wording(_untagged, "untagged", _untagged_brief),
    Rule.STEP: Wording(_step, "build steps"),
    Rule.PARENT: Wording(_parent, "parent images"),
    Rule.RETAINED: Wording(_retained, "retained", until(_retained, ":")),
    Rule.EXPIRED: Wording(_expired, "expired"),
    Rule.LOCAL: Wording(_local, "only here", fixed("only here: no registry has it")),
    Rule.UNCONFIRMED: Wording(
        _unconfirmed, "not confirmed by a registry", fixed("not confirmed by its registry")
    ),
}
"""How each of them reads."""

"""What the retention rules say of an image with names: the first that matches a name decides."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import groupby

from holystone.planner.inventory import Image
from holystone.planner.patterns import References, decided, references
from holystone.planner.policy import Retention
from holystone.planner.protection import (
    digests_by_repository,
    parsed_or_none,
    tags_by_repository,
)
from holystone.planner.verdict import Reason


class _Rules:
    """Rules in the order in which they are asked."""

    def __init__(self, rules: Sequence[Retention]) -> None:
        self.rules = rules

    @cached_property
    def _patterns(self) -> tuple[References, list[int], int]:
        """The patterns of all rules, the rule of each, and the first rule for every image."""
        owners = [at for at, rule in enumerate(self.rules) for _ in rule.images]
        general = next((at for at, rule in enumerate(self.rules) if not rule.images), -1)
        texts = tuple(text for rule in self.rules for text in rule.images)
        return references(texts), owners, general

    def first_for(self, name: str) -> Retention | None:
        """The first rule for a name; None where there is none."""
        patterns, owners, general = self._patterns
        parsed = parsed_or_none(name) if owners else None
        matching = [] if parsed is None else patterns.matching(parsed)
        for at, numbers in groupby(matching, key=owners.__getitem__):
            if 0 <= general < at:
                break
            if decided(patterns.texts[number] for number in numbers):
                return self.rules[at]
        return self.rules[general] if general >= 0 else None


class Retained:
    """The retention rules, applied to the images of one host."""

    def __init__(
        self,
        images: Iterable[Image],
        rules: Sequence[Retention],
        digests: Callable[[Image], Sequence[str]],
        also: Sequence[Retention] = (),
    ) -> None:
        """``digests`` answers the digests that name an image as a tag does.

        ``also`` are rules that can only keep more: see ``Policy.also_retained``.
        """
        self.images = images
        self.rules = _Rules(rules)
        self.also = _Rules(also)
        self.digests = digests

    @cached_property
    def rank(self) -> dict[str, int]:
        """The place of each tag among the tags of its repository, the newest first.

        Of each digest that is a name among those of its repository.
        """
        by_tag = tags_by_repository(self.images)
        by_digest = digests_by_repository(self.images, self.digests)
        return {
            name: place
            for names in (*by_tag.values(), *by_digest.values())
            for place, name in enumerate(names, start=1)
        }

    def judge(
        self, image: Image, unused: tuple[str, float | None], age: float | None
    ) -> tuple[bool, Reason]:
        """Whether all names of an image are let go, and the reason: that of the name that keeps it.

        ``unused`` is what last told of it and how long ago that was, ``age`` how long it has been
        here; seconds, None where nothing tells, which lets nothing go.
        """
        reason = Reason("retained", {})
        for name in (*image.tags, *self.digests(image)):
            let_go, reason = self._judge_name(name, unused, age)
            if not let_go:
                return False, reason
        return True, reason

    def _judge_name(
        self, name: str, unused: tuple[str, float | None], age: float | None
    ) -> tuple[bool, Reason]:
        rule = self.rules.first_for(name)
        if rule is None:
            return False, Reason("retained", {"reference": name})
        let_go, reason = self._by(rule, name, unused, age)
        more = self.also.first_for(name) if let_go else None
        if more is not None:
            let_go, why = self._by(more, name, unused, age)
            return let_go, reason if let_go else why
        return let_go, reason

    def _by(
        self, rule: Retention, name: str, unused: tuple[str, float | None], age: float | None
    ) -> tuple[bool, Reason]:
        """Whether a rule lets a name go that it is for."""
        sign, idle = unused
        named = {"policy": rule.name, "reference": name}
        if rule.keep:
            return False, Reason("retained", named)
        if self.rank[name] <= rule.keep_last:
            return False, Reason("retained", {**named, "newest": rule.keep_last})
        if rule.unused_for is not None and idle is not None and idle >= rule.unused_for:
            unused_for = rule.unused_for
            return True, Reason(
                "expired", {**named, "idle": idle, "sign": sign, "unused_for": unused_for}
            )
        if rule.max_age is not None and age is not None and age >= rule.max_age:
            return True, Reason("expired", {**named, "age": age, "max_age": rule.max_age})
        return False, Reason(
            "retained",
            {
                **named,
                "idle": idle,
                "sign": sign,
                "unused_for": rule.unused_for,
                "age": age,
                "max_age": rule.max_age,
            },
        )

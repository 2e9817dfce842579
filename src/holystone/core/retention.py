"""What the retention rules say of a tagged image: the first rule that matches a tag decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property

from holystone.core.decision import Reason
from holystone.core.inventory import Image
from holystone.core.policy import Retention
from holystone.core.protection import covers, tags_by_repository


class Retained:
    """The retention rules, applied to the images of one host."""

    def __init__(self, images: Iterable[Image], rules: Sequence[Retention]) -> None:
        self.images = images
        self.rules = rules

    @cached_property
    def rank(self) -> dict[str, int]:
        """The place of each tag in its repository, the newest first."""
        return {
            tag: place
            for tags in tags_by_repository(self.images).values()
            for place, tag in enumerate(tags, start=1)
        }

    def judge(self, image: Image, idle: float | None, age: float | None) -> tuple[bool, Reason]:
        """Whether all tags of an image are let go, and the reason: that of the tag that keeps it.

        ``idle`` is how long nobody is known to have used it, ``age`` how long it has been here;
        seconds, None where nothing tells, which lets nothing go.
        """
        reason = Reason("retained", {})
        for tag in image.tags:
            let_go, reason = self._judge_tag(tag, idle, age)
            if not let_go:
                return False, reason
        return True, reason

    def _judge_tag(self, tag: str, idle: float | None, age: float | None) -> tuple[bool, Reason]:
        rule = next((r for r in self.rules if not r.images or covers(r.images, tag)), None)
        if rule is None:
            return False, Reason("retained", {"reference": tag})
        named = {"policy": rule.name, "reference": tag}
        if rule.keep:
            return False, Reason("retained", named)
        if self.rank[tag] <= rule.keep_last:
            return False, Reason("retained", {**named, "newest": rule.keep_last})
        if rule.unused_for is not None and idle is not None and idle >= rule.unused_for:
            return True, Reason("expired", {**named, "idle": idle, "unused_for": rule.unused_for})
        if rule.max_age is not None and age is not None and age >= rule.max_age:
            return True, Reason("expired", {**named, "age": age, "max_age": rule.max_age})
        return False, Reason(
            "retained",
            {
                **named,
                "idle": idle,
                "unused_for": rule.unused_for,
                "age": age,
                "max_age": rule.max_age,
            },
        )

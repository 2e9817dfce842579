"""Objects that never go, at any level: the owner's protection, leases, ``pruneFilters``.

And those that do not go this time, since a selection leaves them out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import groupby

from holystone.planner.inventory import Image, Inventory
from holystone.planner.names import digests_by_repository, tags_by_repository
from holystone.planner.patterns import Labels, References, decided, references
from holystone.planner.policy import Policy, Protect, Retention
from holystone.planner.reference import HUB, parsed_or_none
from holystone.planner.usage import Key, Lease, Usage, age_of
from holystone.planner.verdict import Fact, Reason, Rule

_SHORTEST_ID = 12
"""How many characters of an ID a lease must have: less may be the name of a repository."""


class Protection:
    """The protection of one host's objects. Asked once for each object."""

    def __init__(self, inventory: Inventory, usage: Usage, policy: Policy, now: float) -> None:
        self.protect: Protect = policy.protect
        given = (self.protect.images, *self.protect.other_images)
        self._lists = tuple(references(each) for each in given if each)
        """The lists of patterns of images."""
        filters = [text.partition("=") for text in policy.prune_filters]
        self._labels = Labels(self.protect.labels)
        self._spared = Labels(label for wanted, _, label in filters if wanted.endswith("!"))
        self._wanted = Labels(label for wanted, _, label in filters if not wanted.endswith("!"))
        self.leases = tuple(lease for lease in usage.leases if lease.until > now)
        self.leases_unread = usage.leases_unread
        self.now = now
        self._selected = None
        if policy.only is not None:
            from holystone.planner.selection import selected  # Few plans take it.

            self._selected = selected(inventory, policy.only)
        count = self.protect.newest
        by_repository = tags_by_repository(inventory.images) if count else {}
        self.newest = {tag for tags in by_repository.values() for tag in tags[:count]}
        """The tags that are among the newest ``count`` of their repository, by date of build."""
        self._by_label = bool(filters or self.protect.labels)
        leased = bool(self.leases) or self.leases_unread
        self.any = leased or bool(filters) or self.protect != Protect()
        """Whether there is anything that could protect an image."""

    def left_out(self, key: Key) -> Reason | None:
        """Why an object stays that is not among those selected, or None."""
        if self._selected is None or key in self._selected:
            return None
        return Reason(Rule.NOT_SELECTED)

    def of_labels(self, labels: Mapping[str, str]) -> Reason | None:
        """Why an object with these labels stays, or None."""
        if not self._by_label:
            return None
        if pattern := self._labels.first(labels):
            return Reason(Rule.PROTECTED, {"label": pattern})
        if pattern := self._spared.first(labels):
            return Reason(Rule.PRUNE_FILTER, {"filter": f"label!={pattern}"})
        if (missing := self._wanted.first_missing(labels)) is not None:
            return Reason(Rule.PRUNE_FILTER, {"filter": f"label={missing}"})
        return None

    def of_image(
        self, image: Image, arrived: float | None, used: float | None, *, lost: bool
    ) -> Reason | None:
        """Why an image stays, or None.

        ``arrived`` is when it came here, ``used`` the last sign that somebody wanted it, None where
        nothing tells; ``lost``: whether no registry may be able to give it back.
        """
        if not self.any:
            return None
        return (
            self._leased(image, image.tags + image.digests)
            or self._by_name(image)
            or self.of_labels(image.labels)
            or self._by_size(image)
            or self._by_time(arrived, used)
            or (Reason(Rule.PROTECTED, {"local": True}) if self.protect.local and lost else None)
        )

    def of_references(self, references: Sequence[str]) -> Reason | None:
        """Why a container stays that was made from an image with these references, or None.

        Of the protection of images only the patterns count: what is dear to download again costs
        nothing where a container goes.
        """
        tagged = any("@" not in reference for reference in references)
        for name in references:
            if pattern := self._pattern_on(name, tagged=tagged):
                return Reason(Rule.PROTECTED, {"pattern": pattern, "reference": name})
        return None

    def _pattern_on(self, name: str, *, tagged: bool) -> str:
        """The pattern that protects a reference of an image, tagged or not; empty where none does.

        Patterns speak of an image's tags; of its digests only those that name digests.
        """
        parsed = parsed_or_none(name) if self._lists else None
        if parsed is None:
            return ""
        by_tag = "@" not in name or not tagged
        ask = References.covering if by_tag else References.covering_digest
        return next((found for each in self._lists if (found := ask(each, parsed))), "")

    def _leased(self, image: Image, names: Iterable[str]) -> Reason | None:
        lease = lease_on(self.leases, image.id, names)
        if lease is None:
            return Reason(Rule.LEASED, {"unread": True}) if self.leases_unread else None
        facts: dict[str, Fact] = {"until": lease.until, "job": lease.job, "now": self.now}
        return Reason(Rule.LEASED, facts | ({"user": lease.user} if lease.user else {}))

    def _by_name(self, image: Image) -> Reason | None:
        for name in image.tags + image.digests:
            named = name in image.pinned or not image.tags
            if pattern := self._pattern_on(name, tagged=not named):
                return Reason(Rule.PROTECTED, {"pattern": pattern, "reference": name})
            if self.protect.official and _is_official(name):
                return Reason(Rule.PROTECTED, {"official": True, "reference": name})
            if name in self.newest:
                return Reason(Rule.PROTECTED, {"newest": self.protect.newest, "reference": name})
        return None

    def _by_size(self, image: Image) -> Reason | None:
        least = self.protect.larger_than
        if least is None or image.size <= least:
            return None
        return Reason(Rule.PROTECTED, {"larger_than": least, "size": image.size})

    def _by_time(self, arrived: float | None, used: float | None) -> Reason | None:
        for rule, least, when in (
            ("used_within", self.protect.used_within, used),
            ("min_age", self.protect.min_age, arrived),
        ):
            if least is not None and (when is None or self.now - when < least):
                return Reason(Rule.PROTECTED, {rule: least, "age": age_of(when, self.now)})
        return None


def lease_on(leases: Iterable[Lease], image_id: str, names: Iterable[str]) -> Lease | None:
    """The first lease on an image with this ID and these references, or None."""
    names = tuple(names)
    return next((lease for lease in leases if _means(lease.reference, image_id, names)), None)


def _is_official(reference: str) -> bool:
    parsed = parsed_or_none(reference)
    return parsed is not None and parsed.domain == HUB and parsed.path.startswith("library/")


def _means(leased: str, image_id: str, names: Iterable[str]) -> bool:
    """Whether a lease is on this image: by ID, or the beginning of one, or by a reference."""
    bare = leased.removeprefix("sha256:")
    if len(bare) >= _SHORTEST_ID and image_id.startswith(f"sha256:{bare}"):
        return True
    wanted = parsed_or_none(leased)
    if wanted is None:
        return False
    name, tag, digest = wanted.name, wanted.complete.tag, wanted.digest
    others = [other for each in names if (other := parsed_or_none(each)) and other.name == name]
    # The digest alone decides what is meant by "name:tag@digest".
    return any(each.digest == digest if digest else each.tag == tag for each in others)


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
        reason = Reason(Rule.RETAINED, {})
        for name in (*image.tags, *self.digests(image)):
            let_go, reason = self._by(self.rules.first_for(name), name, unused, age)
            if let_go and (more := self.also.first_for(name)):
                let_go, why = self._by(more, name, unused, age)
                reason = reason if let_go else why
            if not let_go:
                return False, reason
        return True, reason

    def _by(
        self, rule: Retention | None, name: str, unused: tuple[str, float | None], age: float | None
    ) -> tuple[bool, Reason]:
        """Whether a rule lets a name go that it is for."""
        if rule is None:
            return False, Reason(Rule.RETAINED, {"reference": name})
        sign, idle = unused
        named: dict[str, Fact] = {"policy": rule.name, "reference": name}
        by_use: dict[str, Fact] = {"idle": idle, "sign": sign, "unused_for": rule.unused_for}
        by_age: dict[str, Fact] = {"age": age, "max_age": rule.max_age}
        if rule.keep:
            return False, Reason(Rule.RETAINED, named)
        if self.rank[name] <= rule.keep_last:
            return False, Reason(Rule.RETAINED, {**named, "newest": rule.keep_last})
        if rule.unused_for is not None and idle is not None and idle >= rule.unused_for:
            return True, Reason(Rule.EXPIRED, named | by_use)
        if rule.max_age is not None and age is not None and age >= rule.max_age:
            return True, Reason(Rule.EXPIRED, named | by_age)
        return False, Reason(Rule.RETAINED, named | by_use | by_age)

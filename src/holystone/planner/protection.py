"""What must never go, whatever the level: the owner's protection, leases, ``pruneFilters``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import groupby

from holystone.planner.inventory import Image, Inventory
from holystone.planner.names import digests_by_repository, tags_by_repository
from holystone.planner.patterns import Labels, References, decided, references
from holystone.planner.policy import Policy, Protect, Retention
from holystone.planner.reference import HUB, Reference, parsed_or_none
from holystone.planner.usage import Lease, Usage
from holystone.planner.verdict import Fact, Reason, Rule

_SHORTEST_ID = 12
"""How many characters of an ID a lease must have: less may be the name of a repository."""


class Protection:
    """Who is protected on one host. Asked once for each object."""

    def __init__(self, inventory: Inventory, usage: Usage, policy: Policy, now: float) -> None:
        self.protect: Protect = policy.protect
        self.filters = policy.prune_filters
        self._lists: tuple[References, ...] = ()
        """The lists of patterns of images."""
        self._labels: Labels | None = None
        self._unlike: tuple[Labels, Labels] | None = None
        """The labels that prune filters spare, and those without which they do."""
        if given := [each for each in (self.protect.images, *self.protect.other_images) if each]:
            self._lists = tuple(map(references, given))
        if self.protect.labels or self.filters:
            self._read_labels()
        self.leases = tuple(lease for lease in usage.leases if lease.until > now)
        self.leases_unread = usage.leases_unread
        self.now = now
        self.newest = _newest(inventory.images, self.protect.newest)
        leased = bool(self.leases) or self.leases_unread
        self.any = leased or bool(self.filters) or self.protect != Protect()
        """Whether there is anything that could protect an image."""

    def _read_labels(self) -> None:

        self._labels = Labels(self.protect.labels)
        told = [text.partition("=") for text in self.filters]
        self._unlike = (
            Labels(label for wanted, _, label in told if wanted.endswith("!")),
            Labels(label for wanted, _, label in told if not wanted.endswith("!")),
        )

    def of_labels(self, labels: Mapping[str, str]) -> Reason | None:
        """Why an object with these labels stays, or None."""
        if self._labels is None or self._unlike is None:
            return None
        if pattern := self._labels.first(labels):
            return Reason(Rule.PROTECTED, {"label": pattern})
        spared, wanted = self._unlike
        if pattern := spared.first(labels):
            return Reason(Rule.PRUNE_FILTER, {"filter": f"label!={pattern}"})
        if (missing := wanted.first_missing(labels)) is not None:
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
        found = (
            each.covering(parsed) if by_tag else each.covering_digest(parsed)
            for each in self._lists
        )
        return next((pattern for pattern in found if pattern), "")

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
                age = None if when is None else max(0.0, self.now - when)
                return Reason(Rule.PROTECTED, {rule: least, "age": age})
        return None


def lease_on(leases: Iterable[Lease], image_id: str, names: Iterable[str]) -> Lease | None:
    """The first lease on an image with this ID and these references, or None."""
    return next((lease for lease in leases if _means(lease, image_id, names)), None)


def _newest(images: Iterable[Image], count: int) -> frozenset[str]:
    """The tags that are among the newest ``count`` of their repository, by date of build."""
    if not count:
        return frozenset()
    return frozenset(tag for tags in tags_by_repository(images).values() for tag in tags[:count])


def _is_official(reference: str) -> bool:

    parsed = parsed_or_none(reference)
    return parsed is not None and parsed.domain == HUB and parsed.path.startswith("library/")


def _means(lease: Lease, image_id: str, names: Iterable[str]) -> bool:
    """Whether a lease is on this image: by ID, or the beginning of one, or by a reference."""
    bare = lease.reference.removeprefix("sha256:")
    if len(bare) >= _SHORTEST_ID and image_id.startswith(f"sha256:{bare}"):
        return True
    wanted = parsed_or_none(lease.reference)
    if wanted is None:
        return False
    wanted = wanted.complete
    return any(_same(wanted, parsed_or_none(name)) for name in names)


def _same(wanted: Reference, other: Reference | None) -> bool:
    if other is None or wanted.name != other.name:
        return False
    # The digest alone decides what is meant by "name:tag@digest".
    return wanted.digest == other.digest if wanted.digest else wanted.tag == other.tag


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
            let_go, reason = self._judge_name(name, unused, age)
            if not let_go:
                return False, reason
        return True, reason

    def _judge_name(
        self, name: str, unused: tuple[str, float | None], age: float | None
    ) -> tuple[bool, Reason]:
        rule = self.rules.first_for(name)
        if rule is None:
            return False, Reason(Rule.RETAINED, {"reference": name})
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
            return False, Reason(Rule.RETAINED, named)
        if self.rank[name] <= rule.keep_last:
            return False, Reason(Rule.RETAINED, {**named, "newest": rule.keep_last})
        if rule.unused_for is not None and idle is not None and idle >= rule.unused_for:
            unused_for = rule.unused_for
            return True, Reason(
                Rule.EXPIRED, {**named, "idle": idle, "sign": sign, "unused_for": unused_for}
            )
        if rule.max_age is not None and age is not None and age >= rule.max_age:
            return True, Reason(Rule.EXPIRED, {**named, "age": age, "max_age": rule.max_age})
        return False, Reason(
            Rule.RETAINED,
            {
                **named,
                "idle": idle,
                "sign": sign,
                "unused_for": rule.unused_for,
                "age": age,
                "max_age": rule.max_age,
            },
        )

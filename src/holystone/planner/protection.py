"""What must never go, whatever the level: the owner's protection, leases, ``pruneFilters``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from holystone.planner.digest_names import repository
from holystone.planner.inventory import Image, Inventory
from holystone.planner.policy import Policy, Protect
from holystone.planner.usage import Lease, Usage
from holystone.planner.verdict import Fact, Reason

if TYPE_CHECKING:
    from holystone.planner.patterns import Labels, References
    from holystone.planner.reference import Reference

_SHORTEST_ID = 12
"""How many characters of an ID a lease must have: less may be the name of a repository."""


def label_matches(pattern: str, labels: Mapping[str, str]) -> bool:
    """True where one of the labels is as the pattern says: ``key`` or ``key=value``, ``*?``."""
    key, with_value, value = pattern.partition("=")
    if not ("*" in pattern or "?" in pattern):
        return key in labels and (not with_value or labels[key] == value)
    from holystone.planner.glob import of_text

    named = [told for name, told in labels.items() if of_text(key).matches(name)]
    return any(not with_value or of_text(value).matches(told) for told in named)


def first_label(patterns: Iterable[str], labels: Mapping[str, str]) -> str:
    """The first pattern that one of the labels matches; empty where none does."""
    return next((each for each in patterns if labels and label_matches(each, labels)), "")


def covers(patterns: Sequence[str], reference: str) -> str:
    """The pattern that covers a reference: of those that match the last counts.

    Empty where none matches, or where the last one takes the reference back (``!``).
    """
    if not patterns:
        return ""
    from holystone.planner.patterns import references

    parsed = parsed_or_none(reference)
    return "" if parsed is None else references(patterns).covering(parsed)


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
            from holystone.planner.patterns import references

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
        from holystone.planner.patterns import Labels

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
            return Reason("protected", {"label": pattern})
        spared, wanted = self._unlike
        if pattern := spared.first(labels):
            return Reason("prune-filter", {"filter": f"label!={pattern}"})
        if (missing := wanted.first_missing(labels)) is not None:
            return Reason("prune-filter", {"filter": f"label={missing}"})
        return None

    def of_image(
        self, image: Image, arrived: float | None, used: float | None, *, lost: Reason | None
    ) -> Reason | None:
        """Why an image stays, or None.

        ``arrived`` is when it came here, ``used`` the last sign that somebody wanted it, None where
        nothing tells; ``lost`` the reason to think that no registry can give it back, or None.
        """
        if not self.any:
            return None
        return (
            self._leased(image, image.tags + image.digests)
            or self._by_name(image)
            or self.of_labels(image.labels)
            or self._by_size(image)
            or self._by_time(arrived, used)
            or (Reason("protected", {"local": True}) if self.protect.local and lost else None)
        )

    def of_references(self, references: Sequence[str]) -> Reason | None:
        """Why a container stays that was made from an image with these references, or None.

        Of the protection of images only the patterns count: what is dear to download again costs
        nothing where a container goes.
        """
        tagged = any("@" not in reference for reference in references)
        for name in references:
            if pattern := self._pattern_on(name, tagged=tagged):
                return Reason("protected", {"pattern": pattern, "reference": name})
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
            return Reason("leased", {"unread": True}) if self.leases_unread else None
        facts: dict[str, Fact] = {"until": lease.until, "job": lease.job, "now": self.now}
        return Reason("leased", facts | ({"user": lease.user} if lease.user else {}))

    def _by_name(self, image: Image) -> Reason | None:
        for name in image.tags + image.digests:
            named = name in image.pinned or not image.tags
            if pattern := self._pattern_on(name, tagged=not named):
                return Reason("protected", {"pattern": pattern, "reference": name})
            if self.protect.official and _is_official(name):
                return Reason("protected", {"official": True, "reference": name})
            if name in self.newest:
                return Reason("protected", {"newest": self.protect.newest, "reference": name})
        return None

    def _by_size(self, image: Image) -> Reason | None:
        least = self.protect.larger_than
        if least is None or image.size <= least:
            return None
        return Reason("protected", {"larger_than": least, "size": image.size})

    def _by_time(self, arrived: float | None, used: float | None) -> Reason | None:
        for rule, least, when in (
            ("used_within", self.protect.used_within, used),
            ("min_age", self.protect.min_age, arrived),
        ):
            if least is not None and (when is None or self.now - when < least):
                age = None if when is None else max(0.0, self.now - when)
                return Reason("protected", {rule: least, "age": age})
        return None


def lease_on(leases: Iterable[Lease], image_id: str, names: Iterable[str]) -> Lease | None:
    """The first lease on an image with this ID and these references, or None."""
    return next((lease for lease in leases if _means(lease, image_id, names)), None)


def _newest(images: Iterable[Image], count: int) -> frozenset[str]:
    """The tags that are among the newest ``count`` of their repository, by date of build."""
    if not count:
        return frozenset()
    return frozenset(tag for tags in tags_by_repository(images).values() for tag in tags[:count])


def tags_by_repository(images: Iterable[Image]) -> dict[str, list[str]]:
    """The tags of each repository here, those of the image built last first.

    Builds that can be repeated all have the same date: then the tag put on last is the newest, and
    then the one with the highest number in it.
    """
    dated: dict[str, list[tuple[float, float, list[tuple[int, str, str]], str]]] = {}
    for image in images:
        for tag in image.tags:
            name, _, version = tag.rpartition(":")
            age = (image.created, image.last_tagged or 0.0, _counting(version), tag)
            dated.setdefault(name, []).append(age)
    return {name: [tag for *_, tag in sorted(tags, reverse=True)] for name, tags in dated.items()}


def digests_by_repository(
    images: Iterable[Image], digests: Callable[[Image], Iterable[str]]
) -> dict[str, list[str]]:
    """The digests that are names of each repository here, those of the image built last first."""
    dated: dict[str, list[tuple[float, float, str]]] = {}
    for image in images:
        came = max(image.arrived or 0.0, image.last_tagged or 0.0)
        for digest in digests(image):
            dated.setdefault(repository(digest), []).append((image.created, came, digest))
    return {name: [each for *_, each in sorted(all_, reverse=True)] for name, all_ in dated.items()}


def _counting(version: str) -> list[tuple[int, str, str]]:
    """What sorts ``1.10`` after ``1.9``."""
    import re

    parts = re.findall(r"(\d*)(\D*)", version)
    # By its length and digits: an engine may tell of numbers that are too long for int().
    numbers = [(number.lstrip("0"), rest) for number, rest in parts]
    return [(len(number), number, rest) for number, rest in numbers]


@lru_cache(maxsize=65_536)
def parsed_or_none(reference: str) -> Reference | None:
    """The reference; None where it is none by docker's grammar."""
    from holystone.planner.reference import InvalidReference, parse

    try:
        return parse(reference)
    except InvalidReference:
        return None


def _is_official(reference: str) -> bool:
    from holystone.planner.reference import HUB

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

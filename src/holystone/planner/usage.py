"""The recorded use of the objects on a host, and the leases of jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from holystone.planner.inventory import Image

Key = tuple[str, str]
"""Kind and ID: what names one object on a host. Of the kind ``reference`` it is the reference."""

SAME_USE = 60.0
"""Seconds within which uses count as one."""
MADE_NOW = 60.0
"""Seconds from when an image was built to its arrival or tag within which it was built here."""
NEWEST_GAP = 0.15
"""The weight of the newest time between uses in their running mean."""


class Since(NamedTuple):
    """What is known of the time since a plan was made."""

    moment: float
    """When its objects were looked at, UTC seconds."""
    used: frozenset[Key] = frozenset()
    """What the engine's events say was used."""
    complete: bool = True
    """Whether the events reach back to that moment."""


class Lease(NamedTuple):
    """A job's word that it will need an image until then (UTC seconds)."""

    reference: str
    """A tag, a digest or an image ID, as the job wrote it; the image need not be here yet."""
    until: float
    job: str = ""
    user: str = ""
    """The other user of this machine whose it is; empty where it is in this ledger."""


class Use(NamedTuple):
    """What is remembered of the uses of one reference, image or build cache record.

    Times are UTC seconds, ``gap`` seconds. Uses that begin within a minute of one another are one
    use: a job pulls an image, creates a container from it and starts it.
    """

    first: float
    """The beginning of the first use that was seen."""
    last: float
    """When it was last seen in use."""
    # A tuple has a method of that name, which is not used on these records.
    count: int = 1  # type: ignore[assignment]
    gap: float | None = None
    """The running mean of the times from one beginning to the next, the newest with a weight of
    0.15; None until there were two."""
    began: float | None = None
    """The beginning of the latest use, where that went on until ``last``; else None."""

    @property
    def latest(self) -> float:
        """When the latest use began."""
        return self.last if self.began is None else self.began

    def again(self, at: float) -> Use:
        """What is remembered after one more use; one that was seen before changes nothing."""
        if at < self.latest + SAME_USE:
            return self.until(at)
        between = at - self.latest
        gap = between if self.gap is None else self.gap + NEWEST_GAP * (between - self.gap)
        last = max(self.last, at)
        return Use(self.first, last, self.count + 1, gap, None if at == last else at)

    def until(self, at: float) -> Use:
        """What is remembered where the latest use went on until then."""
        return self if at <= self.last else self._replace(last=at, began=self.latest)


class Followers(NamedTuple):
    """How often a reference was used, and what was used within ten minutes after it."""

    uses: float
    counts: Mapping[str, float]


class Usage(NamedTuple):
    """Memory carried from one look at a host to the next. All times are UTC seconds.

    ``first_seen`` maps an image ID to when holystone first saw it here: for an image that was
    pulled this is the only arrival time there is, since ``Created`` is the date it was built,
    elsewhere. ``last_used`` maps ``(kind, ID)`` of images, volumes and networks to when they were
    last used, as far as holystone saw it. ``references``, ``company``, ``absent`` and
    ``speeds`` are read only where images compete for space.
    """

    first_seen: Mapping[str, float] = {}
    last_used: Mapping[tuple[str, str], float] = {}
    leases: tuple[Lease, ...] = ()
    references: Mapping[str, Use] = {}
    """By reference in full (``docker.io/library/node:18-alpine``), also of images long gone: jobs
    ask for the reference, and what stands behind it changes."""
    company: Mapping[str, Followers] = {}
    """By reference in full: what was asked for soon after it."""
    absent: Mapping[str, Sequence[tuple[str, int]]] = {}
    """By reference in full the layers, chain ID and bytes, of the image it last meant, where that
    is not here any more."""
    speeds: Mapping[str, float] = {}
    """How fast images come from each registry, by domain (``docker.io``): bytes a second."""
    leases_unread: bool = False
    """Whether there may be leases that cannot be read: then any image may have one."""
    ended: Mapping[str, float] = {}
    """By container ID when one was first seen stopped of which the engine does not know when it
    stopped."""


def age_of(since: float | None, now: float) -> float | None:
    """Seconds since a moment, 0 for one that lies ahead; None where the moment is not known."""
    return None if since is None else max(0.0, now - since)


def sign(image: Image, usage: Usage) -> tuple[str, float | None]:
    """The latest sign that an image was used or wanted, in words, and its time (UTC seconds).

    A pull is both an arrival and a use: then it arrived. Before holystone saw the image for the
    first time it cannot know of any use, so that counts too.
    """
    signs = (
        ("arrived", image.arrived),
        ("last tagged", image.last_tagged),
        ("last used", usage.last_used.get(("image", image.id))),
        ("first seen", usage.first_seen.get(image.id)),
    )
    known = [(what, at) for what, at in signs if at is not None]
    return max(known, key=lambda told: told[1], default=("last used", None))


def arrival(image: Image, usage: Usage, *, step: bool = False) -> tuple[str, float | None]:
    """The latest sign that an image came here or was wanted, and its time (UTC seconds).

    The latest of: when it came, by an event or by the engine's files; when it last got a tag.
    A build date says nothing of that: who builds an image may set it. Only that of a ``step`` of a
    classic build counts, which came here by that build. Where nothing of this is known, when
    holystone first saw it: None where that is now.
    """
    signs = (("arrived", image.arrived), ("last tagged", image.last_tagged))
    known = [(at, what) for what, at in signs if at is not None]
    if known:
        at, what = max(known)
        return what, at
    if step:
        return "built", image.created
    return "first seen", usage.first_seen.get(image.id)


def once_in_registry(image: Image, store: str) -> bool:
    """Whether a registry had the image when it was last heard of.

    On the classic store an image has a repository digest only where it was pulled or pushed;
    elsewhere every image has one.
    """
    if image.from_registry is None:
        return store == "classic" and bool(image.digests)
    return image.from_registry


def had_tag(image: Image, store: str, *, step: bool) -> bool:
    """Whether nothing can name an untagged image any more, so that no build waits for it.

    The containerd store dates every image, a ``step`` of a classic build too, so the date alone
    does not tell that there was a tag. BuildKit, which names what it works with in other ways,
    marks its images; but the mark says nothing of one that came long after it was built.
    """
    if image.tagged_in or image.digests:
        return True
    if image.loaded:
        return False
    if image.last_tagged is not None:
        at_once = image.last_tagged - image.created < MADE_NOW
        of_a_step = store == "containerd" and not image.made_by_buildkit and (step or at_once)
        if not of_a_step:
            return True
    late = image.arrived is not None and image.arrived - image.created >= MADE_NOW
    return image.made_by_buildkit and not late

"""Which images go: in use, then protected, then what the level takes, then grace, then removal.

One image is judged at a time, those built on others before them: a parent cannot go before its
children, which the engine would refuse.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from holystone.core.decision import Fact, Reason
from holystone.core.inventory import Container, Image, Inventory
from holystone.core.policy import Policy
from holystone.core.protection import Protection
from holystone.core.retention import Retained
from holystone.core.rules import Ruling, keep, remove, too_young
from holystone.core.usage import Usage

_UNCONFIRMED = Reason("unconfirmed")
"""No registry was asked yet."""
_UNCHECKED = Reason("unconfirmed", {"checked": False})
"""No registry is to be asked, and none is known to have had the image."""


class Judgement:
    """The rulings on the images of one host, so far."""

    def __init__(
        self,
        inventory: Inventory,
        staying: Iterable[Container],
        usage: Usage,
        policy: Policy,
        protection: Protection,
        now: float,
    ) -> None:
        """``staying`` are the containers that stay."""
        self.usage = usage
        self.policy = policy
        self.protection = protection
        self.now = now
        self.store = inventory.engine.store
        self.retained = Retained(inventory.images, policy.retention)
        self.held_by: defaultdict[str, list[str]] = defaultdict(list)
        for container in staying:
            self.held_by[container.image_id].append(container.name)
        self._signs: dict[str, float | None] = {}
        self.kept_children: Counter[str] = Counter()
        self.rulings: dict[str, Ruling] = {}
        self.going: list[Image] = []
        """Children before parents."""
        self.unconfirmed: list[str] = []
        """IDs of images that a registry should be asked about before the plan is final."""
        self.spare: list[Image] = []
        """Tagged images that nothing but the level keeps, or the doubt that one can come back."""
        self.unreached: dict[str, Reason] = {}
        """Images by ID that came from a registry which cannot be reached now, with that reason.
        Where the disk must have more free they are given up too, after everything in ``spare``."""

    def judge_all(self, images: Sequence[Image]) -> None:
        """A ruling for each image by ID."""
        for image in children_first(images):
            ruling = self._judge(image)
            self.rulings[image.id] = ruling
            if ruling[0]:
                self.going.append(image)
            else:
                self.kept_children[image.parent] += 1

    def stands_for_children_alone(self, image: Image) -> bool:
        """Whether nothing but the images built on it keeps a nameless image."""
        if image.tags or self.rulings[image.id][1][0].rule != "parent":
            return False
        children = self.kept_children.pop(image.id)
        goes, _ = self._judge(image)
        self.kept_children[image.id] = children
        return goes

    def give_up(self, group: Sequence[Image], reason: Reason) -> None:
        """Let an image go that the level keeps, and the steps it was built on after it."""
        image, *below = group
        unreached = self.unreached.get(image.id)
        self.rulings[image.id] = (True, (reason, unreached) if unreached else (reason,))
        self.going.append(image)
        self.kept_children[image.parent] -= 1
        for step in below:
            ruling = self._judge(step)
            self.rulings[step.id] = ruling
            if not ruling[0]:
                break
            self.going.append(step)
            self.kept_children[step.parent] -= 1

    def last_sign(self, image: Image) -> float | None:
        """When anybody last had to do with the image; see ``last_sign``."""
        if image.id not in self._signs:
            self._signs[image.id] = last_sign(image, self.usage)
        return self._signs[image.id]

    def doubtful(self, image: Image) -> bool:
        """Whether an image may go only if its registry, which was not asked, says that it has it.

        True for none that a deep clean takes whatever the registry says.
        """
        given_up = self.policy.include_local and self.policy.level == "deep"
        return not given_up and self._lost(image) == _UNCONFIRMED

    def idle(self, image: Image) -> float | None:
        """Seconds since ``last_sign``; None where there is none."""
        sign = self.last_sign(image)
        return None if sign is None else max(0.0, self.now - sign)

    def _judge(self, image: Image) -> Ruling:
        if image.odd:
            return keep("odd")
        tagged = (Reason("tagged", {"tags": len(image.tags)}),) if image.tags else ()
        if held_by := self.held_by.get(image.id):
            stays, reasons = keep("in-use", containers=len(held_by), container=min(held_by))
            return stays, (*reasons, *tagged)
        lost = self._lost(image)
        arrived = arrival(image, self.usage)[1]
        protected = self.protection.of_image(image, arrived, self.last_sign(image), lost=lost)
        if protected:
            return False, (protected, *tagged)
        return self._judge_tagged(image, lost) if tagged else self._judge_untagged(image)

    def _judge_untagged(self, image: Image) -> Ruling:
        if not self.policy.takes.untagged:
            return keep("level", level=self.policy.level)
        if children := self.kept_children[image.id]:
            return keep("parent", children=children)
        by_digest = self._named_by_digest(image)
        once_tagged = not by_digest and (image.last_tagged is not None or image.made_by_buildkit)
        grace = self.policy.grace
        least = grace.once_tagged if once_tagged else grace.never_tagged
        since = self._last_named(image) if by_digest else arrival(image, self.usage)
        young = too_young(*since, least, self.now)
        if young is not None:
            return False, (young,)
        facts: dict[str, Fact] = {}
        if once_tagged:
            facts["once_tagged"] = True
        if image.digests:
            facts["digest"] = image.digests[0]
        return remove("untagged", **facts)

    def _named_by_digest(self, image: Image) -> bool:
        """Whether an untagged image has its digest for a name, as a job that wants it calls it.

        Where a tag moves away an image keeps its digests on the classic store, where it is dated
        too, and loses them on the containerd store, which dates every image. BuildKit's mark comes
        along with a pull.
        """
        return bool(image.digests) and (image.last_tagged is None or self.store == "containerd")

    def _last_named(self, image: Image) -> tuple[str, float | None]:
        """The last sign that somebody wanted an image by its digest."""
        sign = self.last_sign(image)
        if sign is not None and sign == self.usage.last_used.get(("image", image.id)):
            return "last used", sign
        return ("pulled" if image.last_tagged else "first seen"), sign

    def _judge_tagged(self, image: Image, lost: Reason | None) -> Ruling:
        tagged = Reason("tagged", {"tags": len(image.tags)})
        if self.policy.takes.tagged == "none" and self.policy.target is None:
            return False, (tagged,)
        hindrance = self._hindrance(image, lost)
        doubtful = hindrance == _UNCONFIRMED
        let_go, reason = self._taken(image)
        if hindrance is not None and self._may_go_last(image, hindrance):
            self.unreached[image.id] = hindrance
        if not let_go:
            if hindrance is None or doubtful:
                self.spare.append(image)
            elif self.policy.target is not None:
                # The level alone would not have been enough to keep it.
                reason = hindrance
            return False, (reason,) if reason == tagged else (reason, tagged)
        if hindrance is None:
            # Given up all the same; who is asked for a yes shall know.
            if lost == _UNCONFIRMED:
                self.unconfirmed.append(image.id)
            return True, (reason, lost) if lost else (reason,)
        if doubtful:
            self.unconfirmed.append(image.id)
        return False, (hindrance, tagged)

    def _taken(self, image: Image) -> tuple[bool, Reason]:
        """Whether the level takes a tagged image, and why."""
        takes = self.policy.takes.tagged
        if takes == "none":
            return False, Reason("tagged", {"tags": len(image.tags)})
        idle = self.idle(image)
        if takes == "all":
            return True, Reason("unused", {"idle": idle, "tags": len(image.tags)})
        came = arrival(image, self.usage)[1]
        age = None if came is None else max(0.0, self.now - came)
        return self.retained.judge(image, idle, age)

    def _hindrance(self, image: Image, lost: Reason | None) -> Reason | None:
        """What keeps a tagged image that is not in use and not protected at any level, or None."""
        if children := self.kept_children[image.id]:
            return Reason("parent", {"children": children})
        young = too_young("last used", self.last_sign(image), self.policy.grace.tagged, self.now)
        if young is not None:
            return young
        given_up = self.policy.include_local and self.policy.level == "deep"
        return None if given_up else lost

    def _may_go_last(self, image: Image, hindrance: Reason) -> bool:
        """Whether nothing but a registry that cannot be reached keeps an image for good.

        Where the disk fills up meanwhile that is no reason to keep what came from there.
        """
        reached = hindrance.rule != "unconfirmed" or "said" not in hindrance.facts
        return not reached and self.policy.target is not None and self._once_in_registry(image)

    def _once_in_registry(self, image: Image) -> bool:
        """Whether a registry had the image when it was last heard of.

        On the classic store an image has a repository digest only where it was pulled or pushed;
        elsewhere every image has one.
        """
        if image.from_registry is None:
            return self.store == "classic" and bool(image.digests)
        return image.from_registry

    def _lost(self, image: Image) -> Reason | None:
        """Why no registry may be able to give an image back; None where one can."""
        if image.in_registry:
            return None
        if not image.digests:
            return Reason("local")
        if image.registry_said:
            facts: dict[str, Fact] = {"said": image.registry_said}
            if image.registry_asked is not None:
                facts["asked_ago"] = max(0.0, self.now - image.registry_asked)
            if image.in_registry is False:
                return Reason("local", facts)
            facts["once_there"] = self._once_in_registry(image)
            return Reason("unconfirmed", facts)
        if self.policy.check_registry:
            return _UNCONFIRMED
        return None if self._once_in_registry(image) else _UNCHECKED


def last_sign(image: Image, usage: Usage) -> float | None:
    """When anybody last had to do with an image, as far as holystone knows (UTC seconds).

    Before it saw the image for the first time it cannot know of any use, so that counts too.
    """
    sign = image.last_tagged
    for other in (usage.last_used.get(("image", image.id)), usage.first_seen.get(image.id)):
        if other is not None and (sign is None or other > sign):
            sign = other
    return sign


def arrival(image: Image, usage: Usage) -> tuple[str, float | None]:
    """What last told that an image was wanted here, and when (UTC seconds).

    The last time it got a tag; else, for an image built here, its build date. An image that was
    pulled was built elsewhere at some other time, so only our own memory tells: None where
    holystone sees it for the first time and cannot know.
    """
    if image.last_tagged is not None:
        return "last tagged", image.last_tagged
    if image.digests or image.tags:
        return "first seen", usage.first_seen.get(image.id)
    return "built", image.created


def children_first(images: Sequence[Image]) -> list[Image]:
    """The images in an order in which no image comes before one that was built on it."""
    by_id = {image.id: image for image in images}
    depths: dict[str, int] = {}
    for image in images:
        path = []
        at: Image | None = image
        while at is not None and at.id not in depths:
            path.append(at.id)
            depths[at.id] = 0
            at = by_id.get(at.parent)
        depth = depths[at.id] if at is not None else 0
        for image_id in reversed(path):
            depth += 1
            depths[image_id] = depth
    return sorted(images, key=lambda image: -depths[image.id])

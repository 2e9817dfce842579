"""Which images go: in use, then protected, then what the level takes, then grace, then removal.

One image is judged at a time, those built on others before them: a parent cannot go before its
children, which the engine would refuse.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from holystone.planner.arrival import arrival, once_in_registry, sign
from holystone.planner.inventory import Container, Image, Inventory
from holystone.planner.names import DigestNames, digest_names
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection, Retained
from holystone.planner.rules import Ruling, keep, remove, too_young
from holystone.planner.usage import Usage
from holystone.planner.verdict import Fact, Reason, Rule

_UNCONFIRMED = Reason(Rule.UNCONFIRMED)
"""No registry was asked yet."""
_MADE_NOW = 60.0
"""Seconds from when an image was built to its arrival within which it was built here."""
_UNCHECKED = Reason(Rule.UNCONFIRMED, {"checked": False})
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
        self.by_digest: dict[str, DigestNames] = {
            image.id: digest_names(image, self.store) for image in inventory.images if image.digests
        }
        """The digests that name an image as a tag does, by its ID."""
        self.parents = {image.parent for image in inventory.images}
        self.retained = Retained(
            inventory.images, policy.retention, self.digests_of, policy.also_retained
        )
        self.held_by: defaultdict[str, list[str]] = defaultdict(list)
        for container in staying:
            self.held_by[container.image_id].append(container.name)
        self._signs: dict[str, tuple[str, float | None]] = {}
        self.kept_children: Counter[str] = Counter()
        self.step_of: defaultdict[str, set[str]] = defaultdict(set)
        """The named images that go and were built on an image, by its ID."""
        self.rulings: dict[str, Ruling] = {}
        self.going: list[Image] = []
        """Children before parents."""
        self.unconfirmed: list[str] = []
        """IDs of images that a registry should be asked about before the plan is final."""
        self.spare: list[Image] = []
        """Images with a name that nothing but the level keeps, or the doubt that one can come
        back."""
        self.unreached: dict[str, Reason] = {}
        """Images by ID that came from a registry which cannot be reached now, with that reason.
        Where the disk must have more free they are given up too, after everything in ``spare``."""

    def judge_all(self, images: Sequence[Image]) -> None:
        """A ruling for each image by ID."""
        for image in children_first(images):
            ruling = self._judge(image)
            self.rulings[image.id] = ruling
            if ruling[0]:
                self._let_go(image)
            else:
                self.kept_children[image.parent] += 1

    def stands_for_children_alone(self, image: Image) -> bool:
        """Whether nothing but the images built on it keeps a nameless image."""
        if self._name(image) or self.rulings[image.id][1][0].rule != Rule.PARENT:
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
        self._let_go(image)
        self.kept_children[image.parent] -= 1
        for step in below:
            ruling = self._judge(step)
            self.rulings[step.id] = ruling
            if not ruling[0]:
                break
            self._let_go(step)
            self.kept_children[step.parent] -= 1

    def _let_go(self, image: Image) -> None:
        """Note that it goes, and for what it was built on, by the name of what."""
        self.going.append(image)
        if image.parent:
            names = image.tags[:1] or self.digests_of(image)[:1]
            self.step_of[image.parent] |= set(names) or self.step_of[image.id]

    def digests_of(self, image: Image) -> tuple[str, ...]:
        """The digests that name an image as a tag does."""
        return self.by_digest[image.id].names if image.digests else ()

    def last_sign(self, image: Image) -> float | None:
        """When anybody last had to do with the image; see ``arrival.last_sign``."""
        return self.sign(image)[1]

    def sign(self, image: Image) -> tuple[str, float | None]:
        """What that was, in words, and when."""
        if image.id not in self._signs:
            self._signs[image.id] = sign(image, self.usage)
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

    def _name(self, image: Image) -> Reason | None:
        """The reason why an image has a name: its tags or, without any, a digest; else None."""
        if image.tags:
            return Reason(Rule.TAGGED, {"tags": len(image.tags)})
        if names := self.digests_of(image):
            certain = self.by_digest[image.id].certain
            return Reason(Rule.DIGEST, {"reference": names[0], "certain": certain})
        return None

    def _arrival(self, image: Image) -> tuple[str, float | None]:
        """See ``arrival``. Steps of classic builds have honest build dates on the classic store."""
        step = self.store == "classic" and self._is_step(image)
        return arrival(image, self.usage, step=step)

    def _is_step(self, image: Image) -> bool:
        """Whether a classic build made it on the way, or ended with it."""
        return bool(image.parent) or image.id in self.parents

    def _judge(self, image: Image) -> Ruling:
        if image.odd:
            return keep(Rule.ODD)
        name = self._name(image)
        named = (name,) if name else ()
        if held_by := self.held_by.get(image.id):
            stays, reasons = keep(Rule.IN_USE, containers=len(held_by), container=min(held_by))
            return stays, (*reasons, *named)
        if image.in_lists:
            return False, (Reason(Rule.IN_USE, {"manifest_list": image.in_lists[0]}), *named)
        lost = self._lost(image)
        # Before a named image goes its registry is asked: until then it does not count as lost.
        unasked = lost == _UNCONFIRMED and (name or once_in_registry(image, self.store))
        protected = self.protection.of_image(
            image,
            self._arrival(image)[1],
            self.last_sign(image),
            lost=None if unasked else lost,
        )
        if protected:
            return False, (protected, *named)
        return self._judge_untagged(image) if name is None else self._judge_named(image, name, lost)

    def _judge_untagged(self, image: Image) -> Ruling:
        if not self.policy.takes.untagged:
            return keep(Rule.LEVEL, level=self.policy.level)
        if children := self.kept_children[image.id]:
            return keep(Rule.PARENT, children=children)
        once_tagged = self._once_tagged(image)
        grace = self.policy.grace
        least = grace.once_tagged if once_tagged else grace.never_tagged
        young = too_young(*self._arrival(image), least, self.now)
        if young is not None:
            return False, (young,)
        facts: dict[str, Fact] = {}
        if once_tagged:
            facts["once_tagged"] = True
        if image.digests:
            facts["digest"] = image.digests[0]
        if not facts and (built := self.step_of.get(image.id)):
            return remove(Rule.STEP, image=min(built), images=len(built))
        return remove(Rule.UNTAGGED, **facts)

    def _once_tagged(self, image: Image) -> bool:
        """Whether nothing can name an untagged image any more, so that no build waits for it.

        The containerd store dates every image, a step of a classic build too, so the date alone
        does not tell that there was a tag. BuildKit, which names what it works with in other ways,
        marks its images; but the mark says nothing of one that came long after it was built.
        """
        if image.tagged_in or image.digests:
            return True
        if image.loaded:
            return False
        if image.last_tagged is not None and not self._dated_when_built(image):
            return True
        late = image.arrived is not None and image.arrived - image.created >= _MADE_NOW
        return image.made_by_buildkit and not late

    def _dated_when_built(self, image: Image) -> bool:
        """Whether the date of an untagged image may be that of a classic build's step."""
        if self.store != "containerd" or image.made_by_buildkit or image.last_tagged is None:
            return False
        return self._is_step(image) or image.last_tagged - image.created < _MADE_NOW

    def _judge_named(self, image: Image, name: Reason, lost: Reason | None) -> Ruling:
        if self.policy.takes.tagged == "none" and self.policy.target is None:
            return False, (name,)
        hindrance = self._hindrance(image, lost)
        doubtful = hindrance == _UNCONFIRMED
        let_go, reason = self._taken(image, name)
        if hindrance is not None and self._may_go_last(image, hindrance):
            self.unreached[image.id] = hindrance
        if not let_go:
            if hindrance is None or doubtful:
                self.spare.append(image)
            elif self.policy.target is not None:
                # The level alone would not have been enough to keep it.
                reason = hindrance
            return False, (reason,) if reason == name else (reason, name)
        if hindrance is None:
            # Given up all the same; who is asked for a yes shall know.
            if lost == _UNCONFIRMED:
                self.unconfirmed.append(image.id)
            return True, (reason, lost) if lost else (reason,)
        if doubtful:
            self.unconfirmed.append(image.id)
        return False, (hindrance, name)

    def _taken(self, image: Image, name: Reason) -> tuple[bool, Reason]:
        """Whether the level takes an image with a name, and why."""
        takes = self.policy.takes.tagged
        if takes == "none":
            return False, name
        idle, what = self.idle(image), self.sign(image)[0]
        if takes == "all":
            return True, Reason(Rule.UNUSED, {"idle": idle, "sign": what, "tags": len(image.tags)})
        came = self._arrival(image)[1]
        age = None if came is None else max(0.0, self.now - came)
        return self.retained.judge(image, (what, idle), age)

    def _hindrance(self, image: Image, lost: Reason | None) -> Reason | None:
        """What keeps a named image at any level that is not in use and not protected, or None."""
        if children := self.kept_children[image.id]:
            return Reason(Rule.PARENT, {"children": children})
        young = too_young(*self.sign(image), self.policy.grace.tagged, self.now)
        if young is not None:
            return young
        given_up = self.policy.include_local and self.policy.level == "deep"
        return None if given_up else lost

    def _may_go_last(self, image: Image, hindrance: Reason) -> bool:
        """Whether nothing but a registry that cannot be reached keeps an image for good.

        Where the disk fills up meanwhile that is no reason to keep what came from there.
        """
        reached = hindrance.rule != Rule.UNCONFIRMED or "said" not in hindrance.facts
        pressed = self.policy.target is not None
        return not reached and pressed and once_in_registry(image, self.store)

    def _lost(self, image: Image) -> Reason | None:
        """Why no registry may be able to give an image back; None where one can."""
        if image.in_registry:
            return None
        if not image.digests:
            return Reason(Rule.LOCAL)
        if image.registry_said:
            facts: dict[str, Fact] = {"said": image.registry_said}
            if image.registry_asked is not None:
                facts["asked_ago"] = max(0.0, self.now - image.registry_asked)
            if image.in_registry is False:
                return Reason(Rule.LOCAL, facts)
            facts["once_there"] = once_in_registry(image, self.store)
            return Reason(Rule.UNCONFIRMED, facts)
        if self.policy.check_registry:
            return _UNCONFIRMED
        return None if once_in_registry(image, self.store) else _UNCHECKED


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

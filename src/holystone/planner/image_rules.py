"""Which images go: in use, then protected, then what the level takes, then grace, then removal.

One image is judged at a time, those built on others before them: a parent cannot go before its
children, which the engine would refuse.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from holystone.planner.arrival import arrival, had_tag, once_in_registry, sign
from holystone.planner.inventory import Container, Image, Inventory
from holystone.planner.names import DigestNames, digest_names
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection, Retained
from holystone.planner.rules import Ruling, keep, remove, too_young
from holystone.planner.usage import Usage
from holystone.planner.verdict import Fact, Reason, Rule


@dataclass(frozen=True, slots=True)
class Doubt:
    """Why no registry may be able to give an image back."""

    reason: Reason
    unasked: bool = False
    """A registry can still be asked."""
    unreached: bool = False
    """The registry could not be asked."""


_UNASKED = Doubt(Reason(Rule.UNCONFIRMED), unasked=True)
_UNCHECKED = Doubt(Reason(Rule.UNCONFIRMED, {"checked": False}))
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
        self.gives_up_local = policy.include_local and policy.level == "deep"
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
        children = self.kept_children[image.id]
        if self._name(image) or not children:
            return False
        self.kept_children[image.id] = 0
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
        doubt = self._doubt(image)
        return doubt is not None and doubt.unasked and not self.gives_up_local

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
        doubt = self._doubt(image)
        lost = doubt.reason if doubt else None
        # Before a named image goes its registry is asked: until then it does not count as lost.
        unasked = doubt is _UNASKED and (name or once_in_registry(image, self.store))
        protected = self.protection.of_image(
            image,
            self._arrival(image)[1],
            self.last_sign(image),
            lost=None if unasked else lost,
        )
        if protected:
            return False, (protected, *named)
        if name is None:
            return self._judge_untagged(image)
        return self._judge_named(image, name, doubt)

    def _judge_untagged(self, image: Image) -> Ruling:
        if not self.policy.takes.untagged:
            return keep(Rule.LEVEL, level=self.policy.level)
        if children := self.kept_children[image.id]:
            return keep(Rule.PARENT, children=children)
        once_tagged = had_tag(image, self.store, step=self._is_step(image))
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

    def _judge_named(self, image: Image, name: Reason, doubt: Doubt | None) -> Ruling:
        pressed = self.policy.target is not None
        if self.policy.takes.tagged == "none" and not pressed:
            return False, (name,)
        held = self._held_at_any_level(image)
        lost = None if held or self.gives_up_local else doubt
        hindrance = lost.reason if lost else held
        doubtful = lost is not None and lost.unasked
        let_go, reason = self._taken(image, name)
        # Where the disk fills up, a registry that cannot be reached is no reason to keep for good
        # what came from there.
        if lost and lost.unreached and pressed and once_in_registry(image, self.store):
            self.unreached[image.id] = lost.reason
        if not let_go:
            if hindrance is None or doubtful:
                self.spare.append(image)
            elif pressed:
                # The level alone would not have been enough to keep it.
                reason = hindrance
            return False, (reason,) if reason == name else (reason, name)
        if hindrance is None:
            # Given up all the same; who is asked for a yes shall know.
            if doubt and doubt.unasked:
                self.unconfirmed.append(image.id)
            return True, (reason, doubt.reason) if doubt else (reason,)
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

    def _held_at_any_level(self, image: Image) -> Reason | None:
        """What keeps a named image that is not in use and not protected, whatever the level."""
        if children := self.kept_children[image.id]:
            return Reason(Rule.PARENT, {"children": children})
        return too_young(*self.sign(image), self.policy.grace.tagged, self.now)

    def _doubt(self, image: Image) -> Doubt | None:
        """Why no registry may be able to give an image back; None where one can."""
        if image.in_registry:
            return None
        if not image.digests:
            return Doubt(Reason(Rule.LOCAL))
        once_there = once_in_registry(image, self.store)
        if image.registry_said:
            facts: dict[str, Fact] = {"said": image.registry_said}
            if image.registry_asked is not None:
                facts["asked_ago"] = max(0.0, self.now - image.registry_asked)
            if image.in_registry is False:
                return Doubt(Reason(Rule.LOCAL, facts))
            facts["once_there"] = once_there
            return Doubt(Reason(Rule.UNCONFIRMED, facts), unreached=True)
        if self.policy.check_registry:
            return _UNASKED
        return None if once_there else _UNCHECKED


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

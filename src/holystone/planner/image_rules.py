"""Which images go. Order of the rules: in use, protected, the level, grace, removal.

Images are judged one at a time, children before parents: the engine refuses to remove a parent
before its children.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from holystone.planner.inventory import Container, Image, Inventory
from holystone.planner.names import DigestNames, digest_names
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection, Retained
from holystone.planner.rules import Ruling, keep, remove, too_young
from holystone.planner.usage import Usage, age_of, arrival, had_tag, once_in_registry, sign
from holystone.planner.verdict import Fact, Reason, Rule


class Doubt(NamedTuple):
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
        """Judge every image. ``staying`` are the containers that stay."""
        self.usage = usage
        self.policy = policy
        self.protection = protection
        self.now = now
        self.store = inventory.engine.store
        self.gives_up_local = policy.include_local and (policy.level == "deep" or policy.named)
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
        self.kept_children: Counter[str] = Counter()
        self.step_of: defaultdict[str, set[str]] = defaultdict(set)
        """The named images that go and were built on an image, by its ID."""
        self.rulings: dict[str, Ruling] = {}
        self.going: list[Image] = []
        """Children before parents."""
        self.unconfirmed: list[str] = []
        """IDs of images that a registry should be asked about before the plan is final."""
        self.spare: list[Image] = []
        """Images with a name that only the level keeps, or the doubt that one can come back."""
        self.unreached: dict[str, Reason] = {}
        """Images by ID that came from a registry which cannot be reached now, with that reason.
        Where the disk must have more free they are given up too, after everything in ``spare``."""
        for image in children_first(inventory.images):
            self.rulings[image.id] = ruling = self._judge(image)
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
        for image in group:
            if image is group[0]:
                unreached = self.unreached.get(image.id)
                ruling: Ruling = (True, (reason, unreached) if unreached else (reason,))
            else:
                ruling = self._judge(image)
            self.rulings[image.id] = ruling
            if not ruling[0]:
                break
            self._let_go(image)
            self.kept_children[image.parent] -= 1

    def _let_go(self, image: Image) -> None:
        """Note that it goes, and for what it was built on, by the name of what."""
        self.going.append(image)
        if image.parent:
            names = image.tags[:1] or self.digests_of(image)[:1]
            self.step_of[image.parent] |= set(names) or self.step_of[image.id]

    def digests_of(self, image: Image) -> tuple[str, ...]:
        """The digests that name an image as a tag does."""
        return self.by_digest[image.id].names if image.digests else ()

    def doubtful(self, image: Image) -> bool:
        """Whether an image may go only if its registry, which was not asked, says that it has it.

        False for all images if a deep clean takes them without regard to the registry's answer.
        """
        return self._doubt(image) is _UNASKED and not self.gives_up_local

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
            held = Reason(Rule.IN_USE, {"containers": len(held_by), "container": min(held_by)})
            return False, (held, *named)
        if image.in_lists:
            return False, (Reason(Rule.IN_USE, {"manifest_list": image.in_lists[0]}), *named)
        doubt = self._doubt(image)
        # Before a named image goes its registry is asked: until then it does not count as lost.
        unasked = doubt is _UNASKED and (name or once_in_registry(image, self.store))
        lost = doubt is not None and not unasked
        came, last = self._arrival(image)[1], sign(image, self.usage)[1]
        if protected := self.protection.of_image(image, came, last, lost=lost):
            return False, (protected, *named)
        if left_out := self.protection.left_out(("image", image.id)):
            return False, (left_out, *named)
        return self._judge_named(image, name, doubt) if name else self._judge_untagged(image)

    def _judge_untagged(self, image: Image) -> Ruling:
        if not self.policy.takes.untagged:
            return keep(Rule.LEVEL, level=self.policy.level)
        if children := self.kept_children[image.id]:
            return keep(Rule.PARENT, children=children)
        once_tagged = had_tag(image, self.store, step=self._is_step(image))
        grace = self.policy.grace
        least = grace.once_tagged if once_tagged else grace.never_tagged
        if young := too_young(*self._arrival(image), least, self.now):
            return False, (young,)
        facts: dict[str, Fact] = {"once_tagged": True} if once_tagged else {}
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
        doubtful = lost is _UNASKED
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
        if doubtful or (hindrance is None and doubt is _UNASKED):
            self.unconfirmed.append(image.id)
        if hindrance is not None:
            return False, (hindrance, name)
        # Given up all the same where there is a doubt; who is asked for a yes shall know.
        return True, (reason, doubt.reason) if doubt else (reason,)

    def _taken(self, image: Image, name: Reason) -> tuple[bool, Reason]:
        """Whether the level takes an image with a name, and why."""
        takes = self.policy.takes.tagged
        if takes == "none":
            return False, name
        what, last = sign(image, self.usage)
        idle = age_of(last, self.now)
        if takes == "all":
            return True, Reason(Rule.UNUSED, {"idle": idle, "sign": what, "tags": len(image.tags)})
        return self.retained.judge(image, (what, idle), age_of(self._arrival(image)[1], self.now))

    def _held_at_any_level(self, image: Image) -> Reason | None:
        """What keeps a named image at every level, if it is not in use and not protected."""
        if children := self.kept_children[image.id]:
            return Reason(Rule.PARENT, {"children": children})
        return too_young(*sign(image, self.usage), self.policy.grace.tagged, self.now)

    def _doubt(self, image: Image) -> Doubt | None:
        """Why no registry may be able to give an image back; None where one can."""
        if image.in_registry:
            return None
        if not image.digests:
            return Doubt(Reason(Rule.LOCAL))
        once_there = once_in_registry(image, self.store)
        if not image.registry_said:
            if self.policy.check_registry:
                return _UNASKED
            return None if once_there else _UNCHECKED
        facts: dict[str, Fact] = {"said": image.registry_said}
        if image.registry_asked is not None:
            facts["asked_ago"] = age_of(image.registry_asked, self.now)
        if image.in_registry is False:
            return Doubt(Reason(Rule.LOCAL, facts))
        return Doubt(Reason(Rule.UNCONFIRMED, {**facts, "once_there": once_there}), unreached=True)


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
        above = depths[at.id] if at is not None else 0
        depths.update(
            (image_id, above + depth) for depth, image_id in enumerate(reversed(path), start=1)
        )
    return sorted(images, key=lambda image: -depths[image.id])

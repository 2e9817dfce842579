"""Which containers go: all of a host together, since one may need another or be a part of a group.

In use comes first, then what is protected, then what a container that stays needs, then the group
that is alive, then what was made to be started again, then exit codes, the level and age. What
stays for any reason keeps what it needs, and its group, until nothing changes any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from holystone.planner.container_groups import Group, Groups, is_of_ci_job, is_of_swarm, needs
from holystone.planner.inventory import Container, Image, Inventory
from holystone.planner.kept_containers import KeptContainers
from holystone.planner.patterns import covers, labels, names
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection
from holystone.planner.rules import Ruling, keep, too_young
from holystone.planner.usage import Usage
from holystone.planner.verdict import Fact, Reason, Rule

_STARTED_AGAIN = ("always", "unless-stopped")


class ContainerJudgement:
    """The rulings on the containers of one host."""

    def __init__(
        self,
        inventory: Inventory,
        usage: Usage,
        policy: Policy,
        protection: Protection,
        now: float,
    ) -> None:
        self.containers = inventory.containers
        self.by_id = {container.id: container for container in inventory.containers}
        self.usage = usage
        self.policy = policy
        self.protection = protection
        self.now = now
        self.images: Mapping[str, Image] = {image.id: image for image in inventory.images}
        self.groups = Groups(inventory.containers, self.images)
        self.kept = KeptContainers(policy.containers.tools, policy.containers.tools_off)
        self.needs = needs(inventory.containers)
        """By ID the IDs of the containers that each one needs."""
        self.rulings = self._judge()
        """By ID."""

    @property
    def staying(self) -> list[Container]:
        """The containers that stay."""
        return [each for each in self.containers if not self.rulings[each.id][0]]

    @property
    def going(self) -> list[Container]:
        """The containers that go."""
        return [each for each in self.containers if self.rulings[each.id][0]]

    def _judge(self) -> dict[str, Ruling]:
        first = {each.id: self._by_itself(each) for each in self.containers}
        alive = {
            each.id: found
            for each in self.containers
            if first[each.id] is None and (found := self.groups.alive(each)) is not None
        }
        last = {
            each.id: self._as_rubbish(each)
            for each in self.containers
            if first[each.id] is None and each.id not in alive
        }
        staying = {
            each.id: True for each in self.containers if each.id not in last or not last[each.id][0]
        }
        needed = _settle(staying, self.by_id, self.needs, self.groups)
        rulings: dict[str, Ruling] = {}
        for container in self.containers:
            own = first[container.id]
            if own is not None:
                rulings[container.id] = own
            elif container.id in needed and not self._in_one_pod(needed[container.id], container):
                other = self.by_id[needed[container.id]]
                rulings[container.id] = keep(
                    Rule.NEEDED_BY, container=other.name, state=other.state
                )
            elif container.id in alive:
                group, member = alive[container.id]
                rulings[container.id] = keep(
                    Rule.GROUP_ALIVE, **_named(group), container=member.name
                )
            elif container.id in staying and last[container.id][0]:
                rulings[container.id] = self._with_its_group(container, staying)
            else:
                rulings[container.id] = last[container.id]
        return rulings

    def _in_one_pod(self, other: str, container: Container) -> bool:
        """Whether both are of a pod that has stopped: then that says more than who needs whom."""
        pod = self.by_id[other].pod
        return bool(pod) and pod == container.pod and self.by_id[other].idle

    def _with_its_group(self, container: Container, staying: Mapping[str, bool]) -> Ruling:
        """Why a container stays that nothing but another member of its group holds."""
        for group, members in self.groups.stopped(container):
            for member in members:
                if member.id in staying and member.id != container.id:
                    return keep(Rule.STOPPED_GROUP, **_named(group), container=member.name)
        return keep(Rule.STOPPED_GROUP)

    def _by_itself(self, container: Container) -> Ruling | None:
        """The ruling on what is in use or protected, or None."""
        if not container.idle:
            return keep(Rule.IN_USE, state=container.state)
        if container.state == "created":
            if is_of_swarm(container):
                return keep(Rule.IN_USE, state="created", task=True)
            least = self.policy.containers.created_for
            if too_young("created", container.created or None, least, self.now):
                until = container.created + least if container.created > 0 else None
                return keep(Rule.IN_USE, state="created", until=until, now=self.now)
        if protected := self.protection.of_labels(container.labels):
            return False, (protected,)
        return self._kept_by_owner(container)

    def _kept_by_owner(self, container: Container) -> Ruling | None:
        """The ruling on what the policy keeps by name, image or label, or None."""
        rules = self.policy.containers
        if rules.keep_labels and (label := labels(rules.keep_labels).first(container.labels)):
            return keep(Rule.PROTECTED, label=label)
        named = names(rules.keep_names).first(container.name) if rules.keep_names else None
        if named is not None:
            pattern = rules.keep_names[named]
            return keep(Rule.PROTECTED, pattern=pattern, reference=container.name)
        references = self._references(container)
        for reference in references if rules.keep_images else ():
            if pattern := covers(rules.keep_images, reference):
                return keep(Rule.PROTECTED, pattern=pattern, reference=reference)
        # What a CI runner made for a job is never kept for its image: base images are protected
        # because jobs use them.
        if not is_of_ci_job(container):
            protected = self.protection.of_references(references)
            return None if protected is None else (False, (protected,))
        return None

    def _references(self, container: Container) -> list[str]:
        """All references of the image a container was made from, as far as they are known."""
        image = self.images.get(container.image_id)
        of_image = image.tags + image.digests if image else ()
        known = (container.started_from, container.image, *of_image)
        return [each for each in dict.fromkeys(known) if each and not each.startswith("sha256:")]

    def _as_rubbish(self, container: Container) -> Ruling:
        """The ruling on what nothing running needs: whether it was made to be started again."""
        made_to_stay = self._made_to_stay(container)
        everything = self.policy.takes.everything
        if made_to_stay is not None and not everything:
            return False, (made_to_stay,)
        groups = self.groups.stopped(container)
        if groups and not everything:
            for group, members in groups:
                if stays := self._stopped_group(group, members):
                    return False, (stays,)
        rules = self.policy.containers
        if rules.exit_codes and container.exit_code not in rules.exit_codes:
            return keep(Rule.EXIT_CODE, exit_code=container.exit_code)
        if not self.policy.takes.containers:
            return keep(Rule.LEVEL, level=self.policy.level)
        lost = [] if made_to_stay is None else [made_to_stay]
        lost += (
            [] if lost else [Reason(Rule.STOPPED_GROUP, _named(group)) for group, _ in groups[:1]]
        )
        return self._old_enough(container, lost)

    def _old_enough(self, container: Container, lost: Sequence[Reason]) -> Ruling:
        """The ruling on what may go once it is old enough; ``lost`` tells what it was kept for."""
        rules, grace = self.policy.containers, self.policy.grace.other
        since = self._end(container)
        age = None if since is None else max(0.0, self.now - since)
        if container.state == "created":
            young = too_young("created", since, max(grace, rules.created_for), self.now)
            gone = Reason(Rule.NEVER_STARTED, {"age": age})
        else:
            known = container.finished is not None
            what = "stopped" if known else "first seen stopped"
            young = too_young(what, since, max(grace, rules.stopped_for), self.now)
            facts: dict[str, Fact] = {"stopped_for": age, "exit_code": container.exit_code}
            gone = Reason(Rule.STOPPED, facts if known else {**facts, "first_seen": True})
        return (False, (young,)) if young is not None else (True, (gone, *lost))

    def _made_to_stay(self, container: Container) -> Reason | None:
        """The reason to think that somebody will start this container again, or None."""
        if container.state == "dead" or is_of_ci_job(container):
            return None
        image = self.images.get(container.image_id)
        row = self.kept.by(
            name=container.name,
            labels=container.labels,
            of_image=image.labels if image else {},
            references=self._references(container),
        )
        if row is not None:
            return Reason(Rule.TOOL, {"tool": row.name, "what": row.what})
        if container.restart not in _STARTED_AGAIN:
            return None
        least = self.policy.containers.restart_stopped_for
        since = self._end(container)
        if since is not None and self.now - since >= least:
            return None
        age = None if since is None else max(0.0, self.now - since)
        return Reason(
            Rule.RESTART, {"policy": container.restart, "stopped_for": age, "least": least}
        )

    def _stopped_group(self, group: Group, members: Sequence[Container]) -> Reason | None:
        """The reason to keep a group whose containers have all stopped, or None."""
        ends = [self._end(member) for member in members]
        since = None if None in ends else max(filter(None, ends), default=None)
        age = None if since is None else max(0.0, self.now - since)
        facts: dict[str, Fact] = {**_named(group), "stopped_for": age}
        if all(member.state == "created" for member in members):
            facts["never_started"] = True
        if not self.policy.takes.stopped_groups:
            return Reason(Rule.STOPPED_GROUP, {**facts, "level": self.policy.level})
        least = self.policy.containers.group_stopped_for
        if too_young("stopped", since, least, self.now):
            return Reason(Rule.STOPPED_GROUP, {**facts, "least": least})
        return None

    def _end(self, container: Container) -> float | None:
        """When it stopped, or was made where it never ran; None where nothing tells."""
        if container.state == "created":
            return container.created or None
        if container.finished is not None:
            return container.finished
        return self.usage.ended.get(container.id)


def _named(group: Group) -> dict[str, Fact]:
    return {"group": group.kind, "name": group.name}


def stays_with(inventory: Inventory, staying: Iterable[str]) -> dict[str, Ruling]:
    """The other containers that must stay where these do, by ID: needed ones, and their groups."""
    by_id = {container.id: container for container in inventory.containers}
    groups = Groups(inventory.containers, {image.id: image for image in inventory.images})
    stays = dict.fromkeys(staying, True)
    before = set(stays)
    needed = _settle(stays, by_id, needs(inventory.containers), groups)
    rulings = {}
    for container_id in stays.keys() - before:
        if container_id in needed:
            other = by_id[needed[container_id]]
            rulings[container_id] = keep(Rule.NEEDED_BY, container=other.name, state=other.state)
        else:
            rulings[container_id] = keep(Rule.STOPPED_GROUP)
    return rulings


def _settle(
    staying: dict[str, bool],
    by_id: Mapping[str, Container],
    needed_by: Mapping[str, Iterable[str]],
    groups: Groups,
) -> dict[str, str]:
    """Add to ``staying`` what must stay with it; by ID the container that needs each one."""
    needed: dict[str, str] = {}
    waiting = list(staying)
    while waiting:
        here = waiting.pop()
        held = sorted(needed_by[here])
        for other in held:
            needed.setdefault(other, here)
        with_it = {member.id for _, members in groups.stopped(by_id[here]) for member in members}
        for other in (*held, *sorted(with_it)):
            if other not in staying:
                staying[other] = True
                waiting.append(other)
    return needed

"""Which containers go: decided for all together, since one may need another or be in a group.

The order of the rules: in use, protected, needed by a container that stays, in a running group,
made to be started again, exit codes, the level, age. A container that stays for any reason keeps
its group and the containers it needs; this repeats until nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from holystone.planner.container_groups import Group, Groups, is_of_ci_job, is_of_swarm, needs
from holystone.planner.inventory import Container, Inventory
from holystone.planner.kept_containers import KeptContainers
from holystone.planner.patterns import covers, labels, names
from holystone.planner.policy import Policy
from holystone.planner.protection import Protection
from holystone.planner.rules import Ruling, keep, too_young
from holystone.planner.usage import Usage, age_of
from holystone.planner.verdict import Fact, Reason, Rule


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
        self.usage = usage
        self.policy = policy
        self.protection = protection
        self.now = now
        self.images = {image.id: image for image in inventory.images}
        self.groups = Groups(inventory.containers, self.images)
        self.kept = KeptContainers(policy.containers.tools, policy.containers.tools_off)
        self.rulings = self._judge(inventory.containers)
        """By ID."""
        self.staying = [each for each in inventory.containers if not self.rulings[each.id][0]]
        self.going = [each for each in inventory.containers if self.rulings[each.id][0]]

    def _judge(self, containers: Sequence[Container]) -> dict[str, Ruling]:
        by_id = {container.id: container for container in containers}
        rulings: dict[str, Ruling] = {}
        alive: dict[str, tuple[Group, Container]] = {}
        rubbish: dict[str, Ruling] = {}
        """Containers that are not in use, not protected and not in a running group."""
        for each in containers:
            if own := self._by_itself(each):
                rulings[each.id] = own
            elif found := self.groups.alive(each):
                alive[each.id] = found
            else:
                rubbish[each.id] = self._as_rubbish(each)
        going = {each for each, (goes, _) in rubbish.items() if goes}
        staying = {each.id: True for each in containers if each.id not in going}
        needed = _settle(staying, by_id, self.groups)
        for each in containers:
            if each.id in rulings:
                continue
            other = by_id[needed[each.id]] if each.id in needed else None
            # For a stopped pod that says more than which container needs which.
            in_one_pod = other and other.pod and other.pod == each.pod and other.idle
            if other and not in_one_pod:
                ruling = keep(Rule.NEEDED_BY, container=other.name, state=other.state)
            elif each.id in alive:
                group, member = alive[each.id]
                ruling = keep(Rule.GROUP_ALIVE, **_named(group), container=member.name)
            elif each.id in staying and each.id in going:
                ruling = self._with_its_group(each, staying)
            else:
                ruling = rubbish[each.id]
            rulings[each.id] = ruling
        return rulings

    def _with_its_group(self, container: Container, staying: Mapping[str, bool]) -> Ruling:
        """Why a container stays only because of another member of its group."""
        for group, members in self.groups.stopped(container):
            for member in members:
                if member.id in staying and member.id != container.id:
                    return keep(Rule.STOPPED_GROUP, **_named(group), container=member.name)
        return keep(Rule.STOPPED_GROUP)

    def _by_itself(self, container: Container) -> Ruling | None:
        """The ruling on a container that is in use, protected or not selected, else None."""
        if held := self._held(container):
            return held
        left_out = self.protection.left_out(("container", container.id))
        return (False, (left_out,)) if left_out else None

    def _held(self, container: Container) -> Ruling | None:
        """The ruling on a container that is in use or protected, else None."""
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
        if is_of_ci_job(container):
            return None
        protected = self.protection.of_references(references)
        return (False, (protected,)) if protected else None

    def _references(self, container: Container) -> list[str]:
        """All references of the image a container was made from, as far as they are known."""
        image = self.images.get(container.image_id)
        of_image = image.tags + image.digests if image else ()
        known = (container.started_from, container.image, *of_image)
        return [each for each in dict.fromkeys(known) if each and not each.startswith("sha256:")]

    def _as_rubbish(self, container: Container) -> Ruling:
        """The ruling on a container that no running one needs: whether it may be started again."""
        takes, rules = self.policy.takes, self.policy.containers
        made_to_stay = self._made_to_stay(container)
        groups = self.groups.stopped(container)
        if not takes.everything:
            if made_to_stay:
                return False, (made_to_stay,)
            for group, members in groups:
                if stays := self._stopped_group(group, members):
                    return False, (stays,)
        if rules.exit_codes and container.exit_code not in rules.exit_codes:
            return keep(Rule.EXIT_CODE, exit_code=container.exit_code)
        if not takes.containers:
            return keep(Rule.LEVEL, level=self.policy.level)
        since, least = self._end(container), self.policy.grace.other
        age = age_of(since, self.now)
        known = container.finished is not None
        if container.state == "created":
            young = too_young("created", since, max(least, rules.created_for), self.now)
            gone = Reason(Rule.NEVER_STARTED, {"age": age})
        else:
            what = "stopped" if known else "first seen stopped"
            young = too_young(what, since, max(least, rules.stopped_for), self.now)
            facts: dict[str, Fact] = {"stopped_for": age, "exit_code": container.exit_code}
            gone = Reason(Rule.STOPPED, facts if known else {**facts, "first_seen": True})
        if young:
            return False, (young,)
        if made_to_stay:
            return True, (gone, made_to_stay)
        return True, (gone, *(Reason(Rule.STOPPED_GROUP, _named(group)) for group, _ in groups[:1]))

    def _made_to_stay(self, container: Container) -> Reason | None:
        """The reason to expect that this container will be started again, or None."""
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
        least = self.policy.containers.restart_stopped_for
        since = self._end(container)
        left_alone = since is not None and self.now - since >= least
        if left_alone or container.restart not in ("always", "unless-stopped"):
            return None
        stopped = {"policy": container.restart, "stopped_for": age_of(since, self.now)}
        return Reason(Rule.RESTART, {**stopped, "least": least})

    def _stopped_group(self, group: Group, members: Sequence[Container]) -> Reason | None:
        """The reason to keep a group whose containers have all stopped, or None."""
        ends = [self._end(member) for member in members]
        since = None if None in ends else max(filter(None, ends), default=None)
        facts: dict[str, Fact] = {**_named(group), "stopped_for": age_of(since, self.now)}
        if all(member.state == "created" for member in members):
            facts["never_started"] = True
        if not self.policy.takes.stopped_groups:
            return Reason(Rule.STOPPED_GROUP, {**facts, "level": self.policy.level})
        least = self.policy.containers.group_stopped_for
        if too_young("stopped", since, least, self.now):
            return Reason(Rule.STOPPED_GROUP, {**facts, "least": least})
        return None

    def _end(self, container: Container) -> float | None:
        """When it stopped, or was made if it never ran; None if unknown."""
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
    needed = _settle(stays, by_id, groups)
    rulings = {}
    for container_id in stays.keys() - before:
        if container_id in needed:
            other = by_id[needed[container_id]]
            rulings[container_id] = keep(Rule.NEEDED_BY, container=other.name, state=other.state)
        else:
            rulings[container_id] = keep(Rule.STOPPED_GROUP)
    return rulings


def _settle(
    staying: dict[str, bool], by_id: Mapping[str, Container], groups: Groups
) -> dict[str, str]:
    """Add to ``staying`` what must stay with it; by ID the container that needs each one."""
    needed_by = needs(tuple(by_id.values()))
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

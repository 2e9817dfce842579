"""Repair damaged images: remove them, never by force, and pull them again by digest.

A layer goes with its last holder. So all images that hold a damaged layer go together and come back
together; build cache records that hold it go before them. If one of these cannot go, none is
removed. Before any removal ``prepare`` checks that every image can be pulled completely. The
history lists an image that did not come back as removed, so ``restore`` can bring it back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from holystone.engine.host import Host
from holystone.operations.cache_holders import holders
from holystone.operations.reach import Reach
from holystone.operations.verifier import DAMAGED, Entry, Subject
from holystone.planner.inventory import CacheRecord, Container, Image, Inventory
from holystone.planner.verdict import Plan, Reason, Rule, Step, Verdict

LEVEL = "repair"
"""What the run is called in the ledger."""
_PUSH = "Push the image again from a host where it is whole, or build it again."
_ANSWER = (
    "Repair again where and when the registry answers, with a login (docker login) where it wants "
    "one."
)


@dataclass(frozen=True, slots=True)
class Group:
    """Images that hold the same damaged parts, and what keeps them from being mended."""

    subjects: tuple[Subject, ...]
    obstacle: str = ""
    """Why it cannot be mended as things are; empty where it can."""
    cure: str = ""
    """What to do about it: a sentence."""
    layers: frozenset[str] = frozenset()
    """The digests of what is damaged, or may be: diff IDs, and blobs."""
    blobs: Mapping[str, int] = field(default_factory=dict)
    """The sizes of the damaged layers as blobs, as they should be (containerd image store)."""
    documents: frozenset[str] = frozenset()
    """The digests of manifests and configs of the images, where one of these may be damaged."""
    cache: tuple[CacheRecord, ...] = ()
    """The build cache records that go along, each after those made from it."""
    builds: tuple[bytes, ...] = ()
    """The builds that BuildKit is to forget, by name."""
    build_steps: tuple[Subject, ...] = ()
    """The steps of classic builds that go along, each after those made from it: untagged images
    that no registry has, which a build makes again."""


def groups(
    results: Mapping[str, Entry], subjects: Sequence[Subject], inventory: Inventory
) -> list[Group]:
    """The damaged images with all that must go along, and why each group cannot, if so.

    ``subjects`` are all images of the engine; only those with a result may be touched. Registries
    have not been asked yet.
    """
    damaged = {i: told for i, told in results.items() if told.result == DAMAGED}
    made: list[Group] = []
    taken: set[str] = set()
    for subject in subjects:
        if subject.image.id not in damaged or subject.image.id in taken:
            continue
        together, bad = _together(subject, damaged, subjects)
        taken |= {each.image.id for each in together}
        steps = _build_steps(together, inventory, results)
        images = tuple(each for each in together if each not in steps)
        told = [damaged[each.image.id] for each in together if each.image.id in damaged]
        blobs = {
            damage.expected: 0
            for each in told
            for damage in each.damages
            if damage.part in ("blob", "manifest", "config") and damage.expected
        }
        obstacle, cure = _obstacle(images, inventory, results)
        layers = frozenset(bad)
        made.append(Group(images, obstacle, cure, layers, blobs, build_steps=tuple(steps)))
    return made


def _build_steps(
    together: Sequence[Subject], inventory: Inventory, asked: Collection[str]
) -> list[Subject]:
    """Those of the images that are mere steps of a classic build, children before parents."""
    parents = {image.parent for image in inventory.images}
    used = {container.image_id for container in inventory.containers}.union(asked)
    left = [
        each
        for each in together
        if each.image.id in parents - used and not each.image.tags and not each.image.digests
    ]
    found: list[Subject] = []
    while left:
        above = {each.image.parent for each in left}
        tops = [each for each in left if each.image.id not in above]
        found += tops
        left = [each for each in left if each not in tops]
    return found


def _together(
    first: Subject, damaged: Mapping[str, Entry], subjects: Sequence[Subject]
) -> tuple[list[Subject], set[str]]:
    """The image and all that hold a part that may be damaged, and so on from the damaged ones.

    And the digests of those parts: diff IDs, and blobs.
    """
    found: set[str] = set()
    suspects: set[str] = set()
    more = {first.image.id}
    while more:
        found |= more
        for told in (damaged[image_id] for image_id in more & damaged.keys()):
            suspects.update(told.suspects)
            suspects.update(damage.expected for damage in told.damages if damage.expected)
        more = {e.image.id for e in subjects if not suspects.isdisjoint(e.parts)} - found
    return [each for each in subjects if each.image.id in found], suspects


def _obstacle(
    subjects: Sequence[Subject], inventory: Inventory, chosen: Collection[str]
) -> tuple[str, str]:
    """Why a group cannot be removed and pulled again, by what is on the host, and the cure."""
    reasons: list[str] = []
    cures: list[str] = []
    for subject in subjects:
        image = subject.image
        name = name_of(image)
        users = [each.name or each.id[:12] for each in users_of(inventory.containers, [image.id])]
        if users:
            reasons.append(f"{name} is used by container {', '.join(users)}")
            cures.append(f"Remove container {', '.join(users)} and repair again.")
        elif image.id not in chosen:
            reasons.append(f"{name} may hold the damaged layer too: ask for it as well")
            names = " ".join(name_of(each.image) for each in subjects)
            cures.append(f"Repair them together: holystone verify --repair {names}.")
        elif not image.digests:
            reasons.append(f"{name} has no digest of a registry: build it again")
            cures.append(
                f"Remove {name}, repair again, and then build {name} again."
                if len(subjects) > 1
                else f"Build {name} again without build cache (docker build --no-cache)."
            )
    return "; ".join(reasons), cures[0] if cures else ""


def users_of(containers: Iterable[Container], image_ids: Collection[str]) -> list[Container]:
    """The containers made from these images."""
    return [container for container in containers if container.image_id in image_ids]


def name_of(image: Image) -> str:
    """One name for an image."""
    return (image.tags or image.digests or (image.id.removeprefix("sha256:")[:12],))[0]


def prepare(
    made: Sequence[Group],
    host: Host,
    reach: Reach,
    inventory: Inventory,
    may_take_cache: Callable[[int, int], bool],
) -> list[Group]:
    """The groups; those get an obstacle that could not be pulled again, or would not be mended.

    The engine asks each registry, and so does ``reach``, for every blob. The others have the build
    cache that goes along. Raises EngineError.
    """
    asked = [each.image.id for group in made if not group.obstacle for each in group.subjects]
    if asked:
        known = {image.id: image for image in host.confirm(inventory, asked, anew=True).images}
        made = [group if group.obstacle else _seen(group, known, reach) for group in made]
    if all(group.obstacle for group in made):
        return list(made)
    weighed = host.weigh(inventory) if inventory.cache else inventory
    made = [group if group.obstacle else _held_by_builds(group, weighed, reach) for group in made]
    records = {record.id: record.size for group in made for record in group.cache}
    others: set[object] = {build for group in made for build in group.builds}
    others |= {s.image.id for group in made if not group.obstacle for s in group.build_steps}
    count = len(records) + len(others)
    if not count or may_take_cache(count, sum(records.values())):
        return list(made)
    return list(map(_without_cache, made))


def _seen(group: Group, known: Mapping[str, Image], reach: Reach) -> Group:
    """The group with the sizes of its damaged blobs, or with what a registry lacks."""
    reasons: list[str] = []
    cures: list[str] = []
    layers: dict[str, int] = {}
    documents: set[str] = set()
    for each in group.subjects:
        image = known[each.image.id]
        if not image.in_registry:
            said = image.registry_said or "no registry has it"
            cure = _PUSH if image.in_registry is False else _ANSWER
        else:
            found = reach.pullable(image)
            said, cure = found.why, _ANSWER if found.unheard else _PUSH
            layers.update(found.layers)
            documents |= found.documents
        if said:
            reasons.append(f"{name_of(image)}: {said}")
            cures.append(cure)
    if reasons:
        return replace(group, obstacle="; ".join(reasons), cure=cures[0])
    found_bad = group.blobs.keys()
    bad = {digest: layers[digest] for digest in found_bad & layers.keys()}
    if found_bad and found_bad <= layers.keys():
        return replace(group, blobs=bad)
    # A manifest or a config; or, where it is not known which blob it is, any of them.
    blobs = bad if found_bad & documents else layers
    return replace(group, blobs=blobs, documents=frozenset(documents))


def _held_by_builds(group: Group, weighed: Inventory, reach: Reach) -> Group:
    """The group with what BuildKit has that holds what is damaged."""
    records = holders(weighed, group.subjects, group.layers, group.blobs.values())
    busy = [record for record in records if record.in_use]
    if busy:
        said = f"a build uses build cache that holds the damaged layer ({busy[0].id})"
        return replace(group, obstacle=said, cure="Repair again once the build has ended.")
    builds: Sequence[bytes] | None = ()
    if weighed.engine.store == "containerd" and group.documents:
        builds = reach.that_made(group.documents)
    if builds is None:
        return replace(
            group,
            obstacle="BuildKit cannot be asked whether its build records hold damaged content",
            cure="Repair again through the engine's own socket, without a proxy before it.",
        )
    return replace(group, cache=tuple(records), builds=tuple(builds))


def _without_cache(group: Group) -> Group:
    """The group where no build cache record may go: one that holds what is damaged is in the way.

    The engine would find the layer there, and not fetch it again.
    """
    count = len(group.cache) + len(group.builds) + len(group.build_steps)
    if not count:
        return group
    return replace(
        group,
        obstacle=f"build cache holds what is damaged too ({count} record{'s' * (count != 1)}): "
        "the engine would not fetch it again",
        cure="Repair again with --with-cache, which removes these records as well.",
        cache=(),
        builds=(),
        build_steps=(),
    )


def plan_of(made: Sequence[Group], inventory: Inventory) -> Plan:
    """The removals of all groups, as the ledger takes them: also those that are not made."""
    records = {record.id: record for group in made for record in group.cache}
    images = [each.image for group in made for each in group.subjects + group.build_steps]
    reason = (Reason(Rule.DAMAGED),)
    steps = [Step("cache", record_id, (record_id,), 0) for record_id in records]
    steps += [
        Step("image", image.id, image.tags + image.digests or (image.id,), 0) for image in images
    ]
    verdicts = [
        Verdict("cache", each.id, (each.description,), remove=True, reasons=reason)
        for each in records.values()
    ]
    verdicts += [
        Verdict("image", i.id, i.tags or i.digests, remove=True, reasons=reason) for i in images
    ]
    return Plan(
        LEVEL, inventory.taken_at, inventory.engine, inventory.disk, tuple(verdicts), tuple(steps),
        0, estimated=True, at_least=0, at_most=0,
    )  # fmt: skip

"""Mending damaged images: removed, never by force, and pulled again by digest.

A layer goes with its last holder, so all images that hold a damaged one go together and come back
together, and build cache records that hold it go before them; where one of these cannot, none is
touched. Nothing is removed before ``prepare`` has seen that every image can be pulled in whole.

What was removed and did not come back is in the history as removed, for ``restore`` to bring back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from holystone.engine.host import Host
from holystone.operations.cache_holders import Damaged, holders
from holystone.operations.verifier import DAMAGED, Subject, Verified
from holystone.planner.inventory import CacheRecord, Container, Image, Inventory
from holystone.planner.verdict import Plan, Reason, Rule, Step, Verdict
from holystone.registry.pullable import Pullable

REPAIRED = "repaired"
FAILED = "failed"
LEVEL = "repair"
"""What the run is called in the ledger."""
PUSH = "Push the image again from a host where it is whole, or build it again."
ANSWER = (
    "Repair again where and when the registry answers, with a login (docker login) where it wants "
    "one."
)


class Group(NamedTuple):
    """Images that hold the same damaged parts, and what keeps them from being mended."""

    subjects: tuple[Subject, ...]
    obstacle: str = ""
    """Why it cannot be mended as things are; empty where it can."""
    cure: str = ""
    """What to do about it: a sentence."""
    damaged: Damaged = Damaged(frozenset())
    cache: tuple[CacheRecord, ...] = ()
    """The build cache records that go along, each after those made from it."""
    builds: tuple[bytes, ...] = ()
    """The builds that BuildKit is to forget, by name."""
    build_steps: tuple[Subject, ...] = ()
    """The steps of classic builds that go along, each after those made from it: untagged images
    that no registry has, which a build makes again."""


class Repaired(NamedTuple):
    """How the mending of one damaged image ended: ``repaired`` or ``failed``, and why."""

    result: str
    detail: str = ""
    cure: str = ""
    """What to do where it failed: a sentence."""


def groups(
    results: Mapping[str, Verified],
    subjects: Sequence[Subject],
    inventory: Inventory,
    chosen: Collection[str],
) -> list[Group]:
    """The damaged images with all that must go along, and why each group cannot, if so.

    ``subjects`` are all images of the engine, ``chosen`` the IDs that may be touched. Registries
    have not been asked yet.
    """
    damaged = {i: told for i, told in results.items() if told.result == DAMAGED}
    made: list[Group] = []
    taken: set[str] = set()
    for subject in subjects:
        if subject.image.id in damaged and subject.image.id not in taken:
            together, bad = _together(subject, damaged, subjects)
            taken |= {each.image.id for each in together}
            steps = _build_steps(together, inventory, results)
            images = [each for each in together if each not in steps]
            obstacle, cure = _obstacle(images, inventory, chosen)
            blobs = dict.fromkeys(_blobs_of(together, damaged), 0)
            made.append(
                Group(
                    tuple(images), obstacle, cure, Damaged(frozenset(bad), blobs),
                    build_steps=tuple(steps),
                )
            )  # fmt: skip
    return made


def _build_steps(
    together: Sequence[Subject], inventory: Inventory, asked: Collection[str]
) -> list[Subject]:
    """Those of the images that are mere steps of a classic build, children before parents."""
    parents = {image.parent for image in inventory.images}
    used = {container.image_id for container in inventory.containers}
    left = [
        each for each in together
        if each.image.id in parents and each.image.id not in used | set(asked)
        and not each.image.tags and not each.image.digests
    ]  # fmt: skip
    found: list[Subject] = []
    while left:
        above = {each.image.parent for each in left}
        tops = [each for each in left if each.image.id not in above]
        found += tops
        left = [each for each in left if each not in tops]
    return found


def _together(
    first: Subject, damaged: Mapping[str, Verified], subjects: Sequence[Subject]
) -> tuple[list[Subject], set[str]]:
    """The image and all that hold a part that may be damaged, and so on from the damaged ones.

    And the digests of those parts: diff IDs, and blobs.
    """
    found = {first.image.id}
    suspects = _parts(damaged[first.image.id])
    while True:
        more = {
            each.image.id
            for each in subjects
            if each.image.id not in found and not suspects.isdisjoint(held(each))
        }
        if not more:
            return [each for each in subjects if each.image.id in found], suspects
        found |= more
        suspects |= {part for i in more & damaged.keys() for part in _parts(damaged[i])}


def _parts(told: Verified) -> set[str]:
    """The digests of what may be damaged of an image."""
    return {*told.suspects, *(damage.expected for damage in told.damages if damage.expected)}


def held(subject: Subject) -> set[str]:
    """The digests of what an image holds: diff IDs, and blobs."""
    return {*subject.diff_ids, *(blob.digest for blob in subject.image.blobs or ())}


def _blobs_of(subjects: Sequence[Subject], damaged: Mapping[str, Verified]) -> set[str]:
    """The digests of blobs that were found damaged of these."""
    told = (damaged[each.image.id] for each in subjects if each.image.id in damaged)
    parts = ("blob", "manifest", "config")
    return {
        damage.expected
        for each in told
        for damage in each.damages
        if damage.part in parts and damage.expected
    }


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
    inventory: Inventory,
    look: Callable[[Image], Pullable],
) -> list[Group]:
    """The groups; those get an obstacle of which an image could not be pulled again.

    The engine asks each registry, and so does ``look``, for every blob. The groups that can be
    pulled have the sizes of their damaged blobs.
    """
    asked = [each.image.id for group in made if not group.obstacle for each in group.subjects]
    if not asked:
        return list(made)
    known = {image.id: image for image in host.confirm(inventory, asked, anew=True).images}
    told = []
    for group in made:
        if not group.obstacle:
            group = _seen(group, known, look)  # noqa: PLW2901 - the group with what is known by now
        told.append(group)
    return told


def _seen(group: Group, known: Mapping[str, Image], look: Callable[[Image], Pullable]) -> Group:
    reasons: list[str] = []
    cures: list[str] = []
    layers: dict[str, int] = {}
    documents: set[str] = set()
    for each in group.subjects:
        image = known[each.image.id]
        if not image.in_registry:
            said = image.registry_said or "no registry has it"
            cure = PUSH if image.in_registry is False else ANSWER
        else:
            found = look(image)
            said, cure = found.why, ANSWER if found.unheard else PUSH
            layers.update(found.layers)
            documents |= found.documents
        if said:
            reasons.append(f"{name_of(image)}: {said}")
            cures.append(cure)
    if reasons:
        return group._replace(obstacle="; ".join(reasons), cure=cures[0])
    found_bad = group.damaged.blobs.keys()
    bad = {digest: layers[digest] for digest in found_bad & layers.keys()}
    if found_bad and found_bad <= layers.keys():
        return group._replace(damaged=group.damaged._replace(blobs=bad))
    # A manifest or a config; or, where it is not known which blob it is, any of them.
    known_to_be = bad if found_bad & documents else layers
    damaged = group.damaged._replace(blobs=known_to_be, documents=frozenset(documents))
    return group._replace(damaged=damaged)


def held_by_builds(
    made: Sequence[Group],
    inventory: Inventory,
    that_made: Callable[[Collection[str]], Sequence[bytes] | None],
) -> list[Group]:
    """The groups that can be mended, with what BuildKit has that holds what is damaged.

    ``inventory`` has the layers of its images. ``that_made`` names the builds whose results have
    some of these digests; None where that cannot be told. Raises EngineError.
    """
    return [
        group if group.obstacle else _held_by_builds(group, inventory, that_made) for group in made
    ]


def _held_by_builds(
    group: Group,
    inventory: Inventory,
    that_made: Callable[[Collection[str]], Sequence[bytes] | None],
) -> Group:
    records = holders(inventory, group.subjects, group.damaged)
    busy = [record for record in records if record.in_use]
    if busy:
        said = f"a build uses build cache that holds the damaged layer ({busy[0].id})"
        return group._replace(obstacle=said, cure="Repair again once the build has ended.")
    builds: Sequence[bytes] | None = ()
    if inventory.engine.store == "containerd" and group.damaged.documents:
        builds = that_made(group.damaged.documents)
    if builds is None:
        return group._replace(
            obstacle="nobody can tell whether BuildKit's records of builds hold what is damaged",
            cure="Repair again through the engine's own socket, without a proxy before it.",
        )
    return group._replace(cache=tuple(records), builds=tuple(builds))


def without_cache(made: Sequence[Group]) -> list[Group]:
    """The groups, where no build cache record may go: one that holds what is damaged is in the way.

    The engine would find the layer there, and not fetch it again.
    """
    return [
        group._replace(
            obstacle=f"build cache holds what is damaged too ({_count(group)}): the engine would "
            "not fetch it again",
            cure="Repair again with --with-cache, which removes these records as well.",
            cache=(),
            builds=(),
            build_steps=(),
        )
        if group.cache or group.builds or group.build_steps
        else group
        for group in made
    ]


def _count(group: Group) -> str:
    records = len(group.cache) + len(group.builds) + len(group.build_steps)
    return f"{records} record{'s' * (records != 1)}"


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

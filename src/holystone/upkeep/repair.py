"""Mending damaged images: removed, never by force, and pulled again by digest.

A layer goes with its last holder, so all images that hold a damaged one go together and come back
together; where one of them cannot, none is touched.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from holystone.core.decision import Plan, Reason, Step, Verdict
from holystone.core.inventory import Container, Image, Inventory
from holystone.engine.host import REMOVED, Host, Removal
from holystone.engine.pulling import Images
from holystone.ledger.records import Removed
from holystone.ledger.runs import Run
from holystone.upkeep.bring_back import PULL, RESTORED, Restoring, Watcher, carry_out
from holystone.upkeep.side_by_side import INTERRUPTED
from holystone.upkeep.verify import DAMAGED, OK, Subject, Verified

REPAIRED = "repaired"
FAILED = "failed"
LEVEL = "repair"
"""What the run is called in the ledger."""


class Group(NamedTuple):
    """Images that hold the same damaged layers, and what keeps them from being mended."""

    subjects: tuple[Subject, ...]
    obstacle: str = ""


class Repaired(NamedTuple):
    """How the mending of one damaged image ended: ``repaired`` or ``failed``, and why."""

    result: str
    detail: str = ""


class Verify(Protocol):
    """Verifies images anew."""

    def __call__(self, subjects: Sequence[Subject]) -> Mapping[str, Verified]:
        """What is with each, by ID."""


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
            together = _together(subject, damaged, subjects)
            taken |= {each.image.id for each in together}
            made.append(Group(tuple(together), _obstacle(together, inventory, chosen)))
    return made


def _together(
    first: Subject, damaged: Mapping[str, Verified], subjects: Sequence[Subject]
) -> list[Subject]:
    """The image and all that hold a layer that may be damaged, and so on from the damaged ones."""
    found = {first.image.id}
    suspects = set(damaged[first.image.id].suspects)
    while True:
        more = {
            each.image.id
            for each in subjects
            if each.image.id not in found and not suspects.isdisjoint(each.diff_ids)
        }
        if not more:
            return [each for each in subjects if each.image.id in found]
        found |= more
        suspects |= {layer for i in more & damaged.keys() for layer in damaged[i].suspects}


def _obstacle(subjects: Sequence[Subject], inventory: Inventory, chosen: Collection[str]) -> str:
    """Why a group cannot be removed and pulled again, by what is on the host; else empty."""
    reasons = []
    for subject in subjects:
        image = subject.image
        name = name_of(image)
        users = [each.name or each.id[:12] for each in users_of(inventory.containers, [image.id])]
        if users:
            reasons.append(f"{name} is used by container {', '.join(users)}")
        elif image.id not in chosen:
            reasons.append(f"{name} may hold the damaged layer too: ask for it as well")
        elif not image.digests:
            reasons.append(f"{name} has no digest of a registry: build it again")
    return "; ".join(reasons)


def users_of(containers: Iterable[Container], image_ids: Collection[str]) -> list[Container]:
    """The containers made from these images."""
    return [container for container in containers if container.image_id in image_ids]


def name_of(image: Image) -> str:
    """One name for an image."""
    return (image.tags or image.digests or (image.id.removeprefix("sha256:")[:12],))[0]


def confirmed(made: Sequence[Group], host: Host, inventory: Inventory) -> list[Group]:
    """The groups, those with an obstacle that a registry does not have an image of."""
    asked = [each.image.id for group in made if not group.obstacle for each in group.subjects]
    if not asked:
        return list(made)
    known = {image.id: image for image in host.confirm(inventory, asked, anew=True).images}
    told = []
    for group in made:
        reasons = [
            f"{name_of(each.image)}: {known[each.image.id].registry_said or 'no registry has it'}"
            for each in group.subjects
            if not group.obstacle and not known[each.image.id].in_registry
        ]
        told.append(group._replace(obstacle="; ".join(reasons) or group.obstacle))
    return told


def plan_of(made: Sequence[Group], inventory: Inventory) -> Plan:
    """The removals of all groups that can be mended, as the ledger takes them."""
    images = [each.image for group in made if not group.obstacle for each in group.subjects]
    steps = tuple(Step("image", image.id, image.tags + image.digests, 0) for image in images)
    verdicts = tuple(
        Verdict("image", i.id, i.tags or i.digests, remove=True, reasons=(Reason("damaged"),))
        for i in images
    )
    return Plan(
        LEVEL, time.time(), inventory.engine, inventory.disk, verdicts, steps, 0,
        estimated=True, at_least=0, at_most=0,
    )  # fmt: skip


class Mended(NamedTuple):
    """What became of everything."""

    repaired: dict[str, Repaired]
    """By the ID of the image as it was."""
    verified: dict[str, Verified]
    """What the last look found, by the same."""
    interrupted: str = ""
    back: Mapping[str, str] = {}
    """The IDs of the images that came back, by those they had."""


def mend(
    made: Sequence[Group],
    plan: Plan,
    host: Host,
    puller: Images,
    verify: Callable[[Sequence[Subject]], Mapping[str, Verified]],
    watcher: Watcher,
    run: Run | None,
) -> Mended:
    """Remove, pull, tag and verify again the groups that have no obstacle.

    Whatever was removed is pulled again, also where another of its group would not go. Ctrl-C
    ends the removals, and once more the pulls; the ledger knows what is missing then.
    """
    steps = {step.id: step for step in plan.steps}
    interrupted = ""
    removals: dict[str, Removal] = {}
    try:
        for group in made:
            for subject in group.subjects if not group.obstacle else ():
                # Until more is known: it is pulled again also where Ctrl-C comes meanwhile.
                removals[subject.image.id] = Removal(REMOVED)
                removal = host.remove(steps[subject.image.id])
                removals[subject.image.id] = removal
                if run is not None:
                    run.settle("image", subject.image.id, removal.result, removal.detail)
                if removal.result != REMOVED:
                    break
    except KeyboardInterrupt:
        interrupted = INTERRUPTED
    _end(run, removals)
    gone = [
        each for group in made for each in group.subjects
        if each.image.id in removals and removals[each.image.id].result == REMOVED
    ]  # fmt: skip
    undone = carry_out([_restoring(each.image) for each in gone], puller, watcher)
    back = dict(zip((each.image.id for each in gone), undone.results, strict=True))
    ids = {i: done.image_id for i, done in back.items() if done.result == RESTORED}
    again = [each._replace(image=each.image._replace(id=ids[each.image.id]))
             for each in gone if each.image.id in ids]  # fmt: skip
    looked = {} if undone.interrupted else verify(again)
    verified = {i: looked[now] for i, now in ids.items() if now in looked}
    repaired: dict[str, Repaired] = {}
    for group in made:
        stuck = next(
            (f"{name_of(each.image)} could not be removed: {removals[each.image.id].detail}"
             for each in group.subjects
             if each.image.id in removals and removals[each.image.id].result != REMOVED),
            "",
        )  # fmt: skip
        for each in group.subjects:
            i = each.image.id
            if group.obstacle:
                repaired[i] = Repaired(FAILED, group.obstacle)
            elif i in verified and verified[i].result == OK:
                repaired[i] = Repaired(REPAIRED, back[i].detail)
            elif i in back and back[i].result != RESTORED:
                repaired[i] = Repaired(FAILED, f"removed, and not pulled again: {back[i].detail}")
            elif i in back and not stuck:
                repaired[i] = Repaired(
                    FAILED, "pulled again and no better: something else holds what is damaged"
                )
            else:
                repaired[i] = Repaired(FAILED, stuck or INTERRUPTED)
    return Mended(repaired, verified, undone.interrupted or interrupted, ids)


def _end(run: Run | None, removals: Mapping[str, Removal]) -> None:
    """Close the run: from here on ``holystone restore`` can bring back what was removed."""
    if run is None:
        return
    results = [removal.result for removal in removals.values()]
    removed, failed = results.count(REMOVED), results.count("failed")
    run.end(
        freed_bytes=0,
        freed={("image", i): 0 for i, told in removals.items() if told.result == REMOVED},
        removed=removed,
        skipped=len(results) - removed - failed,
        failed=failed,
    )


def _restoring(image: Image) -> Restoring:
    names = image.tags or image.digests
    removed = Removed(
        "image", image.id, names, image.tags, image.digests, image.labels, image.size, 0, 0,
        REMOVED, "", None, image.platforms,
    )  # fmt: skip
    return Restoring(removed, PULL, image.digests[0], named=True)

"""Remove what somebody names: a plan of these objects alone, which ``clean`` carries out.

How old an object is, and what a level takes, does not matter: it was named. Safety does: in use,
protected and leased stays.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holystone.operations.clean import Cleaned, Event, clean
from holystone.operations.connect import Session
from holystone.operations.errors import OperationError
from holystone.operations.explain import the_one
from holystone.operations.survey import Survey, look, survey
from holystone.outside.text import safe
from holystone.planner.bases import unused_bases
from holystone.planner.inventory import Image, Inventory
from holystone.planner.lookup import find_images
from holystone.planner.names import repository
from holystone.planner.policy import Grace, Policy, Takes, Term
from holystone.planner.usage import Key

if TYPE_CHECKING:
    from holystone.config.load import Configuration

LEVEL = "rm"
# Volumes only where one is named: to measure them takes the engine long.
_EVERYTHING = Takes(
    stopped_groups=True,
    tagged="all",
    build_cache="all",
    networks=True,
    everything=True,
)


class OneOfSeveral(OperationError):
    """A name is one of several of an image; without the others the image would stay."""


@dataclass(frozen=True, slots=True)
class Named:
    """What is to be removed."""

    references: tuple[str, ...]
    """Each means one object, as ``explain`` takes it."""
    kind: str | None = None
    """Only objects of this kind are meant."""
    with_unused_parents: bool = False
    """Also the images that these were built on, where nothing else on the host needs them."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """The plan for what was named."""

    survey: Survey
    asked: tuple[Key, ...]
    """Kind and ID of each object that was named, in that order."""


def removal_policy(configuration: Configuration) -> Policy:
    """The owner's protection, and nothing else that keeps what is not in use."""
    policy = configuration.policy("deep")
    volumes = policy.volumes
    if volumes.remove != "never":
        volumes = volumes._replace(remove="named", names=("*",), unused_for=0.0, budgets=())
    return policy._replace(
        level=LEVEL,
        takes=_EVERYTHING,
        grace=Grace.uniform(0.0),
        containers=policy.containers._replace(stopped_for=0.0, exit_codes=()),
        volumes=volumes,
        networks_unused_for=0.0,
        networks_by_hand=True,
        include_local=True,
        named=True,
        target=None,
        only=(),
    )


def choose(
    session: Session, policy: Policy, named: Named, inventory: Inventory | None = None
) -> Chosen:
    """The plan that removes what was named, as far as that is safe. Removes nothing.

    Raises EngineError, NotOne for a name that means no object or several, and OneOfSeveral.
    """
    inventory = inventory or look(session, policy)
    found = [the_one(inventory, reference, named.kind) for reference in named.references]
    asked = tuple(dict.fromkeys((each.kind, each.id) for each in found))
    if any(kind == "volume" for kind, _ in asked):
        policy = policy._replace(takes=policy.takes._replace(volumes=True))
        inventory = look(session, policy)
    for image in inventory.images:
        meant = zip(named.references, found, strict=True)
        words = [word for word, each in meant if (each.kind, each.id) == ("image", image.id)]
        if words:
            _check_names(image, words)
    made = survey(
        session,
        _only(policy, asked),
        layers=named.with_unused_parents,
        inventory=inventory,
    )
    going = {step.id for step in made.plan.steps if step.kind == "image"}
    if named.with_unused_parents and going:
        bases = unused_bases(made.inventory.images, going)
        if bases:
            more = _only(policy, (*asked, *(("image", each) for each in sorted(bases))))
            made = survey(session, more, layers=True, inventory=made.inventory)
    return Chosen(made, asked)


def remove(
    session: Session,
    policy: Policy,
    named: Named,
    *,
    planned: Callable[[Chosen], None] = lambda _: None,
    confirm: Callable[[Survey], bool] | None = None,
    report: Callable[[Event], None] = lambda _: None,
    wait: float = 0.0,
    job: str = "",
    options: Sequence[str] = (),
) -> tuple[Cleaned, tuple[Key, ...]]:
    """Remove what was named; what was done, and kind and ID of what was named.

    ``policy`` is that of ``removal_policy``. All else is as for ``clean``: its lock, its history,
    its last look at every object. ``confirm`` is asked where anything is to go, and
    ``planned`` takes the plan before that.
    """
    asked: list[Key] = []

    def plan_for(inventory: Inventory) -> Survey:
        chosen = choose(session, policy, named, inventory)
        asked[:] = chosen.asked
        planned(chosen)
        return chosen.survey

    done = clean(
        session,
        policy,
        choose=plan_for,
        confirm=confirm,
        report=report,
        wait=wait,
        job=job,
        options=options,
    )
    return done, tuple(asked)


def _only(policy: Policy, keys: Sequence[Key]) -> Policy:
    return policy._replace(only=tuple(Term(*key) for key in keys))


def _check_names(image: Image, words: Sequence[str]) -> None:
    """Refuse names that are only some of an image's. Raises OneOfSeveral."""
    bare = image._replace(tags=(), digests=())
    if any(find_images([bare], word) or word.startswith("sha256:") for word in words):
        return
    # With the last tag of a repository its digests go as well.
    names = image.tags or image.digests
    left = [name for name in names if not any(_means(image, name, word) for word in words)]
    if not image.tags:
        repositories = {repository(name) for name in names if name not in left}
        left = [name for name in left if repository(name) not in repositories]
    if not left:
        return
    short = image.id.removeprefix("sha256:")[:12]
    others = ", ".join(map(safe, left))
    raise OneOfSeveral(
        f"{words[0]!r} is one of {len(names)} names of image {short}; it is also {others}. To take "
        "one name away frees nothing. Nothing was removed. Name all of them, or the image by its "
        f"ID: holystone rm {short}."
    )


def _means(image: Image, name: str, word: str) -> bool:
    alone = (name,)
    if "@" in name:
        return bool(find_images([image._replace(tags=(), digests=alone)], word))
    return bool(find_images([image._replace(tags=alone, digests=())], word))

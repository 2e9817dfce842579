"""Explain one object: find it, and plan with everything that bears on its verdict."""

from __future__ import annotations

from dataclasses import dataclass

from holystone.operations.connect import Session
from holystone.operations.errors import OperationError
from holystone.operations.survey import Survey, look, survey
from holystone.outside.text import safe
from holystone.planner.inventory import Inventory
from holystone.planner.lookup import Found, did_you_mean, find, names_of
from holystone.planner.policy import Policy
from holystone.planner.verdict import KINDS, Verdict

_SHOWN = 8


class NotOne(OperationError):
    """A reference means no object of the host, or several; the message lists them."""


@dataclass(frozen=True, slots=True)
class Explained:
    """One object, and the survey it was found in."""

    survey: Survey
    kind: str
    id: str

    @property
    def verdict(self) -> Verdict:
        """Whether it stays or goes, with every reason."""
        verdicts = self.survey.plan.verdicts
        return next(each for each in verdicts if (each.kind, each.id) == (self.kind, self.id))


def explain(session: Session, policy: Policy, reference: str, kind: str | None = None) -> Explained:
    """The one object that a name, digest, ID or pattern means. Raises EngineError, NotOne.

    Registries are asked about no other images than those that bear on its verdict.
    """
    inventory = look(session, policy, sizes=True)
    # Before a registry is asked: of what is not here it has nothing to say.
    about = _with_those_on_it(inventory, the_one(inventory, reference, kind))
    surveyed = survey(session, policy, sizes=True, layers=True, inventory=inventory, about=about)
    # It can have gone since.
    found = the_one(surveyed.inventory, reference, kind)
    return Explained(surveyed, found.kind, found.id)


def _with_those_on_it(inventory: Inventory, meant: Found) -> set[str]:
    """The IDs of the images whose registries bear on a verdict: an image and those built on it."""
    about: set[str] = set()
    more = {meant.id} if meant.kind == "image" else set()
    while more:
        about |= more
        more = {image.id for image in inventory.images if image.parent in more} - about
    return about


def the_one(inventory: Inventory, reference: str, kind: str | None) -> Found:
    """The only object the reference means. Raises NotOne where it means none or several."""
    kinds = KINDS if kind is None else (kind,)
    found = find(inventory, reference, kinds)
    if len(found) == 1:
        return found[0]
    if not found:
        what = "image, container, volume, network or build cache record" if kind is None else kind
        near = safe(did_you_mean(names_of(inventory, kinds), reference))
        raise NotOne(
            f"no {what} on this host is called {reference!r}.{near} `holystone plan --all` lists "
            "them."
        )
    meant = "\n".join(f"  {_told(each)}" for each in found[:_SHOWN])
    more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    hint = "a whole name or ID" if len({each.kind for each in found}) == 1 else "--kind"
    raise NotOne(
        f"{reference!r} means {len(found)} objects; tell them apart with {hint}:\n{meant}{more}"
    )


def _told(found: Found) -> str:
    name = next((name for name in found.names if name), "")
    short = found.id.removeprefix("sha256:")[:12]
    return (
        f"{found.kind} {name} ({short})" if name and name != found.id else f"{found.kind} {short}"
    )

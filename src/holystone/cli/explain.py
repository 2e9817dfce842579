"""``holystone explain``: one object, its verdict and every reason."""

from __future__ import annotations

import argparse
import os
import sys

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output, add_policy, policy_of
from holystone.cli.session import Failure, answer, opened
from holystone.operations.survey import look, survey
from holystone.planner.inventory import Inventory
from holystone.planner.lookup import Found, find, names_of
from holystone.planner.verdict import KINDS
from holystone.present import terminal

_SHOWN = 8


def parser() -> argparse.ArgumentParser:
    """The options of ``explain``."""
    made = Parser(
        prog="holystone explain",
        description="Tell everything that bears on one object: its verdict, each reason, what it "
        "would free alone, who shares its layers, which containers use it.",
        examples=[
            ("holystone explain python:3.12-slim", "why an image stays or goes"),
            ("holystone explain --kind volume data", "only a volume of this name"),
        ],
    )
    made.add_argument(
        "reference",
        metavar="REFERENCE",
        help="an image by tag, digest or ID, by a pattern like 'team/*' or the end of its name; a "
        "container, volume, network or cache record by name or ID",
    )
    made.add_argument("--kind", choices=KINDS, help="only objects of this kind")
    add_policy(made, level=False)
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Observe with all sizes, plan, show one verdict. Raises EngineError, Failure."""
    output = terminal.open_output(sys.stdout, os.environ, color=options.color)
    policy = policy_of(options)
    with opened(options) as session:
        inventory = look(session, policy, sizes=True)
        # Before a registry is asked: of what is not here it has nothing to say.
        meant = _the_one(inventory, options.reference, options.kind)
        about = _with_those_on_it(inventory, meant)
        surveyed = survey(
            session, policy, sizes=True, layers=True, inventory=inventory, about=about
        )
    inventory, usage, plan = surveyed.inventory, surveyed.usage, surveyed.plan
    # It can have gone since.
    found = _the_one(inventory, options.reference, options.kind)
    from holystone.present.explanation import explanation

    explained = explanation(inventory, usage, plan, found.kind, found.id)
    if options.json:
        from holystone.present import document

        told = document.explain(explained, plan)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        from holystone.present.report.explain import render

        answer(output, render(explained, output.look))
    return exit_codes.DONE


def _with_those_on_it(inventory: Inventory, meant: Found) -> set[str]:
    """The IDs of the images whose registries bear on a verdict: an image and those built on it."""
    about: set[str] = set()
    more = {meant.id} if meant.kind == "image" else set()
    while more:
        about |= more
        more = {image.id for image in inventory.images if image.parent in more} - about
    return about


def _the_one(inventory: Inventory, reference: str, kind: str | None) -> Found:
    """The only object the reference means. Raises Failure where it means none or several."""
    kinds = KINDS if kind is None else (kind,)
    found = find(inventory, reference, kinds)
    if len(found) == 1:
        return found[0]
    if not found:
        what = "image, container, volume, network or build cache record" if kind is None else kind
        from holystone.planner.lookup import did_you_mean
        from holystone.present.format import safe

        near = safe(did_you_mean(names_of(inventory, kinds), reference))
        raise Failure(
            f"no {what} on this host is called {reference!r}.{near} `holystone plan --all` lists "
            "them."
        )
    meant = "\n".join(f"  {_told(each)}" for each in found[:_SHOWN])
    more = f"\n  and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    hint = "a whole name or ID" if len({each.kind for each in found}) == 1 else "--kind"
    raise Failure(
        f"{reference!r} means {len(found)} objects; tell them apart with {hint}:\n{meant}{more}"
    )


def _told(found: Found) -> str:
    name = next((name for name in found.names if name), "")
    short = found.id.removeprefix("sha256:")[:12]
    return (
        f"{found.kind} {name} ({short})" if name and name != found.id else f"{found.kind} {short}"
    )

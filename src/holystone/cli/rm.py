"""``holystone rm``: remove what is named, unless it is in use, protected or leased."""

from __future__ import annotations

import argparse
import os

from holystone.cli import exit_codes
from holystone.cli.answer import tell
from holystone.cli.options import (
    Parser,
    add_config,
    add_engine,
    add_output,
    add_wait,
    configuration,
)
from holystone.cli.recorded import recorded
from holystone.cli.session import Failure, answer, opened, warn
from holystone.cli.streams import agreed, can_ask, stderr, stdout
from holystone.operations.clean import Cleaned, Event, Waiting
from holystone.operations.remove import Chosen, Named, choose, removal_policy, remove
from holystone.operations.survey import Survey
from holystone.operations.workers import INTERRUPTED
from holystone.planner.usage import Key
from holystone.planner.verdict import KINDS
from holystone.present import document
from holystone.present.report import rm as report
from holystone.present.report.plan import QUESTION
from holystone.present.terminal import Look
from holystone.store.lock import ci_job

_KINDS = [kind for kind in KINDS if kind != "builder"]
"""What can be named: a builder's records go by its budget."""


def parser() -> argparse.ArgumentParser:
    """The options of ``rm``."""
    made = Parser(
        prog="holystone rm",
        description="Remove what you name, at any age. What is in use, protected or leased stays. "
        "It is a clean of these objects alone: with history, restore and a last look at each.",
        hints={
            "-f": "holystone never removes by force; --yes goes ahead without asking",
            "--force": "holystone never removes by force; --yes goes ahead without asking",
        },
        examples=[
            ("holystone rm postgres:15-alpine", "an image, by tag"),
            ("holystone rm maven:3.9-eclipse-temurin-21 --dry-run", "what would come free"),
            ("holystone rm --kind volume maven-repository --yes", "a volume, without asking"),
        ],
    )
    made.add_argument(
        "references",
        nargs="+",
        metavar="REFERENCE",
        help="an image by tag, digest or ID, or the end of its name; a container, volume, network "
        "or cache record by name or ID. Each must mean exactly one object",
    )
    made.add_argument("--kind", choices=_KINDS, help="only objects of this kind")
    made.add_argument(
        "--with-unused-parents",
        action="store_true",
        help="also remove the images that these were built on, if nothing else uses them and no "
        "other image was built on them",
    )
    made.add_argument(
        "-n", "--dry-run", action="store_true", help="remove nothing, only show what would go"
    )
    made.add_argument(
        "-y",
        "--yes",
        action="store_true",
        help="do not ask, even if no registry can give an image back",
    )
    add_wait(made)
    add_config(made.add_argument_group("policy"))
    add_engine(made)
    add_output(made)
    return made


def run(options: argparse.Namespace) -> int:
    """Remove, and tell. Raises EngineError, OperationError, Failure."""
    policy = removal_policy(configuration(options))
    named = Named(tuple(options.references), options.kind, options.with_unused_parents)
    output = stdout(options)
    with opened(options, watch=not options.dry_run) as session:
        if options.dry_run:
            return _show(options, choose(session, policy, named))

        def event(what: Event) -> None:
            if isinstance(what, Waiting):
                warn(f"waiting for {what.holder} to end ...")

        def planned(chosen: Chosen) -> None:
            if not options.json:
                tell(output.write, _plan_text(chosen, output.look))

        done, asked = remove(
            session,
            policy,
            named,
            planned=planned,
            confirm=None if options.yes else lambda found: _confirm(options, found),
            report=event,
            wait=options.wait,
            job=ci_job(os.environ),
            options=(*recorded(options.parser, options, os.environ), *options.references),
        )
    return _tell(options, done, asked)


def _plan_text(chosen: Chosen, look: Look) -> str:
    found = chosen.survey
    return report.plan(found.inventory, found.plan, chosen.asked, look)


def _confirm(options: argparse.Namespace, found: Survey) -> bool:
    """Ask where something is lost for good. Raises Failure if there is no terminal."""
    errors = stderr(options)
    lost = report.lost(found.inventory, found.plan, errors.look)
    if not lost:
        return True
    tell(errors.write, lost)
    if not can_ask(options):
        why = "--json asks no questions" if options.json else "no terminal to confirm on"
        raise Failure(f"{why}; nothing was removed. Pass --yes to go ahead.", exit_codes.USAGE)
    return agreed(QUESTION)


def _show(options: argparse.Namespace, chosen: Chosen) -> int:
    """What would go. Returns the exit code that its removal would have."""
    output, found = stdout(options), chosen.survey
    if options.json:
        told = document.plan(found.plan) | {"asked": _keys(chosen.asked)}
        answer(output, document.dump(told, indent=output.interactive))
    else:
        answer(output, _plan_text(chosen, output.look))
    going = {(step.kind, step.id) for step in found.plan.steps}
    return exit_codes.DONE if going.issuperset(chosen.asked) else exit_codes.STEPS_FAILED


def _tell(options: argparse.Namespace, done: Cleaned, asked: tuple[Key, ...]) -> int:
    output, plan, outcome = stdout(options), done.plan, done.outcome
    assert plan is not None  # noqa: S101 - it waits for no other run to do its work
    if options.json:
        told = document.clean(plan, outcome, disk_after=done.disk, rounds=done.rounds)
        told["asked"] = _keys(asked)
        answer(output, document.dump(told, indent=output.interactive))
    else:
        text = report.result(plan, outcome, asked, output.look, disk_after=done.disk, run=done.run)
        answer(output, text)
    if outcome.interrupted == INTERRUPTED:
        return exit_codes.INTERRUPTED
    return exit_codes.DONE if report.all_went(outcome, asked) else exit_codes.STEPS_FAILED


def _keys(asked: tuple[Key, ...]) -> list[dict[str, str]]:
    return [{"kind": kind, "id": identifier} for kind, identifier in asked]

"""``holystone explain``: one object, its verdict and every reason."""

from __future__ import annotations

import argparse

from holystone.cli import exit_codes
from holystone.cli.options import Parser, add_engine, add_output, add_policy, policy_of
from holystone.cli.session import opened
from holystone.cli.show import show
from holystone.operations.explain import explain
from holystone.planner.verdict import KINDS
from holystone.present import document
from holystone.present.report.explain import explanation, render


def parser() -> argparse.ArgumentParser:
    """The options of ``explain``."""
    made = Parser(
        prog="holystone explain",
        description="Show everything about one object: its verdict, each reason, the bytes it "
        "frees alone, which images share its layers, which containers use it.",
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
    """Explain, and tell. Raises EngineError, OperationError."""
    policy = policy_of(options)
    with opened(options) as session:
        told = explain(session, policy, options.reference, options.kind)
    found = told.survey
    explained = explanation(found.inventory, found.usage, found.plan, told.kind, told.id)
    show(
        options,
        lambda: document.explain(explained, found.plan),
        lambda look: render(explained, look),
    )
    return exit_codes.DONE

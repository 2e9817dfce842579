"""CI logs: collapsible sections for GitLab and GitHub, and GitHub's Markdown step summary.

GitLab reads section marks from the job log, GitHub workflow commands at the start of lines. Names
on a host may come from other people's jobs: ``outside.text`` makes sure that they never act as such
a mark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from holystone.outside.text import safe_lines
from holystone.planner.inventory import Disk
from holystone.planner.units import format_size
from holystone.planner.verdict import Plan
from holystone.present import figures
from holystone.present.format import counted, engine_name, name_of, plural, promised, safe

if TYPE_CHECKING:
    from holystone.operations.execute import Outcome

GITLAB = "gitlab"
GITHUB = "github"
SHOWN_TROUBLES = 20


def detect(environ: Mapping[str, str]) -> str:
    """``gitlab`` or ``github`` where the job's log has collapsible sections, else empty."""
    if environ.get("GITLAB_CI", "").lower() == "true":
        return GITLAB
    if environ.get("GITHUB_ACTIONS", "").lower() == "true":
        return GITHUB
    return ""


def fold(provider: str, name: str, title: str, body: str, now: float) -> str:
    """The body as a collapsed section with a title; elsewhere just both, and an empty line.

    ``name`` is letters, digits, ``_``, ``.`` and ``-``, and unique within the job. Title and body
    are made safe; the marks are to be written with ``Output.write_marked``.
    """
    title, body = safe_lines(title), safe_lines(body, colour=True)
    if provider == GITLAB:
        at = int(now)
        return (
            f"\x1b[0Ksection_start:{at}:{name}[collapsed=true]\r\x1b[0K{title}\n"
            f"{body}\n"
            f"\x1b[0Ksection_end:{at}:{name}\r\x1b[0K"
        )
    if provider == GITHUB:
        return f"::group::{title}\n{body}\n::endgroup::"
    return f"{title}\n{body}\n"


def append_summary(environ: Mapping[str, str], markdown: str) -> str:
    """Add Markdown to GitHub's step summary where there is one.

    Answers what went wrong, empty where nothing did: a summary that cannot be written is no
    reason for a clean to fail.
    """
    path = environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return ""
    try:
        with open(path, "a", encoding="utf-8") as summary:
            summary.write(f"{markdown}\n")
    except OSError as error:
        return f"cannot write the step summary to {path}: {error.strerror}"
    return ""


def plan_summary(plan: Plan) -> str:
    """The plan as Markdown."""
    lines = [
        f"### holystone: a {plan.level} clean would free {promised(plan)}",
        "",
        "| | would go | stays | would free |",
        "|---|--:|--:|--:|",
    ]
    lines += [
        f"| {plural(tally.kind)} | {tally.going} | {tally.staying} | "
        f"{format_size(tally.freed_bytes)} |"
        for tally in figures.tallies(plan)
    ]
    return "\n".join([*lines, "", _engine(plan), ""])


def clean_summary(plan: Plan, outcome: Outcome, *, disk_after: Disk | None = None) -> str:
    """The result of a plan as Markdown."""
    lines = [
        f"### holystone: {plan.level} clean freed {format_size(outcome.freed_bytes)}",
        "",
        "| | removed | kept | freed |",
        "|---|--:|--:|--:|",
    ]
    for tally in figures.tallies(plan):
        removed = [
            key for key, removal in outcome.results.items()
            if key[0] == tally.kind and removal.result == "removed"
        ]  # fmt: skip
        freed = sum(outcome.freed.get(key, 0) for key in removed)
        kept = tally.going + tally.staying - len(removed)
        lines.append(f"| {plural(tally.kind)} | {len(removed)} | {kept} | {format_size(freed)} |")
    lines += ["", f"Planned {format_size(plan.freed_bytes)}."]
    if disk_after is not None and disk_after.free_bytes is not None:
        lines[-1] += f" Disk: {format_size(disk_after.free_bytes)} free now."
    troubles = [
        f"- **{removal.result}** {verdict.kind} {_code(name_of(verdict))}: {_text(removal.detail)}"
        for verdict in plan.verdicts
        if (removal := outcome.results.get((verdict.kind, verdict.id))) is not None
        and removal.result != "removed"
    ]
    if troubles:
        lines += ["", *troubles[:SHOWN_TROUBLES]]
    if len(troubles) > SHOWN_TROUBLES:
        lines.append(f"- and {counted(len(troubles) - SHOWN_TROUBLES, 'other')}")
    if outcome.interrupted:
        lines += ["", f"**Ended early:** {_text(outcome.interrupted)}"]
    return "\n".join([*lines, "", _engine(plan), ""])


def _engine(plan: Plan) -> str:
    return f"<sub>{_text(plan.engine.name)}: {_text(engine_name(plan.engine))}</sub>"


def _code(text: str) -> str:
    return f"`{safe(text).replace('`', chr(39))}`"


def _text(text: str) -> str:
    """The text with nothing in it that Markdown or HTML would read."""
    escaped = safe(text).replace("&", "&amp;").replace("<", "&lt;")
    return "".join(f"\\{c}" if c in "\\`*_[]|#" else c for c in escaped)

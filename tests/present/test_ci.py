from __future__ import annotations

from pathlib import Path

import pytest

from holystone.planner.inventory import Disk
from holystone.present import ci
from holystone.present.format import safe
from tests.present import golden, host


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, ""),
        ({"CI": "true"}, ""),
        ({"GITLAB_CI": "true"}, "gitlab"),
        ({"GITHUB_ACTIONS": "true"}, "github"),
        ({"GITHUB_ACTIONS": "false"}, ""),
    ],
)
def test_detect(environ: dict[str, str], expected: str) -> None:
    assert ci.detect(environ) == expected


def test_fold() -> None:
    assert ci.fold("gitlab", "holystone_removed", "What went", "  web\n  db", 1_760_000_000.9) == (
        "\x1b[0Ksection_start:1760000000:holystone_removed[collapsed=true]\r\x1b[0KWhat went\n"
        "  web\n"
        "  db\n"
        "\x1b[0Ksection_end:1760000000:holystone_removed\r\x1b[0K"
    )
    grouped = ci.fold("github", "removed", "What went", "  web\n  db", 0)
    assert grouped == "::group::What went\n  web\n  db\n::endgroup::"
    assert ci.fold("", "removed", "What went", "  web", 0) == "What went\n  web\n"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("::add-mask::a", ": :add-mask::a"),
        (" \t::endgroup::", ": :endgroup::"),
        ("RUN echo ##[stop-commands]t", "RUN echo # #[stop-commands]t"),
        ("tcp://[::1]:2375", "tcp://[::1]:2375"),
        ("a::b", "a::b"),
    ],
)
def test_a_name_gives_github_no_command(name: str, shown: str) -> None:
    assert safe(name) == shown


def test_summaries() -> None:
    plan = host.plan()
    outcome = host.outcome(plan, skip=1, fail=1, interrupted="the engine <went> away")
    golden.check("summary-clean", ci.clean_summary(plan, outcome, disk_after=Disk(100, 50)))
    golden.check("summary-plan", ci.plan_summary(plan))


def test_many_troubles_are_counted() -> None:
    plan = host.plan()
    text = ci.clean_summary(plan, host.outcome(plan, fail=len(plan.steps)))
    failed = sum(step.kind == "image" for step in plan.steps)
    assert text.count("**failed**") == min(failed, ci.SHOWN_TROUBLES)


def test_the_summary_is_appended(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before\n")
    environ = {"GITHUB_STEP_SUMMARY": str(file)}
    assert ci.append_summary(environ, "### holystone 🧹") == ""
    assert file.read_text(encoding="utf-8") == "before\n### holystone 🧹\n"
    assert "Is a directory" in ci.append_summary({"GITHUB_STEP_SUMMARY": str(tmp_path)}, "x")
    assert ci.append_summary({}, "x") == ""

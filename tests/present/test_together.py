"""An image and the build cache that holds its layers: what is told of them agrees."""

from __future__ import annotations

from holystone.planner.plan import plan
from holystone.present import reasons
from holystone.present.explanation import explanation
from holystone.present.report import explain, verdicts
from holystone.present.terminal import Look
from tests.planner.cases import FOLDER, NOW, read_case

CASE = read_case(FOLDER / "until_free_running_build.toml")
MADE = plan(CASE.inventory, CASE.usage, CASE.policy, NOW)


def test_the_reason_and_the_row_count_the_bytes_with_the_records() -> None:
    (gone,) = [verdict for verdict in MADE.removed if verdict.kind == "image"]
    assert gone.freed_bytes == 0
    assert "frees 35.0 MB with 1 cache record" in reasons.texts(gone.reasons)
    (row,) = [line for line in verdicts.going(MADE.removed, Look()) if "two:1" in line]
    assert "with cache" in row
    assert "frees 35.0 MB with 1 cache record" in row
    assert "0 B" not in row


def test_alone_and_ranked_by_say_the_same() -> None:
    explained = explanation(
        CASE.inventory,
        CASE.usage,
        plan(CASE.inventory, CASE.usage, CASE.policy._replace(target=None), NOW),
        *("image", "two"),
    )
    text = explain.render(explained, Look(width=200))
    assert "removing only it would free 0 B: build cache holds 35.0 MB of its layers" in text
    assert "frees 35.0 MB with 1 cache record" in text

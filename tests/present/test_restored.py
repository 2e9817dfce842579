"""The report of ``restore``: what the engine says reads well after how it ended."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holystone.operations.bring_back import LOST, PULL, Entry
from holystone.operations.restore import Restoration, plan_restore
from holystone.planner.inventory import Engine, Inventory
from holystone.planner.verdict import Rule
from holystone.present.report.restore import render
from holystone.present.terminal import Look
from holystone.store.records import DONE, REMOVED, RecordedReason, Removed, RunSummary

RUN = RunSummary(
    1, "e/classic", "e", "", "deep", "", 0.0, 1.0, DONE, "", 1, 1,
    estimated=False, freed_bytes=1, removed=1, skipped=0, failed=0, free_before=None,
    free_after=None,
)  # fmt: skip
IMAGE = Removed("image", "sha256:1", ("a:1",), ("a:1",), (), {}, 1, 1, 1, REMOVED, "", 0.0)


def told(entries: list[Entry], seconds: float | None) -> str:
    return render(Restoration(RUN, tuple(entries), seconds), Look())


@pytest.mark.parametrize(
    ("action", "result", "detail", "row"),
    [
        ("pull", "failed", "failed to unpack image on snapshotter overlayfs",
         "failed the engine: failed to unpack image on snapshotter overlayfs"),
        ("pull", "failed", "manifest unknown", "failed manifest unknown"),
        ("nothing", "present", "it is here", "here already"),
        ("nothing", "", "it is here", "here already"),
        ("nothing", "present", "it is here; b:1 is another image",
         "here already b:1 is another image"),
        ("nothing", "", "it is here; b:1 is another image", "here already b:1 is another image"),
    ],
)  # fmt: skip
def test_how_it_ended_is_said_once(action: str, result: str, detail: str, row: str) -> None:
    text = " ".join(told([Entry(IMAGE, action, result, detail)], 1.0).split())
    assert f"a:1 1 B {row} " in text
    assert "it is here" not in text


def test_build_steps_are_not_missed_where_their_image_is() -> None:
    big = IMAGE._replace(id="sha256:2", tags=("big:3",), digests=("big@sha256:2",))
    step = IMAGE._replace(
        id="sha256:3",
        names=(),
        tags=(),
        reasons=(RecordedReason(Rule.STEP, {"image": "big:3", "images": 1}),),
    )
    rubbish = step._replace(id="sha256:4", reasons=(RecordedReason(Rule.UNTAGGED),))
    here = Inventory(Engine("e", "e", "28", "1.51", "overlay2"), 0.0)
    planned = plan_restore(here, [big, step, rubbish])
    assert [each.action for each in planned] == [PULL, LOST, LOST]
    assert "big:3, which is whole without it" in planned[1].detail
    assert "built here" in planned[2].detail

    def ended(result: str) -> str:
        done = (result, "lost", "lost")
        entries = [replace(item, result=each) for item, each in zip(planned, done, strict=True)]
        return told(entries, 1.0)

    assert "1 build step not pulled: its image is whole without." in ended("restored")
    assert "1 untagged image cannot come back" in ended("restored")
    assert "; 1 cannot come back." in ended("restored")
    assert "1 build step cannot come back: a build makes it again." in ended("failed")

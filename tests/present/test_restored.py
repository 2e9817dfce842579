"""The report of ``restore``: what the engine says reads well after how it ended."""

from __future__ import annotations

from holystone.ledger.records import DONE, REMOVED, Removed, RunSummary
from holystone.present.report.restore import Entry, render
from holystone.present.terminal import Look

RUN = RunSummary(
    1, "e/classic", "e", "", "deep", "", 0.0, 1.0, DONE, "", 1, 1,
    estimated=False, freed_bytes=1, removed=1, skipped=0, failed=0, free_before=None,
    free_after=None,
)  # fmt: skip
IMAGE = Removed("image", "sha256:1", ("a:1",), ("a:1",), (), {}, 1, 1, 1, REMOVED, "", 0.0)


def test_failed_is_said_once() -> None:
    entry = Entry(IMAGE, "pull", "failed", "failed to unpack image on snapshotter overlayfs")
    text = " ".join(render(RUN, [entry], Look(), seconds=1.0).split())
    assert "a:1 1 B failed the engine: failed to unpack image on snapshotter overlayfs" in text
    plain = Entry(IMAGE, "pull", "failed", "manifest unknown")
    text = " ".join(render(RUN, [plain], Look(), seconds=1.0).split())
    assert "a:1 1 B failed manifest unknown" in text

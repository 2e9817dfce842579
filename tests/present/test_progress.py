from __future__ import annotations

import io
import time

import pytest

from holystone.engine.host import Removal
from holystone.present import progress
from holystone.present.progress import Progress
from holystone.present.replaying import ReplayProgress
from holystone.present.table import display_width
from holystone.present.terminal import Look, Output
from tests.present import host


def output(stream: io.StringIO, *, interactive: bool = True, width: int = 80) -> Output:
    return Output(stream, Look(width=width, elide=True), interactive)


def test_nothing_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    stream = io.StringIO()
    with Progress(host.plan(), output(stream, interactive=False)):
        time.sleep(0.05)
    assert stream.getvalue() == ""


def test_nothing_for_short_work() -> None:
    stream = io.StringIO()
    with Progress(host.plan(), output(stream)) as shown:
        shown.step_done(host.plan().steps[0], Removal("removed"))
    assert stream.getvalue() == ""


def test_a_line_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    stream = io.StringIO()
    with Progress(host.plan(), output(stream)) as shown:
        for _ in range(200):
            time.sleep(0.01)
            if "0/23" in stream.getvalue():
                break
    assert "0/23 containers" in stream.getvalue()
    assert stream.getvalue().endswith("\r\x1b[2K")
    assert shown.line()


def test_it_goes_on_where_the_terminal_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    stream = io.StringIO()
    stream.close()
    with Progress(host.plan(), output(stream)):
        time.sleep(0.05)


def test_the_line_counts() -> None:
    plan = host.plan()
    moments = iter([100.0, 103.0])
    shown = Progress(plan, output(io.StringIO()), clock=lambda: next(moments))
    shown.step_done(plan.steps[0], Removal("removed"))
    shown.step_done(plan.steps[2], Removal("skipped", "used since planned"))
    assert shown.line() == "██░░░░░░░░░░░░░░░░░░░░░░  2/23 images  48.3 MB  3 s"


@pytest.mark.parametrize("width", range(20, 90, 5))
def test_the_line_fits(width: int) -> None:
    shown = Progress(host.plan(), output(io.StringIO(), width=width))
    assert display_width(shown.line()) < width


def test_replays_are_counted_by_their_uses() -> None:
    shown = ReplayProgress(4, 100, lambda: 150, output(io.StringIO()), clock=lambda: 7.0)
    bar, words = shown.line().split("  ", 1)
    assert words == "replayed 1 of 4 times  0 s"
    assert (bar.count("█"), bar.count("░")) == (9, 15)
    nothing = ReplayProgress(0, 0, lambda: 0, output(io.StringIO()), clock=lambda: 7.0)
    assert nothing.line().endswith("replayed 0 of 0 times  0 s")

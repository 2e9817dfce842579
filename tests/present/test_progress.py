from __future__ import annotations

import io
import re
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from holystone.engine.host import Removal
from holystone.present import progress
from holystone.present.progress import (
    Progress,
    ProgressLine,
    PullProgress,
    ReplayProgress,
    VerifyProgress,
)
from holystone.present.terminal import Look, Output
from tests.present import host


def output(stream: io.StringIO, *, interactive: bool = True, width: int = 80) -> Output:
    return Output(stream, Look(width=width, elide=True), interactive)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is drawn from the start."""
    monkeypatch.setattr(progress, "PATIENCE", 0.0)


def drawn(stream: io.StringIO, shown: ProgressLine) -> str:
    """All that was written, once something was drawn."""
    with shown:
        for _ in range(200):
            time.sleep(0.01)
            if "0/23" in stream.getvalue():
                break
    return stream.getvalue()


@pytest.mark.usefixtures("at_once")
def test_nothing_where_nobody_watches_and_no_harm_where_the_terminal_is_gone() -> None:
    stream = io.StringIO()
    gone = io.StringIO()
    gone.close()
    with Progress(host.plan(), output(stream, interactive=False)):
        time.sleep(0.05)
    assert stream.getvalue() == ""
    with Progress(host.plan(), output(gone)):
        time.sleep(0.05)


def test_nothing_for_short_work() -> None:
    stream = io.StringIO()
    with Progress(host.plan(), output(stream)) as shown:
        shown.step_done(host.plan().steps[0], Removal("removed"))
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("width", [20, 45, 80])
def test_a_line_that_fits_and_is_gone_at_the_end(width: int) -> None:
    stream = io.StringIO()
    shown = Progress(host.plan(), output(stream, width=width))
    written = drawn(stream, shown)
    # At the end the cursor is shown again, and what was drawn is wiped.
    assert "\x1b[?25h" in written
    assert written.endswith("\x1b[2K")
    text = re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", written)
    assert ("0/23 containers" if width == 80 else "0/23") in text
    assert max(map(cell_len, re.split(r"[\r\n]", text))) <= width
    assert shown.state()[0].startswith("0/23")


def test_the_line_counts() -> None:
    plan = host.plan()
    moments = iter([100.0, 103.0])
    shown = Progress(plan, output(io.StringIO()), clock=lambda: next(moments))
    shown.step_done(plan.steps[0], Removal("removed"))
    shown.step_done(plan.steps[2], Removal("skipped", "used since planned"))
    assert shown.state() == ("2/23 images  48.3 MB  3 s", 2 / 23)


def test_replays_are_counted_by_their_uses() -> None:
    shown = ReplayProgress(4, 100, lambda: 150, output(io.StringIO()), clock=lambda: 7.0)
    assert shown.state() == ("replayed 1 of 4 times  0 s", 150 / 400)
    nothing = ReplayProgress(0, 0, lambda: 0, output(io.StringIO()), clock=lambda: 7.0)
    assert nothing.state()[0] == "replayed 0 of 0 times  0 s"


def bar(shown: ProgressLine) -> float:
    """How much of the bar is full."""
    return shown.state()[1]


@pytest.mark.parametrize("target", [None, 10**12])
@given(data=st.data())
def test_the_bar_of_a_clean_never_goes_back(target: int | None, data: st.DataObject) -> None:
    """Over rounds that are planned anew as well, whatever becomes of the steps."""
    plan = replace(host.plan(), target_free=target)
    before: Progress | None = None
    seen = 0.0
    for last in (False, True):
        count = data.draw(st.integers(1, len(plan.steps)))
        part = plan if last else replace(plan, steps=plan.steps[:count])
        shown = Progress(part, output(io.StringIO()), whole=plan, before=before)
        for step in part.steps:
            assert seen <= bar(shown) < 1.0
            seen = bar(shown)
            result = data.draw(st.sampled_from(["removed", "skipped", "failed"]))
            shown.step_done(step, Removal(result))
        before = shown
    assert (bar(shown) == 1.0) is (target is None)


MOVES = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 10**9), st.integers(0, 10**9), st.booleans()),
    max_size=30,
)


@given(MOVES)
def test_the_bar_of_pulls_never_goes_back(moves: list[tuple[int, int, int, bool]]) -> None:
    """Sizes are told bit by bit, layers are fetched again, and some pulls tell none at all."""
    shown = PullProgress({0, 1, 2}, output(io.StringIO()))
    settled: set[int] = set()
    seen = 0.0
    for place, come, size, ends in moves:
        shown.moved(place, come, size)
        if ends:
            shown.settled(place)
            settled |= {place} & {0, 1, 2}
        assert bar(shown) >= seen
        assert (bar(shown) == 1.0) is (len(settled) == 3)
        seen = bar(shown)


@given(st.lists(st.tuples(st.integers(0, 10**9), st.booleans()), max_size=30))
def test_the_bar_of_verifying_never_goes_back(moves: list[tuple[int, bool]]) -> None:
    """Also where more is read than was thought, or where nobody knows how much there is."""
    for total in (0, 10**9):
        shown = VerifyProgress(3, total, output(io.StringIO()))
        seen, done = 0.0, 0
        for count, ends in moves:
            shown.moved(count)
            if ends and done < 3:
                shown.settled(1)
                done += 1
            assert bar(shown) >= seen
            assert (bar(shown) == 1.0) is (done == 3)
            seen = bar(shown)


def test_the_bar_of_replays_never_goes_back() -> None:
    done = iter([0, 150, 120, 399, 400])
    shown = ReplayProgress(4, 100, lambda: next(done), output(io.StringIO()), clock=lambda: 7.0)
    assert [bar(shown) for _ in range(5)] == [0.0, 0.375, 0.375, 0.9975, 1.0]

"""The chart of the disk's past: where its points come from, and what it leaves out."""

from __future__ import annotations

from itertools import pairwise

from holystone.planner.inventory import Disk, Inventory
from holystone.present.html.timeline import FRAME, timeline
from holystone.store.records import DONE, RunSummary
from holystone.store.samples import Sample
from tests.present.disk_report import DAY, ENGINE, NOW, report_of

GB = 1_000_000_000
HOST = Inventory(ENGINE, NOW, disk=Disk(100 * GB, 40 * GB))


def run(number: int, ago: float, before: int | None, after: int | None) -> RunSummary:
    return RunSummary(
        number, ENGINE.key, "runner-7", "unix:///x", "routine", "", NOW - ago, NOW - ago + 60, DONE,
        "", 3, 5 * GB, False, 5 * GB, 3, 0, 0, before, after,
    )  # fmt: skip


def test_samples_make_the_line_and_runs_the_marks() -> None:
    samples = [
        Sample(NOW - hour * 3600, 100 * GB, (50 + hour % 5) * GB) for hour in range(48, 0, -1)
    ]
    made = timeline(report_of(HOST, samples=samples, runs=[run(7, DAY, 30 * GB, 40 * GB)]))
    assert made is not None
    ((first, *_, last),) = made.lines
    assert first[0] == FRAME.x0
    assert last == (FRAME.x1, FRAME.y0 - 0.6 * (FRAME.y0 - FRAME.y1))
    (flag,) = made.flags
    assert (flag.number, round(flag.x)) == (7, round((FRAME.x0 + FRAME.x1) / 2))
    assert "5.00 GB freed, 3 removed" in flag.title
    assert [mark.words for mark in made.marks] == ["high 85%", "critical 95%"]
    assert "between 46.0 GB and 60.0 GB of 100 GB" in made.summary


def test_without_samples_the_runs_tell() -> None:
    made = timeline(report_of(HOST, runs=[run(1, DAY, 10 * GB, 30 * GB)]))
    assert made is not None
    assert "between 60.0 GB and 90.0 GB" in made.summary


def test_runs_are_joined_by_steps() -> None:
    runs = [run(2, DAY, 10 * GB, 30 * GB), run(1, 3 * DAY, 20 * GB, 50 * GB)]
    made = timeline(report_of(HOST, runs=runs))
    assert made is not None
    (line,) = made.lines
    assert all(ax == bx or ay == by for (ax, ay), (bx, by) in pairwise(line)), line
    assert (line[0][0], line[-1][0]) == (FRAME.x0, FRAME.x1)
    assert "Only runs are recorded" in made.summary


def test_a_run_just_now_is_enough() -> None:
    made = timeline(report_of(HOST, runs=[run(1, 61, 10 * GB, 40 * GB)]))
    assert made is not None
    assert made.lines
    just = timeline(report_of(HOST, samples=[Sample(NOW - 1, 100 * GB, 50 * GB)]))
    assert just is not None


def test_a_run_that_failed_looks_different() -> None:
    ended = run(1, DAY, 10 * GB, 30 * GB)._replace(interrupted="the engine went away")
    runs = [ended, ended._replace(id=2, interrupted="", failed=2), run(3, DAY, GB, GB)]
    made = timeline(report_of(HOST, runs=runs))
    assert made is not None
    assert [flag.failed for flag in made.flags] == [True, True, False]
    assert "the engine went away" in made.flags[0].title
    assert "2 could not be removed" in made.flags[1].title


def test_nothing_is_drawn_where_nothing_is_known() -> None:
    samples = [Sample(NOW - 7200, 100 * GB, 50 * GB)]
    assert timeline(report_of(HOST)) is None
    assert timeline(report_of(HOST._replace(disk=Disk()), samples=samples)) is None


def test_no_line_over_a_gap() -> None:
    hours = [*range(200, 150, -1), *range(50, 0, -1)]
    made = timeline(
        report_of(HOST, samples=[Sample(NOW - h * 3600, 100 * GB, 50 * GB) for h in hours])
    )
    assert made is not None
    assert len(made.lines) == 2


def test_a_year_of_samples_keeps_its_peaks() -> None:
    peak = 5000
    samples = [
        Sample(NOW - hour * 3600, 100 * GB, (2 if hour == peak else 50) * GB)
        for hour in range(8700, 0, -1)
    ]
    made = timeline(report_of(HOST, samples=samples))
    assert made is not None
    points = [point for line in made.lines for point in line]
    assert len(points) < 1000
    assert min(y for _, y in points) < FRAME.y0 - 0.97 * (FRAME.y0 - FRAME.y1)

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.cells import cell_len

from holystone.planner.inventory import Disk, Inventory
from holystone.planner.policy import Watermarks
from holystone.planner.units import format_size
from holystone.planner.usage import Usage
from holystone.present.format import waited
from holystone.present.lists import images as list_of
from holystone.present.lists.objects import Seen
from holystone.present.report import (
    cache,
    clean,
    containers,
    explain,
    images,
    plan,
    status,
    volumes,
)
from holystone.present.report.explain import explanation
from holystone.present.terminal import Look, Output
from tests.present import golden, host

PIPE = Look()
AFTER = Disk(100 * host.GB, 26_040_000_000)


def whole_clean(look: Look, *, skip: int = 0, fail: int = 0, interrupted: str = "") -> str:
    made = host.plan()
    outcome = host.outcome(made, skip=skip, fail=fail, interrupted=interrupted)
    return "\n".join(
        [
            clean.opening(host.POLICY),
            clean.render(made, outcome, look, disk_after=AFTER),
            clean.closing(made, outcome),
        ]
    )


def removals(look: Look) -> str:
    made = host.plan()
    return clean.removals(made, host.outcome(made, skip=1), look)


def explained(look: Look) -> str:
    """Every object of the host, explained."""
    seen, made = host.inventory(), host.plan()
    return "\n\n".join(
        explain.render(explanation(seen, Usage(), made, verdict.kind, verdict.id), look)
        for verdict in made.verdicts
    )


def bare_status(look: Look) -> str:
    """A remote engine with nothing on it: no disk, no objects."""
    seen = Inventory(host.ENGINE, host.NOW)
    return status.render(
        seen, host.plan(seen), look, endpoint="ssh://root@build-1", marks=Watermarks()
    )


REPORTS: dict[str, Callable[[Look], str]] = {
    "plan": lambda look: plan.render(host.inventory(), host.plan(), look),
    "plan-all": lambda look: plan.render(host.inventory(), host.plan(), look, every=True),
    "plan-quiet": lambda look: plan.render(host.quiet(), host.plan(host.quiet()), look),
    "clean": whole_clean,
    "clean-troubled": lambda look: whole_clean(look, skip=15, fail=2),
    "clean-removals": removals,
    "status": lambda look: status.render(
        host.inventory(),
        host.plan(),
        look,
        endpoint="unix:///var/run/docker.sock",
        marks=Watermarks(),
    ),
    "status-bare": bare_status,
    "images": lambda look: images.render(Seen(host.inventory(), host.plan()), look),
    "volumes": lambda look: volumes.render(Seen(host.inventory(), host.plan()), look),
    "containers": lambda look: containers.render(Seen(host.inventory(), host.plan()), look),
    "cache": lambda look: cache.render(Seen(host.inventory(), host.plan()), look),
    "explain": explained,
}
LINES_PEOPLE_GREP_FOR = {clean.FIRST_LINE, clean.LAST_LINE}


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [100, 60])
def test_golden(name: str, width: int) -> None:
    golden.check(f"{name}-{width}", REPORTS[name](Look(width=width, elide=True)))


@pytest.mark.parametrize("name", ["plan", "clean-troubled", "status", "images"])
def test_golden_in_a_pipe(name: str) -> None:
    golden.check(f"{name}-pipe", REPORTS[name](PIPE))


@pytest.mark.parametrize("name", REPORTS)
@pytest.mark.parametrize("width", [*range(40, 100, 4), 110, 200])
@pytest.mark.parametrize("unicode", [True, False])
def test_every_line_fits_the_terminal(name: str, width: int, unicode: bool) -> None:
    for line in REPORTS[name](Look(width=width, elide=True, unicode=unicode)).split("\n"):
        if line not in LINES_PEOPLE_GREP_FOR and not line.startswith("❌"):
            assert cell_len(line) <= width, line
        assert line == line.rstrip()


@pytest.mark.parametrize("name", REPORTS)
def test_without_colour_there_is_none_and_with_it_the_same_text(name: str) -> None:
    bare = REPORTS[name](Look(width=72, elide=True))
    painted = REPORTS[name](Look(width=72, elide=True, colour=True))
    assert "\x1b" not in bare
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == bare


@pytest.mark.parametrize("name", REPORTS)
def test_ascii_terminals_get_ascii(name: str) -> None:
    raw = io.BytesIO()
    look = Look(width=60, elide=True, unicode=False)
    stream = io.TextIOWrapper(raw, encoding="ascii", errors="strict")
    Output(stream, look).write(REPORTS[name](look))
    stream.flush()
    assert "\\u" not in raw.getvalue().decode("ascii")


def test_a_skip_is_no_failure_but_a_failure_is_told_last() -> None:
    assert whole_clean(PIPE, skip=2).split("\n")[-1] == clean.LAST_LINE
    failed = whole_clean(PIPE, skip=2, fail=1)
    assert clean.LAST_LINE not in failed
    assert failed.split("\n")[-1] == "❌ Clean-up incomplete: 1 removal failed"


def test_an_engine_that_went_away_is_told_last() -> None:
    text = whole_clean(PIPE, fail=3, interrupted="the engine went away")
    assert (
        text.split("\n")[-1] == "❌ Clean-up ended early, 20 of 23 steps done: the engine went away"
    )


def test_a_clean_with_nothing_to_do_keeps_both_lines() -> None:
    seen = host.quiet()
    made = host.plan(seen)
    outcome = host.outcome(made)
    text = clean.render(made, outcome, PIPE, disk_after=made.disk)
    assert "Freed" not in text
    assert re.search(r"total +0 +15 +0 B", text)
    assert clean.closing(made, outcome) == clean.LAST_LINE
    assert clean.removals(made, outcome, PIPE) == ""


@pytest.mark.parametrize("off", [-60_000_000, 60_000_000])
def test_as_planned_is_said_only_where_the_disk_agrees(off: int) -> None:
    """Neither where it gained markedly less nor where it gained markedly more."""
    made = host.plan()
    outcome = host.outcome(made)
    free = made.disk.free_bytes or 0
    agrees = made.disk._replace(free_bytes=free + outcome.freed_bytes + off // 10)
    assert ", as planned." in clean.render(made, outcome, PIPE, disk_after=agrees)
    other = made.disk._replace(free_bytes=free + outcome.freed_bytes + off)
    text = " ".join(clean.render(made, outcome, PIPE, disk_after=other).split())
    gained = format_size(outcome.freed_bytes + off)
    assert f"by the engine's figures; the disk gained {gained}." in text
    assert "as planned" not in text


@pytest.mark.parametrize("estimated", [False, True])
def test_a_part_of_an_agreed_plan_is_told(estimated: bool) -> None:
    made = replace(host.plan(), estimated=estimated)
    outcome = host.outcome(made)
    for free in (None, (made.disk.free_bytes or 0) + outcome.freed_bytes):
        disk = made.disk._replace(free_bytes=free)
        more = clean.render(made, outcome, PIPE, disk_after=disk, agreed_bytes=66_300_000_000)
        assert re.search(r"Freed .* of the (about )?66\.3 GB in the plan in ", more)
        assert "as planned" not in more
        whole = clean.render(made, outcome, PIPE, disk_after=disk, agreed_bytes=outcome.freed_bytes)
        assert "in the plan in" not in whole


def test_an_estimate_says_between_what() -> None:
    made = replace(host.plan(), estimated=True, at_least=2_000_000_000, at_most=3_000_000_000)
    assert plan.total(made).startswith("Would free about 2.64 GB (between 2.00 GB and 3.00 GB): ")


def test_folded_images_are_counted() -> None:
    text = REPORTS["plan"](PIPE)
    assert "… and 7 more untagged images, 73.9 MB (--all lists them)" in text
    assert "more untagged" not in REPORTS["plan-all"](PIPE)
    seen = Seen(host.inventory(), host.plan())
    every = images.render(seen, PIPE, list_of.rows(seen))
    for image in host.images():
        assert image.id.removeprefix("sha256:")[:12] in every


def test_unknown_layers_are_not_guessed() -> None:
    seen = host.quiet()
    text = images.render(Seen(seen, host.plan(seen)), PIPE)
    assert text.count("—") >= 2 * len(seen.images)
    assert "stored" not in text


def test_names_from_outside_cannot_draw_on_the_terminal() -> None:
    seen = host.inventory()
    evil = "x\x1b]0;owned\x07\r\nsection_end:1:a\x1b[0K"
    seen = seen._replace(
        images=(seen.images[0]._replace(tags=(evil,)), *seen.images[1:]),
        containers=(seen.containers[0]._replace(name=evil), *seen.containers[1:]),
        cache=tuple(record._replace(description=evil) for record in seen.cache),
        volumes=tuple(each._replace(name=evil + each.name) for each in seen.volumes),
    )
    made = host.plan(seen)
    listed = Seen(seen, made)
    for text in (
        plan.render(seen, made, PIPE, every=True),
        status.render(seen, made, PIPE, endpoint=evil, marks=Watermarks()),
        images.render(listed, PIPE),
        volumes.render(listed, PIPE),
        containers.render(listed, PIPE),
        cache.render(listed, PIPE),
        *(
            explain.render(explanation(seen, Usage(), made, verdict.kind, verdict.id), PIPE)
            for verdict in made.verdicts
        ),
    ):
        assert "\x1b" not in text
        assert "\r" not in text
        assert "\nsection_end" not in text


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("node:18-alpine", ("node", "18-alpine")),
        ("localhost:5000/app:v1", ("localhost:5000/app", "v1")),
        ("localhost:5000/app", ("localhost:5000/app", "<none>")),
    ],
)
def test_split_tag(reference: str, expected: tuple[str, str]) -> None:
    assert list_of.split_tag(reference) == expected


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.0, "2 s"), (3700.0, "1 h 1 min"), (172_000.0, "48 h"), (277_000.0, "77 h")],
)
def test_times_lost_can_be_compared(seconds: float, text: str) -> None:
    """Also where they are days."""
    assert waited(seconds) == text

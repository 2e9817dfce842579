"""How far an engine's clock is from this machine's, by the dates of its answers."""

from __future__ import annotations

import time
from email.utils import formatdate

import pytest

from holystone.engine.clock import EngineClock


@pytest.mark.parametrize("ahead", [-90_000.0, -7.0, 5.0, 3600.0])
def test_the_difference_is_known_to_half_a_second(ahead: float) -> None:
    clock = EngineClock()
    clock.heard(formatdate(time.time() + ahead, usegmt=True), time.time())
    assert clock.ahead == pytest.approx(ahead, abs=0.6)
    assert clock.now() == pytest.approx(time.time() + ahead, abs=0.7)


@pytest.mark.parametrize("ahead", [-1.0, 0.0, 1.0])
def test_clocks_that_are_one_seem_to_differ(ahead: float) -> None:
    """The header has whole seconds."""
    clock = EngineClock()
    clock.heard(formatdate(time.time() + ahead, usegmt=True), time.time())
    assert clock.ahead == 0


def test_an_answer_that_took_long_tells_little() -> None:
    """The engine may have dated it at any moment in between."""
    clock = EngineClock()
    clock.heard(formatdate(time.time() - 30, usegmt=True), time.time() - 60)
    assert clock.ahead == 0


def test_several_answers_tell_more_than_one() -> None:
    clock = EngineClock()
    clock.heard(formatdate(time.time() + 100, usegmt=True), time.time() - 60)
    clock.heard(formatdate(time.time() + 100, usegmt=True), time.time())
    clock.heard(formatdate(time.time() + 100, usegmt=True), time.time() - 60)
    assert clock.ahead == pytest.approx(100, abs=0.6)


def test_a_clock_that_was_set() -> None:
    clock = EngineClock()
    clock.heard(formatdate(time.time() + 1000, usegmt=True), time.time())
    clock.heard(formatdate(time.time(), usegmt=True), time.time())
    assert clock.ahead == 0


@pytest.mark.parametrize(
    "date",
    ["", "now", "Thu, 26 Nov 2026", "Thu, 26 Foo 2026 07:00:29 GMT",
     "Thu, xx Nov 2026 07:00:29 GMT", "Thu, 26 Nov 2026 07:00:29 CET", "Thu, 26 Nov 2026 7 GMT"],
)  # fmt: skip
def test_no_date_tells_nothing(date: str) -> None:
    clock = EngineClock()
    clock.heard(date, time.time())
    assert clock.ahead == 0

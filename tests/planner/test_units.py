"""Sizes and durations, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.units import (
    format_duration,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
    parse_window,
)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0), ("1024", 1024), ("512B", 512), ("1kB", 1000), ("1KB", 1000), ("1KiB", 1024),
        ("40GB", 40 * 10**9), ("40 gb", 40 * 10**9), ("  40G  ", 40 * 10**9),
        ("1.5GiB", 3 * 2**29), ("2.01GB", 2_010_000_000), ("4.1GB", 4_100_000_000),
        ("2TB", 2 * 10**12), ("1TiB", 2**40), ("40gib", 40 * 2**30), ("40Gi", 40 * 2**30),
        ("300 bytes", 300),
    ],
)  # fmt: skip
def test_parse_size(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "1.GB", ".5GB", "1,5GB", "1e3", "5 parsecs", "1 2", "1GB2MB"]
)
def test_parse_size_says_what_it_wants(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size; write it like"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("100Mbit/s", 12_500_000), ("100 Mbit", 12_500_000), ("1.5Gbit/s", 187_500_000),
        ("8Mibit/s", 2**20), ("12MB/s", 12_000_000), ("1kB", 1000),
    ],
)  # fmt: skip
def test_parse_rate(text: str, rate: int) -> None:
    assert parse_rate(text) == rate


@pytest.mark.parametrize(
    "text",
    ["", "fast", "100", "2000.5", "100/s", "5bit", "7kbit", "999B/s", "5MB/h", "-1MB/s", "5MBbit"],
)
def test_parse_rate_says_what_it_wants(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate, 1kB/s at least; write it like"):
        parse_rate(text)


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1.00 kB"), (9_994, "9.99 kB"), (9_995, "10.0 kB"),
        (99_949, "99.9 kB"), (99_950, "100 kB"), (999_499, "999 kB"), (999_500, "1.00 MB"),
        (12_345_678_901, "12.3 GB"), (-1500, "-1.50 kB"), (5 * 10**18, "5000 PB"),
    ],
)  # fmt: skip
def test_format_size(count: int, text: str) -> None:
    assert format_size(count) == text


@given(st.integers(0, 10**15))
def test_a_size_read_back_is_near(count: int) -> None:
    assert parse_size(format_size(count)) == pytest.approx(count, rel=0.0051)


@given(st.integers(0, 10**6), st.integers(0, 99))
def test_decimals_are_exact(whole: int, hundredths: int) -> None:
    assert parse_size(f"{whole}.{hundredths:02}GB") == whole * 10**9 + hundredths * 10**7


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h 30m", 5400),
        ("1.5h", 5400), ("7d", 604_800), ("2W", 1_209_600), (" 5s ", 5), ("10min", 600),
        ("1 hour 30 minutes", 5400), ("2 days", 172_800), ("3weeks", 1_814_400),
    ],
)  # fmt: skip
def test_parse_duration(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-5s", "5x", "1h30", "h1", "1..5s", "5s!", "1month"]
)
def test_parse_duration_says_what_it_wants(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration; write it like"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3599, "59 min"),
        (3600, "1 h"), (7500, "2 h 5 min"), (48 * 3600 - 1, "47 h 59 min"),
        (48 * 3600, "2 days"),
    ],
)  # fmt: skip
def test_format_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


def hours(text: str) -> set[int]:
    """The hours at whose beginning the window is open."""
    return {hour for hour in range(24) if parse_window(text).holds(hour * 60)}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("22:00-06:00", {22, 23, 0, 1, 2, 3, 4, 5}),
        ("01:00-03:00", {1, 2}),
        ("00:01-03:01", {1, 2, 3}),
        ("07:30-07:30", set(range(24))),
    ],
)
def test_when_it_is_open(text: str, holds: set[int]) -> None:
    assert hours(text) == holds
    assert str(parse_window(text)) == text


def test_it_closes_to_the_minute() -> None:
    window = parse_window(" 22:15 - 06:45 ")
    told = [window.holds(minute) for minute in (1334, 1335, 404, 405)]
    assert told == [False, True, True, False]


@pytest.mark.parametrize(
    "text", ["", "22-6", "22:00", "22:00-24:00", "22:60-06:00", "22:00-06:00-07:00", "2:00-3:00"]
)
def test_it_says_what_it_wants(text: str) -> None:
    with pytest.raises(ValueError, match="write it like 22:00-06:00"):
        parse_window(text)

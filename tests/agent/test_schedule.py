"""When the jobs of a schedule begin: zones, summer time, quiet hours, missed runs, clock jumps."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holystone.agent.due_times import DueTimes, zone
from holystone.agent.schedule import Timetable
from holystone.config.agent_settings import Schedule
from holystone.planner.units import Window, parse_window
from holystone.store.scheduled import Served

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NOTHING = Schedule(routine=None, weekly=None, timezone="UTC", jitter=0.0)
HOURLY = NOTHING._replace(routine="17 * * * *")
NIGHTLY = NOTHING._replace(routine="30 2 * * *", timezone="Europe/Berlin")
SUNDAYS = NOTHING._replace(weekly="23 3 * * 0")
NIGHT = parse_window("22:00-06:00")


def utc(text: str) -> float:
    """A time in UTC. 2026-06-01 is a Monday."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def told(moment: float | None) -> str:
    return "never" if moment is None else f"{datetime.fromtimestamp(moment, UTC):%m-%d %H:%M}"


class Agent:
    """A timetable with a clock to set, that is asked once a minute."""

    def __init__(
        self,
        schedule: Schedule,
        now: str,
        remembered: Mapping[str, Served] | None = None,
        chance: float = 0.0,
    ) -> None:
        self.schedule = schedule
        self.now = utc(now)
        self.chance = chance
        self.begun: list[str] = []
        """When something began."""
        self.served: list[tuple[str, float]] = []
        """For which due times."""
        self.table = Timetable(
            schedule, remembered or {}, clock=lambda: self.now, chance=lambda: self.chance
        )

    def look(self) -> list[str]:
        jobs = self.table.due(self.now)
        self.begun += [told(self.now) for _ in jobs]
        self.served += [(job, self.table.served[job].due) for job in jobs]
        assert all(self.table.served[job].began == self.now for job in jobs)
        return jobs

    def run(self, seconds: float, tick: float = MINUTE) -> list[str]:
        """Let the clock run on for so long; when something began meanwhile."""
        before = len(self.begun)
        end = self.now + seconds
        self.look()
        while self.now < end:
            self.now = min(end, self.now + tick)
            self.look()
        return self.begun[before:]

    def set(self, now: str) -> Agent:
        self.now = utc(now)
        return self

    def restart(self, now: str) -> Agent:
        """Another process that remembers what this one served."""
        return Agent(self.schedule, now, dict(self.table.served), self.chance)

    def next(self, job: str = "routine") -> str:
        return told(self.table.next(job))


# Due times.


@pytest.mark.parametrize(
    ("expression", "name", "since", "expected"),
    [
        ("30 3 * * 0", "UTC", "2026-06-01", ["06-07 03:30", "06-14 03:30"]),
        ("30 3 * * 0", "Europe/Berlin", "2026-06-01", ["06-07 01:30", "06-14 01:30"]),
        ("30 3 * * 0", "Asia/Kolkata", "2026-06-01", ["06-06 22:00", "06-13 22:00"]),
        ("0 0 1 * *", "America/New_York", "2026-10-15", ["11-01 04:00", "12-01 05:00"]),
        # In Berlin 2026-03-29 has no 02:00 to 03:00, and 2026-10-25 has it twice.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28",
         ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("30 2 * * *", "Europe/Berlin", "2026-10-24",
         ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        ("*/30 2 * * *", "Europe/Berlin", "2026-03-28 02:00", ["03-29 01:00", "03-30 00:00"]),
        ("*/30 2 * * *", "Europe/Berlin", "2026-10-24 22:00",
         ["10-25 00:00", "10-25 00:30", "10-26 01:00"]),
        ("0,30 1,2,3 * * *", "Europe/Berlin", "2026-03-28 23:00",
         ["03-29 00:00", "03-29 00:30", "03-29 01:00", "03-29 01:30", "03-29 23:00"]),
        # What repeats goes by elapsed time.
        ("17 * * * *", "Europe/Berlin", "2026-03-29 00:00",
         ["03-29 00:17", "03-29 01:17", "03-29 02:17"]),
        ("17 * * * *", "Europe/Berlin", "2026-10-25 00:00",
         ["10-25 00:17", "10-25 01:17", "10-25 02:17"]),
        # Within the hour that comes the second time: its first coming is over.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 01:10", ["10-26 01:30"]),
        ("0 0 29 2 *", "UTC", "2026-06-01", ["02-29 00:00", "02-29 00:00"]),
    ],
)  # fmt: skip
def test_due_times(expression: str, name: str, since: str, expected: list[str]) -> None:
    after = DueTimes(expression, zone(name)).after(utc(since))
    assert [told(due) for due, _ in zip(after, expected, strict=False)] == expected


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "America/Havana", "Australia/Lord_Howe"])
@given(
    expression=st.sampled_from(
        ["*/7 * * * *", "30 2 * * *", "*/20 0-3 * * *", "0 0 * * *", "15 */2 * * 1", "0 5 31 * *"]
    ),
    begin=st.floats(1.7e9, 1.8e9),
    days=st.integers(0, 100),
)
@settings(max_examples=40, deadline=None)
def test_the_latest_due_times_are_those_that_came(
    name: str, expression: str, begin: float, days: int
) -> None:
    times, end = DueTimes(expression, zone(name)), begin + days * DAY
    came = []
    for due in times.after(begin):
        if due > end:
            break
        came.append(due)
    assert came == sorted(set(came))
    assert [*times.latest(begin, end)] == came[::-1]


@pytest.mark.parametrize(
    ("value", "summer", "winter"),
    [
        ("Europe/Berlin", 2, 1),
        (":Asia/Tokyo", 9, 9),
        ("CET-1CEST,M3.5.0,M10.5.0/3", 2, 1),
        ("<+03>-3", 3, 3),
        ("No/Such_Zone", 0, 0),
        ("/etc/passwd", 0, 0),
        ("/nothing/there", 0, 0),
    ],
)
def test_the_zone_of_the_machine(
    monkeypatch: pytest.MonkeyPatch, value: str, summer: int, winter: int
) -> None:
    monkeypatch.setenv("TZ", value)
    here = zone("")
    hours = [datetime(2026, month, 1, 12, tzinfo=here).utcoffset() for month in (7, 1)]
    assert [offset.total_seconds() / HOUR for offset in hours if offset is not None] == [
        summer,
        winter,
    ]


# A clock that runs on.


def test_each_due_time_has_its_run() -> None:
    agent = Agent(HOURLY._replace(weekly="23 3 * * 0"), "2026-06-06 23:00")
    assert (agent.next(), agent.next("weekly")) == ("06-06 23:17", "06-07 03:23")
    assert agent.next("deep") == "never"
    assert agent.run(5 * HOUR) == [
        "06-06 23:17", "06-07 00:17", "06-07 01:17", "06-07 02:17", "06-07 03:17", "06-07 03:23",
    ]  # fmt: skip
    assert (agent.next(), agent.next("weekly")) == ("06-07 04:17", "06-14 03:23")


def test_jobs_that_are_due_together_come_in_order_and_none_cancels_another() -> None:
    at = "0 4 * * *"
    agent = Agent(NOTHING._replace(verify=at, deep=at, routine=at, weekly=at), "2026-06-01 03:59")
    assert agent.look() == []
    assert agent.set("2026-06-01 04:00").look() == ["routine", "weekly", "deep", "verify"]
    assert agent.look() == []


def test_summer_time() -> None:
    spring, autumn = Agent(NIGHTLY, "2026-03-28 12:00"), Agent(NIGHTLY, "2026-10-24 12:00")
    assert spring.run(2 * DAY) == ["03-29 01:00", "03-30 00:30"]
    assert autumn.run(2 * DAY) == ["10-25 00:30", "10-26 01:30"]


def test_a_restart_between_the_two_hours_of_the_same_name() -> None:
    agent = Agent(NIGHTLY, "2026-10-25 00:00")
    assert agent.run(HOUR) == ["10-25 00:30"]
    assert agent.restart("2026-10-25 01:10").run(6 * HOUR) == []


# Jitter.


def test_jitter_is_drawn_once_for_each_due_time() -> None:
    agent = Agent(HOURLY._replace(jitter=10 * MINUTE), "2026-06-01 10:00", chance=0.5)
    assert agent.next() == "06-01 10:22"
    agent.chance = 0.9
    assert agent.run(30 * MINUTE) == ["06-01 10:22"]
    assert agent.next() == "06-01 11:26"


def test_jitter_ends_before_the_next_due_time_and_the_quiet_hours() -> None:
    late = 0.999999
    dense = Agent(
        NOTHING._replace(routine="*/5 * * * *", jitter=DAY), "2026-06-01 10:00", chance=late
    )
    assert dense.run(HOUR, tick=1.0) == [f"06-01 10:{5 * n + 4:02}" for n in range(1, 12)]
    evening = NOTHING._replace(routine="50 21 * * *", jitter=HOUR, quiet=NIGHT)
    assert Agent(evening, "2026-06-01 12:00", chance=late).next() == "06-01 21:59"
    assert Agent(evening, "2026-06-01 12:00", chance=0.5).next() == "06-01 21:55"


# Quiet hours.


def test_what_is_due_in_the_quiet_hours_begins_after_them_once() -> None:
    agent = Agent(HOURLY._replace(quiet=NIGHT), "2026-06-01 20:30")
    assert agent.run(10.5 * HOUR) == ["06-01 21:17", "06-02 06:00", "06-02 06:17"]
    assert agent.served[1] == ("routine", utc("2026-06-02 05:17"))


def test_quiet_hours_are_local_and_know_summer_time() -> None:
    berlin = HOURLY._replace(timezone="Europe/Berlin", quiet=parse_window("01:00-02:30"))
    agent = Agent(berlin, "2026-03-28 23:30")
    assert agent.next() == "03-29 01:00"  # 03:00: there is no 02:30.
    assert agent.run(2 * HOUR) == ["03-29 01:00", "03-29 01:17"]


def test_quiet_hours_with_jitter() -> None:
    schedule = HOURLY._replace(quiet=NIGHT, jitter=10 * MINUTE)
    agent = Agent(schedule, "2026-06-01 21:30", chance=0.5)
    assert agent.next() == "06-02 06:05"


def test_a_day_that_is_quiet_throughout_runs_nothing() -> None:
    agent = Agent(HOURLY._replace(quiet=parse_window("06:00-06:00")), "2026-06-01 10:00")
    assert agent.next() == "never"
    assert agent.run(2 * DAY) == []


# Missed runs.


def test_nothing_is_caught_up_at_the_very_first_start() -> None:
    agent = Agent(HOURLY, "2026-06-01 10:20")
    assert agent.look() == []
    assert agent.next() == "06-01 11:17"


def test_a_missed_run_is_caught_up_once() -> None:
    agent = Agent(HOURLY, "2026-06-01 10:00")
    agent.run(HOUR)
    later = agent.restart("2026-06-04 15:30")
    assert later.run(50 * MINUTE) == ["06-04 15:30", "06-04 16:17"]
    assert later.served[0] == ("routine", utc("2026-06-04 15:17"))


def test_a_run_that_was_never_made_is_caught_up_too() -> None:
    """On a machine that is always off on Sundays."""
    agent = Agent(SUNDAYS, "2026-06-05 10:00")
    assert agent.run(HOUR) == []
    assert agent.restart("2026-06-08 08:00").run(DAY) == ["06-08 08:00"]


def test_what_was_missed_waits_for_the_end_of_the_quiet_hours() -> None:
    agent = Agent(SUNDAYS._replace(quiet=NIGHT), "2026-06-05 10:00").restart("2026-06-08 23:30")
    assert agent.run(7 * HOUR) == ["06-09 06:00"]
    assert agent.next("weekly") == "06-14 06:00"


def test_a_restart_while_a_run_waits() -> None:
    agent = Agent(HOURLY._replace(jitter=20 * MINUTE), "2026-06-01 10:00", chance=0.5)
    assert agent.run(20 * MINUTE) == []
    assert agent.restart("2026-06-01 10:21").run(30 * MINUTE) == ["06-01 10:27"]


# Another schedule.


def test_a_reload_keeps_what_was_served() -> None:
    agent = Agent(HOURLY, "2026-06-01 10:00")
    agent.run(20 * MINUTE)
    agent.table.change(HOURLY._replace(weekly="0 12 * * *", jitter=HOUR))
    assert agent.look() == []
    assert agent.next() == "06-01 11:17"
    assert agent.table.served["routine"].due == utc("2026-06-01 10:17")
    assert agent.table.served["weekly"] == Served(agent.now, agent.now)


def test_a_reload_keeps_what_waits() -> None:
    agent = Agent(HOURLY._replace(quiet=NIGHT), "2026-06-01 21:30")
    agent.run(2 * HOUR)
    agent.table.change(HOURLY)
    assert agent.look() == ["routine"]


def test_another_expression_has_missed_nothing() -> None:
    agent = Agent(SUNDAYS._replace(weekly="0 12 * * *"), "2026-06-01 10:00")
    agent.run(3 * HOUR)
    agent.now = utc("2026-06-05 08:00")  # Of which nobody tells the timetable before the reload.
    agent.table.change(SUNDAYS)
    assert agent.look() == []
    assert agent.next("weekly") == "06-07 03:23"


def test_a_job_that_was_off_has_missed_nothing() -> None:
    agent = Agent(SUNDAYS, "2026-06-01 10:00")
    agent.table.change(NOTHING)
    assert dict(agent.table.served) == {}
    agent.now += 30 * DAY
    agent.table.change(SUNDAYS)
    assert agent.look() == []


# What is remembered.


def test_what_changed_is_told_once() -> None:
    agent = Agent(HOURLY, "2026-06-01 10:00", {"deep": Served(1.0, 1.0), "odd": Served(2.0, 2.0)})
    first = Served(agent.now, agent.now)
    # Neither is on the schedule: when deep comes back, it has missed nothing.
    assert agent.table.changes() == {"deep": None, "odd": None, "routine": first}
    assert agent.table.changes() == {}
    agent.run(17 * MINUTE)
    assert agent.table.changes() == {"routine": Served(agent.now, agent.now)}
    agent.table.change(SUNDAYS)
    now = Served(agent.now, agent.now)
    assert agent.table.changes() == {"routine": None, "weekly": now}
    agent.schedule = SUNDAYS
    assert agent.restart("2026-06-02 10:00").table.changes() == {}


# A clock that is set.


def test_a_jump_forward_makes_one_run_of_those_jumped_over() -> None:
    agent = Agent(HOURLY, "2026-06-01 10:00")
    agent.run(HOUR)
    agent.set("2026-06-04 10:00")
    assert agent.run(HOUR) == ["06-04 10:00", "06-04 10:17"]


def test_after_a_jump_forward_and_back_the_hours_go_on() -> None:
    agent = Agent(HOURLY, "2026-06-01 10:00")
    agent.run(30 * MINUTE)
    agent.set("2026-06-04 10:20").look()
    agent.set("2026-06-01 10:31")
    assert agent.run(DAY)[:2] == ["06-01 11:17", "06-01 12:17"]
    agent.set("2026-06-04 09:30")
    # The run of 09:17 catches up; that of 10:17 was made in the jump.
    assert agent.run(2 * HOUR) == ["06-04 09:30", "06-04 11:17"]


def test_a_clock_that_is_set_back_by_hours_repeats_nothing() -> None:
    agent = Agent(HOURLY._replace(weekly="23 3 * * *"), "2026-06-01 00:00")
    agent.run(10 * HOUR)
    agent.set("2026-06-01 03:00")
    assert agent.run(8 * HOUR) == ["06-01 10:17"]


def test_a_clock_that_is_set_back_by_hours_while_the_agent_is_off_repeats_nothing() -> None:
    agent = Agent(HOURLY, "2026-06-01 00:00")
    agent.run(10 * HOUR)
    assert agent.restart("2026-06-01 03:00").run(8 * HOUR) == ["06-01 10:17"]


@pytest.mark.parametrize("restart", [False, True])
def test_nothing_waits_for_days_after_the_clock_was_set_back(restart: bool) -> None:
    agent = Agent(HOURLY, "2026-06-01 00:00")
    agent.run(10 * DAY)
    back = "2026-06-03 12:00"
    agent = agent.restart(back) if restart else agent.set(back)
    assert agent.run(2 * HOUR) == ["06-03 12:17", "06-03 13:17"]


def test_a_job_that_waits_for_the_end_of_a_night_does_not_wait_for_another_one() -> None:
    agent = Agent(HOURLY._replace(quiet=NIGHT), "2026-06-01 21:30")
    agent.run(HOUR)
    agent.set("2026-06-05 23:00").look()
    assert agent.next() == "06-06 06:00"
    agent.set("2026-06-01 23:30").look()
    assert agent.next() == "06-02 06:00"


def test_a_small_step_back_draws_no_other_jitter() -> None:
    agent = Agent(HOURLY._replace(jitter=10 * MINUTE), "2026-06-01 10:18", chance=0.5)
    agent.look()
    agent.chance = 0.9
    agent.set("2026-06-01 10:17").look()
    assert agent.next() == "06-01 11:22"


# Properties.

EXPRESSIONS = st.sampled_from(
    ["* * * * *", "*/20 * * * *", "17 * * * *", "30 2 * * *", "0 */6 * * *", "23 3 * * 0"]
)
ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns"])
SPRING = "2026-03-27"
WINDOWS = st.none() | st.builds(Window, st.integers(0, 1439), st.integers(0, 1439))


@given(
    expression=EXPRESSIONS,
    name=ZONES,
    quiet=WINDOWS,
    jitter=st.sampled_from([0.0, 5 * MINUTE, 3 * HOUR]),
    chance=st.floats(0, 0.999),
    jumps=st.lists(
        st.tuples(
            st.floats(-DAY, 3 * DAY) | st.floats(-HOUR, HOUR), st.integers(0, 240), st.booleans()
        ),
        max_size=8,
    ),
)
@settings(max_examples=100, deadline=None)
def test_whatever_the_clock_does_a_due_time_is_served_once(
    expression: str,
    name: str,
    quiet: Window | None,
    jitter: float,
    chance: float,
    jumps: list[tuple[float, int, bool]],
) -> None:
    """It is set, runs on for minutes, and is set again, at most a day back in all."""
    schedule = NOTHING._replace(routine=expression, timezone=name, quiet=quiet, jitter=jitter)
    agent = Agent(schedule, SPRING, chance=chance)
    latest, served = agent.now, agent.served
    for jump, minutes, restart in jumps:
        agent.now = max(agent.now + jump, latest - DAY)
        if restart and agent.now >= latest:
            agent.table = Timetable(
                schedule,
                dict(agent.table.served),
                clock=lambda: agent.now,
                chance=lambda: chance,
            )
        agent.run(minutes * MINUTE)
        latest = max(latest, agent.now)
        assert len({due for _, due in served}) == len(served)
        begins = agent.table.next("routine")
        assert begins is None or begins - agent.now <= 9 * DAY + jitter
    for _, due in served:
        assert due in {*DueTimes(expression, zone(name)).latest(due - 1, due)}


@given(
    expression=EXPRESSIONS,
    name=ZONES,
    quiet=WINDOWS,
    jitter=st.sampled_from([0.0, 5 * MINUTE, 3 * HOUR]),
    chance=st.floats(0, 0.999),
    tick=st.sampled_from([5.0, 47.0, 600.0]),
)
@settings(max_examples=40, deadline=None)
def test_in_a_clock_that_runs_on_each_due_time_is_served_in_time(
    expression: str, name: str, quiet: Window | None, jitter: float, chance: float, tick: float
) -> None:
    schedule = NOTHING._replace(routine=expression, timezone=name, quiet=quiet, jitter=jitter)
    agent = Agent(schedule, SPRING, chance=chance)
    began: list[float] = []
    end = agent.now + 3 * DAY
    while agent.now < end:
        agent.now += tick
        if agent.look():
            began.append(agent.now)
    length = 0.0 if quiet is None else ((quiet.ends - quiet.begins) % 1440 or 1440) * MINUTE
    if length == DAY:
        assert began == []
        return
    # The hour that comes twice may be quiet twice.
    latest = length + jitter + tick + HOUR
    here = zone(name)
    for due in [*DueTimes(expression, here).latest(utc(SPRING), end - latest - length)]:
        assert any(due <= at <= due + latest for at in began), told(due)
    for at in began:
        local = datetime.fromtimestamp(at, here)
        assert quiet is None or not quiet.holds(local.hour * 60 + local.minute)

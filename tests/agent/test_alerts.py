"""Which alerts are due: once for each change, whatever the clock does."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holystone.agent.alert import Alert, Kind, Message
from holystone.agent.alerts import Alerts
from holystone.agent.state import DOWN, FAILED, MISSED, OK, STARTING, STOPPED, UP, JobResult, Now
from holystone.config.agent_settings import Alerts as Settings
from holystone.planner.inventory import Disk

START = 1_800_000_000.0
HOUR = 3600.0
GROUP = 10.0
FULL = Disk(100_000_000_000, 4_000_000_000, 1000, 900)
WELL = Now(START, "unix:///run/docker.sock", engine=UP, disk=FULL, disk_at=START)
HIGH = replace(WELL, mark="high")
CRITICAL = replace(WELL, mark="critical")
GONE = replace(WELL, engine=DOWN, engine_said="connection refused")


class Watch:
    """An agent's alerts under a clock of the test, asked each second."""

    def __init__(self, remembered: object = None, **settings: Any) -> None:
        self.alerts = Alerts(Settings(group=GROUP)._replace(**settings), remembered)
        self.at = START
        self.said: list[Message] = []

    def sees(self, now: Now, seconds: float = 1) -> list[str]:
        """What is told while this lasts, as ``disk_high firing``."""
        said: list[Message] = []
        for _ in range(round(seconds)):
            said += self.alerts.consider(now, self.at)
            self.at += 1
        self.said += said
        return [told(alert) for message in said for alert in message.alerts]


def told(alert: Alert) -> str:
    about = f" {alert.key.about}" if alert.key.about else ""
    return f"{alert.key.kind}{about} {'reminder' if alert.reminder else alert.state}"


def ended(job: str, result: str, now: Now = WELL, **more: object) -> Now:
    made = JobResult(job, START, START + 1, result, **more)  # type: ignore[arg-type]
    return replace(now, last={**now.last, job: made})


def test_a_change_is_told_once_when_the_time_for_gathering_is_over() -> None:
    watch = Watch()
    assert watch.sees(WELL, 100) == []
    assert watch.sees(HIGH, GROUP) == []
    assert watch.sees(HIGH, 1) == ["disk_high firing"]
    assert watch.sees(HIGH, HOUR) == []
    assert watch.sees(WELL, 60 + GROUP) == []
    assert watch.sees(WELL, 1) == ["disk_high resolved"]
    assert watch.sees(WELL, HOUR) == []


def test_what_it_says_of_the_disk() -> None:
    watch = Watch(group=0)
    watch.sees(HIGH)
    watch.sees(WELL, 62)
    (first,), (second,) = (message.alerts for message in watch.said)
    assert first.summary == "The disk is above its high mark: 96% used, 4.00 GB free"
    assert first.since == START
    assert first.details["free_bytes"] == 4_000_000_000
    assert second.summary.startswith("The disk is below its high mark again")
    assert (second.since, second.ended) == (START, START + 61)


def test_changes_go_out_together() -> None:
    watch = Watch()
    watch.sees(HIGH, 5)
    both = replace(HIGH, config_said="line 3: no such key")
    assert watch.sees(both, 20) == ["disk_high firing", "configuration_refused firing"]
    assert len(watch.said) == 1


def test_what_comes_and_goes_while_alerts_are_gathered_is_not_told() -> None:
    watch = Watch()
    for _ in range(10):
        assert watch.sees(HIGH, 5) == []
        assert watch.sees(WELL, 5) == []


def test_a_mark_that_wavers_is_one_alert() -> None:
    watch = Watch()
    assert watch.sees(HIGH, 20) == ["disk_high firing"]
    for _ in range(20):
        assert watch.sees(WELL, 59) == []
        assert watch.sees(HIGH, 1) == []
    assert watch.sees(WELL, 80) == ["disk_high resolved"]


def test_critical_takes_the_place_of_high() -> None:
    watch = Watch(remind=HOUR)
    assert watch.sees(HIGH, 20) == ["disk_high firing"]
    assert watch.sees(CRITICAL, 20) == ["disk_critical firing"]
    # The one that speaks for both is the one to remind of.
    assert watch.sees(CRITICAL, HOUR) == ["disk_critical reminder"]
    assert watch.sees(WELL, 80) == ["disk_critical resolved", "disk_high resolved"]
    assert len(watch.said) == 4


def test_critical_at_once_tells_of_high_only_when_it_is_left_with_that() -> None:
    watch = Watch()
    assert watch.sees(CRITICAL, 30) == ["disk_critical firing"]
    assert watch.sees(HIGH, 80) == ["disk_high firing", "disk_critical resolved"]
    assert len(watch.said) == 2
    assert watch.sees(WELL, 80) == ["disk_high resolved"]
    assert watch.sees(CRITICAL, 30) == ["disk_critical firing"]
    assert watch.sees(WELL, 80) == ["disk_critical resolved"]


def test_high_that_turns_critical_before_it_is_told_is_critical_alone() -> None:
    watch = Watch()
    watch.sees(HIGH, 5)
    assert watch.sees(CRITICAL, 30) == ["disk_critical firing"]


def test_a_clean_at_work_gets_some_time_before_the_high_mark_is_an_alert() -> None:
    at_work = replace(HIGH, running="level")
    watch = Watch()
    assert watch.sees(at_work, 200) == []
    assert watch.sees(WELL, 100) == []
    assert watch.sees(replace(HIGH, waiting=("level",)), 300) == []
    assert watch.sees(at_work, 11) == ["disk_high firing"]
    watch = Watch()
    watch.sees(at_work, 20)
    assert watch.sees(HIGH, 12) == ["disk_high firing"]
    watch = Watch()
    assert watch.sees(replace(CRITICAL, running="level"), 12) == ["disk_critical firing"]


def test_a_disk_out_of_sight_changes_nothing() -> None:
    blind = replace(WELL, disk=Disk(unseen="another machine"))
    watch = Watch()
    assert watch.sees(HIGH, 20) == ["disk_high firing"]
    assert watch.sees(blind, 1000) == []
    assert watch.sees(HIGH, 100) == []
    # Time out of sight does not count as time below the mark.
    assert watch.sees(WELL, 50) == []
    assert watch.sees(blind, 50) == []
    assert watch.sees(WELL, 50) == []
    assert watch.sees(WELL, 30) == ["disk_high resolved"]


def test_inodes() -> None:
    few = replace(WELL, mark="inodes", disk=FULL._replace(total_inodes=1000, free_inodes=50))
    watch = Watch()
    assert watch.sees(few, 20) == ["inodes_high firing"]
    assert watch.said[0].alerts[0].summary == "Too many inodes are in use: 95%, 50 free"
    # Above a mark of bytes nothing is known of them.
    assert watch.sees(HIGH, 200) == ["disk_high firing"]
    assert watch.sees(WELL, 80) == ["disk_high resolved", "inodes_high resolved"]


def test_a_restart_of_the_engine_is_no_alert() -> None:
    watch = Watch(group=0)
    assert watch.sees(GONE, 30) == []
    assert watch.sees(WELL, 10) == []
    assert watch.sees(GONE, 30) == []
    assert watch.sees(GONE, 1) == ["engine_gone firing"]
    # One that comes and goes has not come back.
    for _ in range(5):
        assert watch.sees(WELL, 20) == []
        assert watch.sees(GONE, 20) == []
    assert watch.sees(WELL, 31) == ["engine_gone resolved"]
    assert "connection refused" in watch.said[0].alerts[0].summary


def test_a_start_tells_nothing_of_the_engine() -> None:
    starting = replace(WELL, engine=STARTING)
    watch = Watch(group=0)
    assert watch.sees(starting, 1000) == []
    watch.sees(GONE, 40)
    assert watch.sees(starting, 1000) == []
    assert watch.sees(WELL, 40) == ["engine_gone resolved"]


def test_reminders() -> None:
    watch = Watch(remind=HOUR)
    watch.sees(HIGH, 20)
    assert watch.sees(HIGH, 3 * HOUR) == ["disk_high reminder"] * 3
    reminder = watch.said[-1].alerts[0]
    assert (reminder.state, reminder.since) == ("firing", START)
    watch = Watch(remind=0)
    watch.sees(HIGH, 20)
    assert watch.sees(HIGH, 10 * HOUR) == []


def test_reminders_go_out_together() -> None:
    watch = Watch(remind=HOUR)
    watch.sees(HIGH, 200)
    watch.sees(replace(HIGH, config_said="wrong"), HOUR)
    assert len(watch.said) == 3
    assert [told(each) for each in watch.said[2].alerts] == [
        "disk_high reminder",
        "configuration_refused reminder",
    ]


def test_a_run_that_failed_is_told_for_each_job_until_it_ends_well() -> None:
    watch = Watch(group=0)
    failed = ended("weekly", FAILED, said="the engine said no", run=7)
    assert watch.sees(failed) == ["run_failed weekly firing"]
    assert watch.said[0].alerts[0].summary == "The weekly clean failed: the engine said no"
    assert watch.said[0].alerts[0].details["run"] == 7
    assert watch.sees(ended("weekly", FAILED, said="something else"), 100) == []
    both = ended("refresh", FAILED, failed)
    assert watch.sees(both, 100) == ["run_failed refresh firing"]
    # One that was stopped says nothing of what is wrong.
    assert watch.sees(ended("weekly", STOPPED, both), 100) == []
    assert watch.sees(ended("weekly", OK, both), 100) == ["run_failed weekly resolved"]


def test_a_failed_run_that_nothing_repeats_is_told_for_a_day() -> None:
    watch = Watch(group=0, remind=0)
    failed = ended("verify", FAILED)
    assert watch.sees(failed, 86_400) == ["run_failed verify firing"]
    assert watch.sees(failed, 10) == ["run_failed verify resolved"]
    (alert,) = watch.said[-1].alerts
    assert "the schedule does not run it again" in alert.summary
    assert "works again" not in alert.summary
    # One that the schedule runs, and the clean for space, go on.
    for job, following in (("verify", {"verify": START + 30 * 86_400}), ("level", {})):
        again = Watch(group=0, remind=0)
        lasting = replace(ended(job, FAILED), next=following)
        assert again.sees(lasting, 90_000) == [f"run_failed {job} firing"]


def test_after_a_restart_too_a_failed_run_that_nothing_repeats_ends() -> None:
    first = Watch(group=0)
    first.sees(ended("verify", FAILED))
    kept = first.alerts.remembered()
    for following, said in (({}, ["run_failed verify resolved"]), ({"verify": START}, [])):
        watch = Watch(kept, group=0, remind=0)
        now = replace(WELL, next=following)
        assert watch.sees(now, 86_000) == []
        assert watch.sees(now, 500) == said


def test_what_somebody_waits_for_is_no_alert_where_it_fails() -> None:
    assert Watch(group=0).sees(ended("restore", FAILED, said="no such image"), 100) == []


def test_a_target_that_was_not_reached_says_what_holds_the_space() -> None:
    watch = Watch(group=0)
    short = replace(
        ended("level", MISSED, HIGH), short_bytes=3_000_000_000, holds="12 volumes, 40 GB"
    )
    assert watch.sees(short) == ["disk_high firing", "target_not_reached firing"]
    alert = watch.said[0].alerts[1]
    assert alert.summary == (
        "A clean for space could not free enough: 3.00 GB missing. Held by: 12 volumes, 40 GB"
    )
    assert watch.sees(ended("level", OK), 70) == [
        "disk_high resolved",
        "target_not_reached resolved",
    ]


def test_the_forecast_has_its_limit_and_wavers_within_it() -> None:
    watch = Watch(group=0, forecast=12 * HOUR)
    assert watch.sees(replace(WELL, full_in=13 * HOUR), 100) == []
    soon = replace(WELL, full_in=9 * HOUR)
    assert watch.sees(soon, 60) == []
    assert watch.sees(soon) == ["filling firing"]
    assert "full in about 9 h" in watch.said[0].alerts[0].summary
    assert watch.sees(replace(WELL, full_in=14 * HOUR), 2000) == []
    assert watch.sees(replace(WELL, full_in=20 * HOUR), 601) == ["filling resolved"]
    assert Watch(forecast=0).sees(replace(WELL, full_in=1.0), 200) == []


def test_damage_is_told_apart_from_a_check_that_could_not_look() -> None:
    watch = Watch(group=0)
    damaged = ended("verify", FAILED, damaged=("a:1", "b:1", "c:1", "d:1"))
    assert watch.sees(damaged, 5) == ["image_corrupted firing"]
    assert "a:1, b:1, c:1 and 1 more" in watch.said[0].alerts[0].summary
    assert watch.said[0].alerts[0].details["images"] == ["a:1", "b:1", "c:1", "d:1"]
    blind = ended("verify", FAILED, said="the engine is gone")
    assert watch.sees(blind, 5) == ["run_failed verify firing"]
    assert watch.sees(ended("verify", STOPPED), 5) == []
    assert watch.sees(damaged, 5) == ["run_failed verify resolved"]
    assert watch.sees(ended("verify", OK), 5) == ["image_corrupted resolved"]


def test_a_ledger_that_is_locked_for_a_moment_is_no_alert() -> None:
    watch = Watch(group=0)
    broken = replace(WELL, ledger_said="it is locked")
    assert watch.sees(broken, 90) == []
    assert watch.sees(WELL) == []
    assert watch.sees(broken, 91) == ["ledger_unusable firing"]
    assert watch.sees(replace(WELL, engine=STARTING), 1000) == []
    assert watch.sees(WELL, 91) == ["ledger_unusable resolved"]


def test_an_agent_that_crashes_over_and_over_is_one_alert() -> None:
    crashed = replace(WELL, crashed=True)
    watch = Watch(group=0)
    assert watch.sees(crashed, 100) == ["agent_restarted firing"]
    for _ in range(5):
        watch = Watch(watch.alerts.remembered(), group=0)
        assert watch.sees(crashed, 100) == []
    assert watch.sees(crashed, 1000) == ["agent_restarted resolved"]
    assert watch.sees(crashed, 1000) == []


def test_an_orderly_restart_does_not_end_the_alert_on_a_crash_early() -> None:
    watch = Watch()
    assert watch.sees(replace(WELL, crashed=True), 100) == ["agent_restarted firing"]
    watch = Watch(remembered=watch.alerts.remembered())
    assert watch.sees(WELL, 600) == []
    assert watch.sees(WELL, 20) == ["agent_restarted resolved"]


def test_a_restart_tells_nothing_again() -> None:
    before = Watch(remind=6 * HOUR)
    bad = replace(
        ended("weekly", FAILED, HIGH), engine=DOWN, config_said="x", ledger_said="y", short_bytes=5
    )
    before.sees(bad, 200)
    assert len(before.alerts.firing) == 6
    kept = json.loads(json.dumps(before.alerts.remembered()))
    after = Watch(kept, remind=6 * HOUR)
    after.at = before.at + 5
    # Until the agent has looked around it knows nothing, and tells nothing.
    blank = Now(after.at, "unix:///run/docker.sock", disk=Disk())
    assert after.sees(blank, 9) == []
    assert after.alerts.remembered() == kept
    assert after.sees(replace(bad, short_bytes=0, last={}, ledger_said="y"), 100) == []
    assert after.sees(bad, 5 * HOUR) == []
    assert len(after.sees(bad, HOUR)) == 6
    assert {told(each).split()[-1] for each in after.said[-1].alerts} == {"reminder"}


def test_a_change_while_the_agent_was_away_is_told() -> None:
    before = Watch()
    before.sees(CRITICAL, 30)
    after = Watch(before.alerts.remembered())
    after.at = before.at + 86400
    assert after.sees(WELL, 80) == ["disk_critical resolved"]


KEPT = {
    "kind": "disk_high",
    "about": "",
    "severity": "warning",
    "summary": "",
    "since": 1,
    "told": 1,
}


def test_what_is_remembered_counts() -> None:
    assert [told(each) for each in Watch([KEPT]).alerts.firing] == ["disk_high firing"]


@pytest.mark.parametrize(
    "kept",
    [
        None,
        7,
        {},
        ["x", 1, None, {}],
        [{**KEPT, "kind": "no such"}],
        [{**KEPT, "about": 3}],
        [{**KEPT, "severity": "x"}],
        [{**KEPT, "summary": 1}],
        [{**KEPT, "since": 1e99}],
        [{**KEPT, "since": "nan"}],
        [{**KEPT, "kind": "run_failed", "about": "A\n"}],
        [{**KEPT, "kind": "test"}],
    ],
)
def test_nonsense_in_what_is_remembered_does_not_count(kept: object) -> None:
    watch = Watch(kept)
    assert watch.alerts.firing == ()
    assert watch.sees(HIGH, 20) == ["disk_high firing"]


def test_a_clock_that_jumps_back_delays_nothing() -> None:
    watch = Watch(remind=HOUR)
    watch.sees(HIGH, 5)
    watch.at -= 5 * 86400
    assert watch.sees(HIGH, 10) == ["disk_high firing"]
    assert watch.said[0].alerts[0].since <= watch.said[0].at
    watch.at -= 5 * 86400
    assert watch.sees(HIGH, HOUR) == ["disk_high reminder"]
    watch.at -= 5 * 86400
    assert watch.sees(WELL, 80) == ["disk_high resolved"]
    end = watch.said[-1].alerts[0]
    assert end.ended is not None
    assert end.since <= end.ended


def test_a_clock_that_jumps_forward_tells_nothing_twice() -> None:
    watch = Watch(remind=HOUR)
    watch.sees(HIGH, 20)
    watch.at += 5 * 86400
    assert watch.sees(HIGH, 20) == ["disk_high reminder"]
    watch.at -= 5 * 86400
    assert watch.sees(HIGH, 1000) == []


def test_the_future_in_what_is_remembered_does_not_hold_back_a_reminder() -> None:
    before = Watch()
    before.at += 1000 * 86400
    before.sees(HIGH, 20)
    after = Watch(before.alerts.remembered(), remind=HOUR)
    assert after.sees(HIGH, HOUR + 1) == ["disk_high reminder"]
    assert after.said[0].alerts[0].since <= after.said[0].at


RESULTS = st.builds(
    lambda job, result, damaged: JobResult(job, 0.0, 1.0, result, damaged=damaged),
    st.sampled_from(["weekly", "verify", "level"]),
    st.sampled_from([OK, FAILED, STOPPED, MISSED]),
    st.sampled_from([(), ("a:1",)]),
)
STATES = st.builds(
    lambda results, **values: replace(WELL, last={each.job: each for each in results}, **values),
    st.lists(RESULTS, max_size=3),
    engine=st.sampled_from([UP, DOWN, STARTING]),
    disk=st.sampled_from([FULL, Disk()]),
    mark=st.sampled_from(["", "high", "critical", "inodes"]),
    full_in=st.sampled_from([None, 1.0, 50_000.0, 1e6]),
    running=st.sampled_from(["", "level"]),
    short_bytes=st.sampled_from([0, 5]),
    crashed=st.booleans(),
    config_said=st.sampled_from(["", "x"]),
    ledger_said=st.sampled_from(["", "x"]),
)
STEPS = st.lists(
    st.tuples(
        STATES,
        st.sampled_from([1, 3, 15, 100]),
        st.sampled_from([0, 0, -1e6, 1e6, 0.5]),
        st.booleans(),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=100)
@given(STEPS, st.sampled_from([0, 10, 60]), st.sampled_from([0, 300]))
def test_whatever_happens_each_alert_fires_and_resolves_in_turn(
    steps: list[tuple[Now, int, float, bool]], group: float, remind: float
) -> None:
    watch = Watch(group=group, remind=remind)
    firing: set[tuple[Kind, str]] = set()
    for state, seconds, jump, restart in steps:
        if restart:
            at = watch.at
            watch = Watch(
                json.loads(json.dumps(watch.alerts.remembered())), group=group, remind=remind
            )
            watch.at = at
        watch.at += jump
        watch.sees(state, seconds)
        for message in watch.said:
            assert message.alerts
            assert len({each.key for each in message.alerts}) == len(message.alerts)
            for each in message.alerts:
                assert each.since <= message.at
                if each.reminder:
                    assert remind
                    assert each.key in firing
                elif each.state == "firing":
                    assert each.key not in firing
                    firing.add(each.key)
                else:
                    assert each.key in firing
                    firing.remove(each.key)
                json.dumps(each.document(), allow_nan=False)
        watch.said.clear()
        assert {each.key for each in watch.alerts.firing} == firing


@settings(max_examples=50)
@given(st.lists(st.tuples(STATES, st.integers(1, 100)), max_size=6))
def test_when_all_is_well_for_long_enough_all_is_resolved(steps: list[tuple[Now, int]]) -> None:
    watch = Watch()
    for state, seconds in steps:
        watch.sees(state, seconds)
    well = replace(
        WELL, last={job: JobResult(job, 0.0, 1.0, OK) for job in ("weekly", "verify", "level")}
    )
    watch.sees(well, 1300)
    assert watch.alerts.firing == ()
    assert watch.alerts.remembered() == []

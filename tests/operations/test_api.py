"""The operations as a program calls them: in a loop, with events, a confirmation and a cancel."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from holystone import Cleaned, Session, Wishes, clean, connect, explain, observe, policy_for, saved
from holystone import survey as look_over
from holystone.operations import errors
from holystone.operations.clean import Event, Locked, Planned, RoundBegun, RoundDone, StepDone
from holystone.operations.plan_file import read, text_of
from holystone.operations.workers import INTERRUPTED
from tests.engines import Engine
from tests.engines.images import ImageToLoad, busybox_layer, layer, load

NO_FILES = {"HOME": "/nonexistent"}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Session]:
    with connect("demo:", state=str(tmp_path)) as session:
        yield session


def test_events_come_in_order(host: Session) -> None:
    events: list[Event] = []
    done = clean(host, policy_for(environ=NO_FILES), report=events.append)
    kinds = list(dict.fromkeys(type(each) for each in events))
    assert kinds == [Locked, Planned, RoundBegun, StepDone, RoundDone]
    steps = [each.step for each in events if isinstance(each, StepDone)]
    assert {(each.kind, each.id) for each in steps} == done.outcome.results.keys()
    assert done.outcome.removed == len(steps) > 0
    assert done.run == 1


def test_one_session_serves_many_calls(host: Session) -> None:
    policy = policy_for("weekly", environ=NO_FILES)
    results = [clean(host, policy) for _ in range(3)]
    assert [each.run for each in results] == [1, 2, 3]
    assert results[0].outcome.removed
    assert not results[2].outcome.removed
    assert not look_over(host, policy).plan.steps
    assert observe(host).observed.kept


def test_what_was_shown_is_what_goes(host: Session, tmp_path: Path) -> None:
    routine, weekly = (policy_for(level, environ=NO_FILES) for level in ("routine", "weekly"))
    found = look_over(host, routine)
    file = tmp_path / "plan"
    file.write_text(text_of(saved(found, Wishes("routine"))))
    assert read(str(file)).steps == saved(found).steps
    done = clean(host, weekly, saved=saved(found))
    assert {(each.kind, each.id) for each in found.plan.steps} == done.outcome.results.keys()


def test_a_cancel_lets_steps_end_and_begins_no_other(host: Session) -> None:
    cancel = threading.Event()

    def stop(event: Event) -> None:
        if isinstance(event, StepDone):
            cancel.set()

    done = clean(host, policy_for(environ=NO_FILES), report=stop, cancel=cancel)
    assert done.outcome.interrupted == INTERRUPTED
    assert 0 < done.outcome.removed < len(done.outcome.results)
    # What was not begun is no failure.
    assert done.outcome.failed == 0
    assert done.outcome.removed + done.outcome.not_tried == len(done.outcome.results)
    with pytest.raises(errors.Cancelled):
        clean(host, policy_for(environ=NO_FILES), cancel=cancel)


def test_deep_asks_where_it_is_given_whom(host: Session) -> None:
    policy = policy_for("deep", environ=NO_FILES)
    before = look_over(host, policy)
    with pytest.raises(errors.Declined):
        clean(host, policy, confirm=lambda found: not found.plan.steps)
    assert len(look_over(host, policy).plan.steps) == len(before.plan.steps) > 0


def test_a_host_at_work_is_left_to_the_other_run(host: Session, tmp_path: Path) -> None:
    def again(event: Event) -> None:
        if isinstance(event, Locked):
            with connect("demo:", state=str(tmp_path)) as other, pytest.raises(errors.LockHeld):
                clean(other, policy_for(environ=NO_FILES))

    assert clean(host, policy_for(environ=NO_FILES), report=again).outcome.removed


def test_wishes_that_contradict_are_refused(host: Session) -> None:
    for wishes in (Wishes("routine", volumes="named"), Wishes(until_free=1, watermarks=True)):
        with pytest.raises(errors.RequestError):
            policy_for(wishes, environ=NO_FILES)
    with pytest.raises(errors.RequestError):
        policy_for("monthly", environ=NO_FILES)
    with pytest.raises(errors.RequestError, match="cannot be free"):
        clean(host, policy_for(Wishes(until_free=10**15), environ=NO_FILES))


def test_an_object_is_explained(host: Session) -> None:
    told = explain(host, policy_for(environ=NO_FILES), "python:3.12-slim")
    assert not told.verdict.remove
    with pytest.raises(errors.OperationError, match="no image"):
        explain(host, policy_for(environ=NO_FILES), "nothing:here", "image")


@pytest.mark.engine("docker20", "docker28c")
def test_a_pipeline_on_an_engine(fresh_engine: Engine, unique: str, tmp_path: Path) -> None:
    """Plan, look, clean exactly that, read the outcome, in one session."""
    name = f"localhost/{unique}:1"
    load(fresh_engine, ImageToLoad([busybox_layer(), layer(name)], [name]))
    fresh_engine.docker("run", "--network", "none", "--name", unique, name, "true")
    policy = policy_for(Wishes(min_age=0.0), environ=NO_FILES)
    with connect(fresh_engine.host, state=str(tmp_path / "state")) as session:
        found = look_over(session, policy)
        (step,) = found.plan.steps
        assert step.kind == "container"
        done: Cleaned = clean(session, policy, saved=saved(found))
        assert done.outcome.results["container", step.id].result == "removed"
        assert not look_over(session, policy).plan.steps
    assert fresh_engine.docker("ps", "-aq") == ""

"""The queue of messages: each lane in order, and none waits for another."""

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from holystone.agent.waiting import MOST, Queue, Waiting

LANES = ["webhook", "apprise:000000000001", "apprise:000000000002"]


def waiting(number: int, lanes: list[str]) -> Waiting:
    return Waiting(str(number), {}, {"title": "", "body": "", "mood": ""}, [*lanes])


class Model:
    """A queue, and what each lane is to get and has got."""

    def __init__(self) -> None:
        self.queue = Queue(float)
        self.now = 0.0
        self.count = 0
        self.wanted: dict[str, list[str]] = {lane: [] for lane in LANES}
        self.got: dict[str, list[str]] = {lane: [] for lane in LANES}

    def add(self, lanes: list[str]) -> None:
        for lane in lanes:
            self.wanted[lane].append(str(self.count))
        assert self.queue.add(waiting(self.count, lanes)) is None
        self.count += 1

    def attempt(self, failing: set[str]) -> bool:
        due = self.queue.due(self.now)
        if due is None:
            return False
        message, lanes = due
        for lane in lanes:
            if lane in failing:
                self.queue.failed(lane, self.now)
            else:
                self.got[lane].append(message.number)
                self.queue.delivered(message, lane)
        return True

    def let_pass(self, seconds: int) -> None:
        self.now += seconds

    def restart(self, _: None) -> None:
        kept, self.queue = self.queue.kept(), Queue(float)
        self.queue.restore(kept)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just(Model.add), st.lists(st.sampled_from(LANES), min_size=1, unique=True)),
        st.tuples(st.just(Model.attempt), st.sets(st.sampled_from(LANES))),
        st.tuples(st.just(Model.let_pass), st.integers(0, 3)),
        st.tuples(st.just(Model.restart), st.none()),
    ),
    max_size=60,
)


@given(STEPS)
def test_each_lane_gets_each_message_once_in_order(
    steps: list[tuple[Callable[[Model, Any], object], Any]],
) -> None:
    model = Model()
    for step, value in steps:
        step(model, value)
        for lane in LANES:
            assert model.got[lane] == model.wanted[lane][: len(model.got[lane])]
    model.now += 1e6
    while model.attempt(set()):
        pass
    assert model.got == model.wanted
    assert model.queue.messages == []
    assert model.queue.next_at() is None


def test_a_lane_that_failed_is_left_alone_until_it_is_due() -> None:
    queue = Queue(lambda failures: 10.0 * failures)
    queue.add(waiting(0, LANES))
    assert queue.failed("webhook", 0.0) == 1
    assert queue.due(9.0) == (queue.messages[0], LANES[1:])
    assert queue.due(10.0) == (queue.messages[0], LANES)
    assert queue.due(10.0, fresh=True) == (queue.messages[0], LANES[1:])
    assert queue.failed("webhook", 10.0) == 2
    assert queue.due(29.0) == (queue.messages[0], LANES[1:])
    queue.try_now()
    assert queue.due(11.0) == (queue.messages[0], LANES)
    queue.keep_lanes(lambda lane: lane == "webhook")
    assert queue.messages[0].lanes == ["webhook"]
    queue.keep_lanes(lambda _: False)
    assert queue.messages == []


def test_addresses_take_the_place_of_all_of_apprise_in_every_message() -> None:
    queue = Queue(float)
    queue.add(waiting(0, ["webhook", "apprise"]))
    queue.add(waiting(1, ["apprise"]))
    queue.expand(LANES[1:])
    assert [each.lanes for each in queue.messages] == [LANES, LANES[1:]]


def test_too_many_are_not_taken_back_either() -> None:
    queue = Queue(float)
    for number in range(MOST):
        queue.add(waiting(number, LANES))
    kept = queue.kept()
    again = Queue(float)
    again.restore(kept + kept)
    assert len(again.messages) == MOST
    dropped = again.add(waiting(MOST, LANES))
    assert dropped is not None
    assert dropped.number == "0"

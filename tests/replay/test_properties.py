"""What holds for every trace: budgets, the oracle, the bound, and what comes free."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.holders import LayerHolders, unpacked_bytes
from holystone.planner.inventory import Image, Layer
from holystone.replay.bound import Bound
from holystone.replay.host import Host, Order
from holystone.replay.orders import KEPT, ORDERS
from holystone.replay.result import facts_of
from holystone.replay.running import Job, run_job
from holystone.replay.trace import Trace, parse, written

KEEPING = [name for name, kind in ORDERS.items() if kind.budget == KEPT]
START = 1_600_000_000.0


def trace_of(images: dict[str, list[tuple[str, int]]], uses: list[tuple[float, str, str]]) -> Trace:
    return parse([line.encode() for line in written(images, uses)], "made up")


@st.composite
def times(draw: st.DrawFn, count: int) -> list[float]:
    gaps = draw(st.lists(st.sampled_from([0, 1, 90, 400, 4000, 90_000]), min_size=count))
    at = START
    found = []
    for gap in gaps[:count]:
        at += gap
        found.append(at)
    return found


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Images that share layers of all sizes, and references that move between them."""
    sizes = draw(st.lists(st.integers(0, 40), min_size=1, max_size=12))
    layer = st.integers(0, len(sizes) - 1)
    stacks = draw(st.lists(st.lists(layer, min_size=1, max_size=5), min_size=1, max_size=8))
    images = {f"i{n}": [(f"l{m}", sizes[m]) for m in stack] for n, stack in enumerate(stacks)}
    use = st.tuples(st.sampled_from("rst"), st.sampled_from(sorted(images)))
    uses = draw(st.lists(use, min_size=1, max_size=40))
    moments = draw(times(len(uses)))
    return trace_of(images, [(at, *what) for at, what in zip(moments, uses, strict=True)])


@st.composite
def equal_traces(draw: st.DrawFn) -> Trace:
    """Images of 10 bytes that share nothing, each behind a reference of its own."""
    asked = draw(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=60))
    moments = draw(times(len(asked)))
    images = {name: [(name, 10)] for name in set(asked)}
    return trace_of(images, [(at, name, name) for at, name in zip(moments, asked, strict=True)])


def pulled(trace: Trace, order: str, budget: int) -> int:
    return run_job(trace, None, Job(order, budget)).pulled_bytes


@given(equal_traces())
def test_more_budget_never_pulls_more_for_lru(trace: Trace) -> None:
    by_budget = [pulled(trace, "lru", budget) for budget in range(5, 90, 5)]
    assert by_budget == sorted(by_budget, reverse=True)


@given(equal_traces(), st.integers(1, 90))
def test_nothing_is_better_than_the_oracle(trace: Trace, budget: int) -> None:
    best = pulled(trace, "oracle", budget)
    assert [order for order in KEEPING if pulled(trace, order, budget) < best] == []


@given(traces(), st.integers(1, 200))
def test_nothing_is_below_the_bound(trace: Trace, budget: int) -> None:
    least = Bound(trace).pulled_bytes(budget)
    assert [order for order in KEEPING if pulled(trace, order, budget) < least] == []
    assert least >= facts_of(trace).layers_bytes
    assert least >= Bound(trace).pulled_bytes(budget + 1)


@given(traces(), st.integers(1, 200))
def test_what_every_order_comes_to(trace: Trace, budget: int) -> None:
    facts = facts_of(trace)
    for order in ORDERS:
        result = run_job(trace, None, Job(order, budget))
        assert result.uses == facts.uses
        assert 0 <= result.stalls <= result.uses
        assert facts.layers_bytes <= result.pulled_bytes
        assert result.pulled_bytes <= result.stalls * facts.largest_image_bytes
        assert facts.largest_image_bytes <= result.peak_bytes <= facts.layers_bytes
        if order in KEEPING:
            largest = facts.largest_image_bytes
            assert result.peak_bytes <= max(budget, largest) + largest


@given(traces())
def test_the_working_set_is_enough_to_pull_nothing_twice(trace: Trace) -> None:
    """With it no layer that is used again has to go, whoever is asked."""
    facts = facts_of(trace)
    assert facts.largest_image_bytes <= facts.working_set_bytes <= facts.layers_bytes
    bound = Bound(trace)
    assert bound.pulled_bytes(max(1, facts.working_set_bytes)) == facts.layers_bytes


class Witness(Order):
    """Passes everything on to another order, and counts the host's bytes anew each time."""

    def __init__(self, order: Order, trace: Trace) -> None:
        self.order = order
        self.here: dict[int, Image] = {}
        self.host: Host | None = None
        self.trace = trace
        self.held = 0

    def image(self, number: int) -> Image:
        layers = [Layer(str(n), self.trace.layer_bytes[n]) for n in self.trace.layers[number]]
        return Image(str(number), layers=tuple(layers))

    def check(self) -> None:
        assert self.host is not None
        assert self.host.held_bytes == unpacked_bytes(self.here.values())
        self.held = self.host.held_bytes

    def due(self, now: float, asked: int, host: Host) -> Iterator[int]:
        self.check()
        yield from self.order.due(now, asked, host)

    def arrived(self, image: int) -> None:
        assert image not in self.here
        self.here[image] = self.image(image)
        self.check()
        self.order.arrived(image)

    def used(self, reference: str, image: int, now: float) -> None:
        assert image in self.here
        self.order.used(reference, image, now)

    def gone(self, image: int) -> None:
        account = LayerHolders(tuple(self.here.values()), {})
        freed = account.give_up_image(self.here.pop(image))
        before = self.held
        self.check()
        assert before - self.held == freed
        self.order.gone(image)

    def victim(self, now: float, asked: int) -> int | None:
        victim = self.order.victim(now, asked)
        assert victim is not None or set(self.here) == {asked}
        return victim


@given(traces(), st.sampled_from(sorted(ORDERS)), st.integers(1, 120))
def test_what_comes_free_is_what_the_host_falls_by(trace: Trace, order: str, budget: int) -> None:
    kind = ORDERS[order]
    witness = Witness(kind.make(trace, budget), trace)
    host = Host(trace, witness, budget if kind.budget == KEPT else None)
    witness.host = host
    for time, reference, image in zip(
        trace.use_times, trace.use_references, trace.use_images, strict=True
    ):
        host.use(trace.references[reference], image, time)
        if kind.budget == KEPT:
            assert host.held_bytes <= max(budget, host.image_bytes(image))
    expected = run_job(trace, None, Job(order, budget))
    assert (host.pulled_bytes, host.stalls) == (expected.pulled_bytes, expected.stalls)

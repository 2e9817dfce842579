"""The order ``ours`` is that of a clean: a plan made then and there gives up the same images."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holystone.planner.demand import Habits
from holystone.planner.inventory import Container, Disk, Engine, Image, Inventory, Layer
from holystone.planner.plan import plan
from holystone.planner.policy import Grace, Mark, Policy, Takes
from holystone.planner.usage import Usage
from holystone.replay.host import Host, replay
from holystone.replay.orders import Ours
from holystone.replay.trace import Trace, parse, written
from holystone.usage.sighting import Sighting
from tests.store.examples import KEY, NOW, opened, seen

LIMIT = 2_000_000_000
NOTHING = Takes(containers=False, untagged=False, build_cache="none")


def made(seed: int) -> Trace:
    """A year of a host: references on shared bases, used in groups, each at its own pace."""
    dice = random.Random(seed)
    images: dict[str, list[tuple[str, int]]] = {}
    for number in range(24):
        base = dice.randrange(5)
        images[f"i{number}"] = [
            (f"base {base}", 60_000_000 + base),
            (f"middle {number // 3}", 20_000_000 + number // 3),
            (f"own {number}", dice.choice([1_000_000, 90_000_000, 400_000_000]) + number),
        ]
    uses = []
    now = 1_600_000_000.0
    for _ in range(400):
        now += dice.expovariate(1 / 20_000)
        first = int(dice.paretovariate(0.7)) % 24
        for number in (first, (first + 1) % 24, (first + 2) % 24)[: dice.randint(1, 3)]:
            now += dice.randrange(70, 300)
            uses.append((now, f"docker.io/library/app{number % 8}:{number}", f"i{number}"))
    return parse((line.encode() for line in written(images, uses)), f"seed {seed}")


class Compared(Ours):
    """Also asks a plan, once for each time that the host is over its limit."""

    def __init__(self, trace: Trace) -> None:
        super().__init__(trace)
        self.trace = trace
        self.host: Host | None = None
        self.planned: list[int] = []
        self.rounds = 0
        self.kept = 0

    def victim(self, now: float, asked: int) -> int | None:
        chosen = super().victim(now, asked)
        if not self.planned:
            self.rounds += 1
            self.planned = self.plan(now, asked)
        # A plan looks back in the end, and keeps what turned out not to be needed.
        if chosen in self.planned:
            assert self.planned.pop(0) == chosen
        else:
            self.kept += 1
        return chosen

    def plan(self, now: float, asked: int) -> list[int]:
        """The images that a clean would remove now, so that the host is within its limit."""
        assert self.host is not None
        named = {key: name for name, (key, _) in self.ranking._means.items()}
        here = list(self.ranking.entries)
        images = tuple(
            Image(
                f"sha256:{key}",
                (named[key].removeprefix("docker.io/library/"),),
                (f"app@sha256:{key}",),
                layers=tuple(
                    Layer(str(layer), size) for layer, size in self._layers(int(str(key)))
                ),
            )
            for key in here
        )
        habits = self.ranking.habits
        usage = Usage(
            references={name: habit.use for name, habit in habits.known.items()},
            company={name: habits.company.followers(name) for name in habits.company.uses},
            absent={
                name: [(str(layer), size) for layer, size in pieces]
                for name, (key, pieces) in self.ranking._means.items()
                if key not in self.ranking.entries
            },
        )
        inventory = Inventory(
            Engine("e", "replay", "28", "1.51", "overlay2"),
            now,
            images,
            (Container("c", "job", f"sha256:{asked}", "job", "running"),),
            disk=Disk(10 * LIMIT, 10 * LIMIT - self.host.held_bytes),
        )
        policy = Policy(takes=NOTHING, grace=Grace.uniform(0), target=Mark(free_bytes=9 * LIMIT))
        steps = plan(inventory, usage, policy, now).steps
        return [int(step.id.removeprefix("sha256:")) for step in steps]


@pytest.mark.parametrize("seed", range(4))
def test_a_plan_gives_up_the_same_images(seed: int) -> None:
    trace = made(seed)
    order = Compared(trace)
    host = order.host = Host(trace, order, LIMIT)
    for time, reference, image in zip(
        trace.use_times, trace.use_references, trace.use_images, strict=True
    ):
        host.use(trace.references[reference], image, time)
    assert order.rounds > 40
    assert not order.planned
    assert order.kept
    assert host.pulled_bytes == replay(trace, Ours(trace), LIMIT).pulled_bytes


def test_what_a_moved_tag_left_behind_goes_first() -> None:
    """However lately it was used, and the reference keeps its past."""
    day = 86_400.0
    images = {name: [(f"layer of {name}", 100)] for name in ("old", "new", "other", "last")}
    uses = [(day * n, "often:1", "old") for n in range(9)]
    uses += [(8.5 * day, "seldom:1", "other"), (9 * day, "often:1", "new")]
    uses += [(9.1 * day, "third:1", "last"), (9.2 * day, "seldom:1", "other")]
    lines = list(written(images, uses))
    trace = parse((line.encode() for line in lines), "moved")
    assert json.loads(lines[0])["layers"] == [["layer of old", 100]]
    # Room for three: when the fourth comes only the one left behind has to go.
    host = replay(trace, Ours(trace), 300)
    assert (host.pulled_bytes, host.stalls) == (400, 4)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0, 20, 59, 61, 90, 400, 5000]), st.sampled_from("abcd")),
        max_size=60,
    ),
    st.integers(1, 9),
)
def test_a_replay_learns_what_a_ledger_remembers(
    tmp_path_factory: pytest.TempPathFactory, made: list[tuple[int, str]], batch: int
) -> None:
    """Of the same uses, in however many looks the ledger got them."""
    habits = Habits()
    now = NOW
    sightings = []
    for pause, name in made:
        now += pause
        habits.used(f"docker.io/library/{name}:1", now)
        sightings.append(Sighting(now, f"docker.io/library/{name}:1"))
    with opened(tmp_path_factory.mktemp("ledger")) as ledger:
        for start in range(0, len(sightings), batch):
            ledger.fold(KEY, seen(*sightings[start : start + batch]))
        remembered = ledger.recall_summaries(KEY, "reference")
        company = ledger.recall_company(KEY)
    assert remembered == {name: habit.use for name, habit in habits.known.items()}
    assert company == {name: habits.company.followers(name) for name in habits.known}

"""Registries under pressure: asked in few rounds about what would go, the unreachable last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holystone.demo.memory_host import SimulatedHost
from holystone.operations.connect import Session
from holystone.operations.survey import survey
from holystone.planner.inventory import Disk, Engine, Image, Inventory, Layer
from holystone.planner.plan import plan
from holystone.planner.policy import Grace, Mark, Policy
from holystone.planner.usage import Usage
from holystone.planner.verdict import Plan
from holystone.store.store import Store

NOW = 1_750_000_000.0
LACKS = (False, "manifest unknown")
SILENT = (None, "connection refused")


class Watched(SimulatedHost):
    """Notes about which images registries are asked each time."""

    asked: list[Sequence[str]]

    def confirm(
        self, inventory: Inventory, image_ids: Sequence[str], *, anew: bool = False
    ) -> Inventory:
        if image_ids:
            self.asked.append(tuple(image_ids))
        return super().confirm(inventory, image_ids, anew=anew)


def surveyed(
    count: int, wanted: int, answers: Mapping[int, tuple[bool | None, str]]
) -> tuple[Plan, list[Sequence[str]], Inventory]:
    """A plan for so many bytes, of images of one byte each, the first the least valuable."""
    images = tuple(
        Image(
            f"{n:03}",
            (f"a{n}:1",),
            (f"a{n}@sha256:{n:064x}",),
            layers=(Layer(f"layer {n}", 1),),
            size=1,
            last_tagged=NOW - 1e6 + n,
        )
        for n in range(count)
    )
    engine = Engine("e", "n", "28", "1.51", "overlay2")
    inventory = Inventory(engine, NOW, images, disk=Disk(10**6, 0))
    registries = {f"a{n}": answer for n, answer in answers.items()}
    host = Watched(inventory, registries=registries)
    host.asked = []
    policy = Policy(grace=Grace.uniform(0), target=Mark(free_bytes=wanted))
    found = survey(Session(host, "", Store("/nonexistent", print)), policy)
    return found.plan, host.asked, found.inventory


def went(made: Plan) -> list[int]:
    return [int(step.id) for step in made.steps]


def test_no_image_is_asked_about_that_would_not_go() -> None:
    made, asked, _ = surveyed(100, 5, {})
    assert went(made) == [0, 1, 2, 3, 4]
    assert asked == [("000", "001", "002", "003", "004")]


def test_where_registries_lack_many_few_rounds_are_enough() -> None:
    """And what they lack stays."""
    made, asked, seen = surveyed(1000, 5, dict.fromkeys(range(900), LACKS))
    assert went(made) == [900, 901, 902, 903, 904]
    assert len(asked) <= 10
    assert len({i for each in asked for i in each}) == sum(len(each) for each in asked)
    assert {image.in_registry for image in seen.images[:900]} == {False}


def test_what_cannot_be_confirmed_goes_last() -> None:
    answers = {n: SILENT if n % 2 else LACKS for n in range(10)}
    made, _, _ = surveyed(14, 7, answers)
    assert went(made) == [10, 11, 12, 13, 1, 3, 5]
    rules = {v.id: [reason.rule for reason in v.reasons] for v in made.verdicts}
    assert rules["001"] == ["pressure", "unconfirmed"]
    assert rules["007"] == ["unconfirmed", "tagged"]
    assert rules["000"] == ["local", "tagged"]


def test_a_registry_that_is_down_is_no_reason_to_take_more() -> None:
    made, _, _ = surveyed(14, 3, dict.fromkeys(range(10), SILENT))
    assert went(made) == [10, 11, 12]


def test_answers_of_an_earlier_run_are_no_reason_to_ask_about_more() -> None:
    """Its images were asked about an hour ago, and it lacked them."""
    _, _, seen = surveyed(100, 5, dict.fromkeys(range(50), LACKS))
    lacked = [image for image in seen.images if image.in_registry is False]
    assert lacked
    later = seen._replace(
        taken_at=NOW + 3600,
        images=tuple(
            image if image.in_registry is False else image._replace(in_registry=None)
            for image in seen.images
        ),
    )
    policy = Policy(grace=Grace.uniform(0), target=Mark(free_bytes=5))
    made = plan(later, Usage(), policy, NOW + 3600)
    assert len(made.unconfirmed) == 5

"""What is told of the objects of a plan: unconfirmed, lost for good, held with cache, or shared."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holystone.engine.host import REMOVED, SKIPPED, Removal
from holystone.operations.execute import Outcome
from holystone.planner.inventory import Container, Disk, Engine, Image, Inventory, Layer
from holystone.planner.plan import plan as planned
from holystone.planner.policy import TAKES, Policy
from holystone.planner.usage import Usage
from holystone.planner.verdict import Fact, Plan, Reason, Rule, Step, Verdict
from holystone.present import document, reasons
from holystone.present.report import clean, explain, verdicts
from holystone.present.report.disk import shortfall
from holystone.present.report.explain import explanation
from holystone.present.report.plan import before_deep
from holystone.present.terminal import Look
from tests.planner.cases import FOLDER, NOW, read_case
from tests.present import host

PLAIN = Look(width=400)
ENGINE = Engine("e", "host", "28", "1.51", "overlay2")
CASE = read_case(FOLDER / "until_free_running_build.toml")


def unconfirmed(count: int) -> Plan:
    """A plan that takes so many images that no registry confirmed."""
    said: dict[str, Fact] = {"said": "no answer\x1b[2J from r.example.com", "once_there": True}
    why = (
        Reason(Rule.PRESSURE, {"idle": 60.0, "frees": 1, "least_free": 10}),
        Reason(Rule.UNCONFIRMED, said),
    )
    ids = [f"sha256:{n:064x}" for n in range(count)]
    told = [Verdict("image", i, (f"r.example.com/a:{n}",), True, why, 1) for n, i in enumerate(ids)]
    steps = tuple(Step("image", i, (i,), 1) for i in ids)
    made = Plan("routine", host.NOW, ENGINE, Disk(100, 5), tuple(told), steps, count, False, 0, 0)
    return replace(made, target_free=10)


def ended(plan: Plan, skipped: int = 0) -> Outcome:
    results = [Removal(SKIPPED if n < skipped else REMOVED) for n in range(len(plan.steps))]
    keys = [(step.kind, step.id) for step in plan.steps]
    return Outcome(dict(zip(keys, results, strict=True)), {}, 0, 0.0)


def test_unconfirmed_images_are_named_with_what_their_registry_said() -> None:
    plan = unconfirmed(2)
    text = clean.render(plan, ended(plan), PLAIN)
    assert "Unconfirmed by a registry, and removed: 2" in text
    assert "r.example.com/a:0" in text
    assert "its registry, which had it before, could not be asked: no answer" in text
    assert "\x1b" not in text
    assert document.plan(plan)["unconfirmed"] == [step.id for step in plan.steps]
    assert document.plan(host.plan())["unconfirmed"] == []


def test_the_last_line_counts_unconfirmed_images() -> None:
    plan = unconfirmed(2)
    said = "✅ Cleaned until enough was free; 2 images unconfirmed by a registry"
    assert clean.closing(plan, ended(plan)) == said
    short = "❌ Target not reached: 3 B more should be free; 1 image unconfirmed by a registry"
    assert clean.closing(plan, ended(plan, skipped=1), short=3) == short
    assert clean.closing(plan, ended(plan, skipped=2)) == "✅ Cleaned until enough was free"


def test_of_many_unconfirmed_images_the_first_are_named() -> None:
    found = verdicts.unconfirmed(unconfirmed(40))
    lines = verdicts.unconfirmed_lines(found, PLAIN, verb="to go")
    assert lines[0] == "Unconfirmed by a registry, and to go: 40"
    assert lines[-2].endswith("and 30 more (--json has them all)")
    assert verdicts.unconfirmed_lines([], PLAIN, verb="to go") == []


def test_a_deep_clean_lists_what_was_made_to_be_started_again_with_the_reason() -> None:
    done = Container("a", "job", "i", "i", "exited", finished=host.NOW - 9000, writable_size=7)
    containers = (
        done,
        done._replace(id="b", name="kind-1", labels={"io.x-k8s.kind.cluster": "kind"}),
        done._replace(id="c", name="db", restart="always"),
        done._replace(id="d", name="web", labels={"com.docker.compose.project": "shop"}),
    )
    seen = Inventory(ENGINE, host.NOW, containers=containers)
    made = planned(seen, Usage(), Policy("deep", TAKES["deep"]), host.NOW)
    text = before_deep(seen, made, Look())
    _, told, lost = text.partition("What they wrote is lost for good:")
    assert told
    assert "kind-1" in lost
    assert "kept by kind: a node of a Kubernetes cluster" in lost
    assert "restart policy always" in lost
    assert "part of compose project shop" in lost
    assert "job" not in lost


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        (Rule.IN_USE, "164 MB  in use"),
        (Rule.LOCAL, "164 MB  only here"),
        (Rule.YOUNG, "164 MB  too recent"),
        (Rule.TAGGED, "162 MB  layers that several images share"),
    ],
)
def test_a_shared_layer_is_held_by_what_keeps_one_of_its_images(rule: Rule, told: str) -> None:
    base = Layer("base", 162_000_000)
    images = tuple(
        Image(name, (f"{name}:1",), size=162_000_000 + more, layers=(base, Layer(name, more)))
        for name, more in (("a", 1_000_000), ("b", 2_000_000))
    )
    kept = (
        Verdict("image", "a", ("a:1",), False, (Reason(Rule.TAGGED, {"tags": 1}),)),
        Verdict("image", "b", ("b:1",), False, (Reason(rule),)),
    )
    plan = Plan("routine", 0.0, ENGINE, Disk(), kept, (), 0, False, 0, 0)
    text = shortfall(Inventory(ENGINE, 0.0, images=images), plan, 10**9, Look())
    assert told in text
    assert ("several images share" in text) is (rule == Rule.TAGGED)


def test_the_reason_and_the_row_of_an_image_count_the_bytes_with_its_cache() -> None:
    made = planned(CASE.inventory, CASE.usage, CASE.policy, NOW)
    (gone,) = [verdict for verdict in made.removed if verdict.kind == "image"]
    assert gone.freed_bytes == 0
    assert "frees 35.0 MB with 1 cache record" in reasons.texts(gone.reasons)
    (row,) = [line for line in verdicts.going(made.removed, Look()) if "two:1" in line]
    assert "with cache" in row
    assert "frees 35.0 MB with 1 cache record" in row
    assert "0 B" not in row


def test_what_explain_says_of_an_image_alone_and_in_rank_agrees() -> None:
    made = planned(CASE.inventory, CASE.usage, CASE.policy._replace(target=None), NOW)
    explained = explanation(CASE.inventory, CASE.usage, made, "image", "two")
    text = explain.render(explained, Look(width=200))
    assert "removing only it would free 0 B: build cache holds 35.0 MB of its layers" in text
    assert "frees 35.0 MB with 1 cache record" in text

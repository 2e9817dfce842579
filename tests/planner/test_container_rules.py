"""Containers that hang together: what must hold on any host, and of a plan that was agreed on."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holystone.planner.container_groups import needs, removals
from holystone.planner.inventory import Container, Engine, Inventory
from holystone.planner.kept_containers import TABLE
from holystone.planner.plan import plan
from holystone.planner.policy import LEVELS, TAKES, Grace, Policy
from holystone.planner.usage import Usage
from tests.planner.hosts import Draw, drawn, moderate

NOW = 1_750_000_000.0
DAY = 86400.0
_ENGINE = Engine("e", "golden", "28", "1.51", "overlay2")
_LABELS = ("com.docker.compose.project", "io.kubernetes.pod.uid", "com.gitlab.gitlab-runner.job.id")


def _host(draw: Draw) -> Inventory:
    """Containers that name one another at random, in groups and pods."""
    names = [f"c{number}" for number in range(1 + draw.count(6))]
    containers = []
    for name in names:
        label = draw.choice((*_LABELS, "", ""))
        containers.append(
            Container(
                id=f"id-{name}",
                name=name,
                image_id="i",
                image="i",
                state=draw.choice(("running", "exited", "exited", "created", "dead")),
                created=NOW - draw.choice((60.0, 2 * DAY, 40 * DAY)),
                finished=NOW - draw.choice((60.0, 2 * DAY, 40 * DAY)),
                restart=draw.choice(("", "", "always")),
                labels={label: draw.choice("ab")} if label else {},
                needs=tuple(sorted(set(draw.some(names, 2)))),
                pod=draw.choice(("", "", "p", "q")),
                infra=draw.yes(),
            )
        )
    return Inventory(_ENGINE, NOW, containers=tuple(containers))


hosts = drawn(_host)
policies = st.sampled_from(LEVELS).map(
    lambda level: Policy(level, TAKES[level], grace=Grace.uniform(0))
)


@moderate
@given(hosts, policies)
def test_what_stays_keeps_what_it_needs_and_its_pod(host: Inventory, policy: Policy) -> None:
    gone = {verdict.id for verdict in plan(host, Usage(), policy, NOW).removed}
    needed = needs(host.containers)
    for container in host.containers:
        if container.id not in gone:
            assert not needed[container.id] & gone
        if container.id not in gone and container.pod and container.state != "dead":
            alive = {each.id for each in host.containers if each.state != "dead"}
            members = {each.id for each in host.containers if each.pod == container.pod}
            assert not members & alive & gone
    assert not gone & {each.id for each in host.containers if each.state == "running"}


@moderate
@given(hosts, policies)
def test_a_step_comes_after_those_that_it_waits_for(host: Inventory, policy: Policy) -> None:
    """But where containers need one another in a circle, which no order can help."""
    made = plan(host, Usage(), policy, NOW)
    waits = {step.id: step.after for step in made.steps}
    placed = {step.id: number for number, step in enumerate(made.steps)}

    def reached(start: str) -> set[str]:
        found: set[str] = set()
        waiting = [start]
        while waiting:
            new = set(waits[waiting.pop()]) - found
            found |= new
            waiting += new
        return found

    for step in made.steps:
        assert all(
            placed[each] < placed[step.id] or step.id in reached(each) for each in step.after
        )
    assert {step.id for step in made.steps} == {verdict.id for verdict in made.removed}
    pods = [target for step in made.steps for target in step.targets if target.startswith("pod:")]
    assert len(pods) == len(set(pods))


def test_a_pod_that_does_not_go_whole_is_no_target() -> None:
    infra = Container("i", "i", "x", "x", "exited", pod="p", infra=True)
    member = Container("m", "m", "x", "x", "exited", pod="p", needs=("i",))
    assert [targets for _, targets, _ in removals([infra], [infra, member])] == [("i",)]
    both = removals([infra, member], [infra, member])
    assert [(each.id, targets) for each, targets, _ in both] == [("m", ("m",)), ("i", ("pod:p",))]
    assert both[1][2] == ("m",)


def test_every_tool_keeps_a_container_that_is_told_by_its_row() -> None:
    """By each of its labels; by a name, an image, or both where it asks for both."""
    for row in TABLE:
        for label in row.labels:
            key, _, value = label.partition("=")
            assert ruling_of({key: value or "1"}) == f"tool {row.name}"
            assert ruling_of({f"{key}x": value or "1"}).startswith("stopped"), label
        for name in row.names or ("any",):
            for image in row.images or ("any",) if row.names or row.images else ():
                written = name.replace("*", "x"), image.replace("*", "x")
                assert ruling_of({}, *written) == f"tool {row.name}"
                if row.names:
                    assert ruling_of({}, "other", written[1]) == "stopped"
                if row.images:
                    assert ruling_of({}, written[0], "other") == "stopped"


def ruling_of(labels: dict[str, str], name: str = "c", image: str = "x") -> str:
    """The rule on a container of long ago, and the tool that keeps it."""
    container = Container(
        "c", name, "x", f"{image}:1", "exited", finished=NOW - 90 * DAY, labels=labels
    )
    (verdict,) = plan(
        Inventory(_ENGINE, NOW, containers=(container,)), Usage(), Policy(), NOW
    ).verdicts
    (reason,) = verdict.reasons
    return f"{reason.rule} {reason.facts.get('tool', '')}".strip()

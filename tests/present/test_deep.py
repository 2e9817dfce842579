"""What a deep clean shows before it asks: containers that every other level keeps, by name."""

from __future__ import annotations

from holystone.planner.inventory import Container, Engine, Inventory
from holystone.planner.plan import plan
from holystone.planner.policy import TAKES, Policy
from holystone.planner.usage import Usage
from holystone.present.report.plan import before_deep
from holystone.present.terminal import Look

NOW = 1_760_011_200.0


def test_what_was_made_to_be_started_again_is_listed_with_the_reason() -> None:
    ended = Container("a", "job", "i", "i", "exited", finished=NOW - 9000, writable_size=7)
    host = Inventory(
        Engine("e", "host", "28", "1.51", "overlay2"),
        NOW,
        containers=(
            ended,
            ended._replace(id="b", name="kind-1", labels={"io.x-k8s.kind.cluster": "kind"}),
            ended._replace(id="c", name="db", restart="always"),
            ended._replace(id="d", name="web", labels={"com.docker.compose.project": "shop"}),
        ),
    )
    made = plan(host, Usage(), Policy("deep", TAKES["deep"]), NOW)
    _, told, lost = before_deep(host, made, Look()).partition("What they wrote is lost for good:")
    assert told
    assert "kind-1" in lost
    assert "kept by kind: a node of a Kubernetes cluster" in lost
    assert "restart policy always" in lost
    assert "part of compose project shop" in lost
    assert "job" not in lost

from __future__ import annotations

import json
from typing import Any

import pytest

from holystone.planner.inventory import Blob, Disk, Inventory, Layer
from holystone.planner.plan import plan as planned
from holystone.planner.policy import Grace, Mark, Policy, Watermarks
from holystone.planner.usage import Followers, Usage, Use
from holystone.present import document, figures
from holystone.present.report.explain import explanation
from tests.present import host


def read(made: document.Document) -> dict[str, Any]:
    """The document as a program gets it."""
    text = document.dump(made)
    assert text.isascii()
    assert "\n" not in text
    parsed: dict[str, Any] = json.loads(text)
    assert parsed == json.loads(document.dump(made, indent=True))
    assert parsed["schema"] == 1
    assert parsed["taken_at"] == "2025-10-09T08:53:20Z"
    return parsed


def test_plan_keeps_the_contract() -> None:
    plan = host.plan()
    told = read(document.plan(plan))
    assert told["level"] == "routine"
    assert told["engine"] == {
        "version": "28.5.1",
        "api_version": "1.51",
        "storage_driver": "overlay2",
        "name": "runner-7",
        "id": "6f0c…",
        "host": None,
        "store": "classic",
    }
    disk = {"total_bytes": 100_000_000_000, "free_bytes": 23_400_000_000, "not_in_sight": None}
    assert told["disk"] == disk
    assert told["freed_bytes"] == plan.freed_bytes
    assert told["estimated"] is False
    assert (told["at_least_bytes"], told["at_most_bytes"]) == (plan.at_least, plan.at_most)
    assert [(i["kind"], i["id"]) for i in told["items"]] == [(v.kind, v.id) for v in plan.verdicts]
    assert sum(item["freed_bytes"] for item in told["items"]) == plan.freed_bytes
    for item in told["items"]:
        assert item["action"] in ("keep", "remove")
        assert item["reasons"]
    facts = {"stopped_for": 10710.0, "exit_code": 0}
    text = "stopped 3 h ago (exit code 0)"
    assert told["items"][0] == {
        "kind": "container",
        "id": host.digest("job-4711-test")[7:],
        "names": ["job-4711-test"],
        "action": "remove",
        "freed_bytes": 48_300_000,
        "reasons": [{"rule": "stopped", "text": text, "facts": facts}],
    }


def test_clean_tells_what_became_of_every_item() -> None:
    plan = host.plan()
    outcome = host.outcome(plan, skip=2, fail=1)
    told = read(document.clean(plan, outcome, disk_after=Disk(100, 50)))
    results = [item["result"] for item in told["items"]]
    assert told["outcome"] == {
        "freed_bytes": outcome.freed_bytes,
        "planned_bytes": plan.freed_bytes,
        "removed": results.count("removed"),
        "skipped": 2,
        "failed": 1,
        "unknown": 0,
        "not_tried": 0,
        "seconds": 1.26,
        "interrupted": None,
        "disk": {"total_bytes": 100, "free_bytes": 50, "not_in_sight": None},
        "rounds": [],
    }
    assert results.count("kept") == len(plan.kept)
    assert {i["result"] for i in told["items"] if i["action"] == "keep"} == {"kept"}
    assert sum(item["outcome_freed_bytes"] for item in told["items"]) == outcome.freed_bytes
    skipped = next(item for item in told["items"] if item["result"] == "skipped")
    assert skipped["detail"] == "used since planned: tagged as shop/new:1"
    assert skipped["outcome_freed_bytes"] == 0 < skipped["freed_bytes"]


def test_status() -> None:
    told = read(document.status(host.inventory(), host.plan(), "unix:///x.sock", Watermarks()))
    assert told["endpoint"] == "unix:///x.sock"
    image = told["kinds"]["image"]
    assert image["stored_bytes"] == image["unique_bytes"] + image["shared_bytes"]
    layers = {layer for i in host.images() for layer in i.layers or ()}
    assert image["stored_bytes"] == sum(layer.size for layer in layers)
    assert told["kinds"]["cache"]["shared_with_images_bytes"] == 74_800_000
    assert told["kinds"]["volume"] == {"count": 3, "known_bytes": 4_080_000_000, "unknown": 1}
    assert told["clean"]["freed_bytes"] == host.plan().freed_bytes
    going = {"remove": 2, "keep": 3, "freed_bytes": 49_540_000}
    assert told["clean"]["kinds"]["container"] == going


def test_images_largest_first() -> None:
    told = read(document.images(host.inventory(), host.plan()))["images"]
    sizes = [image["size_bytes"] for image in told]
    assert sizes == sorted(sizes, reverse=True)
    assert len(told) == len(host.images())
    for image in told:
        assert image["unique_bytes"] + image["shared_bytes"] == image["size_bytes"]
    node = next(image for image in told if image["tags"] == ["node:18-alpine"])
    assert node["containers"] == ["job-4709-lint", "registry-cache", "buildx_buildkit_ci0"]
    assert node["last_used_at"] == "2025-10-09T08:53:20Z"
    assert node["action"] == "keep"


def test_images_of_unknown_layers_have_no_shares() -> None:
    seen = host.quiet()
    for image in read(document.images(seen, host.plan(seen)))["images"]:
        assert image["unique_bytes"] is None
        assert image["shared_bytes"] is None
    status = read(document.status(seen, host.plan(seen), "", Watermarks()))
    assert status["kinds"]["image"]["stored_bytes"] is None


def test_every_object_can_be_explained_and_nothing_else() -> None:
    seen, plan = host.inventory(), host.plan()
    told = {}
    for verdict in plan.verdicts:
        explained = explanation(seen, Usage(), plan, verdict.kind, verdict.id)
        told[verdict.id] = read(document.explain(explained, plan))
        assert told[verdict.id]["item"]["id"] == verdict.id
    with pytest.raises(KeyError):
        explanation(seen, Usage(), plan, "image", "sha256:none")
    image = told[host.digest("app-old")]
    assert image["item"]["action"] == "remove"
    assert image["facts"]["created_at"] == "2025-10-09T05:53:20Z"
    assert image["facts"]["parent"] is None
    user = {"id": seen.containers[0].id, "name": "job-4711-test", "state": "exited"}
    assert image["containers"] == [user]
    assert image["alone"] == {
        "freed_bytes": 17_900_000,
        "estimated": False,
        "at_least_bytes": 17_900_000,
        "at_most_bytes": 17_900_000,
        "held_by_cache_bytes": 0,
    }
    assert image["shares_with"][0] == {
        "id": host.digest("app-new"),
        "names": ["registry.example.com:5000/shop/checkout-backend:4712"],
        "shared_bytes": 542_900_000,
    }


def test_what_an_image_is_ranked_by_is_what_a_plan_for_room_says() -> None:
    """Its layers are also those of a nameless step below it, and of a tag that goes anyway."""
    first, *_ = host.images()
    step, app = Layer("sha256:a", 30_000_000), Layer("sha256:b", 20_000_000)
    made = first._replace(tags=("app:1",), digests=("app@sha256:1",), last_tagged=None)
    seen = host.inventory()._replace(
        images=(
            made._replace(id="sha256:app", parent="sha256:step", layers=(step, app)),
            made._replace(id="sha256:step", tags=(), digests=(), layers=(step,)),
            made._replace(id="sha256:left", tags=(), digests=(), layers=(step, app)),
        ),
        containers=(),
        disk=Disk(10**12, 0),
    )
    usage = Usage(references={"docker.io/library/app:1": Use(1.0, host.NOW - 86_400)})
    policy = Policy(grace=Grace.uniform(0), check_registry=False)
    for_room = planned(seen, usage, policy._replace(target=Mark(free_bytes=10**12)), host.NOW)
    (verdict,) = [each for each in for_room.verdicts if each.id == "sha256:app"]
    explained = explanation(
        seen, usage, planned(seen, usage, policy, host.NOW), "image", "sha256:app"
    )
    assert explained.prospects is not None
    assert explained.prospects.freed == 50_000_000
    assert explained.prospects.facts.items() <= verdict.reasons[0].facts.items()
    under_way = usage._replace(
        references={**usage.references, "docker.io/library/db:1": Use(1.0, host.NOW - 60)},
        company={"docker.io/library/db:1": Followers(9.0, {"docker.io/library/app:1": 5.0})},
    )
    plan = planned(seen, under_way, policy, host.NOW)
    followed = explanation(seen, under_way, plan, "image", "sha256:app").prospects
    assert followed is not None
    assert followed.chance == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("state", "code", "told"), [("created", 0, None), ("created", 127, 127), ("exited", 0, 0)]
)
def test_only_what_ran_has_an_exit_code(state: str, code: int, told: int | None) -> None:
    seen = host.inventory()
    container = seen.containers[0]._replace(state=state, exit_code=code)
    seen = seen._replace(containers=(container, *seen.containers[1:]))
    plan = host.plan(seen)
    explained = explanation(seen, Usage(), plan, "container", container.id)
    assert explained.facts["exit_code"] == told


def test_compressed_content_is_told_apart_by_its_blobs() -> None:
    first, second, *_ = host.images()
    shared, own = Blob("sha256:a", 40), Blob("sha256:b", 2)
    pair = (
        first._replace(blobs=(shared, own), content_size=42, metadata_size=1),
        second._replace(blobs=(shared,), content_size=40),
    )
    shares = figures.image_shares(pair)
    unpacked = sum(layer.size for layer in first.layers or ())
    assert shares[first.id] == (unpacked + 2 + 1, 40)
    assert shares[second.id] == (sum(layer.size for layer in second.layers or ()), 40)


def test_an_empty_host_has_documents() -> None:
    seen = Inventory(host.ENGINE, host.NOW)
    plan = host.plan(seen)
    assert read(document.plan(plan))["items"] == []
    assert read(document.images(seen, plan))["images"] == []
    kinds = read(document.status(seen, plan, "", Watermarks()))["kinds"]
    assert kinds["image"]["stored_bytes"] == 0

"""The JSON documents of lists: what is not known is null, and bytes that images hold are theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from holystone.planner.inventory import Blob, Engine, Inventory, Note, Volume
from holystone.planner.totals import Beside, Log
from holystone.present import document
from holystone.present.list_documents import cache, containers, volumes
from holystone.present.lists.objects import Seen
from holystone.present.report.volumes import render
from holystone.present.terminal import Look
from tests.present import host


def read(make: Callable[[Seen], document.Document], of: Inventory, **more: Any) -> Any:
    """The objects that a document lists, as a program reads them."""
    told = json.loads(document.dump(make(Seen(of, host.plan(of), **more))))
    return told[make.__name__]


def test_volumes_of_unknown_size_come_last_and_are_null() -> None:
    told = read(volumes, host.inventory())
    assert [each["size_bytes"] for each in told] == [3_300_000_000, 780_000_000, None]
    assert told[0]["containers"] == ["registry-cache"]
    assert told[0]["last_used_at"] == "2025-10-09T08:53:20Z"
    assert told[1]["containers"] == []
    assert told[1]["last_used_at"] is None
    assert told[2]["anonymous"] is True


def test_volumes_tell_which_builder_or_project_they_are_a_cache_of() -> None:
    """And the list has both in sections of their own, with why a builder cannot be asked."""
    seen = host.inventory()
    named = ("buildx_buildkit_ci0_state", f"runner-a-project-7-concurrent-0-cache-{'0' * 32}")
    more = tuple(Volume(name, size=10**6) for name in named)
    seen = seen._replace(volumes=(*seen.volumes, *more))
    told = {each["name"]: each for each in read(volumes, seen)}
    assert [told[name]["builder"] for name in named] == ["ci0", None]
    assert [told[name]["project"] for name in named] == [None, "7"]
    text = [
        " ".join(line.split()) for line in render(Seen(seen, host.plan(seen)), Look()).split("\n")
    ]
    at = text.index("GitLab Runner's caches by project")
    assert text[at + 2] == "7 1 volume 1.00 MB —"
    at = text.index("Caches of builders outside the engine")
    assert text[at + 2].startswith("ci0 1.00 MB it has no container: none is called buildx_buil")


def test_what_was_seen_of_a_volume_counts_as_its_use() -> None:
    used = {("volume", "gitlab-runner-cache"): host.NOW - host.DAY}
    told = read(volumes, host.inventory(), last_used=used)
    assert told[1]["last_used_at"] == "2025-10-08T08:53:20Z"


def test_running_containers_that_could_not_be_measured_are_null() -> None:
    seen = host.inventory()
    told = read(containers, seen._replace(notes=(Note("usage", "container"),)))
    by_name = {each["name"]: each for each in told}
    assert by_name["registry-cache"]["writable_bytes"] is None
    assert by_name["registry-cache"]["size_bytes"] is None
    assert by_name["job-4711-test"]["writable_bytes"] == 48_300_000
    assert [each["size_bytes"] for each in told[-2:]] == [None, None]
    assert read(containers, seen)[-1]["writable_bytes"] is not None


def test_logs_are_null_out_of_sight_and_zero_where_there_is_none() -> None:
    seen = host.inventory()
    assert {each["log_bytes"] for each in read(containers, seen)} == {None}
    running = next(each for each in seen.containers if each.name == "registry-cache")
    # In one list for each folder that has any.
    logs = tuple(Log(running.id, running.name, f"/l{n}", 10**9, None) for n in (1, 2))
    told = read(containers, seen, beside=Beside(read=True, logs=logs))
    assert [each["log_bytes"] for each in told] == [2 * 10**9, 0, 0, 0, 0]
    assert told[0]["size_bytes"] == 2 * 10**9 + 120_000


def test_a_record_frees_what_no_image_holds() -> None:
    told = {each["description"]: each for each in read(cache, host.inventory())}
    base = told["[backend 1/6] FROM python:3.12-slim"]
    assert (base["unique_bytes"], base["shared_bytes"]) == (0, 74_800_000)
    deps = told["[backend 3/6] RUN pip install -r requirements.txt"]
    assert (deps["unique_bytes"], deps["shared_bytes"]) == (2_410_000_000, 0)
    assert deps["parents"] == [base["id"]]


def test_on_the_containerd_store_a_record_shares_a_blob_alone() -> None:
    seen = host.inventory()
    (image,) = (each for each in seen.images if "python:3.12-slim" in each.tags)
    lowest = image.held[0]
    blob = Blob("sha256:1", 20_000_000)
    image = image._replace(blobs=(blob,), content_size=blob.size)
    record = seen.cache[0]._replace(size=lowest.size + blob.size)
    engine: Engine = seen.engine._replace(store="containerd")
    seen = seen._replace(engine=engine, images=(image,), containers=(), cache=(record,))
    (told,) = read(cache, seen)
    assert told["shared_bytes"] == blob.size
    assert told["unique_bytes"] == lowest.size

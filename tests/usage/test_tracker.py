"""Use is remembered: the container that used an image is long gone when the image is judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holystone.engine.client import Client
from holystone.engine.transport.connection import connect
from holystone.engine.transport.endpoint import resolve
from holystone.operations.live_host import LiveHost
from holystone.planner.usage import Key
from tests.cli.faulty import EMPTY
from tests.engine_client.misbehaving import answers, misbehaving
from tests.store.examples import NOW, opened

IMAGE = "sha256:" + "1" * 64
HOUR = 3600.0


def look(folder: Path, now: float, *, images: bool = True, container: str = "") -> dict[Key, float]:
    """What is known of use after one look at a host, with or without a container in this state."""
    listed = {"Id": "c1", "ImageID": IMAGE, "Image": "app", "State": container, "Created": NOW}
    listed["Mounts"] = [{"Type": "volume", "Name": "data"}]
    stopped = {"Status": "exited", "FinishedAt": "2025-06-15T16:00:00Z"}
    script = {
        **EMPTY,
        "GET /images/json": answers([{"Id": IMAGE, "RepoTags": ["app:1"]}] if images else []),
        "GET /containers/json": answers([listed] if container else []),
        "GET /containers/c1/json": answers({"State": stopped}),
        "GET /volumes": answers({"Volumes": [{"Name": "data", "Driver": "local"}]}),
    }
    with misbehaving(script) as engine, opened(folder) as ledger:
        here = resolve(engine, None, {})
        # Where it listens is another port each time.
        there = here._replace(address="scripted:2375")
        client = Client(there, 30, lambda _, timeout: connect(here, timeout))
        host = LiveHost(client, ledger, clock=lambda: now)
        host.observe()
        told = dict(host.usage().last_used)
        host.close()
    return told


def test_a_use_is_known_when_its_container_is_gone(tmp_path: Path) -> None:
    finished = 1_750_003_200.0  # 2025-06-15T16:00:00Z
    assert look(tmp_path, NOW) == {}
    used = {("image", IMAGE): finished, ("volume", "data"): finished}
    assert look(tmp_path, NOW + 2 * HOUR, container="exited") == used
    assert look(tmp_path, NOW + 3 * HOUR) == used
    running = dict.fromkeys(used, NOW + 4 * HOUR)
    assert look(tmp_path, NOW + 4 * HOUR, container="running") == running
    assert look(tmp_path, NOW + 5 * HOUR, container="exited") == running
    assert look(tmp_path, NOW + 6 * HOUR, images=False) == {("volume", "data"): NOW + 4 * HOUR}
    assert look(tmp_path, NOW + 7 * HOUR) == {("volume", "data"): NOW + 4 * HOUR}, "forgotten"


def test_a_look_that_learns_next_to_nothing_writes_nothing(tmp_path: Path) -> None:
    """The file stays as it is while a container merely goes on running."""
    look(tmp_path, NOW, container="running")
    before = (tmp_path / "holystone.db").read_bytes()
    assert look(tmp_path, NOW + 50, container="running")["image", IMAGE] == NOW + 50
    assert (tmp_path / "holystone.db").read_bytes() == before
    look(tmp_path, NOW + 70, container="running")
    assert (tmp_path / "holystone.db").read_bytes() != before


def event(at: float, action: str, name: str) -> dict[str, Any]:
    return {
        "Type": "image", "Action": action, "timeNano": int(at * 1e9),
        "Actor": {"ID": name, "Attributes": {"name": name}},
    }  # fmt: skip


def counted(folder: Path, now: float, script: dict[str, Any]) -> list[tuple[str, float, bool]]:
    """The uses that one look counts: reference, how long ago, whether it was pulled for it."""
    with misbehaving({**EMPTY, **script}) as engine, opened(folder) as ledger:
        client = Client(resolve(engine, None, {}), 30, connect)
        host = LiveHost(client, ledger, clock=lambda: now)
        observed = host.keep_uses(host.observe())
        host.close()
    return [(each.reference, now - each.at, each.pulled) for each in observed.counted]


def test_an_image_that_came_while_events_were_lost_was_pulled_by_somebody(tmp_path: Path) -> None:
    """One with a digest in a registry; not while the engine tells everything, nor at first."""
    node = {"Id": IMAGE, "RepoTags": ["node:18"], "RepoDigests": [f"node@{IMAGE}"], "Size": 5}
    local = {"Id": "sha256:" + "2" * 64, "RepoTags": ["app:1"], "Size": 5}
    images = answers([node, local])
    inspected = answers({"RootFS": {"Layers": []}})
    both = {
        "GET /images/json": images,
        **{f"GET /images/{each['Id']}/json": inspected for each in (node, local)},
        **{f"GET /images/{each['Id']}/history": answers([]) for each in (node, local)},
    }
    first, later = event(NOW, "save", "x"), event(NOW + HOUR, "save", "x")
    past = "GET /events?past"
    assert counted(tmp_path / "1", NOW, {past: answers(first), **both}) == []
    assert counted(tmp_path / "2", NOW, {past: answers(first)}) == []
    assert counted(tmp_path / "2", NOW + HOUR, {past: answers(first), **both}) == []
    assert counted(tmp_path / "3", NOW, {past: answers(first)}) == []
    found = counted(tmp_path / "3", NOW + HOUR, {past: answers(later), **both})
    assert found == [("docker.io/library/node:18", 0.0, True)]


def test_a_build_of_an_older_engine_is_seen_by_its_cache(tmp_path: Path) -> None:
    """With how often each record was used; once more only after it was used again."""
    record = {
        "ID": "r", "Description": "pulled from docker.io/library/node:18@sha256:1",
        "CreatedAt": "2025-06-15T14:00:00Z", "LastUsedAt": "2025-06-15T15:00:00Z", "UsageCount": 3,
    }  # fmt: skip
    node = "docker.io/library/node:18"
    script = {"GET /system/df": answers({"BuildCache": [record], "Volumes": []})}
    assert counted(tmp_path, NOW, script) == [(node, NOW - 1_749_999_600.0, False)]
    assert counted(tmp_path, NOW + 60, script) == []
    with opened(tmp_path) as ledger:
        ((key,),) = ledger.read(lambda d: d.execute("SELECT engine FROM watch").fetchall())
        (use,) = ledger.recall_summaries(key, "cache").values()
    assert (use.count, use.gap) == (3, 1800.0)
    again = {**record, "LastUsedAt": "2025-06-15T15:08:00Z", "UsageCount": 4}
    script = {"GET /system/df": answers({"BuildCache": [again], "Volumes": []})}
    assert counted(tmp_path, NOW + 100, script) == [(node, 20.0, False)]


def test_leases_are_told_as_they_are_at_the_moment(tmp_path: Path) -> None:
    with misbehaving(EMPTY) as engine, opened(tmp_path) as ledger, opened(tmp_path) as job:
        client = Client(resolve(engine, None, {}), 30, connect)
        host = LiveHost(client, ledger, clock=lambda: NOW)
        host.observe()
        assert host.usage().leases == ()
        (given,) = job.leases.add(["python"], until=NOW + 60, job="7", now=NOW)
        assert host.usage().leases == (given,)
        host.close()

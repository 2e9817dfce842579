"""What a clean removed comes back from a real registry, as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from holystone.engine.observe import Lists, read_lists
from holystone.operations.bring_back import (
    FAILED,
    PRESENT,
    RESTORED,
    carry_out,
)
from holystone.operations.live_host import LiveHost
from holystone.operations.restore import RestoreError, plan_restore
from holystone.operations.restore import resolve as resolve_run
from holystone.registry.credentials import Credentials
from holystone.registry.pull import Puller
from holystone.store.store import Store
from tests.engine.restoring import image, login, pushed, recorded_clean
from tests.engine_client.clients import client_of
from tests.engines import Engine, Registry, start_registry
from tests.engines.images import ImageToLoad, layer, load


class Done(NamedTuple):
    """What became of an image."""

    result: str
    detail: str = ""
    image_id: str = ""


class Seen:
    """Notes how far pulls came."""

    def __init__(self) -> None:
        self.most: dict[int, tuple[int, int]] = {}
        self.places: list[int] = []

    def moved(self, place: int, come: int, size: int) -> None:
        assert 0 <= come <= size
        self.most[place] = (come, size)

    def settled(self, place: int) -> None:
        self.places.append(place)


def undo(
    engine: Engine,
    state: Path,
    *references: str,
    number: int | None = None,
    config: Path | None = None,
) -> dict[str, Done]:
    """Restore a run; what became of each object, by ID."""
    client = client_of(engine.host)
    ledger = Store(str(state), _fail)
    try:
        listed = read_lists(Lists(client, sizes=False), 0.0)
        inventory = LiveHost(client, ledger).identified(listed)
        run = resolve_run(ledger.runs, inventory, number)
        plan = plan_restore(inventory, ledger.runs.removed(run.id), references)
        seen = Seen()
        credentials = Credentials({"DOCKER_CONFIG": str(config or "/nowhere")})
        undone = carry_out(plan, Puller(client, credentials), seen)
    finally:
        ledger.close()
        client.close()
    assert not undone.interrupted
    assert sorted(seen.places) == list(range(len(plan)))
    return {e.removed.id: Done(e.result, e.detail, e.image_id) for e in undone.entries}


def _fail(message: str) -> None:
    raise AssertionError(message)


def tags(engine: Engine, reference: str) -> set[str]:
    """The tags of the image a reference means."""
    told = image(engine, reference)
    return {tag for tag in (told or {}).get("RepoTags") or () if "@" not in tag}


def image_id(engine: Engine, reference: str) -> str:
    told = image(engine, reference)
    assert told is not None
    return "sha256:" + str(told["Id"]).removeprefix("sha256:")


def test_an_image_comes_back_with_both_tags(
    fresh_engine: Engine, registry: Registry, unique: str, tmp_path: Path
) -> None:
    reference = pushed(fresh_engine, registry, unique, "1", "latest")
    before = image_id(fresh_engine, reference)
    named = {f"{registry.address}/{unique}:{tag}" for tag in ("1", "latest")}
    assert tags(fresh_engine, reference) == named
    recorded_clean(fresh_engine, tmp_path)
    assert image(fresh_engine, before) is None
    assert undo(fresh_engine, tmp_path) == {before: Done(RESTORED, "", before)}
    assert image_id(fresh_engine, reference) == before
    assert tags(fresh_engine, reference) == named
    again = undo(fresh_engine, tmp_path)
    assert again == {before: Done(PRESENT, "it is here", before)}
    fresh_engine.api("DELETE", f"/images/{registry.address}/{unique}:latest")
    if image(fresh_engine, before) is not None:
        assert undo(fresh_engine, tmp_path)[before] == Done(RESTORED, "", before)
        assert tags(fresh_engine, before) == named


def test_an_image_that_had_a_digest_only(
    fresh_engine: Engine, registry: Registry, unique: str, tmp_path: Path
) -> None:
    reference = pushed(fresh_engine, registry, unique, "1")
    before = image_id(fresh_engine, reference)
    fresh_engine.api("DELETE", f"/images/{registry.address}/{unique}:1")
    fresh_engine.api("POST", f"/images/create?fromImage={reference}")
    assert tags(fresh_engine, reference) == set()
    recorded_clean(fresh_engine, tmp_path)
    assert image(fresh_engine, before) is None
    assert undo(fresh_engine, tmp_path, reference) == {before: Done(RESTORED, "", before)}
    assert image_id(fresh_engine, reference) == before
    assert tags(fresh_engine, reference) == set()


def test_a_tag_that_moved_meanwhile_stays(
    fresh_engine: Engine, registry: Registry, unique: str, tmp_path: Path
) -> None:
    reference = pushed(fresh_engine, registry, unique, "1", "2")
    before = image_id(fresh_engine, reference)
    recorded_clean(fresh_engine, tmp_path)
    moved = f"{registry.address}/{unique}:1"
    (other,) = load(fresh_engine, ImageToLoad([layer(f"{unique} other")], [moved]))
    done = undo(fresh_engine, tmp_path)[before]
    assert done.result == RESTORED
    assert done.detail == f"{moved} is another image by now ({other[7:19]}) and stays that"
    assert image_id(fresh_engine, moved) == other
    assert tags(fresh_engine, before) == {f"{registry.address}/{unique}:2"}


def test_a_registry_that_wants_a_login(
    fresh_engine: Engine, registry: Registry, unique: str, tmp_path: Path
) -> None:
    locked = start_registry(locked=True)
    try:
        reference = pushed(fresh_engine, locked, unique, "1")
        before = image_id(fresh_engine, reference)
        recorded_clean(fresh_engine, tmp_path)
        refused = undo(fresh_engine, tmp_path)[before]
        assert refused.result == FAILED
        assert "auth" in refused.detail
        (tmp_path / "config.json").write_text("{")
        broken = undo(fresh_engine, tmp_path, config=tmp_path)[before]
        assert broken == Done(FAILED, f"{tmp_path}/config.json is no JSON. Mend it.")
        (tmp_path / "config.json").write_text(json.dumps(login(locked)))
        assert undo(fresh_engine, tmp_path, config=tmp_path)[before].result == RESTORED
        assert image_id(fresh_engine, reference) == before
    finally:
        locked.stop()


@pytest.fixture
def two_removed(
    fresh_engine: Engine, registry: Registry, unique: str, tmp_path: Path
) -> tuple[str, str]:
    """The references of two images that a run removed."""
    first, second = (pushed(fresh_engine, registry, f"{unique}-{n}", "1") for n in "ab")
    recorded_clean(fresh_engine, tmp_path)
    return first, second


@pytest.mark.engine("docker20", "docker28c")
def test_only_what_is_asked_for(
    fresh_engine: Engine, two_removed: tuple[str, str], tmp_path: Path
) -> None:
    first, second = two_removed
    with pytest.raises(RestoreError) as error:
        undo(fresh_engine, tmp_path, first, "nowhere", "never:1")
    said = str(error.value)
    assert said.startswith("the run removed nothing called 'nowhere', 'never:1'; it removed ")
    assert first.partition("@")[0] in said
    assert image(fresh_engine, first) is None
    undo(fresh_engine, tmp_path, second.partition("@")[0] + ":1")
    assert image(fresh_engine, first) is None
    assert image(fresh_engine, second) is not None
    undo(fresh_engine, tmp_path, "sha256:" + first.partition("@sha256:")[2])
    assert image(fresh_engine, first) is not None


@pytest.mark.engine("docker20")
def test_runs_that_cannot_be_undone_here(
    fresh_engine: Engine, two_removed: tuple[str, str], tmp_path: Path
) -> None:
    with pytest.raises(RestoreError, match="there is no run 4711"):
        undo(fresh_engine, tmp_path, number=4711)
    client = client_of(fresh_engine.host)
    ledger = Store(str(tmp_path), _fail)
    here = read_lists(Lists(client, sizes=False), 0.0)
    other = here._replace(engine=here.engine._replace(id="other", name="there", host=""))
    client.close()
    with pytest.raises(RestoreError, match="no run on this engine has removed an image"):
        resolve_run(ledger.runs, other, None)
    with pytest.raises(RestoreError, match=f"another engine.*--host {fresh_engine.host}"):
        resolve_run(ledger.runs, other, 1)
    ledger.close()

"""An untagged image is as old as its arrival here, whatever its build date says."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from holystone.planner.plan import plan
from holystone.planner.policy import Policy
from holystone.planner.verdict import Reason, Verdict
from tests.engine.cleaning import live_host, settle
from tests.engines import Engine
from tests.engines.images import EPOCH, SCRATCH, ImageToLoad, build, layer, load

HOUR = 3600.0
DATES = {
    "long ago": EPOCH,
    "1970": datetime(1970, 1, 1, tzinfo=UTC),
    "ahead": datetime(2100, 1, 1, tzinfo=UTC),
}


def verdict(
    engine: Engine,
    image_id: str,
    *,
    later: float = 0.0,
    state: Path | None = None,
    remote: bool = False,
    seen: float = 0.0,
) -> Verdict:
    """What a plan says of an image with the default grace.

    ``later``: seconds from now at which it is made. ``seen``: so long ago the look was.
    """
    with closing(live_host(engine, state, remote=remote)) as host:
        host.clock = lambda: time.time() - seen
        inventory = host.date(host.observe())
        made = plan(inventory, host.usage(), Policy(), time.time() + later)
    (found,) = [each for each in made.verdicts if each.id == image_id]
    return found


def reason(found: Verdict) -> Reason:
    assert not found.remove
    (only,) = found.reasons
    return only


@pytest.mark.parametrize("dated", DATES)
def test_an_archive_without_a_tag(fresh_engine: Engine, unique: str, dated: str) -> None:
    (image_id,) = load(fresh_engine, ImageToLoad([layer(unique)], created=DATES[dated]))
    young = reason(verdict(fresh_engine, image_id))
    assert young.rule == "young"
    assert young.facts["min_age"] == HOUR
    assert young.facts["since"] == "arrived"
    assert not verdict(fresh_engine, image_id, later=HOUR - 120).remove
    assert verdict(fresh_engine, image_id, later=HOUR).remove


@pytest.mark.engine("docker20", "docker28c", "podman5")
def test_an_engine_whose_files_are_not_here(fresh_engine: Engine, unique: str) -> None:
    """Its events tell."""
    (image_id,) = load(fresh_engine, ImageToLoad([layer(unique)]))
    settle(fresh_engine)
    assert reason(verdict(fresh_engine, image_id, remote=True)).facts["since"] == "arrived"


@pytest.mark.engine("docker20", "docker28c", "podman", "podman5")
def test_an_archive_loaded_again(fresh_engine: Engine, unique: str, tmp_path: Path) -> None:
    """The image was known for long, but somebody may be about to use it now."""
    image = ImageToLoad([layer(unique)])
    (image_id,) = load(fresh_engine, image)
    verdict(fresh_engine, image_id, state=tmp_path, seen=9 * HOUR)
    began = time.time()
    assert load(fresh_engine, image) == [image_id]
    young = reason(verdict(fresh_engine, image_id, state=tmp_path))
    assert young.rule == "young"
    assert float(young.facts["age"] or 0) < time.time() - began + 1


@pytest.mark.engine("docker28", "docker28c")
def test_a_build_with_a_date_of_its_own(fresh_engine: Engine, unique: str) -> None:
    image_id = build(
        fresh_engine,
        SCRATCH,
        *("--build-arg", "SOURCE_DATE_EPOCH=1000000000", "--label", f"of={unique}"),
        buildkit=True,
    )
    young = reason(verdict(fresh_engine, image_id))
    assert young.rule == "young"
    assert young.facts["since"] == "arrived"


@pytest.mark.engine("docker20")
def test_the_steps_of_a_build(fresh_engine: Engine, unique: str) -> None:
    """They came by the build, of which this engine has no event: its date counts."""
    image_id = build(fresh_engine, f"{SCRATCH}LABEL of={unique}\n")
    assert reason(verdict(fresh_engine, image_id, remote=True)).facts["since"] == "built"


@pytest.mark.engine("classic", "containerd")
def test_a_step_of_a_classic_build_waits_the_hour(fresh_engine: Engine, unique: str) -> None:
    """The containerd store gives every image the date of a tag, which a step never had."""
    last = build(fresh_engine, SCRATCH + f"LABEL name={unique}\nCOPY rootfs/ /again\n")
    for minutes, rule in ((2, "young"), (58, "young"), (61, "untagged")):
        assert verdict(fresh_engine, last, later=minutes * 60).reasons[0].rule == rule, minutes

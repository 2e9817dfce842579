"""The pipeline bench in small: what each way of cleaning makes the next run download."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from bench.pipeline.jobs import BLUNT, NONE, OURS, PRUNES
from bench.pipeline.measuring import filled_registry, measure
from bench.pipeline.plot import svg
from bench.pipeline.report import Setting, Sizes, ratios, table
from tests.engines import Engine

SIZES = Sizes(
    python=2_000_000, node=3_000_000, ml=6_000_000, rate=200_000_000,
    runs=2, packages=1_000_000, work=0,
)  # fmt: skip
MANIFESTS = 100_000
"""Bytes that a pipeline asks of the registry where it needs nothing of it."""


@pytest.mark.engine("docker20")
def test_after_holystone_nothing_is_pulled_again(engine: Engine) -> None:
    with filled_registry(SIZES) as filled:
        setting = measure(*filled, engine.kind, "buildkit", SIZES)
    everything = SIZES.python + SIZES.node + SIZES.ml
    assert [run.pulled > everything for run in setting.runs[BLUNT]] == [True, True]
    for policy in (OURS, NONE):
        first, second = setting.runs[policy]
        assert first.pulled > everything
        assert second.pulled < MANIFESTS
    assert setting.runs[OURS][1].disk < setting.runs[NONE][1].disk
    assert_reported(setting)


@pytest.mark.engine("docker28c")
def test_three_prunes_make_a_build_with_cache_mounts_cold_and_holystone_does_not(
    engine: Engine,
) -> None:
    with filled_registry(SIZES) as filled:
        setting = measure(*filled, engine.kind, "stages", SIZES, (PRUNES, OURS))
    assert setting.runs[PRUNES][1].pulled > 3 * SIZES.packages
    assert setting.runs[OURS][1].pulled < MANIFESTS


def assert_reported(setting: Setting) -> None:
    assert table(setting).count("\n") == 5
    assert "against no cleaning" in ratios(setting)
    drawn = ET.fromstring(svg([setting]))
    assert len(drawn.findall(".//{*}circle")) == 2 * 4 * 2

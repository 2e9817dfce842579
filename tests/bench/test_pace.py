"""The pace of the link to a registry in the pipeline benchmark."""

from __future__ import annotations

import pytest

from bench.pipeline.pace import Pace


def test_bytes_pass_at_the_pace_and_unused_time_is_lost() -> None:
    now = [100.0]
    pace = Pace(1000, lambda: now[0])
    assert pace.wait_for(500) == pytest.approx(0.48)
    assert pace.wait_for(500) == pytest.approx(0.98)
    now[0] += 60
    assert pace.wait_for(1000) == pytest.approx(0.98)

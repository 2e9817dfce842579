"""How fast registries are, from the pulls that are remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.store.engine_facts import Pulled, Speed
from tests.store.examples import KEY, opened


def test_a_pull_counts_for_as_much_as_it_brought(tmp_path: Path) -> None:
    """Many small pulls, slow for their round trips, do not hide what the line can carry."""
    with opened(tmp_path) as ledger:
        assert ledger.recall_pulls(KEY) == {}
        small = [Pulled("docker.io", 1000, 1.0)] * 9
        ledger.remember_pulls(KEY, [*small, Pulled("docker.io", 10**8, 10.0)])
        ledger.remember_pulls(
            KEY, [Pulled("r.example.com", 500, 0.5), Pulled("r.example.com", 0, 1.0)]
        )
        ledger.remember_pulls("another", [Pulled("docker.io", 1, 1.0)])
    with opened(tmp_path) as ledger:
        assert ledger.recall_pulls(KEY) == {
            "docker.io": Speed(1e7, 10),
            "r.example.com": Speed(1000.0, 1),
        }
        assert ledger.recall_pulls("another") == {"docker.io": Speed(1.0, 1)}


def test_only_the_latest_pulls_count(tmp_path: Path) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember_pulls(KEY, [Pulled("a", 10**9, 1.0), Pulled("b", 7, 1.0)])
        ledger.remember_pulls(KEY, [Pulled("a", 200, 2.0)] * 50)
        assert ledger.recall_pulls(KEY) == {"a": Speed(100.0, 50), "b": Speed(7.0, 1)}


@pytest.mark.parametrize(
    ("sizes", "median"), [((1, 2, 3), 2), ((3, 3, 3), 3), ((5, 4, 1), 4), ((1, 1, 2), 1)]
)
def test_half_of_all_bytes_came_faster(tmp_path: Path, sizes: tuple[int, ...], median: int) -> None:
    with opened(tmp_path) as ledger:
        ledger.remember_pulls(KEY, [Pulled("a", size, 1.0) for size in sizes])
        assert ledger.recall_pulls(KEY)["a"].bytes_per_second == median

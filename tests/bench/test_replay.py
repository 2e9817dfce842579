"""The replay bench: what it prints of a small trace, and how it writes into a document."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bench.replay.report import rewritten
from holystone.replay.orders import ORDERS
from holystone.replay.running import Job, run_job
from tests.docs.tracked import ROOT
from tests.replay.recorded import SMALL, recorded


def test_a_table_of_a_small_trace() -> None:
    command = [sys.executable, "-m", "bench.replay", str(SMALL)]
    printed = subprocess.check_output(command, text=True, cwd=ROOT)
    head, _, *rows = printed.strip().splitlines()
    assert head.startswith("| team | 1.20 GB: pulled | stalls | 2.00 GB: pulled | stalls |")
    cells = {row.split("|")[1].strip(): [cell.strip() for cell in row.split("|")] for row in rows}
    assert set(cells) == {*ORDERS, "lower bound"}
    for order in ORDERS:
        result = run_job(recorded("small"), None, Job(order, 1_200_000_000))
        assert cells[order][2].split()[0] == f"{result.pulled_bytes / 1e9:.0f}"
        assert cells[order][3].split()[0] == str(result.stalls)
        assert float(cells[order][8]) < 5
        assert cells[order][9].endswith(" MB")


def test_writes_between_its_marks() -> None:
    text = "before\n<!-- t -->\nold\n<!-- end of t -->\nafter\n"
    assert rewritten(text, "new", "t") == "before\n<!-- t -->\n\nnew\n\n<!-- end of t -->\nafter\n"
    assert rewritten(rewritten(text, "a", "t"), "b", "t") == rewritten(text, "b", "t")
    with pytest.raises(ValueError, match="has no block"):
        rewritten("before\n<!-- t -->\n", "new", "t")

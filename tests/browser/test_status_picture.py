"""``holystone status --svg`` in Chromium: alone, and in a page of somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from holystone.planner.policy import Watermarks
from holystone.planner.totals import Beside
from holystone.present.html.status_picture import status_picture
from tests.browser.axe import violations
from tests.browser.chromium import Page, address_of
from tests.present.disk_report import hostile_host, report_of

pytestmark = pytest.mark.xdist_group("chromium")


def drawn() -> str:
    report = report_of(hostile_host())
    plan = report.plans["routine"]
    return status_picture(report.inventory, plan, Watermarks(), Beside(read=True))


def test_opens_alone_and_asks_for_nothing(tab: Page, tmp_path: Path) -> None:
    file = tmp_path / "status.svg"
    file.write_text(drawn(), encoding="utf-8")
    tab.open(address_of(file))
    assert tab.requests == [address_of(file)]
    assert tab.faults == []
    assert tab.dialogs == []
    assert tab.run("document.documentElement.tagName") == "svg"
    assert tab.run("document.querySelectorAll('script, image, foreignObject').length") == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(tab: Page, tmp_path: Path, axe_script: str, scheme: str) -> None:
    file = tmp_path / "page.html"
    head = '<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>A page</title>'
    more = "".join(f"<h2>{n}</h2><p>Text</p>" for n in range(3))
    file.write_text(f"{head}<main><h1>Disk</h1>{drawn()}{more}</main>", encoding="utf-8")
    tab.look(scheme=scheme)
    tab.open(address_of(file))
    assert violations(tab, axe_script) == []
    assert tab.run("document.querySelector('svg desc').textContent").startswith("70% of 100 GB")

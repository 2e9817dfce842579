"""The report in a real Chromium: it opens from disk, asks for nothing, and everybody can use it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from holystone.planner.policy import LEVELS
from holystone.planner.units import format_size
from holystone.present.html.page import Past, page
from tests.browser.axe import violations
from tests.browser.chromium import Page, address_of
from tests.present.disk_report import HOSTILE, hostile_host, large_host, report_of

pytestmark = pytest.mark.xdist_group("chromium")
_PNG = b"\x89PNG\r\n\x1a\n"


def holystone(*arguments: str, state: Path) -> str:
    """What a command prints that looks at one demo host."""
    return subprocess.run(
        [sys.executable, "-m", "holystone", *arguments, "--host", "demo:", "--state", str(state)],
        capture_output=True,
        text=True,
        check=True,
        cwd=state,
    ).stdout


@pytest.fixture
def demo(tmp_path: Path) -> tuple[Path, Path]:
    """The report of a demo host that has been cleaned once, and its state folder."""
    state = tmp_path / "state"
    state.mkdir()
    holystone("clean", "--yes", state=state)
    file = tmp_path / "report.html"
    holystone("report", str(file), state=state)
    return file, state


def quiet(tab: Page, file: Path) -> None:
    """Nothing was asked for but the file, and nothing was complained about."""
    assert tab.requests == [address_of(file)]
    assert tab.faults == []
    assert tab.dialogs == []


def test_opens_from_disk_with_the_network_cut(tab: Page, demo: tuple[Path, Path]) -> None:
    file, _ = demo
    tab.open(address_of(file))
    quiet(tab, file)
    assert tab.run("document.title").startswith("Disk report: ")
    assert tab.run("document.scripts.length") == 0


def test_can_be_read_without_javascript(tab: Page, demo: tuple[Path, Path]) -> None:
    file, _ = demo
    tab.open(address_of(file), javascript=False)
    quiet(tab, file)
    told = tab.ask("DOM.getDocument", depth=0)["root"]["nodeId"]
    html = tab.ask("DOM.getOuterHTML", nodeId=told)["outerHTML"]
    assert "What a clean would do" in html


def test_figures_are_those_of_plan(tab: Page, demo: tuple[Path, Path]) -> None:
    file, state = demo
    tab.open(address_of(file))
    cards = tab.run(
        "[...document.querySelectorAll('.level')].map(card => card.innerText.split('\\n'))"
    )
    assert [card[0].lower() for card in cards] == list(LEVELS)
    for level, card in zip(LEVELS, cards, strict=True):
        plan = json.loads(holystone("plan", level, "--json", state=state))
        removed = [item for item in plan["items"] if item["action"] == "remove"]
        assert (format_size(plan["freed_bytes"]) if removed else "nothing") in card
        assert f"{len(plan['items']) - len(removed)} objects would stay." in card
        images = [item for item in removed if item["kind"] == "image"]
        if images:
            freed = format_size(sum(item["freed_bytes"] for item in images))
            assert f"images\t{len(images)}\t{freed}" in card


def test_each_cell_leads_to_its_row(tab: Page, demo: tuple[Path, Path]) -> None:
    file, _ = demo
    tab.open(address_of(file))
    cells = tab.run(
        """[...document.querySelectorAll('svg a')].map(cell => ({
            title: cell.querySelector('title').textContent,
            row: document.querySelector(cell.getAttribute('href')).innerText,
        }))"""
    )
    assert len(cells) > 50
    for cell in cells:
        size = cell["title"].rpartition(", ")[2]
        assert size in cell["row"] or "too small for the map" in cell["row"]
    tab.run(
        "document.querySelector('svg a rect').parentNode.dispatchEvent(new MouseEvent('click'))"
    )
    assert tab.run("document.querySelector('tr:target') !== null")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 390])
def test_axe_finds_nothing_serious(
    tab: Page, demo: tuple[Path, Path], axe_script: str, scheme: str, width: int
) -> None:
    file, _ = demo
    tab.look(scheme=scheme)
    tab.resize(width, 900)
    tab.open(address_of(file))
    assert violations(tab, axe_script) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_follow_the_reader(tab: Page, demo: tuple[Path, Path], scheme: str) -> None:
    file, _ = demo
    tab.look(scheme=scheme)
    tab.open(address_of(file))
    colour = tab.run("getComputedStyle(document.body).backgroundColor")
    level = sum(map(int, re.findall(r"\d+", colour))) / 3
    assert (level > 128) is (scheme == "light")
    tab.look(scheme=scheme, media="print")
    assert "255, 255, 255" in tab.run("getComputedStyle(document.body).backgroundColor")


@pytest.mark.parametrize("width", [1200, 390])
def test_nothing_is_wider_than_the_window(tab: Page, demo: tuple[Path, Path], width: int) -> None:
    file, _ = demo
    tab.resize(width, 800)
    tab.open(address_of(file))
    assert tab.run("document.documentElement.scrollWidth") <= width


def test_prints_on_few_pages(tab: Page, demo: tuple[Path, Path]) -> None:
    file, _ = demo
    tab.open(address_of(file))
    printed = tab.printed()
    assert printed.startswith(b"%PDF-")
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 12


def test_hostile_names_do_nothing(tab: Page, tmp_path: Path, axe_script: str) -> None:
    file = tmp_path / "hostile.html"
    report = report_of(hostile_host(), endpoint=HOSTILE[1])
    file.write_text(page(report, Past()), encoding="utf-8")
    tab.open(address_of(file))
    quiet(tab, file)
    assert "owned" not in tab.run("document.title").partition("<script>")[0]
    assert (
        tab.run("document.querySelectorAll('script, img, iframe, object, [onerror]').length") == 0
    )
    assert tab.run("[...document.links].every(link => link.hash && link.protocol === 'file:')")
    shown = tab.run("document.body.innerText")
    assert HOSTILE[0] in shown
    assert "{{ 7*7 }}" in shown
    # Nor does anything happen where a reader touches what there is.
    tab.run("document.querySelectorAll('a').forEach(a => a.dispatchEvent(new MouseEvent('click')))")
    quiet(tab, file)
    assert violations(tab, axe_script) == []


def test_a_thousand_images(tab: Page, tmp_path: Path, axe_script: str) -> None:
    file = tmp_path / "large.html"
    file.write_text(page(report_of(large_host(1_000)), Past()), encoding="utf-8")
    assert file.stat().st_size < 500_000
    tab.open(address_of(file))
    quiet(tab, file)
    assert violations(tab, axe_script) == []


def test_a_picture_of_it_can_be_taken(tab: Page, demo: tuple[Path, Path]) -> None:
    file, _ = demo
    tab.resize(600, 400)
    tab.open(address_of(file))
    picture = tab.picture()
    assert picture.startswith(_PNG)
    assert picture[16:24] == (600).to_bytes(4) + (400).to_bytes(4)

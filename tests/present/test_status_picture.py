"""The picture of ``status --svg``: the figures of ``status``, told in words as well."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from holystone.planner.inventory import Disk, Inventory
from holystone.planner.policy import Watermarks
from holystone.planner.totals import Beside
from holystone.planner.units import format_size
from holystone.present import document
from holystone.present.html.status_picture import status_picture
from tests.present import host
from tests.present.disk_report import ENGINE, NOW, hostile_host, report_of

_SVG = "{http://www.w3.org/2000/svg}"


def drawn(inventory: Inventory, marks: Watermarks = Watermarks()) -> str:  # noqa: B008
    plan = report_of(inventory).plans["routine"]
    return status_picture(inventory, plan, marks, Beside(read=True))


def test_figures_are_those_of_status() -> None:
    inventory = host.inventory()
    plan = report_of(inventory).plans["routine"]
    told = document.status(inventory, plan, "demo:", Watermarks(), Beside(read=True))
    root = ET.fromstring(drawn(inventory))
    said = root.findtext(f"{_SVG}desc") or ""
    assert f"would free {format_size(told['clean']['freed_bytes'])}" in said
    for part in ("images", "cache", "volumes"):
        assert format_size(told["account"][f"{part}_bytes"]) in said
    shown = " ".join(each.text or "" for each in root.iter(f"{_SVG}text"))
    for figure in re.findall(r"\d[\d.]* [kMGT]?B", said):
        assert figure in shown


def test_bar_is_as_wide_as_its_frame() -> None:
    root = ET.fromstring(drawn(host.inventory()))
    parts = [each for each in root.iter(f"{_SVG}rect") if "part" in each.get("class", "").split()]
    assert sum(float(each.get("width", 0)) for each in parts) == 720
    (frame,) = (each for each in root.iter(f"{_SVG}rect") if each.get("class") == "frame")
    assert frame.get("width") == "720"


def test_hostile_names_are_only_text() -> None:
    text = drawn(hostile_host())
    root = ET.fromstring(text)
    allowed = {"svg", "title", "desc", "style", "rect", "text", "path"}
    assert {each.tag.removeprefix(_SVG) for each in root.iter()} <= allowed
    assert set(re.findall(r"[a-z]+://[^\"'\s<]+", text)) == {"http://www.w3.org/2000/svg"}


def test_watermarks_have_labels() -> None:
    text = drawn(host.inventory())
    assert ">high</text>" in text
    assert ">critical</text>" in text


def test_figures_are_told_without_the_disk() -> None:
    text = drawn(host.inventory()._replace(disk=Disk()))
    for part in ("Images", "Build cache", "Volumes"):
        assert f">{part}</text>" in text


def test_a_disk_out_of_sight() -> None:
    text = drawn(Inventory(ENGINE, NOW, disk=Disk(unseen="the engine is on another machine")))
    assert "Disk: not in sight: the engine is on another machine" in text
    assert "A routine clean would free nothing." in text
    ET.fromstring(text)
